package jobs_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/schemas"
)

// TestRecheck compares rows with a portal that has changed since. It distinguishes rows
// that have changed since from wrong rows and deleted ones.
func TestRecheck(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 8, Payments: 400, AllowRegets: true, Strict: t})
	e := newRunJob(t, portal, "")
	e.run(t, 0)
	rows := e.rows(t)
	count := func(rows []schemas.Payment) map[jobs.Verdict]int {
		t.Helper()
		list, err := jobs.Recheck(t.Context(), e.spec, "acme", rows, e.opts)
		if err != nil {
			t.Fatal(err)
		}
		n := map[jobs.Verdict]int{}
		for i, r := range list {
			n[r.Verdict]++
			if int64(r.ID) != rows[i].ID || r.ReadAt.IsZero() || (r.Verdict == jobs.Equal) != (r.Detail == "") {
				t.Errorf("row %d: %+v", rows[i].ID, r)
			}
		}
		return n
	}
	if n := count(rows); n[jobs.Equal] != len(rows) {
		t.Errorf("of an unchanged portal: %v, want %d equal", n, len(rows))
	}

	// Wrong rows: their orders were not saved since they were read.
	wrong := append([]schemas.Payment(nil), rows[:10]...)
	for i := range wrong {
		wrong[i].Sum.V++
		// Late enough after the last change of any order that clocks do not matter.
		wrong[i].ExtractedAt.V += schemas.Instant(3600 * 1e6)
	}
	list, err := jobs.Recheck(t.Context(), e.spec, "acme", wrong, e.opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Verdict != jobs.Differs || len(r.Columns) != 1 || r.Columns[0] != "sum" {
			t.Errorf("a wrong sum: %+v", r)
		}
	}

	portal.Mutate(200, 1)
	n := count(rows)
	if n[jobs.Differs] != 0 || n[jobs.ChangedSince] == 0 || n[jobs.Refused] == 0 || n[jobs.Equal] == 0 {
		t.Errorf("after changes: %v, want some equal, changed since and refused, and none that differs", n)
	}
	if _, err := jobs.Recheck(t.Context(), e.spec, "other", rows, e.opts); err == nil {
		t.Error("of a portal that the job does not have: no error")
	}
}

// Lists may show by another clock when an order was saved, or not at all. Recheck does
// not mistake wrong rows for rows that have changed since, nor the other way round.
func TestRecheckOnAPortalWithShiftedDates(t *testing.T) {
	for name, values := range map[string]bitrixtest.ValueQuirks{
		"late":    {ListShift: 7 * time.Hour},
		"early":   {ListShift: -7 * time.Hour},
		"minutes": {DateFormat: bitrixtest.DatesMinutes},
		"swapped": {DateFormat: bitrixtest.DatesSwapped, ListShift: 2 * time.Hour},
		"days":    {DateFormat: bitrixtest.DatesDays},
		"null":    {DateFormat: bitrixtest.DatesNull},
	} {
		bubble(t, name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 8, Payments: 200, AllowRegets: true, Strict: t, Values: values})
			e := newBubbleJob(t, portal, "")
			portal.Mutate(40, 3) // these orders are saved now
			time.Sleep(time.Hour)
			e.run(t, jobs.ExitComplete)
			rows := e.rows(t)
			judge := func(rows []schemas.Payment) (n map[jobs.Verdict]int, unknown int) {
				t.Helper()
				list, err := jobs.Recheck(t.Context(), e.spec, "acme", rows, e.opts)
				if err != nil {
					t.Fatal(err)
				}
				n = map[jobs.Verdict]int{}
				for _, r := range list {
					n[r.Verdict]++
					if strings.Contains(r.Detail, "not known") {
						unknown++
					}
				}
				return n, unknown
			}
			wrong := slices.Clone(rows)
			for i := range wrong {
				wrong[i].Sum.V++
			}
			if n, _ := judge(wrong); n[jobs.Differs] != len(rows) {
				t.Errorf("wrong rows: %v, want %d that differ", n, len(rows))
			}
			time.Sleep(time.Hour)
			portal.Mutate(40, 4)
			n, unknown := judge(rows)
			if n[jobs.Differs] != unknown || n[jobs.ChangedSince]+unknown == 0 {
				t.Errorf("after changes: %v, %d of them without a known time; want no other that differs", n, unknown)
			}
			if name == "late" || name == "early" || name == "minutes" {
				if unknown > 0 {
					t.Errorf("%d orders have no known time, want none", unknown)
				}
			}
		})
	}
}
