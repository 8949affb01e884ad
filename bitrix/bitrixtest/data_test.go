package bitrixtest

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestDataIsAFunctionOfTheSeed(t *testing.T) {
	a, b := New(Options{Seed: 5, Payments: 3000}), New(Options{Seed: 5, Payments: 3000})
	other := New(Options{Seed: 6, Payments: 3000})
	same, differ := 0, 0
	for p := range a.All() {
		twin, ok := b.Truth(p.ID)
		if !ok {
			t.Fatalf("payment %d is missing in the twin", p.ID)
		}
		if diff := cmp.Diff(p, twin); diff != "" {
			t.Fatalf("payment %d: %s", p.ID, diff)
		}
		if o, _ := other.Truth(p.ID); o == p {
			same++
		} else {
			differ++
		}
	}
	if differ == 0 || same > differ/10 {
		t.Errorf("another seed gives %d equal payments of %d", same, same+differ)
	}
}

// The data is like a portal's: tests and predictions rely on these proportions.
func TestDataIsRealistic(t *testing.T) {
	const n = 40_000
	p := New(Options{Seed: 11, Payments: n, Until: anchors[0], Refuse: 0.01, Rights: Rights{Deny: 0.02}, Poison: 0.005})
	var count, paid, dated, emp, zero, negative, large, fraction, unbound, refused, poisoned, foreign, slashes, numeric float64
	systems, money, types := map[string]bool{}, map[string]bool{}, map[int64]bool{}
	orders, lastOrder, perOrder := 0.0, int64(0), 0
	var lastBill time.Time
	for q := range p.All() {
		count++
		add := func(sum *float64, is bool) {
			if is {
				*sum++
			}
		}
		add(&paid, q.Paid)
		add(&dated, !q.DatePaid.IsZero())
		add(&emp, q.EmpPaidID != 0)
		add(&zero, q.Sum == "0.0000")
		add(&negative, strings.HasPrefix(q.Sum, "-"))
		add(&large, len(q.Sum) > len("100000000.0000"))
		add(&fraction, !strings.HasSuffix(q.Sum, "00"))
		add(&unbound, q.OwnerID == 0)
		add(&refused, q.Refused)
		add(&poisoned, q.Poisoned)
		add(&foreign, len(q.AccountNumber) > utf8.RuneCountInString(q.AccountNumber))
		add(&slashes, strings.Contains(q.AccountNumber, "/"))
		add(&numeric, strings.Trim(q.AccountNumber, "0123456789") == "")
		systems[q.PaySystemName], money[q.Currency], types[q.OwnerTypeID] = true, true, true
		if q.OrderID != lastOrder {
			if q.OrderID < lastOrder {
				t.Fatalf("payment %d: order %d after %d: an order's payments are not adjacent", q.ID, q.OrderID, lastOrder)
			}
			orders, lastOrder, perOrder = orders+1, q.OrderID, 0
		}
		if perOrder++; perOrder > 5 {
			t.Fatalf("order %d has more than five payments", q.OrderID)
		}
		if q.DateBill.Before(lastBill) {
			t.Fatalf("payment %d was billed at %v, before its predecessor at %v", q.ID, q.DateBill, lastBill)
		}
		lastBill = q.DateBill
		if q.Paid == q.DatePaid.IsZero() {
			t.Fatalf("payment %d: paid %t, date %v", q.ID, q.Paid, q.DatePaid)
		}
		if q.Paid && q.DatePaid.Before(q.DateBill) || q.DatePaid.After(anchors[0]) {
			t.Fatalf("payment %d: billed %v, paid %v", q.ID, q.DateBill, q.DatePaid)
		}
		if (q.OwnerID == 0) != (q.OwnerTypeID == 0) {
			t.Fatalf("payment %d: owner %d of type %d", q.ID, q.OwnerID, q.OwnerTypeID)
		}
	}
	if count != n || p.Count() != n {
		t.Fatalf("%v payments, Count %d, want %d", count, p.Count(), n)
	}
	for _, share := range []struct {
		what            string
		got, want, near float64
	}{
		{"paid", paid / n, 0.80, 0.01},
		{"with a date", dated / n, 0.80, 0.01},
		{"with an employee", emp / n, 0.32, 0.01},
		{"of nothing", zero / n, 0.02, 0.005},
		{"negative", negative / n, 0.04, 0.005},
		{"large", large / n, 0.02, 0.005},
		{"with three or four digits", fraction / n, 0.06, 0.02},
		{"unbound", unbound / n, 0.125, 0.01},
		{"refused", refused / n, 0.03, 0.005},
		{"poisoned", poisoned / n, 0.005, 0.002},
		{"numbered with letters", foreign / n, 0.047, 0.02},
		{"numbered with a slash", slashes / n, 0.985, 0.01},
		{"numbered by a number", numeric / n, 0.0156, 0.01},
		{"an order", n / orders, 2, 0.01},
	} {
		if math.Abs(share.got-share.want) > share.near {
			t.Errorf("payments %s: %.4f, want %.4f ± %.4f", share.what, share.got, share.want, share.near)
		}
	}
	if len(systems) != 12 || len(money) != 5 || len(types) != 5 {
		t.Errorf("%d pay systems, %d currencies, %d types of owners with none: want 12, 5, 5", len(systems), len(money), len(types))
	}
}

