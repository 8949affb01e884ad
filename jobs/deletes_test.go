package jobs_test

import (
	"errors"
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/pipeline"
)

// If a portal shows too few payments, nothing changes until the user allows it.
func TestDeletesAboveTheLimit(t *testing.T) {
	for _, tt := range []struct {
		name, job    string
		payments     int
		delete       int
		held         bool
		wantInCheck  string
		allowedOfAll int64
	}{
		{name: "a fifth of 600", payments: 600, delete: 120},
		{name: "more", payments: 600, delete: 121, held: true, wantInCheck: "no longer shows 121 of the 600", allowedOfAll: 120},
		{name: "a hundred of 150", payments: 150, delete: 100},
		{name: "more than a hundred of 150", payments: 150, delete: 101, held: true, allowedOfAll: 100},
		{name: "all of three", payments: 3, delete: 3, held: true, wantInCheck: "shows none of the 3", allowedOfAll: 2},
		{name: "all, by a share of 100 %", job: "deletes: {max: 100%}", payments: 30, delete: 30, held: true, allowedOfAll: 29},
		{name: "a count", job: "deletes: {max: 5}", payments: 100, delete: 5},
		{name: "more than a count", job: "deletes: {max: 5}", payments: 100, delete: 6, held: true, allowedOfAll: 5},
		{name: "none", job: "deletes: {max: 0}", payments: 100, delete: 1, held: true, allowedOfAll: 0},
		{name: "in a full run", job: "mode: full", payments: 300, delete: 101, held: true, allowedOfAll: 100},
		{name: "by orders", job: "source: {since: orders}", payments: 300, delete: 101, held: true, allowedOfAll: 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Payments: tt.payments, AllowRegets: true, Strict: t})
			e := newRunJob(t, portal, tt.job)
			e.run(t, jobs.ExitComplete)
			before := e.rows(t)
			for range tt.delete {
				portal.Delete(portal.ID(portal.Count() / 2))
			}
			if !tt.held {
				e.run(t, jobs.ExitComplete)
				e.wantTable(t, portal, none)
				return
			}
			for range 2 {
				out := e.run(t, jobs.ExitFailed)
				held, ok := errors.AsType[*pipeline.DeletesError](out.Err)
				if !ok || held.Deleted != int64(tt.delete) || !strings.Contains(jobs.Hint(out.Err), "--allow-deletes") {
					t.Errorf("error %v, hint %q", out.Err, jobs.Hint(out.Err))
				}
				if out.Summary.Ledger.Gone != int64(tt.delete) {
					t.Errorf("ledger %+v, want %d gone", out.Summary.Ledger, tt.delete)
				}
			}
			if now := e.rows(t); len(now) != len(before) {
				t.Errorf("%d rows, there were %d", len(now), len(before))
			}
			text := ""
			for line := range jobs.Check(t.Context(), e.spec, e.opts) {
				if line.Check == "deletes.max" {
					text += string(line.State) + " " + line.Detail
				}
			}
			if !strings.HasPrefix(text, "warning ") || !strings.Contains(text, tt.wantInCheck) {
				t.Errorf("check says %q, want a warning with %q", text, tt.wantInCheck)
			}
			plan, err := jobs.MakePlan(t.Context(), e.spec, "acme", e.opts)
			if err != nil || plan.MayDelete != tt.allowedOfAll {
				t.Errorf("the plan says that %d rows may be deleted (%v), want %d", plan.MayDelete, err, tt.allowedOfAll)
			}
			e.opts.AllowDeletes = true
			out := e.run(t, jobs.ExitComplete)
			e.wantTable(t, portal, none)
			if m := out.Summary.Manifest; m.Deletes == nil || !m.Deletes.Forced || m.Changes.Delete != int64(tt.delete) {
				t.Errorf("manifest: %+v, %+v", m.Deletes, m.Changes)
			}
		})
	}
}
