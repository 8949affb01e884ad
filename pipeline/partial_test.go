package pipeline

import (
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A backfill fetches its range, whatever it contains, and does not change other rows.
func TestBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(1000), newMemory(t)
		p.refuse = map[PaymentID]bool{30: true}
		mustRun(t, config(p, m))

		time.Sleep(time.Hour)
		inRange := func(r *row) bool { return r.value >= 100 && r.value < 200 }
		p.show = func(item Listed[row]) (Listed[row], bool) { return item, inRange(&item.Row) }
		p.absent = func(_ PaymentID, last *row) Absence {
			if last == nil || inRange(last) {
				return Doubtful
			}
			return Outside
		}
		p.gets = map[PaymentID]int{}
		p.refuse = nil                                     // 30 can be read now
		p.rows[330] = row{id: 330, value: 110, detail: -1} // changed in a column that only a get shows
		p.rows[451] = row{id: 451, value: 150}             // new in the range
		p.rows[360] = row{id: 360, value: 5000}            // no longer in the range
		p.rows[999] = row{id: 999, value: 120}             // now in the range
		delete(p.rows, 390)                                // gone
		p.rows[1500] = row{id: 1500, value: -1}            // changed outside
		delete(p.rows, 1503)                               // gone outside

		want := slices.DeleteFunc(p.truth(), func(r row) bool { return r.id == 1500 })
		want = append(want, row{id: 1500, value: 500, detail: 500 * 500}, row{id: 1503, value: 501, detail: 501 * 501})
		slices.SortFunc(want, func(a, b row) int { return int(a.id - b.id) })
		cfg := config(p, m)
		cfg.Mode, cfg.Range = Backfill, "values from 100 to 200"
		s := mustRun(t, cfg)
		if diff := cmp.Diff(want, values(m.current), cmp.AllowUnexported(row{})); diff != "" {
			t.Errorf("table (-want +got):\n%s", diff)
		}
		// The range's 98 payments that stay, two new ones, the one that left the range,
		// and 30.
		wantLedger := Ledger{Listed: 102, Got: 102, Outside: 1000 - 1 - 100 - 1, Gone: 1}
		if s.Manifest.Ledger != wantLedger {
			t.Errorf("ledger %+v, want %+v", s.Manifest.Ledger, wantLedger)
		}
		if len(p.finds) != 3 || p.getsSum() != 102 {
			t.Errorf("found by id: %v; %d gets; want 30, 360 and 390, and 102 gets", p.finds, p.getsSum())
		}
		if s.Manifest.Range != cfg.Range || s.Manifest.Mode != Backfill || s.Manifest.Changes != (Changes{Insert: 2, Update: 3, Delete: 1}) {
			t.Errorf("manifest: range %q, mode %s, changes %+v", s.Manifest.Range, s.Manifest.Mode, s.Manifest.Changes)
		}
	})
}

// A payment that is doubtful only because of the range's bounds is not fetched.
func TestBackfillFindsWhatIsAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(100), newMemory(t)
		mustRun(t, config(p, m))
		time.Sleep(time.Hour)
		p.gets = map[PaymentID]int{}
		p.show = func(item Listed[row]) (Listed[row], bool) { return item, false }
		p.absent = func(PaymentID, *row) Absence { return Doubtful }
		cfg := config(p, m)
		cfg.Mode, cfg.Range = Backfill, "nothing"
		s := mustRun(t, cfg)
		if want := (Ledger{Listed: 100, Carried: 100}); s.Manifest.Ledger != want || p.getsSum() != 0 || len(p.finds) != 100 {
			t.Errorf("ledger %+v, %d gets, %d found by id", s.Manifest.Ledger, p.getsSum(), len(p.finds))
		}
	})
}

// A run of another kind or range does not resume an unfinished backfill, and a backfill
// does not resume another run.
func TestUnfinishedSnapshotOfAnotherRange(t *testing.T) {
	for _, tt := range []struct{ name, begun, next string }{
		{"a nightly run meets a backfill", "billed 2019", ""},
		{"a backfill meets a nightly run", "", "billed 2019"},
		{"a backfill meets another one", "billed 2019", "billed 2020"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPortal(300), newMemory(t)
				mode := func(r string) Mode {
					if r != "" {
						return Backfill
					}
					return Incremental
				}
				p.listFail = 600
				cfg := config(p, m)
				cfg.Mode, cfg.Range = mode(tt.begun), tt.begun
				if _, err := Run(t.Context(), cfg); err == nil {
					t.Fatal("no error")
				}
				p.listFail = 0
				cfg.Mode, cfg.Range = mode(tt.next), tt.next
				_, err := Run(t.Context(), cfg)
				changed, ok := errors.AsType[*JobChangedError](err)
				if !ok || changed.Range != tt.begun || changed.Begun == "" || changed.Rows == 0 {
					t.Fatalf("error %v (%+v)", err, changed)
				}
				cfg.Restart = true
				if s := mustRun(t, cfg); s.Manifest.Range != tt.next || len(m.current) != 300 {
					t.Errorf("restarted: range %q, %d rows", s.Manifest.Range, len(m.current))
				}
			})
		})
	}
}

// A backfill does not mix its rows with those of a job with another meaning.
func TestBackfillOfAnotherTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(10), newMemory(t)
		mustRun(t, config(p, m))
		cfg := config(p, m)
		cfg.Mode, cfg.Range, cfg.Fingerprint = Backfill, "all", "other"
		_, err := Run(t.Context(), cfg)
		if other, ok := errors.AsType[*OtherTableError](err); !ok || other.Snapshot == "" {
			t.Errorf("error %v", err)
		}
	})
}

