package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// stopWhen stops a run at the first checkpoint after one for which is returns true.
func stopWhen(t *testing.T, cfg Config[row], m *memory, is func(Checkpoint) bool) {
	t.Helper()
	before := m.newestCheckpoint().Number
	m.effect = func(name string) outcome {
		if cp := m.newestCheckpoint(); name == "checkpoint" && cp.Number > before && is(cp) {
			return notDone
		}
		return done
	}
	defer func() { m.effect = nil }()
	if _, err := Run(context.Background(), cfg); err == nil {
		t.Fatal("the run was not stopped")
	}
}

// stopAfter stops a run when it has so many segments.
func stopAfter(t *testing.T, cfg Config[row], m *memory, n int) {
	t.Helper()
	stopWhen(t, cfg, m, func(cp Checkpoint) bool { return len(cp.Segments) >= n })
}

// stopAtPhase stops a run at a phase.
func stopAtPhase(t *testing.T, cfg Config[row], m *memory, phase Phase) {
	t.Helper()
	if phase == Fetched {
		// The checkpoint of that phase is written only if the merge fails.
		m.effect = func(name string) outcome {
			if name == "history" {
				return notDone
			}
			return done
		}
		defer func() { m.effect = nil }()
		if _, err := Run(context.Background(), cfg); err == nil || m.newestCheckpoint().Phase != Fetched {
			t.Fatalf("the run ended with %v at phase %s", err, m.newestCheckpoint().Phase)
		}
		return
	}
	stopWhen(t, cfg, m, func(cp Checkpoint) bool { return cp.Phase == phase })
}

// How to recover from a damaged snapshot: its manifest is deleted while a run that is
// based on it is unfinished.
func TestUnfinishedRunWhoseBaseIsGone(t *testing.T) {
	for _, mode := range []Mode{Full, Incremental} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPortal(1000), newMemory(t)
				cfg := config(p, m)
				cfg.Mode = Incremental
				mustRun(t, cfg)
				time.Sleep(time.Hour)
				for i := 1; i <= 300; i++ {
					p.rows[PaymentID(3*i)] = row{id: PaymentID(3 * i), value: -i, detail: i}
				}
				second := mustRun(t, cfg)
				time.Sleep(time.Hour)
				for i := 600; i <= 900; i++ {
					p.rows[PaymentID(3*i)] = row{id: PaymentID(3 * i), value: -i, detail: i}
				}
				stopAfter(t, cfg, m, 2)
				unfinished := m.newestCheckpoint()
				delete(m.manifests, second.Snapshot)
				delete(m.history, second.Snapshot)

				p.gets = map[PaymentID]int{}
				cfg.Mode = mode
				s := mustRun(t, cfg)
				if !slices.Equal(values(m.current), p.truth()) {
					t.Error("the table is not the portal's")
				}
				if err := s.Manifest.Ledger.Check(); err != nil || s.Manifest.Previous == second.Snapshot {
					t.Errorf("ledger %v; previous %s", err, s.Manifest.Previous)
				}
				// What the second run had read must be read again; what the third one
				// had read must not.
				want := map[Mode]int{Full: 1000, Incremental: 601}[mode] - int(unfinished.Ledger.Got)
				if got := p.getsSum(); got != want || unfinished.Ledger.Got < 100 {
					t.Errorf("%d gets, want %d: %d were read before", got, want, unfinished.Ledger.Got)
				}
				if s.Manifest.Mode != mode || !s.Resumed || len(m.segments) != 0 {
					t.Errorf("mode %s, resumed %v, %d segments left", s.Manifest.Mode, s.Resumed, len(m.segments))
				}
			})
		})
	}
}

// Rows of earlier work are not used if the portal lists other values now.
func TestRowsOfEarlierWorkThatNoLongerStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(500), newMemory(t)
		cfg := config(p, m)
		cfg.Mode = Incremental
		stopAfter(t, cfg, m, 2)
		got := int(m.newestCheckpoint().Ledger.Got)
		p.rows[3] = row{id: 3, value: -3}
		delete(p.rows, 6)
		p.rows[7] = row{id: 7, value: 7}
		// Another base: nothing was deleted, but there is another snapshot.
		m.manifests["20000101T000001Z"] = Manifest{Snapshot: "20000101T000001Z", Fingerprint: "f1", StartedAt: time.Now().Add(-time.Hour)}
		m.history["20000101T000001Z"] = nil
		p.gets = map[PaymentID]int{}
		s := mustRun(t, cfg)
		if !slices.Equal(values(m.current), p.truth()) {
			t.Error("the table is not the portal's")
		}
		if n := p.getsSum(); n != 500-got+2 || s.Manifest.Ledger.Got != 500 {
			t.Errorf("%d gets, %d read before; ledger %+v", n, got, s.Manifest.Ledger)
		}
	})
}

