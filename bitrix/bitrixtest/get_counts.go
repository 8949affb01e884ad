package bitrixtest

import "sync"

// gets counts how often each payment was fetched with a get, and which answers arrived.
// Its memory grows with the number of fetched payments. It is safe for concurrent use.
type gets struct {
	mu    sync.Mutex
	pages map[int64]*[getsPage]uint8 // by id
	most  int
}

const (
	getsPage = 4096
	// settledBit is set for a payment whose get had a final answer that was delivered
	// completely. The other bits count, up to their maximum.
	settledBit = 1 << 7
)

func (g *gets) cell(id int64) *uint8 {
	if g.pages == nil {
		g.pages = map[int64]*[getsPage]uint8{}
	}
	page := g.pages[id/getsPage]
	if page == nil {
		page = new([getsPage]uint8)
		g.pages[id/getsPage] = page
	}
	return &page[id%getsPage]
}

// ask counts a get of an existing payment, and reports whether there was a reason for
// it.
func (g *gets) ask(id int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	cell := g.cell(id)
	if count := *cell &^ settledBit; count < settledBit-1 {
		*cell++
		g.most = max(g.most, int(count)+1)
	}
	return *cell&settledBit == 0
}

// settle records that answers with these payments arrived.
func (g *gets) settle(ids []int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range ids {
		*g.cell(id) |= settledBit
	}
}

// forgive allows another get of a payment, because it has changed.
func (g *gets) forgive(id int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if page := g.pages[id/getsPage]; page != nil {
		page[id%getsPage] &^= settledBit
	}
}

// ForgetGets allows another get of every payment, and resets the counts. Call it
// between two runs that may each fetch everything.
func (p *Portal) ForgetGets() {
	p.gets.mu.Lock()
	defer p.gets.mu.Unlock()
	p.gets.pages, p.gets.most = nil, 0
}
