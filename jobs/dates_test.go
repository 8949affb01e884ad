package jobs_test

import (
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/pipeline"
	"b24export/schemas"
)

// On a portal whose lists show other dates than gets, a night without changes fetches
// nothing again, and date_bill is the portal's.
func TestDatesOfLists(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values bitrixtest.ValueQuirks
		bill   func(p bitrixtest.Payment) time.Time // nil: exact
	}{
		{name: "two hours late", values: bitrixtest.ValueQuirks{ListShift: 2 * time.Hour}},
		{name: "nine and a half hours early", values: bitrixtest.ValueQuirks{ListShift: -(9*time.Hour + 30*time.Minute)}},
		{name: "month first", values: bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesSwapped}, bill: func(p bitrixtest.Payment) time.Time {
			return unless(p.DateBill, p.DateBill.In(moscow).Day() > 12)
		}},
		{name: "month first and three hours late", values: bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesSwapped, ListShift: 3 * time.Hour},
			bill: func(p bitrixtest.Payment) time.Time {
				return unless(p.DateBill, p.DateBill.Add(3*time.Hour).In(moscow).Day() > 12)
			}},
		{name: "short years", values: bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesShort}, bill: func(p bitrixtest.Payment) time.Time {
			return unless(p.DateBill, p.DateBill.In(moscow).Day() < 25)
		}},
		{name: "no dates at all", values: bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesNull}, bill: func(bitrixtest.Payment) time.Time {
			return time.Time{}
		}},
		{name: "to the minute, late", values: bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesMinutes, ListShift: time.Hour}, bill: func(p bitrixtest.Payment) time.Time {
			return p.DateBill.Truncate(time.Minute)
		}},
	} {
		for _, enrich := range []string{"get", "list"} {
			t.Run(tt.name+", enrich "+enrich, func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 3000, AllowRegets: true, Strict: t, Values: tt.values})
				e := newRunJob(t, portal, "source: {enrich: "+enrich+"}")
				e.run(t, jobs.ExitComplete)
				want := byID(t, portal)
				for id, row := range want {
					if tt.bill != nil {
						truth, _ := portal.Truth(id)
						row.DateBill = schemas.Null[schemas.Instant]{}
						if at := tt.bill(truth); !at.IsZero() {
							row.DateBill = schemas.Some(schemas.InstantOf(at))
						}
						want[id] = row
					}
				}
				e.wantRows(t, want)
				m := e.run(t, jobs.ExitComplete).Summary.Manifest
				if m.Mode != pipeline.Incremental || m.Ledger.Got != 0 || m.Changes.Sum() != 0 {
					t.Errorf("the second night: %s, ledger %+v, changes %+v", m.Mode, m.Ledger, m.Changes)
				}
				e.wantRows(t, want)
				shift := int64(tt.values.ListShift / time.Second)
				if d := m.Dates; d == nil || d.ShiftS != shift && tt.values.DateFormat != bitrixtest.DatesNull || d.Measured == "" {
					t.Errorf("the manifest says %+v", d)
				}
			})
		}
	}
}

// measuring is the highest number of gets and pages that a run needs to measure the
// dates of a list.
const measuring = 48

var moscow = time.FixedZone("", 3*3600)

func unless(at time.Time, missing bool) time.Time {
	if missing {
		return time.Time{}
	}
	return at
}

// The user's zone changes: all listed dates differ from the night before, but no
// payment has changed.
func TestDatesMoveBetweenNights(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 2000, AllowRegets: true, Strict: t})
	e := newRunJob(t, portal, "")
	e.run(t, jobs.ExitComplete)
	for _, shift := range []time.Duration{2 * time.Hour, -7 * time.Hour, 0} {
		portal.Adjust(func(o *bitrixtest.Options) { o.Values.ListShift = shift })
		portal.Mutate(20, uint64(shift))
		m := e.run(t, jobs.ExitComplete).Summary.Manifest
		if m.Ledger.Got > 20 {
			t.Errorf("shift %v: %d payments fetched for 20 mutations", shift, m.Ledger.Got)
		}
		e.wantTable(t, portal, none)
	}
}

