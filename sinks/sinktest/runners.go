package sinktest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// runnersSnapshot is the snapshot of all checkpoints of these tests.
const runnersSnapshot = pipeline.SnapshotID("20261122T020000Z")

// checkpoint returns a checkpoint that a runner could write.
func checkpoint(number int64, runner string) pipeline.Checkpoint {
	return pipeline.Checkpoint{
		Version: pipeline.CheckpointVersion, Number: number, Runner: runner, Program: "b24export test",
		Fingerprint: "f", Snapshot: runnersSnapshot, Mode: pipeline.Full, Phase: pipeline.Fetching, StartedAt: start, WrittenAt: start,
	}
}

// begin begins in a new process, which ends with the test.
func (w *world) begin() (*sinks.Dataset, pipeline.State) {
	w.t.Helper()
	d := w.dataset(w.store)
	state, err := d.Begin(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { d.End(w.t.Context()) }) // this stops its renewals
	return d, state
}

func testLease(t *testing.T, open func(*testing.T) sinks.Store) {
	w := newWorld(t, open)
	a, state := w.begin()
	if state.Checkpoint.Number != 0 || state.Last != nil {
		t.Errorf("an empty store has the state %+v", state)
	}
	var held *pipeline.HeldError
	if _, err := w.dataset(w.store).Begin(t.Context()); !errors.As(err, &held) {
		t.Fatalf("a second runner: error %v, want a HeldError", err)
	}
	if held.Holder == "" || !held.Since.Equal(start) || !held.Until.Equal(start.Add(time.Hour)) {
		t.Errorf("held by %q since %s until %s", held.Holder, held.Since, held.Until)
	}
	s, err := w.dataset(w.store).Status(t.Context())
	if err != nil || s.Lease == nil || s.Lease.Holder != held.Holder || s.Lease.Ended {
		t.Errorf("status %+v, error %v", s.Lease, err)
	}
	// A lease that was released is free at once.
	if err := a.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, _ := w.begin()
	if _, err := w.dataset(w.store).Begin(t.Context()); !errors.As(err, &held) {
		t.Fatalf("a second runner: error %v, want a HeldError", err)
	}
	// A lease that was not released is free when it has ended.
	w.now = w.now.Add(time.Hour)
	c, _ := w.begin()
	if err := b.End(t.Context()); err != nil {
		t.Errorf("end of a lease that was taken over: %v", err)
	}
	if _, err := w.dataset(w.store).Begin(t.Context()); !errors.As(err, &held) {
		t.Fatalf("the old holder's end has freed the new one's lease: error %v, want a HeldError", err)
	}
	if err := c.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The lease of one portal does not matter for another.
	w.begin()
	other := sinks.New(w.store, &sinks.Options{Portal: "beta", Now: func() time.Time { return w.now }})
	if _, err := other.Begin(t.Context()); err != nil {
		t.Fatalf("another portal: %v", err)
	}
	if err := other.End(t.Context()); err != nil {
		t.Error(err)
	}
}

func testBeginRace(t *testing.T, open func(*testing.T) sinks.Store) {
	w := newWorld(t, open)
	for range 5 {
		var wg sync.WaitGroup
		var begun atomic.Int32
		for range 4 {
			d := w.dataset(w.store)
			wg.Go(func() {
				var held *pipeline.HeldError
				switch _, err := d.Begin(t.Context()); {
				case err == nil:
					begun.Add(1)
					t.Cleanup(func() { d.End(t.Context()) })
				case !errors.As(err, &held):
					t.Errorf("begin: %v", err)
				}
			})
		}
		wg.Wait()
		if begun.Load() != 1 {
			t.Fatalf("%d runners have begun at once, want 1", begun.Load())
		}
		w.now = w.now.Add(2 * time.Hour) // the next round takes the lease
	}
}

func testFence(t *testing.T, open func(*testing.T) sinks.Store) {
	w := newWorld(t, open)
	part := func(ids ...int64) pipeline.Part[schemas.Payment] {
		var p pipeline.Part[schemas.Payment]
		for _, id := range ids {
			p.Rows = append(p.Rows, payment(id))
		}
		return p
	}
	commit := func(d *sinks.Dataset, number int64, runner string, ids ...int64) error {
		seg, err := d.WriteSegment(t.Context(), number, part(ids...))
		if err != nil {
			return err
		}
		cp := checkpoint(number, runner)
		cp.Segments = []pipeline.Segment{seg}
		return d.Commit(t.Context(), cp)
	}
	a, _ := w.begin()
	if err := commit(a, 1, "a", 1, 2); err != nil {
		t.Fatal(err)
	}
	// The same call again, as after a lost answer.
	if err := commit(a, 1, "a", 1, 2); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("the segment of a written checkpoint was written again: error %v", err)
	}
	seg, _ := a.WriteSegment(t.Context(), 2, part(3)) // an orphan with the number 2

	w.now = w.now.Add(2 * time.Hour)
	b, state := w.begin()
	if state.Checkpoint.Number != 1 || len(state.Checkpoint.Segments) != 1 {
		t.Fatalf("the successor finds checkpoint %+v", state.Checkpoint)
	}
	if err := commit(b, 2, "b", 4, 5, 6); err != nil {
		t.Fatal(err)
	}
	// a wakes.
	cp := checkpoint(2, "a")
	cp.Segments = []pipeline.Segment{seg}
	if err := a.Commit(t.Context(), cp); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("commit of a number that is taken: error %v, want ErrFenced", err)
	}
	if err := commit(a, 2, "a", 3); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("write of a segment that is committed: error %v, want ErrFenced", err)
	}
	// b's segment is unchanged: the merge has its rows.
	state = mustState(t, w)
	res, err := b.Merge(t.Context(), state.Checkpoint, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Rows != 3 {
		t.Errorf("merged %d rows, want b's 3", res.Rows)
	}
	if _, err := a.Merge(t.Context(), checkpoint(1, "a"), nil); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("merge by a runner that was overtaken: error %v, want ErrFenced", err)
	}
	// The number may even be free again.
	if err := commit(b, 3, "b", 7); err != nil {
		t.Fatal(err)
	}
	done := checkpoint(4, "b")
	done.Phase = pipeline.Abandoned
	if err := b.Commit(t.Context(), done); err != nil {
		t.Fatal(err)
	}
	if err := b.Sweep(t.Context(), done); err != nil {
		t.Fatal(err)
	}
	if err := a.Commit(t.Context(), cp); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("commit of a number that was swept: error %v, want ErrFenced", err)
	}
	if err := a.Sweep(t.Context(), cp); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("sweep by a runner that was overtaken: error %v, want ErrFenced", err)
	}
	if state = mustState(t, w); state.Checkpoint.Number != 4 {
		t.Errorf("the newest checkpoint is number %d, want 4", state.Checkpoint.Number)
	}
}

