package jobs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/schemas"
)

// A day is the portal's day, with the date's own offset, however the portal reads dates
// in filters and shows them in lists.
func TestBackfillOfDays(t *testing.T) {
	const berlin = "Europe/Berlin"
	for _, tt := range []struct {
		name, zone string // the zone of the days
		job        string // further keys of the portal
		values     bitrixtest.ValueQuirks
	}{
		{"summer time", berlin, "", bitrixtest.ValueQuirks{Zone: berlin}},
		{"no summer time", "Etc/GMT-3", "", bitrixtest.ValueQuirks{}},
		{"filters by another wall clock", berlin, "", bitrixtest.ValueQuirks{Zone: berlin, FilterDates: bitrixtest.FilterDatesWall, FilterOffset: -5 * time.Hour}},
		{"filters by a wall clock far east", berlin, "", bitrixtest.ValueQuirks{Zone: berlin, FilterDates: bitrixtest.FilterDatesWall, FilterOffset: 14 * time.Hour}},
		{"late dates", berlin, "", bitrixtest.ValueQuirks{Zone: berlin, ListShift: 2 * time.Hour}},
		{"swapped dates", berlin, "", bitrixtest.ValueQuirks{Zone: berlin, DateFormat: bitrixtest.DatesSwapped}},
		{"the job names the zone", "Asia/Tokyo", ", time_zone: Asia/Tokyo", bitrixtest.ValueQuirks{Zone: berlin}},
	} {
		for _, what := range []string{"billed", "paid"} {
			t.Run(what+", "+tt.name, func(t *testing.T) {
				zone, err := time.LoadLocation(tt.zone)
				if err != nil {
					t.Fatal(err)
				}
				portal := bitrixtest.New(bitrixtest.Options{Seed: 11, Payments: 3000, AllowRegets: true, Strict: t, Values: tt.values})
				e := newRunJob(t, portal, "mode: full")
				// A winter and a summer range; together they cover all days between.
				for _, days := range [][2]string{{"2024-01-10", "2024-07-03"}, {"2024-07-03", "2024-12-20"}} {
					e = e.again(t, portal, fmt.Sprintf("mode: backfill\nbackfill: {%s: {from: %s, to: %s}}", what, days[0], days[1]))
					if tt.job != "" {
						e.spec.Portals[0].TimeZone = zone
					}
					e.run(t, jobs.ExitComplete)
				}
				in := func(at schemas.Null[schemas.Instant]) bool {
					day := at.V.Time().In(zone).Format(time.DateOnly)
					return at.Valid && "2024-01-10" <= day && day < "2024-12-20"
				}
				want := byID(t, portal)
				for id, row := range want {
					if what == "billed" && !in(row.DateBill) || what == "paid" && !in(row.DatePaid) {
						delete(want, id)
					}
				}
				if tt.values.DateFormat == bitrixtest.DatesSwapped {
					e.wantAtLeast(t, want)
					return
				}
				e.wantRows(t, want)
			})
		}
	}
}

// wantAtLeast checks that the table has these payments, and at most a tenth more: if a
// list does not show a date, whether it is one of the days is not known.
func (e *runJob) wantAtLeast(t *testing.T, want map[int64]schemas.Payment) {
	t.Helper()
	there := map[int64]bool{}
	for _, row := range e.rows(t) {
		there[row.ID] = true
	}
	for id := range want {
		if !there[id] {
			t.Errorf("payment %d is not in the table", id)
		}
	}
	if len(there) > len(want)+len(want)/10 {
		t.Errorf("%d payments; want some %d", len(there), len(want))
	}
}

// A run publishes nothing if the portal ignores the condition, or matches nothing.
func TestBackfillWithoutAFilter(t *testing.T) {
	for _, tt := range []struct {
		filter bitrixtest.FilterDates
		want   string
	}{
		{bitrixtest.FilterDatesDropped, "ignores the condition on"},
		{bitrixtest.FilterDatesNothing, "matches nothing"},
	} {
		for _, what := range []string{"billed", "paid"} {
			t.Run(string(tt.filter)+", "+what, func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Seed: 11, Payments: 600, AllowRegets: true, Strict: t, Values: bitrixtest.ValueQuirks{FilterDates: tt.filter}})
				e := newRunJob(t, portal, "mode: backfill\nbackfill: {"+what+": {from: 2024-01-10, to: 2024-07-03}}")
				out := e.run(t, jobs.ExitFailed)
				if out.Err == nil || !strings.Contains(out.Err.Error(), tt.want) || !strings.Contains(jobs.Hint(out.Err), "source.list: ids") {
					t.Errorf("error %v, hint %q", out.Err, jobs.Hint(out.Err))
				}
				if out.Summary.Manifest != nil {
					t.Error("published")
				}
			})
		}
	}
}
