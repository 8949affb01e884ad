package bitrixtest

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestMutations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Seed: 2, Payments: 200, User: 9})
		<-time.After(time.Hour)
		now := time.Now().UTC().Truncate(time.Second)
		var paid, unpaid Payment
		for q := range p.All() {
			if q.Paid {
				paid = q
			} else {
				unpaid = q
			}
		}
		if p.Pay(paid.ID) || p.Unpay(unpaid.ID) || p.Pay(1<<40) || p.Delete(1<<40) || p.Touch(1<<40) || p.Add(1<<40) != 0 {
			t.Error("a change that cannot be reports that it was done")
		}
		if !p.Pay(unpaid.ID) || !p.Unpay(paid.ID) {
			t.Fatal("Pay or Unpay did nothing")
		}
		want := unpaid
		want.Paid, want.DatePaid, want.EmpPaidID = true, now, 9
		if got, _ := p.Truth(unpaid.ID); got != want {
			t.Errorf("paid: %+v, want %+v", got, want)
		}
		want = paid
		want.Paid, want.DatePaid, want.EmpPaidID = false, time.Time{}, 0
		if got, _ := p.Truth(paid.ID); got != want {
			t.Errorf("unpaid: %+v, want %+v", got, want)
		}
		if at, ok := p.Updated(paid.OrderID); !ok || !at.Equal(now) {
			t.Errorf("the order was saved at %v, want %v", at, now)
		}
		units, ok := ParseSum("-0.05")
		if !ok || !p.Reprice(paid.ID, units) || p.Reprice(paid.ID, units) {
			t.Error("Reprice")
		}
		if got, _ := p.Truth(paid.ID); got.Sum != "-0.0500" {
			t.Errorf("sum %q, want -0.0500", got.Sum)
		}
		id := p.Add(paid.OrderID)
		added, ok := p.Truth(id)
		if !ok || added.OrderID != paid.OrderID || added.OwnerID != paid.OwnerID || !added.DateBill.Equal(now) {
			t.Errorf("added: %+v, %t", added, ok)
		}
		for q := range p.All() {
			if q.ID > id {
				t.Errorf("payment %d has an id above the new one, %d", q.ID, id)
			}
			if q.ID != id && q.AccountNumber == added.AccountNumber {
				t.Errorf("payments %d and %d share the number %q", q.ID, id, q.AccountNumber)
			}
		}
		fresh, _ := p.Truth(p.Add(0))
		if fresh.OrderID <= paid.OrderID || fresh.ID != id+1 {
			t.Errorf("added to a new order: %+v", fresh)
		}
		if kind, owner, ok := p.Owner(fresh.OrderID); !ok || kind != fresh.OwnerTypeID || owner != fresh.OwnerID {
			t.Errorf("Owner(%d) = %d, %d, %t", fresh.OrderID, kind, owner, ok)
		}
		if !p.Delete(fresh.ID) || p.Delete(fresh.ID) || !p.Delete(paid.ID) {
			t.Error("Delete")
		}
		if _, ok := p.Truth(fresh.ID); ok {
			t.Error("a deleted payment is there")
		}
		if again := p.Add(0); again != fresh.ID+1 {
			t.Errorf("the id after a deleted one is %d, want %d", again, fresh.ID+1)
		}
		if p.Count() != 201 {
			t.Errorf("Count = %d, want 201", p.Count())
		}
	})
}

func TestMutateIsAMixAndSeeded(t *testing.T) {
	a, b := New(Options{Seed: 2, Payments: 5000}), New(Options{Seed: 2, Payments: 5000})
	count := map[Op]int{}
	done := b.Mutate(1000, 4)
	for i, m := range a.Mutate(1000, 4) {
		if m != done[i] {
			t.Fatalf("mutation %d: %+v and %+v", i, m, done[i])
		}
		count[m.Op]++
	}
	for op, want := range map[Op]int{OpPay: 300, OpUnpay: 100, OpReprice: 200, OpDelete: 100, OpAdd: 200, OpTouch: 100} {
		if got := count[op]; got < want/2 || got > want*3/2 {
			t.Errorf("%s: %d of 1000, want about %d", op, got, want)
		}
	}
	if got := New(Options{}).Mutate(3, 1); len(got) != 3 || got[0].Op != OpAdd {
		t.Errorf("of an empty portal: %+v", got)
	}
}

// Churn changes the data after each n-th request, and not more often than configured.
func TestChurn(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 1000, Churn: Churn{Every: 3, Count: 5, Times: 2, Seed: 7}})
	twin := New(Options{Seed: 1, Payments: 1000})
	versions := []uint64{}
	for range 12 {
		c.call("server.time", "")
		versions = append(versions, c.p.data.version)
	}
	if versions[1] != 0 || versions[2] == 0 || versions[4] != versions[2] || versions[5] <= versions[4] || versions[11] != versions[5] {
		t.Errorf("versions of the data after each request: %v, want changes after the third and the sixth only", versions)
	}
	twin.Mutate(5, 7+3)
	twin.Mutate(5, 7+6)
	if got, want := c.p.Count(), twin.Count(); got != want {
		t.Errorf("%d payments, want %d", got, want)
	}
}

func TestParseSum(t *testing.T) {
	for _, test := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"12.34", 123400, true}, {"-12.3456", -123456, true}, {"99999999999.9999", 999999999999999, true},
		{"1.23456", 0, false}, {"", 0, false}, {"-", 0, false}, {".5", 0, false}, {"1e3", 0, false}, {"100000000000", 0, false}, {"1,5", 0, false},
	} {
		if got, ok := ParseSum(test.text); got != test.want || ok != test.ok {
			t.Errorf("ParseSum(%q) = %d, %t, want %d, %t", test.text, got, ok, test.want, test.ok)
		}
	}
}
