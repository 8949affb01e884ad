package bitrixtest

import "sync"

// gets counts how often each payment was asked for with a get, and which answers
// arrived. Its memory grows with the payments that were. It is safe for
// concurrent use.
type gets struct {
	mu    sync.Mutex
	pages map[int64]*[getsPage]uint8 // by id
	most  int
}

const (
	getsPage = 4096
	// settledBit is set for a payment whose get was answered for good and
	// delivered whole. The other bits count, as far as they can.
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

// ask notes a get of a payment that exists, and reports whether there was a
// reason for it.
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

// settle notes that answers about payments arrived.
func (g *gets) settle(ids []int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range ids {
		*g.cell(id) |= settledBit
	}
}

// forgive makes another get of a payment rightful, since it has changed.
func (g *gets) forgive(id int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if page := g.pages[id/getsPage]; page != nil {
		page[id%getsPage] &^= settledBit
	}
}

// ForgetGets makes another get of any payment rightful, and begins the counting of
// fetches again: call it between two runs that may each get everything.
func (p *Portal) ForgetGets() {
	p.gets.mu.Lock()
	defer p.gets.mu.Unlock()
	p.gets.pages, p.gets.most = nil, 0
}