// Rows that were read before the newest snapshot began are not used.
func TestRowsOlderThanTheNewestSnapshotAreNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(500), newMemory(t)
		cfg := config(p, m)
		stopAfter(t, cfg, m, 2)
		time.Sleep(time.Hour)
		m.manifests["20000101T010000Z"] = Manifest{Snapshot: "20000101T010000Z", Fingerprint: "f1", StartedAt: time.Now()}
		m.history["20000101T010000Z"] = nil
		p.gets = map[PaymentID]int{}
		if mustRun(t, cfg); p.getsSum() != 500 {
			t.Errorf("%d gets, want 500", p.getsSum())
		}
	})
}

func TestFullRunOverAnUnfinishedIncrementalOne(t *testing.T) {
	for _, phase := range []Phase{Fetching, Fetched, Merged} {
		t.Run(string(phase), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPortal(1000), newMemory(t)
				cfg := config(p, m)
				cfg.Mode = Incremental
				mustRun(t, cfg)
				time.Sleep(time.Hour)
				for i := 1; i <= 350; i++ {
					p.rows[PaymentID(3*i)] = row{id: PaymentID(3 * i), value: -i}
				}
				// No listing shows this.
				p.rows[2700] = row{id: 2700, value: 900, detail: -1}
				stopAtPhase(t, cfg, m, phase)
				time.Sleep(time.Hour)
				cfg.Mode = Full
				s := mustRun(t, cfg)
				if s.Manifest.Mode != Full || !slices.Equal(values(m.current), p.truth()) {
					t.Errorf("mode %s; the table is right: %v", s.Manifest.Mode, slices.Equal(values(m.current), p.truth()))
				}
				if n := s.Manifest.Ledger.Got; n != 1000 {
					t.Errorf("got %d, want 1000", n)
				}
			})
		})
	}
}

// A lost segment costs its own range again, and nothing else.
func TestLostSegmentCostsItsOwnRange(t *testing.T) {
	for _, lose := range [][]int{{0}, {1}, {4}, {0, 1}, {0, 2, 4}, {0, 1, 2, 3, 4}} {
		t.Run(fmt.Sprint(lose), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPortal(1000), newMemory(t)
				p.refuse = map[PaymentID]bool{30: true, 300: true}
				cfg := config(p, m)
				cfg.Mode = Incremental
				stopAfter(t, cfg, m, 5)
				cp := m.newestCheckpoint()
				if cp.Phase != Fetching || len(cp.Segments) != 5 {
					t.Fatalf("phase %s, %d segments", cp.Phase, len(cp.Segments))
				}
				want := 1000 - cp.Ledger.Listed
				var low, high []PaymentID
				for _, i := range lose {
					seg := cp.Segments[i]
					m.lose(seg.Number)
					want += seg.Ledger.Listed
					low, high = append(low, seg.Range.After), append(high, seg.Range.Through)
				}
				p.gets = map[PaymentID]int{}
				s := mustRun(t, cfg)
				if !slices.Equal(values(m.current), p.truth()) {
					t.Error("the table is not the portal's")
				}
				if n := int64(p.getsSum()); n != want {
					t.Errorf("%d gets, want %d", n, want)
				}
				for id := range p.gets {
					in := id > cp.Done
					for i := range low {
						in = in || low[i] < id && id <= high[i]
					}
					if !in {
						t.Errorf("payment %d was read again", id)
					}
				}
				if l := s.Manifest.Ledger; l != (Ledger{Listed: 1000, Got: 998, Rejected: 2}) {
					t.Errorf("ledger %+v", l)
				}
			})
		})
	}
}

// A segment of a run with a last snapshot is lost: the run finds out again which
// payments are gone or kept.
func TestLostSegmentBesideASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(1000), newMemory(t)
		cfg := config(p, m)
		cfg.Mode = Incremental
		mustRun(t, cfg)
		time.Sleep(time.Hour)
		for i := 1; i <= 1000; i += 2 {
			p.rows[PaymentID(3*i)] = row{id: PaymentID(3 * i), value: -i}
		}
		for _, id := range []PaymentID{6, 600, 1200, 3000} {
			delete(p.rows, id)
		}
		stopAtPhase(t, cfg, m, Fetched)
		cp := m.newestCheckpoint()
		for _, seg := range cp.Segments {
			m.lose(seg.Number)
		}
		// The run that reads them again is stopped too.
		stopAfter(t, cfg, m, 3)
		if cp := m.newestCheckpoint(); len(cp.Holes) != 1 || cp.Version != 2 {
			t.Errorf("holes %v, version %d", cp.Holes, cp.Version)
		}
		s := mustRun(t, cfg)
		if !slices.Equal(values(m.current), p.truth()) {
			t.Error("the table is not the portal's")
		}
		if want := (Ledger{Listed: 996, Got: 500, Carried: 496, Gone: 4}); s.Manifest.Ledger != want {
			t.Errorf("ledger %+v, want %+v", s.Manifest.Ledger, want)
		}
	})
}

