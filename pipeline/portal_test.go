package pipeline

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// portal is a scripted source of rows. It counts gets, and can be slow or fail.
type portal struct {
	zone   string // returned by TimeZone
	mu     sync.Mutex
	rows   map[PaymentID]row
	refuse map[PaymentID]bool // listed, but a get is refused
	vanish map[PaymentID]bool // listed, but gone at the get
	// otherwise, if set, reports which payments the listing shows with another value.
	otherwise func(PaymentID) bool
	badList   map[PaymentID]bool // listed with values that cannot be read
	gets      map[PaymentID]int
	getError  func(chunk []Listed[row]) error
	getTime   time.Duration
	total     int64
	since     *Since
	scopes    []Scope
	finds     map[PaymentID]int
	// show, if set, changes how the listing shows a payment. If it returns false, the
	// payment is not listed, and absent is what that means.
	show     func(Listed[row]) (Listed[row], bool)
	absent   func(PaymentID, *row) Absence
	missing  []PaymentID // listed as missing
	listFail PaymentID   // the listing fails at this id
}

func newPortal(n int) *portal {
	p := &portal{rows: map[PaymentID]row{}, gets: map[PaymentID]int{}, finds: map[PaymentID]int{}}
	for i := 1; i <= n; i++ {
		id := PaymentID(i * 3)
		p.rows[id] = row{id: id, value: i, detail: i * i}
	}
	return p
}

func (p *portal) Begin(_ context.Context, scope Scope) (*Since, error) {
	p.scopes = append(p.scopes, scope)
	if scope.Resumed {
		return scope.Begun, nil
	}
	return p.since, nil
}

func (p *portal) Absent(id PaymentID, last *row) Absence {
	if p.absent == nil {
		return Gone
	}
	return p.absent(id, last)
}

func (p *portal) Find(_ context.Context, ids []PaymentID) ([]Listed[row], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Listed[row]
	for _, id := range slices.Backward(ids) {
		p.finds[id]++
		if r, ok := p.rows[id]; ok {
			found = append(found, Listed[row]{ID: id, Row: row{id: id, value: p.listed(r)}})
		}
	}
	return found, nil
}

// listed returns the value that the listing shows for a row.
func (p *portal) listed(r row) int {
	if p.otherwise != nil && p.otherwise(r.id) {
		return r.value + 1_000_000
	}
	return r.value
}

func (p *portal) List(_ context.Context, after PaymentID) iter.Seq2[[]Listed[row], error] {
	return func(yield func([]Listed[row], error) bool) {
		p.mu.Lock()
		ids := append(slices.Collect(maps.Keys(p.rows)), p.missing...)
		p.mu.Unlock()
		slices.Sort(ids)
		var page []Listed[row]
		for _, id := range ids {
			if id <= after {
				continue
			}
			if id == p.listFail {
				yield(nil, fmt.Errorf("portal down at %d", id))
				return
			}
			p.mu.Lock()
			item := Listed[row]{ID: id, Row: row{id: id, value: p.listed(p.rows[id])}}
			if p.badList[id] {
				item.Reject = &Reject{ID: id, Stage: "list", Code: "BAD_VALUE"}
			}
			item.Missing = slices.Contains(p.missing, id)
			p.mu.Unlock()
			if p.show != nil {
				var shown bool
				if item, shown = p.show(item); !shown {
					continue
				}
			}
			if page = append(page, item); len(page) == 50 {
				if !yield(page, nil) {
					return
				}
				page = nil
			}
		}
		if len(page) > 0 {
			yield(page, nil)
		}
	}
}

func (p *portal) Get(ctx context.Context, chunk []Listed[row]) (Got[row], error) {
	if p.getTime > 0 {
		select {
		case <-time.After(p.getTime):
		case <-ctx.Done():
			return Got[row]{}, ctx.Err()
		}
	}
	if p.getError != nil {
		if err := p.getError(chunk); err != nil {
			return Got[row]{}, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var got Got[row]
	for _, item := range slices.Backward(chunk) {
		p.gets[item.ID]++
		switch r, ok := p.rows[item.ID]; {
		case p.refuse[item.ID]:
			got.Rejects = append(got.Rejects, Reject{ID: item.ID, Stage: "get", Code: "0", Description: "Access denied"})
		case !ok, p.vanish[item.ID]:
			got.Vanished = append(got.Vanished, item.ID)
		default:
			r.read = time.Now()
			got.Rows = append(got.Rows, r)
		}
	}
	return got, nil
}

func (p *portal) Use() PortalUse {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PortalUse{Commands: int64(len(p.gets))}
}

func (p *portal) Total() int64 { return p.total }

// Dates implements pipeline.Source.
func (p *portal) Dates() *Dates { return nil }

func (p *portal) TimeZone() string { return p.zone }

func (p *portal) getsSum() (n int) {
	for _, g := range p.gets {
		n += g
	}
	return n
}

// truth returns the table that a run must result in.
func (p *portal) truth() []row {
	var rows []row
	for _, r := range p.rows {
		if !p.refuse[r.id] && !p.badList[r.id] && !p.vanish[r.id] {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return int(a.id - b.id) })
	return rows
}

func config(p *portal, m *memory) Config[row] {
	return Config[row]{
		Source: p, Sink: m, Table: rowTable,
		Options: Options{
			Dataset: "payments", Portal: "acme", Program: "test", Runner: "r1", Fingerprint: "f1",
			Mode: Full, Chunk: 10, Workers: 4, Window: 8, CheckpointRows: 100,
			Rejects: RejectLimit{Share: 1}, Deletes: DeleteLimit{Share: 0.2},
		},
	}
}

func mustRun(t *testing.T, cfg Config[row]) Summary {
	t.Helper()
	s, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	return s
}
