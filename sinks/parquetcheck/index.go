package parquetcheck

import "fmt"

// This file reads what a file says about its own values, for engines that skip parts of
// it: statistics, page indexes, order. Neither Parquet library helps to check it:
// parquet-go writes it, and Arrow v17 reads no page indexes. So only thriftReader
// decodes the structs below, from the definition of the format.

// maxIndex is the maximum size in bytes of the index of a column chunk.
const maxIndex = 64 << 20

// statistics describes a column chunk or a page. A missing bound is nil.
type statistics struct {
	min, max           []byte
	oldMin, oldMax     []byte // the deprecated fields, which some readers still use
	nulls, distinct    int64  // -1 if missing
	minLoose, maxLoose bool   // the bound is not a value of the column
	there              bool
}

func (r *thriftReader) statistics(kind byte) (s statistics, err error) {
	s.nulls, s.distinct, s.there = -1, -1, true
	err = r.structure(kind, func(id int16, kind byte) (err error) {
		switch id {
		case 1:
			s.oldMax, err = r.text(kind)
		case 2:
			s.oldMin, err = r.text(kind)
		case 3:
			s.nulls, err = r.number(kind)
		case 4:
			s.distinct, err = r.number(kind)
		case 5:
			s.max, err = r.text(kind)
		case 6:
			s.min, err = r.text(kind)
		case 7:
			s.maxLoose, err = r.flag(kind)
			s.maxLoose = !s.maxLoose
		case 8:
			s.minLoose, err = r.flag(kind)
			s.minLoose = !s.minLoose
		default:
			err = r.skip(kind)
		}
		return err
	})
	return s, err
}

// footer is the part of a file's footer that engines use to skip parts of the file.
type footer struct {
	rows   int64
	orders int // number of columns whose order the footer defines
	groups []groupIndex
}

type groupIndex struct {
	rows       int64
	offset     int64 // 0 if missing
	compressed int64 // 0 if missing
	sorting    []sortingColumn
	chunks     []chunkIndex
}

type sortingColumn struct {
	column     int64
	descending bool
}

// chunkIndex describes a column in a row group.
type chunkIndex struct {
	name                    string
	values, compressed      int64
	dataAt, dictionaryAt    int64 // offsets of the first page of each kind
	bloomAt                 int64 // 0: no Bloom filter
	stats                   statistics
	encodings               []encodingCount
	levels                  []int64 // number of values that are null, and that are not
	columnIndexAt, columnN  int64   // position of the column index, and its length
	offsetIndexAt, offsetsN int64
}

// start returns the offset of the chunk's first page.
func (c *chunkIndex) start() int64 {
	if c.dictionaryAt > 0 {
		return c.dictionaryAt
	}
	return c.dataAt
}

type encodingCount struct{ page, encoding, count int64 }

