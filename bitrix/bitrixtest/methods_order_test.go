package bitrixtest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

type binding struct{ OrderID, OwnerID, OwnerTypeID int64 }

// bindings returns the true owners, by order.
func bindings(p *Portal) (list []binding) {
	seen := map[int64]bool{}
	for q := range p.All() {
		if !seen[q.OrderID] && q.OwnerID != 0 {
			list = append(list, binding{q.OrderID, q.OwnerID, q.OwnerTypeID})
		}
		seen[q.OrderID] = true
	}
	slices.SortFunc(list, func(a, b binding) int { return cmp.Compare(a.OrderID, b.OrderID) })
	return list
}

func TestBindings(t *testing.T) {
	c := open(t, Options{Seed: 5, Payments: 1200})
	c.p.Add(0)
	c.p.Add(0)
	all := bindings(c.p)
	list := func(params string) ([]binding, reply) {
		t.Helper()
		var page struct{ OrderEntity []binding }
		r := c.result("crm.orderentity.list", params, &page)
		return page.OrderEntity, r
	}
	t.Run("walk", func(t *testing.T) {
		var got []binding
		for after := int64(0); ; {
			page, r := list(fmt.Sprintf(`{"filter":{">orderId":%d},"order":{"orderId":"asc"},"start":-1}`, after))
			if r.Total != nil || len(page) > pageSize {
				t.Fatalf("a page of %d with total %v", len(page), r.Total)
			}
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			after = page[len(page)-1].OrderID
		}
		if diff := gocmp.Diff(all, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("at once", func(t *testing.T) {
		c.p.Adjust(func(o *Options) { o.BindingsAtOnce = true })
		defer c.p.Adjust(func(o *Options) { o.BindingsAtOnce = false })
		got, _ := list(`{"order":{"orderId":"asc"},"start":-1}`)
		if diff := gocmp.Diff(all, got); diff != "" {
			t.Error(diff)
		}
		if got, r := list(`{"order":{"orderId":"asc"}}`); len(got) != 50 || *r.Total != int64(len(all)) {
			t.Errorf("counted: %d rows, total %d", len(got), *r.Total)
		}
	})
	t.Run("of some orders", func(t *testing.T) {
		a, b := all[len(all)/2], all[3]
		want := []binding{b, a}
		got, r := list(fmt.Sprintf(`{"filter":{"@orderId":[%d,%d,999999999]},"order":{"orderId":"asc"}}`, a.OrderID, b.OrderID))
		if diff := gocmp.Diff(want, got); diff != "" || *r.Total != 2 {
			t.Errorf("%s, total %d", diff, *r.Total)
		}
		if got, _ := list(fmt.Sprintf(`{"filter":{"@orderId":[%d,%d]},"order":{"orderId":"desc"}}`, a.OrderID, b.OrderID)); got[0] != a {
			t.Errorf("downward: %v", got)
		}
	})
	t.Run("of an owner", func(t *testing.T) {
		own := all[len(all)/3]
		var want []binding
		for _, b := range all {
			if b.OwnerID == own.OwnerID && b.OwnerTypeID == own.OwnerTypeID {
				want = append(want, b)
			}
		}
		got, _ := list(fmt.Sprintf(`{"filter":{"ownerId":%d,"=ownerTypeId":%d},"order":{"orderId":"asc"}}`, own.OwnerID, own.OwnerTypeID))
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("pages and totals", func(t *testing.T) {
		for _, start := range []int{0, 60, 200} {
			got, r := list(fmt.Sprintf(`{"order":{"orderId":"asc"},"start":%d}`, start))
			if diff := gocmp.Diff(all[start:start+50], got); diff != "" || *r.Total != int64(len(all)) {
				t.Errorf("from %d: total %d, want %d; %s", start, *r.Total, len(all), diff)
			}
		}
		after := all[100].OrderID
		if _, r := list(fmt.Sprintf(`{"filter":{">orderId":%d},"order":{"orderId":"asc"}}`, after)); *r.Total != int64(len(all)-101) {
			t.Errorf("after a cursor: total %d, want %d", *r.Total, len(all)-101)
		}
	})
	t.Run("without an order it is by owner", func(t *testing.T) {
		got, r := list(`{}`)
		want := slices.Clone(all)
		slices.SortFunc(want, func(a, b binding) int {
			return cmp.Or(cmp.Compare(a.OwnerID, b.OwnerID), cmp.Compare(a.OrderID, b.OrderID))
		})
		if diff := gocmp.Diff(want[:50], got); diff != "" || *r.Total != int64(len(all)) || *r.Next != 50 {
			t.Errorf("total %d: %s", *r.Total, diff)
		}
	})
	t.Run("select", func(t *testing.T) {
		got, _ := list(`{"select":["orderId"],"order":{"orderId":"asc"}}`)
		if got[0] != (binding{OrderID: all[0].OrderID}) {
			t.Errorf("got %+v", got[0])
		}
	})
}

type saleOrder struct {
	ID                     int64
	DateUpdate, DateInsert time.Time
	Payed                  string
}

func TestOrdersThatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Seed: 5, Payments: 1200})
		<-time.After(48 * time.Hour)
		since := time.Now()
		done := c.p.Mutate(60, 3)
		list := func(params string) ([]saleOrder, reply) {
			t.Helper()
			var page struct{ Orders []saleOrder }
			r := c.result("sale.order.list", params, &page)
			return page.Orders, r
		}
		changed := map[int64]bool{}
		for _, m := range done {
			changed[m.Order] = true
		}
		all := map[int64]time.Time{}
		for n := range c.p.data.orderCount() {
			id := c.p.data.orderID(n)
			all[id], _ = c.p.Updated(id)
		}
		days := func(n int) time.Time { return anchors[1].Add(-time.Duration(n) * 24 * time.Hour) }
		for _, from := range []time.Time{since, since.Add(time.Hour), days(0), days(3), days(60), days(5000)} {
			for _, direction := range []string{"asc", "desc"} {
				var want, got []int64
				for id, at := range all {
					if !at.Before(from) {
						want = append(want, id)
					}
				}
				slices.Sort(want)
				if direction == "desc" {
					slices.Reverse(want)
				}
				filter := fmt.Sprintf(`">=dateUpdate":%q`, from.Format(time.RFC3339))
				for cursor := ""; ; {
					page, _ := list(fmt.Sprintf(`{"filter":{%s%s},"order":{"id":%q},"select":["id","dateUpdate"],"start":-1}`, filter, cursor, direction))
					if len(page) == 0 {
						break
					}
					for _, o := range page {
						if !o.DateUpdate.Equal(all[o.ID]) {
							t.Fatalf("order %d: saved %v, want %v", o.ID, o.DateUpdate, all[o.ID])
						}
						got = append(got, o.ID)
					}
					prefix := map[string]string{"asc": ">id", "desc": "<id"}[direction]
					cursor = fmt.Sprintf(`,%q:%d`, prefix, got[len(got)-1])
				}
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Fatalf("since %v %s: %s", from, direction, diff)
				}
				if _, r := list(fmt.Sprintf(`{"filter":{%s},"order":{"id":%q}}`, filter, direction)); *r.Total != int64(len(want)) {
					t.Errorf("since %v: total %d, want %d", from, *r.Total, len(want))
				}
				if from.Equal(since) && len(want) != len(changed) {
					t.Errorf("%d orders since then, %d were changed", len(want), len(changed))
				}
			}
		}
		page, r := list(`{"order":{"id":"desc"},"start":100}`)
		if want := c.p.data.orderID(c.p.data.orderCount() - 101); page[0].ID != want || *r.Total != c.p.data.orderCount() {
			t.Errorf("downward from 100: %d, want %d; total %d", page[0].ID, want, *r.Total)
		}
		if page, _ := list(fmt.Sprintf(`{"filter":{"accountNumber":"%d","canceled":"N",">dateInsert":"1990-01-01"}}`, page[0].ID)); len(page) != 1 {
			t.Errorf("by number: %+v", page)
		}
		if page, r := list(fmt.Sprintf(`{"filter":{">id":%d,"<id":%d}}`, page[1].ID, page[0].ID)); len(page) != 0 || *r.Total != 0 {
			t.Errorf("between two neighbours: %+v", page)
		}
		page, _ = list(`{"filter":{"payed":"Y"},"start":-1}`)
		for _, o := range page {
			for _, q := range c.p.data.ofOrder(nil, o.ID) {
				if !q.paid || o.Payed != "Y" {
					t.Fatalf("order %d is payed %s with payment %+v", o.ID, o.Payed, q)
				}
			}
		}
	})
}