// mustState reads the state without Begin.
func mustState(t *testing.T, w *world) pipeline.State {
	t.Helper()
	s, err := w.dataset(w.store).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.State{Checkpoint: s.Checkpoint, Last: s.Newest}
}

func testLatePublish(t *testing.T, open func(*testing.T) sinks.Store) {
	w := newWorld(t, open)
	p := newPortal(60)
	first := w.mustRun(p)
	a, _ := w.begin() // it has the manifest of the first snapshot, and sleeps
	w.now = w.now.Add(2 * time.Hour)
	p = p.change()
	second := w.mustRun(p)
	table := w.rows(a.CurrentPath())

	if err := a.Publish(t.Context(), first); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("publish of an older snapshot: error %v, want ErrFenced", err)
	}
	if !slices.Equal(w.rows(a.CurrentPath()), table) {
		t.Error("the current table is the older snapshot's")
	}
	w.verify(second)

	// It has merged the snapshot too, and finds the manifest of the run that resumed
	// it.
	mine := *second
	mine.FinishedAt = mine.FinishedAt.Add(time.Second)
	if err := a.Publish(t.Context(), &mine); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("publish of a snapshot that another runner has published: error %v, want ErrFenced", err)
	}
	w.verify(second)

	// It sleeps at the worst moment: after it checked for later snapshots, before it
	// replaced the current table.
	if err := w.store.Delete(t.Context(), a.ManifestPath(first.Snapshot)); err != nil {
		t.Fatal(err)
	}
	hidden, err := w.store.Read(t.Context(), a.ManifestPath(second.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Delete(t.Context(), a.ManifestPath(second.Snapshot)); err != nil {
		t.Fatal(err)
	}
	late := w.dataset(Faulty(w.store, func(e Effect) Answer {
		if e.Kind == Copy && strings.HasSuffix(e.Key, "payments.parquet") {
			if err := w.store.Create(t.Context(), a.ManifestPath(second.Snapshot), hidden); err != nil {
				t.Error(err)
			}
		}
		return Do
	}))
	w.now = w.now.Add(4 * time.Hour)
	if _, err := late.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer late.End(t.Context())
	if err := late.Publish(t.Context(), first); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("publish of a snapshot that was passed meanwhile: error %v, want ErrFenced", err)
	}
	if !slices.Equal(w.rows(a.CurrentPath()), table) {
		t.Error("the current table was not made the newest snapshot's again")
	}
	w.verify(second)
}

func testPrune(t *testing.T, open func(*testing.T) sinks.Store) {
	w := newWorld(t, open)
	p := newPortal(30)
	first := w.mustRun(p)
	p = p.change()
	second := w.mustRun(p)
	d := sinks.New(w.store, &sinks.Options{Portal: "acme", Now: func() time.Time { return w.now }}) // it retains none
	// Files of other programs stay.
	for _, key := range []string{
		"payments/portal=acme/notes.txt", "payments_history/portal=acme/snapshot=20200101T000000Z/other.parquet",
		"payments_history/portal=acme/latest/payments.parquet", d.StatePath() + "mine.json", "payments/portal=acme2/payments.parquet",
	} {
		put(t, w.store, key, []byte("x"))
	}
	// Files of an abandoned merge do not.
	put(t, w.store, d.HistoryPath("20200101T000000Z"), []byte("x"))
	want := append(w.filesOf(first), d.HistoryPath("20200101T000000Z"))
	slices.Sort(want)
	before := list(t, w.store, "")
	for _, dryRun := range []bool{true, false} {
		got, err := d.Prune(t.Context(), dryRun)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		if diff := difference(got, want); diff != "" {
			t.Errorf("prune, dry run %v: %s", dryRun, diff)
		}
		if dryRun {
			if diff := difference(list(t, w.store, ""), before); diff != "" {
				t.Errorf("a dry run changed the store: %s", diff)
			}
		}
	}
	after := slices.DeleteFunc(slices.Clone(before), func(key string) bool { return slices.Contains(want, key) })
	if diff := difference(list(t, w.store, ""), after); diff != "" {
		t.Errorf("after prune: %s", diff)
	}
	w.verify(second)
	if got, err := d.Prune(t.Context(), false); err != nil || len(got) > 0 {
		t.Errorf("prune again: %q, error %v; want nothing to do", got, err)
	}
	// Not while a run holds the lease.
	w.begin()
	var held *pipeline.HeldError
	if _, err := d.Prune(t.Context(), false); !errors.As(err, &held) {
		t.Errorf("prune during a run: error %v, want a HeldError", err)
	}
}
