package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFullRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(1000), newMemory(t)
		p.refuse = map[PaymentID]bool{30: true, 300: true}
		p.vanish = map[PaymentID]bool{33: true}
		p.badList = map[PaymentID]bool{36: true}
		var watch Progress
		cfg := config(p, m)
		cfg.Progress = &watch
		s := mustRun(t, cfg)
		if diff := cmp.Diff(p.truth(), values(m.current), cmp.AllowUnexported(row{})); diff != "" {
			t.Errorf("table differs from the portal (-want +got):\n%s", diff)
		}
		want := Ledger{Listed: 1000, Got: 996, Rejected: 3, Vanished: 1}
		if s.Manifest.Ledger != want {
			t.Errorf("ledger %+v, want %+v", s.Manifest.Ledger, want)
		}
		if got := p.getsSum(); got != 999 {
			t.Errorf("%d gets, want 999: all but the one whose listing is unreadable", got)
		}
		if s.Manifest.Changes != (Changes{Insert: 996}) {
			t.Errorf("changes %+v", s.Manifest.Changes)
		}
		if watch.Phase() != PhaseDone || watch.Got.Load() != 996 || watch.Listed.Load() != 1000 || watch.Saved.Load() != 1000 {
			t.Errorf("progress: phase %v, got %d, listed %d, saved %d", watch.Phase(), watch.Got.Load(), watch.Listed.Load(), watch.Saved.Load())
		}
		if want := []PaymentID{30, 36, 300}; !slices.Equal(m.rejects[s.Snapshot], want) {
			t.Errorf("rejects %v, want %v", m.rejects[s.Snapshot], want)
		}
	})
}

func TestEmptyPortal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		s := mustRun(t, config(newPortal(0), m))
		if s.Manifest == nil || s.Manifest.Ledger != (Ledger{}) || len(m.manifests) != 1 {
			t.Errorf("summary %+v", s)
		}
	})
}

func TestIncrementalRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(1000), newMemory(t)
		p.refuse = map[PaymentID]bool{30: true}
		cfg := config(p, m)
		cfg.Mode = Incremental
		first := mustRun(t, cfg)
		if first.Manifest.Mode != Full {
			t.Errorf("first run: mode %s, want full", first.Manifest.Mode)
		}

		time.Sleep(24 * time.Hour)
		p.gets = map[PaymentID]int{}
		p.rows[60] = row{id: 60, value: -1, detail: 7}   // changed
		p.rows[63] = row{id: 63, value: 21, detail: -1}  // changed in a column that only a get shows
		p.rows[61] = row{id: 61, value: 61, detail: 61}  // new
		p.rows[9000] = row{id: 9000, value: 1}           // new, at the end
		p.refuse[66] = true                              // changed, and refused: keeps its row
		p.rows[66] = row{id: 66, value: -66, detail: -6} //
		delete(p.rows, 90)                               // gone
		delete(p.rows, 3000)                             // gone, the last one
		p.vanish = map[PaymentID]bool{93: true}          // listed as changed, gone at the get
		p.rows[93] = row{id: 93, value: -93}
		second := mustRun(t, cfg)

		want := p.truth()
		for i := range want {
			if want[i].id == 63 {
				want[i] = row{id: 63, value: 21, detail: 21 * 21}
			}
		}
		want = append(want, row{id: 66, value: 22, detail: 22 * 22})
		slices.SortFunc(want, func(a, b row) int { return int(a.id - b.id) })
		if diff := cmp.Diff(want, values(m.current), cmp.AllowUnexported(row{})); diff != "" {
			t.Errorf("table (-want +got):\n%s", diff)
		}
		// 1000 + 2 new - 2 gone are listed. 60, 61, 9000, 66, 93 are fetched, and 30,
		// which was refused before.
		wantLedger := Ledger{Listed: 1000, Got: 3, Carried: 994, Rejected: 2, Vanished: 1, Kept: 1, Gone: 3}
		if second.Manifest.Ledger != wantLedger {
			t.Errorf("ledger %+v, want %+v", second.Manifest.Ledger, wantLedger)
		}
		if n := p.getsSum(); n != 6 {
			t.Errorf("%d gets, want 6: %v", n, p.gets)
		}
		if want := (Changes{Insert: 2, Update: 1, Delete: 3}); second.Manifest.Changes != want {
			t.Errorf("changes %+v, want %+v", second.Manifest.Changes, want)
		}
		if !second.Manifest.FullAt.Equal(first.Manifest.StartedAt) || second.Manifest.Previous != first.Snapshot {
			t.Errorf("manifest: full at %v, previous %s", second.Manifest.FullAt, second.Manifest.Previous)
		}
	})
}

