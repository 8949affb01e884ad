package bitrixtest

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// model is the live data as a plain map.
type model map[int64]row

func (m model) ids() []int64 { return slices.Sorted(maps.Keys(m)) }

// After any changes, the live data has the same content as a plain map of payments.
func TestLiveDataIsLikeAMap(t *testing.T) {
	for _, n := range []int{0, 1, 60, 1500} {
		p := New(Options{Seed: 8, Payments: n})
		m := model{}
		p.data.walk(0, math.MaxInt64, false, func(r *row) bool { m[r.id] = *r; return true })
		if len(m) != n {
			t.Fatalf("%d payments, want %d", len(m), n)
		}
		random := rand.New(rand.NewPCG(uint64(n), 1))
		for round := range 40 {
			for i, done := range p.Mutate(10, uint64(round)) {
				switch done.Op {
				case OpDelete:
					if _, ok := m[done.Payment]; !ok {
						t.Fatalf("round %d: mutation %d deleted %d, which is not there", round, i, done.Payment)
					}
					delete(m, done.Payment)
				case OpTouch:
				case OpPay, OpUnpay, OpReprice, OpAdd, OpReturn:
					// A later mutation of this round may have deleted it.
					if r, ok := p.data.get(done.Payment); ok {
						m[done.Payment] = r
					} else {
						m[done.Payment] = row{}
					}
				}
			}
			compareLive(t, p.data, m, random)
		}
	}
}

func compareLive(t *testing.T, l *live, m model, random *rand.Rand) {
	t.Helper()
	ids := m.ids()
	if l.count() != int64(len(ids)) {
		t.Fatalf("count %d, want %d", l.count(), len(ids))
	}
	var up, down []int64
	l.walk(0, math.MaxInt64, false, func(r *row) bool { up = append(up, r.id); return true })
	l.walk(0, math.MaxInt64, true, func(r *row) bool { down = append(down, r.id); return true })
	slices.Reverse(down)
	if diff := cmp.Diff(ids, up); diff != "" && len(ids) > 0 {
		t.Fatalf("walk up: %s", diff)
	}
	if diff := cmp.Diff(ids, down); diff != "" && len(ids) > 0 {
		t.Fatalf("walk down: %s", diff)
	}
	for n, id := range ids {
		if got := l.at(int64(n)); got != id {
			t.Fatalf("at(%d) = %d, want %d", n, got, id)
		}
		if r, ok := l.get(id); !ok || r != m[id] {
			t.Fatalf("get(%d) = %+v, %t, want %+v", id, r, ok, m[id])
		}
	}
	for range 50 {
		x := random.Int64N(l.lastID + 10)
		want, has := slices.BinarySearch(ids, x)
		if got := l.below(x); got != int64(want) {
			t.Fatalf("below(%d) = %d, want %d", x, got, want)
		}
		if _, ok := l.get(x); ok != has {
			t.Fatalf("get(%d): %t, want %t", x, ok, has)
		}
		to := x + random.Int64N(50)
		var part, want2 []int64
		l.walk(x, to, false, func(r *row) bool { part = append(part, r.id); return len(part) < 7 })
		for _, id := range ids[want:] {
			if id <= to && len(want2) < 7 {
				want2 = append(want2, id)
			}
		}
		if diff := cmp.Diff(want2, part); diff != "" {
			t.Fatalf("walk(%d, %d): %s", x, to, diff)
		}
	}
	// Each payment is found by its order, and orders have no others.
	byOrder := map[int64][]int64{}
	for _, id := range ids {
		byOrder[m[id].order] = append(byOrder[m[id].order], id)
	}
	for order, want := range byOrder {
		var got []int64
		for _, r := range l.ofOrder(nil, order) {
			got = append(got, r.id)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("payments of order %d: %s", order, diff)
		}
		if _, ok := l.order(order); !ok {
			t.Fatalf("order %d of payments %v is unknown", order, want)
		}
	}
	for n := range l.orderCount() {
		id := l.orderID(n)
		if got := l.ordersBelow(id); got != n {
			t.Fatalf("ordersBelow(%d) = %d, want %d", id, got, n)
		}
	}
}