// Segments of an older program do not record what they account for.
func TestLostSegmentOfAnOlderProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(1000), newMemory(t)
		cfg := config(p, m)
		stopAfter(t, cfg, m, 5)
		cp := m.newestCheckpoint()
		for i := range cp.Segments {
			cp.Segments[i].Range, cp.Segments[i].Ledger = Range{}, Ledger{}
		}
		m.lose(cp.Segments[1].Number)
		m.checkpoints = map[int64]Checkpoint{cp.Number: cp}
		p.gets = map[PaymentID]int{}
		lost := 1000 - cp.Ledger.Got + cp.Segments[1].Rows
		mustRun(t, cfg)
		if n := int64(p.getsSum()); n != lost || !slices.Equal(values(m.current), p.truth()) {
			t.Errorf("%d gets, want %d", n, lost)
		}
	})
}

// Rejects above the limit leave the snapshot unfinished. The next run reads those
// payments again, and no others.
func TestRejectsAreTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		total  int64
		limit  RejectLimit
		refuse []PaymentID
		later  []PaymentID
		next   RejectLimit
		fails  bool
	}{
		{"all can be read later", 0, RejectLimit{}, []PaymentID{3, 30, 2100}, nil, RejectLimit{}, false},
		{"some stay", 0, RejectLimit{Count: 1}, []PaymentID{3, 30, 2100}, []PaymentID{30}, RejectLimit{Count: 1}, false},
		{"all stay", 0, RejectLimit{Count: 1}, []PaymentID{3, 30, 2100}, []PaymentID{3, 30, 2100}, RejectLimit{Count: 1}, true},
		{"one run may pass", 0, RejectLimit{}, []PaymentID{3, 30, 2100}, []PaymentID{3, 30, 2100}, RejectLimit{Count: 3}, false},
		{"seen early", 1000, RejectLimit{}, []PaymentID{3}, nil, RejectLimit{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPortal(1000), newMemory(t)
				p.total = tt.total
				refuse := func(ids []PaymentID) {
					p.refuse = map[PaymentID]bool{}
					for _, id := range ids {
						p.refuse[id] = true
					}
				}
				refuse(tt.refuse)
				cfg := config(p, m)
				cfg.Rejects = tt.limit
				var rejects *RejectsError
				if _, err := Run(t.Context(), cfg); !errors.As(err, &rejects) {
					t.Fatalf("error %v, want a RejectsError", err)
				}
				before := m.newestCheckpoint()
				if !before.Unfinished() || before.Ledger.Rejected == 0 {
					t.Fatalf("the checkpoint is of phase %s, with %d rejects", before.Phase, before.Ledger.Rejected)
				}
				refuse(tt.later)
				p.gets = map[PaymentID]int{}
				cfg.Rejects = tt.next
				s, err := Run(t.Context(), cfg)
				if errors.As(err, &rejects) != tt.fails || err != nil && !tt.fails {
					t.Fatalf("error %v, want a RejectsError: %v", err, tt.fails)
				}
				want := slices.Clone(tt.refuse)
				for id := range p.rows {
					if id > before.Done {
						want = append(want, id)
					}
				}
				slices.Sort(want)
				if got := slices.Sorted(maps.Keys(p.gets)); !slices.Equal(got, slices.Compact(want)) {
					t.Errorf("read again %v, want %v", got, want)
				}
				if tt.fails {
					if len(m.manifests) > 0 {
						t.Error("something was published")
					}
					return
				}
				if !slices.Equal(values(m.current), p.truth()) || !s.Resumed {
					t.Error("the table is not the portal's")
				}
				if want := (Ledger{Listed: 1000, Got: 1000 - int64(len(tt.later)), Rejected: int64(len(tt.later))}); s.Ledger != want {
					t.Errorf("ledger %+v, want %+v", s.Ledger, want)
				}
			})
		})
	}
}

func TestShareOfRejectsAllowsTen(t *testing.T) {
	for _, tt := range []struct {
		limit    RejectLimit
		payments int64
		want     int64
	}{
		{RejectLimit{}, 1e6, 0},
		{RejectLimit{Count: 3}, 1e6, 3},
		{RejectLimit{Share: 0.001}, 500, 10},
		{RejectLimit{Share: 0.001}, 1e6, 1000},
	} {
		if got := tt.limit.Allowed(tt.payments); got != tt.want {
			t.Errorf("%+v of %d payments: %d allowed, want %d", tt.limit, tt.payments, got, tt.want)
		}
	}
}
