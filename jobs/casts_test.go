package jobs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/schemas"
)

// casting is an old self-hosted portal, which reads a list in a filter as the number 1.
func casting(t *testing.T, first int64) *bitrixtest.Portal {
	t.Helper()
	return bitrixtest.New(bitrixtest.Options{Seed: 8, Payments: 400, First: first, AllowRegets: true, Strict: t,
		Values: bitrixtest.ValueQuirks{CastLists: true}})
}

// On such portals, runs of all kinds result in the portal's table, whether the portal
// has an order 1 and a payment 1 or not.
func TestPortalsThatCastLists(t *testing.T) {
	for _, first := range []int64{1, 500} {
		for _, since := range []string{"list", "orders", "events"} {
			t.Run(since+" from "+strconv.FormatInt(first, 10), func(t *testing.T) {
				portal := casting(t, first)
				e := newSinceJob(t, portal, since, "")
				e.run(t, jobs.ExitComplete)
				e.wantTable(t, portal, none)
				for range 2 {
					change(portal, 30)
					e.run(t, jobs.ExitComplete)
					e.wantTable(t, portal, none)
				}
			})
		}
	}
}

// The ids of a file are requested one by one, and no payment of it disappears.
func TestFileOfIDsOnAPortalThatCastsLists(t *testing.T) {
	portal := casting(t, 500)
	var lines strings.Builder
	for p := range portal.All() {
		lines.WriteString(strconv.FormatInt(p.ID, 10) + "\n")
	}
	file := filepath.Join(t.TempDir(), "ids.txt")
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	e := newRunJob(t, portal, "source: {list: ids, ids: {file: "+file+"}}")
	for range 2 {
		e.run(t, jobs.ExitComplete)
		e.wantTable(t, portal, none)
		portal.Pay(portal.ID(7))
	}
}

// Listings by owners have the same rows as on a portal that reads lists correctly.
func TestListingsByItemsOnAPortalThatCastsLists(t *testing.T) {
	for _, list := range []string{"bindings", "items"} {
		t.Run(list, func(t *testing.T) {
			var tables [2][]schemas.Payment
			for i, casts := range []bool{false, true} {
				portal := casting(t, 500)
				portal.Adjust(func(o *bitrixtest.Options) { o.Values.CastLists = casts })
				e := newRunJob(t, portal, "source: {list: "+list+"}")
				e.run(t, jobs.ExitComplete)
				for _, row := range e.rows(t) {
					row.ExtractedAt = schemas.Null[schemas.Instant]{}
					tables[i] = append(tables[i], row)
				}
			}
			if !slices.Equal(tables[0], tables[1]) || len(tables[0]) == 0 {
				t.Errorf("%d and %d rows, which differ", len(tables[0]), len(tables[1]))
			}
		})
	}
}

// A comparison of rows with the portal finds their orders.
func TestRecheckOnAPortalThatCastsLists(t *testing.T) {
	portal := casting(t, 500)
	e := newRunJob(t, portal, "")
	e.run(t, jobs.ExitComplete)
	rows := e.rows(t)[:10]
	for i := range rows {
		if p, _ := portal.Truth(rows[i].ID); p.Paid {
			portal.Unpay(p.ID)
		} else {
			portal.Pay(p.ID)
		}
	}
	list, err := jobs.Recheck(t.Context(), e.spec, "acme", rows, e.opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Verdict != jobs.ChangedSince {
			t.Errorf("payment %d: %s (%s)", r.ID, r.Verdict, r.Detail)
		}
	}
}

// Related tables have each order that payments refer to.
func TestRelatedOrdersOnAPortalThatCastsLists(t *testing.T) {
	portal := casting(t, 1)
	e := newRunJob(t, portal, "source: {related: [orders]}")
	e.run(t, jobs.ExitComplete)
	orders := map[int64]bool{}
	for _, row := range e.rows(t) {
		orders[row.OrderID.V] = true
	}
	if rows := e.related(t, "orders", "id"); len(rows) != len(orders) {
		t.Errorf("%d orders in the related table, payments name %d", len(rows), len(orders))
	}
}

// check reports this, and does not on other portals.
func TestCheckTellsOfCastLists(t *testing.T) {
	for _, casts := range []bool{false, true} {
		portal := casting(t, 500)
		portal.Adjust(func(o *bitrixtest.Options) { o.Values.CastLists = casts })
		lines, byName := checked(t, newRunJob(t, portal, ""))
		line, told := byName["filters"]
		if told != casts || told && (!strings.Contains(line.Detail, "sale.payment.list, crm.orderentity.list")) {
			t.Errorf("casts %t: %+v", casts, line)
		}
		if exitOf(lines) != jobs.ExitComplete {
			t.Errorf("casts %t: exit %d", casts, exitOf(lines))
		}
	}
}

// An order has no owner only if two answers of the portal say so.
func TestOwnersThatAreMissingOnce(t *testing.T) {
	bubble(t, "empty once", func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 8, Payments: 100, AllowRegets: true, Strict: t})
		faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: "crm.orderentity.list", Times: 1, Result: `{"orderEntity":[]}`})
		e := newBubbleJob(t, portal, "")
		e.run(t, jobs.ExitComplete)
		e.wantTable(t, portal, none)
	})
	bubble(t, "almost empty once", func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 8, Payments: 30, AllowRegets: true, Strict: t})
		e := newBubbleJob(t, portal, "mode: full")
		e.run(t, jobs.ExitComplete)
		row := e.rows(t)[0]
		faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: "crm.orderentity.list", Times: 1,
			Result: fmt.Sprintf(`{"orderEntity":[{"orderId":%d,"ownerId":%d,"ownerTypeId":%d}]}`, row.OrderID.V, row.EntityID.V, row.EntityTypeID.V)})
		e.run(t, jobs.ExitComplete)
		if n := portal.Stats().Faults; n != 1 {
			t.Errorf("%d answers lacked owners, want 1", n)
		}
		e.wantTable(t, portal, none)
	})
	bubble(t, "payments by id empty once", func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 8, Payments: 100, AllowRegets: true, Strict: t})
		e := newSinceJob(t, portal, "events", "")
		e.spec.Sink.Compression = "none"
		e.run(t, jobs.ExitComplete)
		portal.Pay(portal.ID(3))
		portal.Unpay(portal.ID(3))
		faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: "sale.payment.list", From: 5, Times: 1, Result: `{"payments":[]}`})
		e.run(t, jobs.ExitComplete)
		e.wantTable(t, portal, none)
	})
}
