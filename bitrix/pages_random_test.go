package bitrix

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var (
	portals     = flag.Int("portals", 200, "how many random portals TestRandomPortals lists")
	firstPortal = flag.Int("portal", 0, "the number of the first one")
)

// TestRandomPortals lists portals of any ids, with faults of several kinds at once, with
// interruptions, and with a caller that sometimes waits. What exists all the time is
// listed once, in order, and the portal refuses nothing because of its limit.
//
//	go test ./bitrix -run TestRandomPortals -portals 5000
func TestRandomPortals(t *testing.T) {
	for seed := range uint64(*portals) {
		synctest.Test(t, func(t *testing.T) {
			one := newRandomPortal(t, seed+uint64(*firstPortal))
			if err := one.listAll(t); err != nil {
				t.Errorf("portal %d, %s: %v", seed+uint64(*firstPortal), one, err)
			}
		})
	}
}

// randomPortal is a portal, and how it is listed.
type randomPortal struct {
	*modelPortal
	shape string
	ids   []int64 // at the beginning
	from  int     // the index of the first id to list
	to    int64   // the last id to list
	stops int     // interruptions
	list  Listing
	limit Limits
	r     *rand.Rand
}

func (p *randomPortal) String() string {
	return fmt.Sprintf("%d ids, %s, from number %d to id %d, %+v, %+v, Beside %v", len(p.ids), p.shape, p.from, p.to, p.modelFaults, p.limit, p.list.Beside)
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func newRandomPortal(t *testing.T, seed uint64) *randomPortal {
	r := rand.New(rand.NewPCG(seed, 3))
	n := pick(r, 1, 2, 51, 5200+r.IntN(5000), 5200+r.IntN(5000), 5200+r.IntN(5000), 5200+r.IntN(5000))
	p := &randomPortal{shape: pick(r, modelShapes...), stops: r.IntN(4), list: windowed, r: r}
	p.ids = modelIDs(r, p.shape, n)
	p.list.Beside = pick(r, 0, 0, time.Nanosecond, 1500*time.Millisecond)
	p.limit = pick(r, Limits{Rate: modelRate, Burst: modelBurst}, Limits{Rate: modelRate, Burst: modelBurst, Share: 0.3},
		Limits{Rate: 0.1, Burst: modelBurst}, Limits{Rate: modelRate, Burst: modelBurst, Concurrency: 2})
	f := modelFaults{
		latency: pick(r, 50*time.Millisecond, time.Second, 5*time.Second), jitter: 2 * time.Second,
		unresolved: pick(r, "", "0", "$result[c00][payments][49][id]"),
		count:      pick(r, "", "", "", "text", "null", "absent", "sometimes", "first", "low", "high", "huge", "wild"),
	}
	if r.IntN(3) == 0 {
		kinds := []string{"lost", "truncated", "internal", "502", "504", "rate", "budget"}
		f.request, f.requestKinds = 0.15*r.Float64(), []string{pick(r, kinds...), pick(r, kinds...)}
	}
	// Pages that miss elements can only be found out by a count that is not too low.
	safe := f.count != "low" && f.count != "wild"
	if r.IntN(3) == 0 {
		kinds := []string{"internal", "absent", "rate", "budget", "reversed", "doubled", "below", "above", "long"}
		if safe {
			kinds = append(kinds, "empty", "short")
		}
		f.command, f.commandKinds = 0.01*r.Float64(), []string{pick(r, kinds...), pick(r, kinds...)}
	}
	if r.IntN(4) == 0 {
		f.unbounded = pick(r, 1, 0.1*r.Float64())
	}
	f.ascending = r.IntN(8) == 0
	if r.IntN(12) == 0 {
		f.confused = pick(r, "count", "list")
	}
	if r.IntN(6) == 0 {
		f.most, f.mostEach = 1+r.IntN(MaxCommands-1), r.IntN(2) == 0
	}
	if r.IntN(3) == 0 {
		f.create, f.remove = r.Float64()/2, 4*r.Float64()
	}
	if r.IntN(30) == 0 {
		if f.page = pick(r, 51, 200); safe {
			f.page = pick(r, 20, 49, 51, 200)
		}
	}
	if n > 100 && r.IntN(4) == 0 {
		p.from = r.IntN(n / 2)
	}
	p.to = p.ids[len(p.ids)-1] + 1e6
	if r.IntN(6) == 0 && f.unbounded == 0 && !slices.Contains(f.commandKinds, "above") {
		p.to = p.ids[n-1-r.IntN(n/4+1)]
		p.list.Filter = Params{"<=id": p.to}
		p.from, f.confused = 0, ""
	}
	p.modelPortal = newModelPortal(t, seed, p.ids, f)
	return p
}

// listAll lists the portal, with a new client after each interruption, and checks what is
// listed.
func (p *randomPortal) listAll(t *testing.T) error {
	limiter := NewLimiter(p.limit, nil, nil)
	defer limiter.Close()
	seen, last := map[int64]bool{}, p.ids[p.from]-1
	for ended := false; !ended; p.stops-- {
		stop := -1
		if p.stops > 0 {
			stop = p.r.IntN(60)
		}
		c := clientOf(t, p, Options{Patience: 3 * time.Hour, Limiter: limiter})
		ended = true
		for page, err := range c.Pages(t.Context(), p.list, last) {
			if err != nil {
				return err
			}
			for _, id := range page.IDs {
				if _, there := slices.BinarySearch(p.ids, id); id <= last || id > p.to || !there && !p.created(id) {
					return fmt.Errorf("%d comes after %d; it exists: %v", id, last, there)
				}
				last, seen[id] = id, true
			}
			if p.r.IntN(100) == 0 {
				time.Sleep(time.Duration(p.r.IntN(100)) * time.Second)
			}
			if stop--; stop == 0 {
				ended = false
				break
			}
		}
	}
	for _, id := range p.ids[p.from:] {
		if id <= p.to && p.stable(id) && !seen[id] {
			return fmt.Errorf("%d is missing; %d were listed", id, len(seen))
		}
	}
	if _, above := p.received(); above > 0 {
		return fmt.Errorf("%d requests were above the limit", above)
	}
	return nil
}

// TestWindowsCostLittle lists portals of all shapes by windows, and by one chain. Windows
// take few requests more.
func TestWindowsCostLittle(t *testing.T) {
	if testing.Short() {
		t.Skip("figures, which are slow with the race detector")
	}
	for _, tt := range []struct {
		name   string
		faults modelFaults
		more   int // requests, besides a tenth
	}{
		{"", modelFaults{}, 5},
		{"payments are created and deleted", modelFaults{create: 0.2, remove: 3}, 5},
		{"windows are not counted", modelFaults{count: "first"}, 5},
		{"the count is too low", modelFaults{count: "low"}, 5},
		{"the count is too high", modelFaults{count: "high"}, 13},
		{"the count is impossible", modelFaults{count: "huge"}, 10},
		{"the highest id is ignored", modelFaults{unbounded: 1}, 5},
		{"a count ignores the highest id", modelFaults{confused: "count"}, 45},
		{"a list of two bounds ignores the lower one", modelFaults{confused: "list"}, 20},
		{"the order is ignored", modelFaults{ascending: true}, 0},
		{"25 commands a request", modelFaults{most: 25}, 15},
	} {
		for i, shape := range modelShapes {
			ids := modelIDs(rand.New(rand.NewPCG(uint64(i), 2)), shape, 15_000)
			tt.faults.latency, tt.faults.jitter, tt.faults.unresolved = time.Second, 400*time.Millisecond, "0"
			var requests [2]int
			for by := range requests {
				synctest.Test(t, func(t *testing.T) {
					p := newModelPortal(t, 1, ids, tt.faults)
					c := clientOf(t, p, Options{Limits: Limits{Rate: modelRate, Burst: modelBurst}})
					l := windowed
					l.Windows = by == 1
					for _, err := range c.Pages(t.Context(), l, 0) {
						if err != nil {
							t.Fatalf("%s, %s: %v", shape, tt.name, err)
						}
					}
					requests[by], _ = p.received()
				})
			}
			chain, windows := requests[0], requests[1]
			t.Logf("%s, %s: %d requests by windows, %d by a chain", shape, tt.name, windows, chain)
			if windows > chain*11/10+tt.more {
				t.Errorf("%s, %s: %d requests by windows, %d by a chain", shape, tt.name, windows, chain)
			}
		}
	}
}

// TestChainsDespiteWrongFigures: a count that is too low, or pages that sometimes have another
// length, do not make a chain request page by page. A portal that counts too much and
// grows with each request comes to an end.
func TestChainsDespiteWrongFigures(t *testing.T) {
	for _, tt := range []struct {
		name     string
		faults   modelFaults
		requests int
	}{
		{"a low count", modelFaults{count: "low"}, 10},
		{"pages that are too long", modelFaults{command: 0.004, commandKinds: []string{"long"}}, 14},
		{"payments are created", modelFaults{create: 20}, 10},
		{"a high count, and payments are created", modelFaults{count: "huge", create: 1}, 22},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newModelPortal(t, 1, idsUpTo(10_000), tt.faults)
			c := clientOf(t, p, Options{})
			l := windowed
			l.Windows = tt.name == "a high count, and payments are created" // such a listing asks for the highest id
			n := 0
			for page, err := range c.Pages(t.Context(), l, 0) {
				n += len(page.IDs)
				if requests, _ := p.received(); err != nil || requests > 100 {
					t.Fatalf("%s: %d ids by %d requests, error %v", tt.name, n, requests, err)
				}
			}
			if requests, _ := p.received(); n < 10_000 || requests > tt.requests {
				t.Errorf("%s: %d ids by %d requests, want at most %d", tt.name, n, requests, tt.requests)
			}
		})
	}
}