// A listing that shows only the ids of most payments costs no more gets than there are
// changes, and finds what is gone.
func TestListingOfIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(1000), newMemory(t)
		p.refuse = map[PaymentID]bool{30: true, 33: true}
		p.since = &Since{By: "orders", Watermark: "one"}
		cfg := config(p, m)
		cfg.Mode = Incremental
		if s := mustRun(t, cfg); s.Manifest.Since == nil || s.Manifest.Since.Watermark != "one" {
			t.Errorf("manifest: since %+v", s.Manifest.Since)
		}

		time.Sleep(time.Hour)
		changed := map[PaymentID]bool{60: true, 63: true, 9000: true}
		p.show = func(item Listed[row]) (Listed[row], bool) {
			if item.Missing || changed[item.ID] {
				return item, true
			}
			return Listed[row]{ID: item.ID, Unread: true}, true
		}
		p.gets = map[PaymentID]int{}
		p.refuse = map[PaymentID]bool{33: true}
		p.rows[60] = row{id: 60, value: -1}
		p.rows[9000] = row{id: 9000, value: 1} // new
		p.rows[62] = row{id: 62, value: 62}    // new, without a change event
		delete(p.rows, 90)
		delete(p.rows, 93)
		p.missing = []PaymentID{93, 94}
		p.since = &Since{By: "orders", Watermark: "two"}
		s := mustRun(t, cfg)
		if diff := cmp.Diff(p.truth(), values(m.current), cmp.AllowUnexported(row{})); diff != "" {
			t.Errorf("table (-want +got):\n%s", diff)
		}
		// Fetched: 60, 9000, 62, 30 and, without success, 33.
		if want := (Ledger{Listed: 1000, Got: 4, Carried: 995, Rejected: 1, Gone: 2}); s.Manifest.Ledger != want || p.getsSum() != 5 {
			t.Errorf("ledger %+v, want %+v; %d gets", s.Manifest.Ledger, want, p.getsSum())
		}
		if want := map[PaymentID]int{30: 1, 33: 1, 62: 1}; !cmp.Equal(p.finds, want) {
			t.Errorf("found by id: %v, want %v", p.finds, want)
		}
		scope := p.scopes[len(p.scopes)-1]
		if scope.Mode != Incremental || scope.Last == nil || scope.Last.Since.Watermark != "one" || s.Manifest.Since.Watermark != "two" {
			t.Errorf("scope %+v, manifest's since %+v", scope, s.Manifest.Since)
		}
	})
}

// A resumed snapshot keeps the watermark of its beginning: what has changed since then
// may be before the place where it continues.
func TestWatermarkIsThatOfTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(300), newMemory(t)
		p.since = &Since{By: "orders", Watermark: "one"}
		p.listFail = 600
		cfg := config(p, m)
		if _, err := Run(t.Context(), cfg); err == nil {
			t.Fatal("no error")
		}
		p.listFail = 0
		p.since = &Since{By: "orders", Watermark: "two"}
		if s := mustRun(t, cfg); !s.Resumed || s.Manifest.Since.Watermark != "one" {
			t.Errorf("resumed %v, since %+v", s.Resumed, s.Manifest.Since)
		}
	})
}

// The largest possible id is an id like any other: as a row, as a reject, and when it
// is deleted.
func TestGreatestID(t *testing.T) {
	for _, refused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p, m := newPortal(20), newMemory(t)
			p.rows[math.MaxInt64] = row{id: math.MaxInt64, value: 7}
			mustRun(t, config(p, m))
			if got := values(m.current); got[len(got)-1].id != math.MaxInt64 {
				t.Fatalf("the table ends with %+v", got[len(got)-1])
			}
			if refused {
				time.Sleep(time.Hour)
				p.refuse = map[PaymentID]bool{math.MaxInt64: true}
				p.rows[math.MaxInt64] = row{id: math.MaxInt64, value: 8}
				mustRun(t, config(p, m))
			}
			time.Sleep(time.Hour)
			delete(p.rows, math.MaxInt64)
			s := mustRun(t, config(p, m))
			if diff := cmp.Diff(p.truth(), values(m.current), cmp.AllowUnexported(row{})); diff != "" {
				t.Errorf("refused %v: table (-want +got):\n%s", refused, diff)
			}
			if s.Manifest.Ledger.Gone != 1 || s.Manifest.Changes.Delete != 1 || s.Manifest.Ledger.Rejected != 0 {
				t.Errorf("refused %v: ledger %+v, changes %+v; want one payment gone", refused, s.Manifest.Ledger, s.Manifest.Changes)
			}
		})
	}
}

func TestWithoutIDs(t *testing.T) {
	const most = PaymentID(math.MaxInt64)
	for _, tt := range []struct {
		ids  IDRange
		part Range
		want []IDRange
	}{
		{IDRange{1, 9}, Range{3, 5}, []IDRange{{1, 3}, {6, 9}}},
		{IDRange{4, 5}, Range{3, 5}, nil},
		{IDRange{6, 9}, Range{3, 5}, []IDRange{{6, 9}}},
		{IDRange{4, most}, Range{3, most}, nil},
		{IDRange{1, most}, Range{3, most}, []IDRange{{1, 3}}},
		{IDRange{1, most}, Range{3, most - 1}, []IDRange{{1, 3}, {most, most}}},
	} {
		if diff := cmp.Diff(tt.want, withoutIDs([]IDRange{tt.ids}, tt.part)); diff != "" {
			t.Errorf("%v without %v (-want +got):\n%s", tt.ids, tt.part, diff)
		}
	}
}
