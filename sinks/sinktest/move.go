package sinktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"b24export/pipeline"
	"b24export/sinks"
)

// RunMoves tests that a Forget or a Rename which dies at any of its effects is
// completed by the next one. It tries one of step effects. open returns an empty store,
// another one each time.
func RunMoves(t *testing.T, open func(t *testing.T) sinks.Store, step int64) {
	t.Run("forget", func(t *testing.T) { testForget(t, open, step) })
	t.Run("rename", func(t *testing.T) { testRename(t, open, step) })
}

// someDeaths is the step of RunDataset: it tries one of so many effects, because
// servers need a minute for all of them.
const someDeaths = 13

// named returns the dataset of another portal of the store.
func (w *world) named(store sinks.Store, portal string) *sinks.Dataset {
	now := w.now
	return sinks.New(store, &sinks.Options{
		Portal: portal, Program: "b24export test", Lease: time.Hour, History: 1, Now: func() time.Time { return now },
	})
}

// wantAbsent fails the test if the store has an object of a portal.
func (w *world) wantAbsent(where, portal string) {
	w.t.Helper()
	for e, err := range w.store.List(w.t.Context(), "") {
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(e.Key, "/portal="+portal+"/") {
			w.t.Fatalf("%s: %s is still there", where, e.Key)
		}
	}
}

// shown returns the portals whose current tables readers see.
func (w *world) shown() (portals []string) {
	w.t.Helper()
	for e, err := range w.store.List(w.t.Context(), "payments/") {
		if err != nil {
			w.t.Fatal(err)
		}
		portals = append(portals, strings.Split(e.Key, "/")[1])
	}
	return portals
}

// moved returns a dataset with several snapshots, rejects, a related table, and the
// unfinished work of a run that was killed.
func moved(t *testing.T, open func(*testing.T) sinks.Store) (*world, *portal) {
	w := newWorld(t, open)
	p := newPortal(90)
	w.mustRun(p)
	p.change()
	w.mustRun(p)
	if err := w.putRelated(w.store, companies(10, "first")); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(3 * time.Hour)
	p.change()
	var effects atomic.Int64
	_, err := w.run(Faulty(w.store, func(Effect) Answer {
		if effects.Add(1) > 5 {
			return Refuse
		}
		return Do
	}), p)
	if !errors.Is(err, ErrInjected) {
		t.Fatalf("the run that is killed: %v", err)
	}
	w.now = w.now.Add(3 * time.Hour)
	return w, p
}

// testForget kills a Forget at each of its effects. Until it is complete, no run
// begins. At the end no object is left.
func testForget(t *testing.T, open func(*testing.T) sinks.Store, step int64) {
	for i, answer := range []Answer{Refuse, DoAndFail} {
		for k := 1 + int64(i); k < 200; k += step {
			w, p := moved(t, open)
			died, at := w.die(answer, k, func(store sinks.Store) error {
				_, err := w.named(store, "acme").Forget(t.Context(), false)
				return err
			})
			where := fmt.Sprintf("death %d of forget, at %s", k, at)
			marked := w.named(w.store, "acme").Unmoved(t.Context())
			if _, err := w.run(w.store, p); marked != nil && !isUnfinished(err) {
				t.Fatalf("%s: a run between: %v", where, err)
			}
			w.now = w.now.Add(3 * time.Hour)
			_, err := w.named(w.store, "acme").Forget(t.Context(), false)
			if err != nil && !errors.Is(err, sinks.ErrNothing) {
				t.Fatalf("%s: forget again: %v", where, err)
			}
			if err == nil || !died {
				w.wantAbsent(where, "acme")
			}
			w.mustRun(newPortal(20)) // the name is free
			if !died {
				if k < 10 {
					t.Errorf("forget has %d effects", k-1)
				}
				break
			}
		}
	}
}