func TestIncrementalBecomesFull(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Config[row])
		wait time.Duration
		want Mode
	}{
		{"next night", func(*Config[row]) {}, 24 * time.Hour, Incremental},
		{"full_every has passed", func(*Config[row]) {}, 7 * 24 * time.Hour, Full},
		{"full_every, started minutes earlier", func(*Config[row]) {}, 7*24*time.Hour - 10*time.Minute, Full},
		{"full_every, a night too early", func(*Config[row]) {}, 6 * 24 * time.Hour, Incremental},
		{"a run whose clock was ahead", func(c *Config[row]) { c.Now = func() time.Time { return time.Now().Add(-3 * 365 * 24 * time.Hour) } }, 0, Full},
		{"a clock that is a little behind", func(c *Config[row]) { c.Now = func() time.Time { return time.Now().Add(-time.Minute) } }, 0, Incremental},
		{"full_every never", func(c *Config[row]) { c.FullEvery = 0 }, 7000 * time.Hour, Incremental},
		{"job changed", func(c *Config[row]) { c.Fingerprint = "f2" }, time.Hour, Full},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPortal(20), newMemory(t)
				cfg := config(p, m)
				cfg.Mode, cfg.FullEvery = Incremental, 7*24*time.Hour
				mustRun(t, cfg)
				time.Sleep(tt.wait)
				tt.edit(&cfg)
				if s := mustRun(t, cfg); s.Manifest.Mode != tt.want {
					t.Errorf("mode %s, want %s", s.Manifest.Mode, tt.want)
				}
			})
		})
	}
}

// A run that stops before the listing is complete names the payments of the portal, not
// these and the rows of the last snapshot.
func TestEarlyRejectsNameThePaymentsOfThePortal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(100), newMemory(t)
		p.total = 100
		cfg := config(p, m)
		mustRun(t, cfg)
		p.refuse = map[PaymentID]bool{3: true, 30: true}
		cfg.Mode, cfg.Rejects = Full, RejectLimit{Count: 1}
		var rejects *RejectsError
		if _, err := Run(t.Context(), cfg); !errors.As(err, &rejects) || rejects.Payments != 100 {
			t.Errorf("error %v, want a RejectsError with 100 payments", err)
		}
	})
}

func TestRejectsAboveTheLimitPublishNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit RejectLimit
		total int64
		fails bool
	}{
		{"none allowed", RejectLimit{}, 0, true},
		{"a count that is enough", RejectLimit{Count: 5}, 0, false},
		{"a count that is not", RejectLimit{Count: 4}, 0, true},
		{"a share, which allows ten", RejectLimit{Share: 0.001}, 0, false},
		{"seen before the end", RejectLimit{Count: 1}, 100, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPortal(100), newMemory(t)
				p.total = tt.total
				p.refuse = map[PaymentID]bool{3: true, 30: true, 33: true, 150: true, 300: true}
				cfg := config(p, m)
				cfg.Rejects = tt.limit
				_, err := Run(t.Context(), cfg)
				var rejects *RejectsError
				if errors.As(err, &rejects) != tt.fails {
					t.Fatalf("error %v, want a RejectsError: %v", err, tt.fails)
				}
				if !tt.fails {
					return
				}
				if len(m.manifests) != 0 || m.current != nil {
					t.Errorf("something was published")
				}
				if !strings.Contains(err.Error(), "payment 3") || !strings.Contains(err.Error(), "Access denied") {
					t.Errorf("error %q does not name a reject", err)
				}
				// After the fix, the next run resumes and succeeds.
				p.refuse = nil
				if s := mustRun(t, cfg); !s.Resumed || s.Manifest.Ledger.Got != 100 {
					t.Errorf("after the fix: %+v", s)
				}
			})
		})
	}
}

func TestInterruptedRunSavesAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(1000), newMemory(t)
		p.getTime = time.Second
		cfg := config(p, m)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second+time.Millisecond, cancel)
		s, err := Run(ctx, cfg)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want canceled", err)
		}
		// Four workers, ten payments per chunk, a second each: ten rounds are complete,
		// and the run waits for the eleventh, which is in flight.
		if s.Ledger.Got != 440 {
			t.Errorf("saved %d, want 440", s.Ledger.Got)
		}
		s = mustRun(t, cfg)
		if !s.Resumed || s.Manifest.Ledger.Got != 1000 || s.Use.Resumed != 1 {
			t.Errorf("resumed run: %+v", s)
		}
		if n := p.getsSum(); n != 1000 {
			t.Errorf("%d gets, want 1000: none repeated", n)
		}
	})
}

func TestInterruptDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(100), newMemory(t)
		p.getTime = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := Run(ctx, config(p, m)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("error %v", err)
		}
		if took := time.Since(start); took != 11*time.Second {
			t.Errorf("stopped after %v, want the second and the grace of ten", took)
		}
	})
}

func TestFailedGetSavesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(1000), newMemory(t)
		boom := errors.New("portal unreachable")
		p.getTime = time.Second
		p.getError = func(c []Listed[row]) error {
			if c[0].ID > 1500 {
				return boom
			}
			return nil
		}
		s, err := Run(t.Context(), config(p, m))
		if !errors.Is(err, boom) || !strings.Contains(err.Error(), "get payments 15") {
			t.Fatalf("error %v", err)
		}
		if s.Ledger.Got < 480 || len(m.manifests) != 0 {
			t.Errorf("saved %d, want the chunks before the failure", s.Ledger.Got)
		}
		p.getError = nil
		if s := mustRun(t, config(p, m)); s.Manifest.Ledger.Got != 1000 {
			t.Errorf("resumed: %+v", s.Manifest.Ledger)
		}
		for id, n := range p.gets {
			if n > 1 && id < 1500-3*10*8 {
				t.Errorf("payment %d got %d times although it was saved", id, n)
			}
		}
	})
}

func TestListErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPortal(1000)
		p.listFail = 1530
		s, err := Run(t.Context(), config(p, newMemory(t)))
		if err == nil || !strings.Contains(err.Error(), "list payments: portal down at 1530") {
			t.Errorf("error %v", err)
		}
		// Chunks that no getter had received are not saved.
		if s.Ledger.Got > 500 || s.Ledger.Got < 500-8*10 {
			t.Errorf("saved %d, want what was got before: 500 less a window at most", s.Ledger.Got)
		}
	})
}

func TestChangedJobIsNotTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(1000), newMemory(t)
		p.listFail = 1530
		cfg := config(p, m)
		first, err := Run(t.Context(), cfg)
		if err == nil {
			t.Fatal("no error")
		}
		p.listFail = 0
		cfg.Fingerprint = "f2"
		var changed *JobChangedError
		if _, err := Run(t.Context(), cfg); !errors.As(err, &changed) || changed.Rows != first.Ledger.Got {
			t.Fatalf("error %v, want a JobChangedError with %d rows", err, first.Ledger.Got)
		}
		cfg.Restart = true
		if s := mustRun(t, cfg); s.Resumed || s.Manifest.Ledger.Got != 1000 {
			t.Errorf("restarted: %+v", s)
		}
	})
}

func TestSnapshotsNeverShareAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(5), newMemory(t)
		var names []SnapshotID
		for range 4 {
			names = append(names, mustRun(t, config(p, m)).Snapshot)
		}
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != 4 {
			t.Errorf("snapshots %v", names)
		}
	})
}

// brokenSource answers a chunk incorrectly.
type brokenSource struct {
	*portal
	breakIt func(*Got[row])
}

func (b brokenSource) Get(ctx context.Context, chunk []Listed[row]) (Got[row], error) {
	got, err := b.portal.Get(ctx, chunk)
	b.breakIt(&got)
	return got, err
}

func TestAnswersThatDoNotAddUp(t *testing.T) {
	for _, tt := range []struct {
		name    string
		breakIt func(*Got[row])
		want    string
	}{
		{"one missing", func(g *Got[row]) { g.Rows = g.Rows[1:] }, "no answer for payment"},
		{"one twice", func(g *Got[row]) { g.Rows[1] = g.Rows[0] }, "answered twice"},
		{"one as row and as vanished", func(g *Got[row]) { g.Vanished = append(g.Vanished, g.Rows[0].id) }, "answered twice"},
		{"one that nobody asked for", func(g *Got[row]) { g.Rejects = append(g.Rejects, Reject{ID: 4}) }, "without being asked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(t)
				cfg := config(nil, m)
				cfg.Source = brokenSource{newPortal(10), tt.breakIt}
				if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				if len(m.manifests) != 0 {
					t.Error("published")
				}
			})
		})
	}
}
