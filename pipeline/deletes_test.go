package pipeline

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDeleteLimit(t *testing.T) {
	for _, tt := range []struct {
		limit         DeleteLimit
		deleted, rows int64
		held          bool
	}{
		{DeleteLimit{Share: 0.2}, 200, 1000, false},
		{DeleteLimit{Share: 0.2}, 201, 1000, true},
		{DeleteLimit{Share: 0.2}, 100, 101, false}, // a share allows a hundred
		{DeleteLimit{Share: 0.001}, 100, 5000, false},
		{DeleteLimit{Share: 0.001}, 101, 5000, true},
		{DeleteLimit{Share: 0.2}, 3, 3, true}, // but never all
		{DeleteLimit{Share: 1}, 1000, 1000, true},
		{DeleteLimit{Share: 1}, 999, 1000, false},
		{DeleteLimit{Count: 5}, 5, 10, false},
		{DeleteLimit{Count: 5}, 6, 10, true},
		{DeleteLimit{Count: 5}, 5, 5, true},
		{DeleteLimit{}, 1, 10, true},
		{DeleteLimit{}, 0, 10, false},
		{DeleteLimit{}, 0, 0, false},
	} {
		if held := tt.limit.holds(tt.deleted, tt.rows); held != tt.held {
			t.Errorf("%+v: %d of %d deleted: held %v, want %v", tt.limit, tt.deleted, tt.rows, held, tt.held)
		}
	}
}

// A run that would delete too much publishes nothing and keeps what it fetched: a run
// with AllowDeletes publishes it, and any other run lists again.
func TestDeletesAboveTheLimitPublishNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		gone  int
		allow bool // in the second run; otherwise the portal shows the payments again
	}{
		{"too many, and allowed", 300, true},
		{"too many, and back again", 300, false},
		{"all, and allowed", 1000, true},
		{"all, and back again", 1000, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPortal(1000), newMemory(t)
				cfg := config(p, m)
				cfg.Mode = Incremental
				first := mustRun(t, cfg)
				before := append([]row(nil), m.current...)
				all := map[PaymentID]row{}
				for id, r := range p.rows {
					all[id] = r
				}
				for id := range p.rows {
					if len(p.rows) == 1000-tt.gone {
						break
					}
					delete(p.rows, id)
				}
				p.rows[9000] = row{id: 9000, value: 1}

				for range 2 { // and again, because nothing has changed
					time.Sleep(time.Hour)
					s, err := Run(t.Context(), cfg)
					e, ok := errors.AsType[*DeletesError](err)
					if !ok || e.Deleted != int64(tt.gone) || e.Rows != 1000 || e.Allowed != 200 || e.Snapshot != s.Snapshot {
						t.Fatalf("error %v, want one about %d of 1000", err, tt.gone)
					}
					if diff := cmp.Diff(before, m.current, cmp.AllowUnexported(row{})); diff != "" || s.Manifest != nil {
						t.Errorf("published (-want +got):\n%s", diff)
					}
				}
				time.Sleep(time.Hour)
				p.gets = map[PaymentID]int{}
				cfg.AllowDeletes = tt.allow
				want := DeleteGuard{Rows: 1000, Allowed: 200, Forced: tt.allow}
				if !tt.allow {
					all[9000] = p.rows[9000]
					p.rows = all
				}
				s := mustRun(t, cfg)
				if diff := cmp.Diff(p.truth(), values(m.current), cmp.AllowUnexported(row{})); diff != "" {
					t.Errorf("table (-want +got):\n%s", diff)
				}
				if *s.Manifest.Deletes != want || first.Manifest.Deletes != nil {
					t.Errorf("manifest: %+v, want %+v; the first one's: %+v", s.Manifest.Deletes, want, first.Manifest.Deletes)
				}
				// The fetched rows are used in both cases.
				if n := p.getsSum(); n != 0 || !s.Resumed {
					t.Errorf("%d gets, resumed %v", n, s.Resumed)
				}
			})
		})
	}
}

func TestIDRanges(t *testing.T) {
	var r []IDRange
	for _, id := range []PaymentID{3, 7, 8, 9, 11, 12, 20, 1, 2} {
		r = withID(r, id)
	}
	if diff := cmp.Diff([]IDRange{{1, 3}, {7, 9}, {11, 12}, {20, 20}}, inOrder(r)); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
	r = inOrder(withoutIDs(r, Range{After: 8, Through: 11}))
	if diff := cmp.Diff([]IDRange{{1, 3}, {7, 8}, {12, 12}, {20, 20}}, r); diff != "" {
		t.Errorf("without 9 to 11 (-want +got):\n%s", diff)
	}
	if r = withoutIDs(r, Range{After: 0, Through: 100}); len(r) != 0 {
		t.Errorf("without all: %v", r)
	}
	for id := PaymentID(100); id < 100+4*manyRanges; id += 2 {
		r = withID(r, id)
	}
	if len(r) != manyRanges {
		t.Errorf("%d ranges, want %d", len(r), manyRanges)
	}
}
