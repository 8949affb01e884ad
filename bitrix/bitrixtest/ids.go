package bitrixtest

// idMap assigns ids to the numbers 0, 1, 2, …. The ids ascend and have gaps. It computes
// both the id of number k and how many ids are below x by arithmetic alone.
//
// Numbers are in cells of four, and cells in blocks of 256. A cell has one hole of gap
// ids at a seeded position. A block starts at a seeded shift in its stride.
type idMap struct {
	dice  dice
	first int64 // no id is lower
	gap   int64 // ids left out in each cell; 0: none at all, also none between blocks
}

const (
	cellSize   = 4
	blockCells = 256
	blockSize  = cellSize * blockCells
	maxShift   = 64
)

// slack is how far a block can shift.
func (m *idMap) slack() int64 {
	if m.gap == 0 {
		return 0
	}
	return maxShift
}

func (m *idMap) stride() int64 { return blockCells*(cellSize+m.gap) + m.slack() }

func (m *idMap) shift(block int64) int64 {
	return int64(m.dice.roll(uint64(block)<<1|1) % uint64(m.slack()+1))
}

// hole returns how many of a cell's four ids precede its hole.
func (m *idMap) hole(cell int64) int64 {
	if m.gap == 0 {
		return cellSize
	}
	return int64(m.dice.roll(uint64(cell)<<1) % (cellSize + 1))
}

// id returns the id of number k ≥ 0.
func (m *idMap) id(k int64) int64 {
	block, cell, pos := k/blockSize, k/cellSize, k%cellSize
	if pos >= m.hole(cell) {
		pos += m.gap
	}
	return m.first + block*m.stride() + m.shift(block) + (cell%blockCells)*(cellSize+m.gap) + pos
}

// rank returns how many ids are below id. exact reports whether id itself is one; its
// number is then k.
func (m *idMap) rank(id int64) (k int64, exact bool) {
	if id < m.first {
		return 0, false
	}
	rel := id - m.first
	block := rel / m.stride()
	in := rel%m.stride() - m.shift(block)
	if in < 0 {
		return block * blockSize, false
	}
	cell, pos := in/(cellSize+m.gap), in%(cellSize+m.gap)
	if cell >= blockCells {
		return (block + 1) * blockSize, false
	}
	cell += block * blockCells
	hole := m.hole(cell)
	switch {
	case pos < hole:
		return cell*cellSize + pos, true
	case pos < hole+m.gap:
		return cell*cellSize + hole, false
	default:
		return cell*cellSize + pos - m.gap, true
	}
}