// If no payment of a portal is paid, only profile shows the dates' shift.
func TestDatesOfAPortalWithoutPaidPayments(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 300, AllowRegets: true, Strict: t,
		Values: bitrixtest.ValueQuirks{ListShift: 2 * time.Hour, ProfileOffset: true}})
	for p := range portal.All() {
		portal.Unpay(p.ID)
	}
	e := newRunJob(t, portal, "")
	m := e.run(t, jobs.ExitComplete).Summary.Manifest
	e.wantTable(t, portal, none)
	if m.Dates == nil || !strings.Contains(m.Dates.Measured, "profile") {
		t.Errorf("measured by %+v", m.Dates)
	}
}

// check warns of what a run will measure.
func TestCheckTellsOfDatesOfLists(t *testing.T) {
	for _, tt := range []struct {
		values bitrixtest.ValueQuirks
		want   string
	}{
		{bitrixtest.ValueQuirks{}, ""},
		{bitrixtest.ValueQuirks{ListShift: 2 * time.Hour}, "dates 2h0m0s later than they are"},
		{bitrixtest.ValueQuirks{ListShift: -90 * time.Minute}, "dates 1h30m0s earlier than they are"},
		{bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesSwapped}, "day and month swapped"},
		{bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesShort}, "no days below 25"},
		{bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesNull}, "the list shows no dates"},
		{bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesMinutes}, "no seconds"},
		{bitrixtest.ValueQuirks{DateFormat: bitrixtest.DatesDays}, "no times of day"},
	} {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 300, AllowRegets: true, Strict: t, Values: tt.values})
		_, byName := checked(t, newRunJob(t, portal, ""))
		line, told := byName["list_dates"]
		if told != (tt.want != "") || told && (line.State != jobs.CheckWarning || !strings.Contains(line.Detail, tt.want)) {
			t.Errorf("%+v: %+v, want %q", tt.values, line, tt.want)
		}
	}
}

// For payments in the hours that occur twice when summer time ends, lists depend on the
// season of the call. A night in another season fetches nothing and changes nothing.
func TestHoursThatComeTwiceAcrossNights(t *testing.T) {
	bubble(t, "Berlin", func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 120, AllowRegets: true, Strict: t,
			Until:  time.Date(1999, 11, 20, 0, 0, 0, 0, time.UTC),
			Values: bitrixtest.ValueQuirks{Zone: "Europe/Berlin"}})
		e := newBubbleJob(t, portal, "full_every: 0")
		// The first and the second 2:30 of 31 October 1999, and an hour before and
		// after.
		var odd []int64
		for i, at := range []time.Time{
			time.Date(1999, 10, 30, 23, 30, 0, 0, time.UTC), time.Date(1999, 10, 31, 0, 30, 0, 0, time.UTC),
			time.Date(1999, 10, 31, 1, 30, 0, 0, time.UTC), time.Date(1999, 10, 31, 2, 30, 0, 0, time.UTC),
		} {
			id := portal.ID(int64(20 + 7*i))
			portal.PayAt(id, at)
			odd = append(odd, id)
		}
		e.run(t, jobs.ExitComplete)
		for range 4 {
			time.Sleep(91 * 24 * time.Hour)
			m := e.run(t, jobs.ExitComplete).Summary.Manifest
			if m.Ledger.Got != 0 || m.Changes.Sum() != 0 {
				t.Errorf("%s: %d payments fetched, changes %+v", m.Snapshot, m.Ledger.Got, m.Changes)
			}
		}
		rows := byID(t, portal)
		table := e.table(t, "payments/portal=acme/payments.parquet")
		for _, id := range odd {
			if table[id].DatePaid != rows[id].DatePaid {
				t.Errorf("payment %d: paid at %v, want %v", id, table[id].DatePaid, rows[id].DatePaid)
			}
		}
	})
}