// decodeFooter decodes a file's footer.
func decodeFooter(file File) (*footer, error) {
	data, err := readFooter(file)
	if err != nil {
		return nil, err
	}
	x := new(footer)
	r := &thriftReader{data: data}
	err = r.fields(func(id int16, kind byte) (err error) {
		switch id {
		case 3:
			x.rows, err = r.number(kind)
		case 4:
			x.groups, err = thriftListOf(r, kind, r.groupIndex)
		case 7:
			err = r.list(kind, func(kind byte) error {
				x.orders++
				return r.skip(kind)
			})
		default:
			err = r.skip(kind)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%w: footer: %w", ErrCorrupt, err)
	}
	return x, nil
}

func (r *thriftReader) groupIndex(kind byte) (g groupIndex, err error) {
	err = r.structure(kind, func(id int16, kind byte) (err error) {
		switch id {
		case 1:
			g.chunks, err = thriftListOf(r, kind, func(kind byte) (chunkIndex, error) {
				if len(g.chunks) > maxColumns {
					return chunkIndex{}, fmt.Errorf("%w: too many columns", errThrift)
				}
				return r.chunkIndex(kind)
			})
		case 3:
			g.rows, err = r.number(kind)
		case 4:
			g.sorting, err = thriftListOf(r, kind, func(kind byte) (s sortingColumn, err error) {
				err = r.structure(kind, func(id int16, kind byte) (err error) {
					switch id {
					case 1:
						s.column, err = r.number(kind)
					case 2:
						s.descending, err = r.flag(kind)
					default:
						err = r.skip(kind)
					}
					return err
				})
				return s, err
			})
		case 5:
			g.offset, err = r.number(kind)
		case 6:
			g.compressed, err = r.number(kind)
		default:
			err = r.skip(kind)
		}
		return err
	})
	return g, err
}

func (r *thriftReader) chunkIndex(kind byte) (c chunkIndex, err error) {
	err = r.structure(kind, func(id int16, kind byte) (err error) {
		switch id {
		case 3:
			err = r.structure(kind, func(id int16, kind byte) error { return r.chunkField(&c, id, kind) })
		case 4:
			c.offsetIndexAt, err = r.number(kind)
		case 5:
			c.offsetsN, err = r.number(kind)
		case 6:
			c.columnIndexAt, err = r.number(kind)
		case 7:
			c.columnN, err = r.number(kind)
		default:
			err = r.skip(kind)
		}
		return err
	})
	return c, err
}

// chunkField reads a field of a chunk's metadata.
func (r *thriftReader) chunkField(c *chunkIndex, id int16, kind byte) (err error) {
	switch id {
	case 3:
		var path [][]byte
		if path, err = thriftListOf(r, kind, r.text); len(path) == 1 {
			c.name = string(path[0])
		}
	case 5:
		c.values, err = r.number(kind)
	case 7:
		c.compressed, err = r.number(kind)
	case 9:
		c.dataAt, err = r.number(kind)
	case 11:
		c.dictionaryAt, err = r.number(kind)
	case 12:
		c.stats, err = r.statistics(kind)
	case 13:
		c.encodings, err = thriftListOf(r, kind, func(kind byte) (e encodingCount, err error) {
			err = r.structure(kind, func(id int16, kind byte) (err error) {
				switch id {
				case 1:
					e.page, err = r.number(kind)
				case 2:
					e.encoding, err = r.number(kind)
				case 3:
					e.count, err = r.number(kind)
				default:
					err = r.skip(kind)
				}
				return err
			})
			return e, err
		})
	case 14:
		c.bloomAt, err = r.number(kind)
	case 16:
		err = r.structure(kind, func(id int16, kind byte) (err error) {
			if id != 3 {
				return r.skip(kind)
			}
			c.levels, err = thriftListOf(r, kind, r.number)
			return err
		})
	default:
		err = r.skip(kind)
	}
	return err
}

// columnIndex describes each page of a column chunk.
type columnIndex struct {
	nullPages []bool // the page has only nulls
	min, max  [][]byte
	order     int64   // of the bounds: orderNone, orderAscending, orderDescending
	nulls     []int64 // nil if missing
	levels    []int64 // for each page, the number of values that are null, and that are not
}

const (
	orderNone       = 0
	orderAscending  = 1
	orderDescending = 2
)

// pageLocation is an entry of an offset index.
type pageLocation struct{ offset, size, firstRow int64 }

// readColumnIndex reads a chunk's column index; nil if it has none.
func readColumnIndex(file File, c *chunkIndex) (*columnIndex, error) {
	data, err := readIndexBytes(file, c.columnIndexAt, c.columnN)
	if data == nil {
		return nil, err
	}
	x := new(columnIndex)
	r := &thriftReader{data: data}
	err = r.fields(func(id int16, kind byte) (err error) {
		switch id {
		case 1:
			x.nullPages, err = thriftListOf(r, kind, r.flag)
		case 2:
			x.min, err = thriftListOf(r, kind, r.text)
		case 3:
			x.max, err = thriftListOf(r, kind, r.text)
		case 4:
			x.order, err = r.number(kind)
		case 5:
			x.nulls, err = thriftListOf(r, kind, r.number)
		case 7:
			x.levels, err = thriftListOf(r, kind, r.number)
		default:
			err = r.skip(kind)
		}
		return err
	})
	if err == nil && r.at != len(data) {
		err = fmt.Errorf("%w: %d bytes too many", errThrift, len(data)-r.at)
	}
	return x, err
}

// readOffsetIndex reads a chunk's offset index; nil if it has none.
func readOffsetIndex(file File, c *chunkIndex) ([]pageLocation, error) {
	data, err := readIndexBytes(file, c.offsetIndexAt, c.offsetsN)
	if data == nil {
		return nil, err
	}
	var pages []pageLocation
	r := &thriftReader{data: data}
	err = r.fields(func(id int16, kind byte) (err error) {
		if id != 1 {
			return r.skip(kind)
		}
		pages, err = thriftListOf(r, kind, func(kind byte) (p pageLocation, err error) {
			err = r.structure(kind, func(id int16, kind byte) (err error) {
				switch id {
				case 1:
					p.offset, err = r.number(kind)
				case 2:
					p.size, err = r.number(kind)
				case 3:
					p.firstRow, err = r.number(kind)
				default:
					err = r.skip(kind)
				}
				return err
			})
			return p, err
		})
		return err
	})
	if err == nil && r.at != len(data) {
		err = fmt.Errorf("%w: %d bytes too many", errThrift, len(data)-r.at)
	}
	return pages, err
}

// readIndexBytes reads an index. It returns nil if at is 0, which means that there is
// none.
func readIndexBytes(file File, at, n int64) ([]byte, error) {
	switch {
	case at == 0:
		return nil, nil
	case at < 0 || n <= 0 || n > maxIndex || at > file.Size()-n:
		return nil, fmt.Errorf("%w: an index of %d bytes at %d", ErrCorrupt, n, at)
	}
	data := make([]byte, n)
	return data, ReadFull(file, data, at)
}
