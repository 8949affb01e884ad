package jobs_test

import (
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// If a portal does not obey a filter by a date, the run lists everything: each night's
// table is the portal's, and the manifest says why.
func TestSinceOrdersWithoutAFilter(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values bitrixtest.ValueQuirks
		why    string // "" if orders show the changes
	}{
		{"right", bitrixtest.ValueQuirks{}, ""},
		{"summer time", bitrixtest.ValueQuirks{Zone: "Europe/Berlin"}, ""},
		{"late dates in lists", bitrixtest.ValueQuirks{ListShift: 2 * time.Hour}, ""},
		{"dates without seconds", bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesMinutes}, ""},
		{"another wall clock", bitrixtest.ValueQuirks{FilterDates: bitrixtest.FilterDatesWall, FilterOffset: -5 * time.Hour}, "does not show an order"},
		{"a wall clock in the east", bitrixtest.ValueQuirks{FilterDates: bitrixtest.FilterDatesWall, FilterOffset: 9 * time.Hour}, "shows an order that its filter"},
		{"dropped", bitrixtest.ValueQuirks{FilterDates: bitrixtest.FilterDatesDropped}, "shows an order that its filter"},
		{"nothing matches", bitrixtest.ValueQuirks{FilterDates: bitrixtest.FilterDatesNothing}, "does not show an order"},
		{"no dates in lists", bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesNull}, "no order whose dateUpdate is known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 600, AllowRegets: true, Strict: t, Values: tt.values})
			e := newSinceJob(t, portal, "orders", "")
			e.run(t, jobs.ExitComplete)
			for night := range uint64(3) {
				portal.Mutate(30, night)
				m := e.run(t, jobs.ExitComplete).Summary.Manifest
				if tt.values.DateFormat == "" {
					e.wantTable(t, portal, none)
				}
				by := "list"
				if tt.why == "" {
					by = "orders"
				}
				if m.Since == nil || m.Since.By != by || !strings.Contains(m.Since.Why, tt.why) {
					t.Errorf("night %d: since %+v, want %s, because: %s", night, m.Since, by, tt.why)
				}
			}
		})
	}
}

// The payments of a saved order are read, also if the portal cannot encode one of them.
func TestSavedOrdersThatCannotBeEncoded(t *testing.T) {
	for _, casts := range []bool{false, true} {
		bubble(t, "", func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 8, Payments: 700, First: 500, AllowRegets: true, Strict: t,
				Values: bitrixtest.ValueQuirks{CastLists: casts}})
			e := newBubbleJob(t, portal, "source: {since: orders}")
			e.run(t, jobs.ExitComplete)
			change(portal, 60)
			bad := []int64{portal.ID(333), portal.ID(500)}
			for _, id := range bad {
				if !portal.Pay(id) && !portal.Unpay(id) {
					t.Fatalf("payment %d does not change", id)
				}
			}
			portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadTexts = bad })
			out := e.run(t, jobs.ExitRejects)
			if l := out.Summary.Ledger; l.Rejected != 2 || l.Kept != 2 || out.Summary.Manifest.Since.By != "orders" {
				t.Errorf("ledger %+v, since %+v; want two rejects that keep their rows", l, out.Summary.Manifest.Since)
			}
			portal.Adjust(func(o *bitrixtest.Options) { o.Server.BadTexts = nil })
			e.run(t, jobs.ExitComplete)
			e.wantTable(t, portal, none)
		})
	}
}
