package jobs_test

import (
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/schemas"
)

// TestRecheck compares rows with a portal that has continued: what changed since is
// separate from what is wrong, and from what is gone.
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

	// Wrong rows: nobody saved their orders since they were read.
	wrong := append([]schemas.Payment(nil), rows[:10]...)
	for i := range wrong {
		wrong[i].Sum.V++
		// Far enough behind the last change of any order that clocks do not matter.
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