// testRename kills a Rename at each of its effects, and the next one at some of its
// effects. Readers of the current tables never see two portals. Until the Rename is
// complete, no run of either portal begins. At the end the new portal has everything
// that the old one had, and runs continue.
func testRename(t *testing.T, open func(*testing.T) sinks.Store, step int64) {
	for i, answer := range []Answer{Refuse, DoAndFail} {
		for k := 1 + int64(i); k < 300; k += step {
			w, p := moved(t, open)
			before := w.summary("acme")
			rename := func(store sinks.Store) error {
				return sinks.Rename(t.Context(), w.named(store, "acme"), w.named(store, "beta"))
			}
			died, at := w.die(answer, k, rename)
			where := fmt.Sprintf("death %d of rename, at %s", k, at)
			for next := k%7 + 1; died && next < 60; next += 19 {
				if shown := w.shown(); len(shown) > 1 {
					t.Fatalf("%s: readers see %v", where, shown)
				}
				if m := w.named(w.store, "acme").Unmoved(t.Context()); m != nil {
					if _, err := w.run(w.store, p); !isUnfinished(err) {
						t.Fatalf("%s: a run between: %v", where, err)
					}
					w.now = w.now.Add(3 * time.Hour)
				}
				_, at := w.die(answer, next, rename)
				where += fmt.Sprintf("; then death %d, at %s", next, at)
			}
			if err := rename(w.store); err != nil && !errors.Is(err, sinks.ErrNothing) {
				if there := w.summary("beta"); there != before {
					t.Fatalf("%s: rename again: %v", where, err)
				}
			}
			w.wantAbsent(where, "acme")
			if after := w.summary("beta"); after != before {
				t.Fatalf("%s:\n%s\nbecame\n%s", where, before, after)
			}
			if shown := w.shown(); !slices.Equal(shown, []string{"portal=beta"}) {
				t.Fatalf("%s: readers see %v", where, shown)
			}
			if !died {
				if k < 20 {
					t.Errorf("rename has %d effects", k-1)
				}
				break
			}
		}
	}
}

func isUnfinished(err error) bool {
	_, ok := errors.AsType[*sinks.UnfinishedMoveError](err)
	return ok
}

// die kills do at its k-th effect. died reports whether do had that many. Afterwards
// all leases have ended.
func (w *world) die(answer Answer, k int64, do func(sinks.Store) error) (died bool, at Effect) {
	w.t.Helper()
	var effects atomic.Int64
	err := do(Faulty(w.store, func(e Effect) Answer {
		switch n := effects.Add(1); {
		case n < k:
			return Do
		case n == k:
			at = e
			return answer
		}
		return Refuse
	}))
	died = effects.Load() >= k
	if died && err != nil && !errors.Is(err, ErrInjected) && !errors.Is(err, sinks.ErrNothing) || !died && err != nil && !errors.Is(err, sinks.ErrNothing) {
		w.t.Fatalf("death %d, at %s: %v", k, at, err)
	}
	w.now = w.now.Add(3 * time.Hour)
	return died, at
}

// summary returns the content of a portal's dataset without the portal's name: verified
// snapshots, unfinished work, related tables.
func (w *world) summary(portal string) string {
	w.t.Helper()
	ctx := w.t.Context()
	d := w.named(w.store, portal)
	var b strings.Builder
	snapshots, err := d.Snapshots(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range snapshots {
		_, found, err := d.Verify(ctx, m.Snapshot)
		if err != nil || len(found) > 0 {
			w.t.Fatalf("%s, snapshot %s: %v, %v", portal, m.Snapshot, found, err)
		}
		fmt.Fprintf(&b, "%s %+v %v\n", m.Snapshot, m.Ledger, fileSums(m))
	}
	if found, err := d.VerifyRelated(ctx); err != nil || len(found) > 0 {
		w.t.Fatalf("%s: related tables: %v, %v", portal, found, err)
	}
	related, err := d.RelatedTables(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range related {
		fmt.Fprintf(&b, "%s %d %s\n", m.Table, m.Rows, m.SHA256)
	}
	s, err := d.Status(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintf(&b, "checkpoint %d %s done %s, %d segments\n", s.Checkpoint.Number, s.Checkpoint.Phase, s.Checkpoint.Done, len(s.Checkpoint.Segments))
	return b.String()
}

func fileSums(m *pipeline.Manifest) (sums []string) {
	for _, f := range m.Files {
		sums = append(sums, f.SHA256)
	}
	return sums
}