// A binary float represents every sum precisely enough.
func TestSumsSurviveAFloat(t *testing.T) {
	b := newBase(3, 20_000, 1, 1, anchors[0].Unix())
	for k := range b.payments {
		r := b.row(k)
		if back := int64(math.Round(float64(r.sum) / 10_000 * 10_000)); back != r.sum {
			t.Fatalf("payment %d: sum %d comes back as %d", r.id, r.sum, back)
		}
		if r.sum >= 1e15 || r.sum <= -1e15 {
			t.Fatalf("payment %d: sum %d has more than fifteen digits", r.id, r.sum)
		}
	}
}

func TestOrdersAreInverse(t *testing.T) {
	for _, n := range []int64{0, 1, 2, 7, 8, 9, 17, 1000, 1003} {
		b := newBase(9, n, 1, 1, anchors[0].Unix())
		next := int64(0)
		for o := range b.orders {
			from, to := b.orderPayments(o)
			if from != next || to <= from {
				t.Fatalf("%d payments: order %d has [%d, %d), want it to begin at %d", n, o, from, to, next)
			}
			for k := from; k < to; k++ {
				r := b.row(k)
				if got, ok := b.orderNumber(r.order); got != o || !ok || r.nth != k-from+1 {
					t.Fatalf("payment %d: order number %d, nth %d, want %d, %d", k, got, r.nth, o, k-from+1)
				}
			}
			next = to
		}
		if next != n {
			t.Fatalf("%d payments: orders have %d", n, next)
		}
	}
}

func TestOwnersAreInverse(t *testing.T) {
	b := newBase(4, 5000, 1, 1, anchors[0].Unix())
	owned, unbound := 0, 0
	seen := map[owner]bool{}
	for o := range b.orders {
		own := b.owner(o)
		if own == (owner{}) {
			unbound++
			continue
		}
		owned++
		seen[own] = true
		kind, ok := typeNumber(own.kind)
		if !ok || !itemTypes[kind].payments {
			t.Fatalf("order %d: owner %+v", o, own)
		}
		found := false
		for _, id := range b.itemOrders(nil, kind, own.id) {
			found = found || id == b.orderIDs.id(o)
		}
		if !found {
			t.Fatalf("order %d is not among those of its owner %+v", o, own)
		}
	}
	if unbound == 0 || len(seen) >= owned {
		t.Errorf("%d orders of %d owners, %d unbound: want some unbound and some owners with two", owned, len(seen), unbound)
	}
	// Every order of an item names that item as its owner.
	total := 0
	for kind := range itemTypes {
		for n := range b.itemCount(kind) {
			id := b.items[kind].id(n)
			for _, order := range b.itemOrders(nil, kind, id) {
				o, _ := b.orderNumber(order)
				if b.owner(o) != (owner{itemTypes[kind].id, id}) {
					t.Fatalf("item %d of type %d claims order %d of %+v", id, itemTypes[kind].id, order, b.owner(o))
				}
				total++
			}
		}
	}
	if total != owned {
		t.Errorf("items have %d orders, want %d", total, owned)
	}
	l := newLive(b)
	for _, r := range [][2]int64{{0, b.orders}, {3, 77}, {16, 32}, {15, 33}, {5, 5}} {
		want := int64(0)
		for o := r[0]; o < r[1]; o++ {
			if b.owner(o) != (owner{}) {
				want++
			}
		}
		if got := l.boundBetween(r[0], r[1]); got != want {
			t.Errorf("boundBetween(%d, %d) = %d, want %d", r[0], r[1], got, want)
		}
	}
}

func TestOrdersByLastSaving(t *testing.T) {
	few := newBase(4, 3, 1, 1, anchors[0].Unix())
	if low := few.orderUpdatedFrom(few.until); low != few.orders {
		t.Errorf("of three payments: orders saved on the last day: from %d, want none", low)
	}
	b := newBase(4, 3000, 1, 1, anchors[0].Unix())
	for _, back := range []int64{-1, 0, 3600, 40 * 86400, 300 * 86400, span, 2 * span} {
		since := b.until - back
		low := b.orderUpdatedFrom(since)
		for o := range low {
			if at := b.orderUpdated(o); at >= since {
				t.Fatalf("order %d below %d was saved at %d, not before %d", o, low, at, since)
			}
		}
		if back == -1 && low != b.orders {
			t.Errorf("orders saved after the last day: from %d, want none", low)
		}
	}
}

func TestDataLiesBeforeTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if c := newConfig(Options{}); !c.Until.Equal(anchors[1]) {
			t.Errorf("in %v: Until = %v, want %v", time.Now(), c.Until, anchors[1])
		}
		<-time.After(30 * 365 * 24 * time.Hour)
		if c := newConfig(Options{}); !c.Until.Equal(anchors[0]) {
			t.Errorf("in %v: Until = %v, want %v", time.Now(), c.Until, anchors[0])
		}
	})
}
