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
	"b24export/schemas"
	"b24export/sinks"
)

// RunDataset tests that datasets in a store satisfy the contract of pipeline.Sink, in
// particular if a runner dies at any of its side effects, and if there are two runners.
// open returns an empty store, another one each time, and cleans up after the test.
func RunDataset(t *testing.T, open func(t *testing.T) sinks.Store) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, func(*testing.T) sinks.Store)
	}{
		{"a life of five runs", testLife},
		{"death at each effect", testDeaths},
		{"a portal without payments", testEmpty},
		{"segments that are lost or damaged", testLostSegments},
		{"the lease keeps others out", testLease},
		{"one of many runners begins", testBeginRace},
		{"a runner that slept is fenced", testFence},
		{"a runner that slept cannot publish", testLatePublish},
		{"prune", testPrune},
		{"a backfill beside nights", testBackfillBesideNights},
		{"death while a related table is replaced", testRelatedDeaths},
		{"death while a portal is forgotten", func(t *testing.T, open func(*testing.T) sinks.Store) { testForget(t, open, someDeaths) }},
		{"death while a portal is renamed", func(t *testing.T, open func(*testing.T) sinks.Store) { testRename(t, open, someDeaths) }},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open) })
	}
}

// start is the time at which the first run of a test begins. It is in the future, so
// that the present times of the store are old.
var start = time.Date(2100, 1, 1, 2, 0, 0, 0, time.UTC)

// world is a store with a portal's dataset, and a clock.
type world struct {
	t     *testing.T
	store sinks.Store
	now   time.Time
	// workers is the number of gets in flight.
	workers int
}

func newWorld(t *testing.T, open func(*testing.T) sinks.Store) *world {
	return &world{t: t, store: open(t), now: start, workers: 2}
}

// dataset returns the dataset as a separate process has it.
func (w *world) dataset(store sinks.Store) *sinks.Dataset {
	now := w.now
	return sinks.New(store, &sinks.Options{
		Portal:       "acme",
		Program:      "b24export test",
		RowGroupRows: 50,
		Compression:  "snappy", // its buffers are small: there are hundreds of runs
		History:      1,
		Lease:        time.Hour, // by the clock in now, so it is never renewed
		Now:          func() time.Time { return now },
	})
}

var paymentTable = pipeline.Table[schemas.Payment]{
	ID: func(r *schemas.Payment) pipeline.PaymentID { return pipeline.PaymentID(r.ID) },
	Same: func(listed, last *schemas.Payment, mark uint64) bool {
		return schemas.SameMarked(listed, last, nil, mark)
	},
	Mark:   schemas.Mark,
	ReadAt: func(r *schemas.Payment) time.Time { return r.ExtractedAt.V.Time() },
}

// run publishes a snapshot of p from a new process.
func (w *world) run(store sinks.Store, p *portal) (*pipeline.Manifest, error) {
	now := w.now
	s, err := pipeline.Run(w.t.Context(), pipeline.Config[schemas.Payment]{
		Source: p,
		Sink:   w.dataset(store),
		Table:  paymentTable,
		Options: pipeline.Options{
			Dataset: "payments", Portal: "acme", Program: "b24export test", Runner: fmt.Sprint("runner ", now.Unix()),
			SchemaVersion: schemas.Version, Fingerprint: "f", Mode: pipeline.Incremental,
			Chunk: 5, Workers: w.workers, CheckpointRows: 20, CheckpointEvery: 24 * time.Hour,
			Rejects: pipeline.RejectLimit{Count: 5}, AllowDeletes: true, Now: func() time.Time { return now },
		},
	})
	return s.Manifest, err
}

// mustRun publishes a snapshot from a new process, an hour or more after the last one.
func (w *world) mustRun(p *portal) *pipeline.Manifest {
	w.t.Helper()
	m, err := w.run(w.store, p)
	if err != nil {
		w.t.Fatal(err)
	}
	w.later()
	return m
}

// later moves the clock until leases have ended.
func (w *world) later() { w.now = w.now.Add(2 * time.Hour) }

// rows returns the rows of a table.
func (w *world) rows(key string) []schemas.Payment {
	w.t.Helper()
	var rows []schemas.Payment
	for row, err := range sinks.Payments(w.t.Context(), w.store, key, sinks.Above(0)) {
		if err != nil {
			w.t.Fatal(err)
		}
		rows = append(rows, *row)
	}
	return rows
}

// feed returns the changes of a snapshot.
func (w *world) feed(m *pipeline.Manifest) []change {
	w.t.Helper()
	var feed []change
	for c, err := range w.dataset(w.store).ReadChanges(w.t.Context(), m) {
		if err != nil {
			w.t.Fatal(err)
		}
		feed = append(feed, change{c.Op, fmt.Sprint(c.Changed), c.Payment})
	}
	return feed
}

// verify checks that a snapshot matches its manifest.
func (w *world) verify(m *pipeline.Manifest) {
	w.t.Helper()
	_, found, err := w.dataset(w.store).Verify(w.t.Context(), m.Snapshot)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, diff := range found {
		w.t.Errorf("snapshot %s: %s", m.Snapshot, diff)
	}
}

// snapshots returns the manifests, newest first.
func (w *world) snapshots() []*pipeline.Manifest {
	w.t.Helper()
	all, err := w.dataset(w.store).Snapshots(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// wantKeys checks that the store has these objects and one checkpoint, and nothing
// else.
func (w *world) wantKeys(keys ...string) {
	w.t.Helper()
	var got []string
	checkpoints := 0
	for _, key := range list(w.t, w.store, "") {
		if strings.HasPrefix(key, w.dataset(w.store).StatePath()+"checkpoint-") {
			checkpoints++
			continue
		}
		if strings.HasPrefix(key, "_state/conditional-") {
			continue // the record about the store
		}
		got = append(got, key)
	}
	slices.Sort(keys)
	if diff := difference(got, keys); diff != "" {
		w.t.Errorf("objects: %s", diff)
	}
	if checkpoints != 1 {
		w.t.Errorf("%d checkpoints, want 1", checkpoints)
	}
}

// filesOf returns the paths of a snapshot's files and manifest.
func (w *world) filesOf(m *pipeline.Manifest) []string {
	paths := []string{w.dataset(w.store).ManifestPath(m.Snapshot)}
	for _, f := range m.Files {
		paths = append(paths, f.Path)
	}
	if m.Listed != nil {
		paths = append(paths, m.Listed.Path)
	}
	return paths
}

// wantMarks checks that a snapshot has the marks of its rows, and no others.
func (w *world) wantMarks(m *pipeline.Manifest, rows []schemas.Payment) {
	w.t.Helper()
	var want, got []int64
	for i := range rows {
		if listedOtherwise(rows[i].ID) {
			want = append(want, rows[i].ID)
		}
	}
	for mark, err := range w.dataset(w.store).Marks(w.t.Context(), m, 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		got = append(got, int64(mark.ID))
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("snapshot %s has marks of %v, want %v", m.Snapshot, got, want)
	}
	if (m.Listed == nil) != (len(want) == 0) || m.Listed != nil && m.Listed.Rows != int64(len(want)) {
		w.t.Errorf("snapshot %s: the manifest names %+v, want %d marks", m.Snapshot, m.Listed, len(want))
	}
}

func testLife(t *testing.T, open func(*testing.T) sinks.Store) {
	w := newWorld(t, open)
	d := w.dataset(w.store)
	p := newPortal(120)
	table := p.table(nil)

	first := w.mustRun(p)
	w.verify(first)
	if !slices.Equal(w.rows(d.CurrentPath()), table) {
		t.Error("the first table is not the portal's")
	}
	if !slices.Equal(w.feed(first), changes(nil, table)) {
		t.Error("the first feed is not all inserts")
	}
	if len(first.Files) != 1 || first.Feed != pipeline.FeedTable {
		t.Errorf("the first snapshot has files %v and feed %q, want its table as its feed", first.Files, first.Feed)
	}
	w.wantKeys(append(w.filesOf(first), d.CurrentPath())...)

	// A run without changes has no change feed.
	second := w.mustRun(p)
	w.verify(second)
	w.wantMarks(first, table)
	w.wantMarks(second, table)
	if len(second.Files) != 1 || second.Ledger.Carried != 120 {
		t.Errorf("nothing changed, but files are %v, carried %d", second.Files, second.Ledger.Carried)
	}
	w.wantKeys(slices.Concat(w.filesOf(first), w.filesOf(second), []string{d.CurrentPath()})...)

	// A run with changes, and with a payment that cannot be read.
	p = p.change()
	old := table
	table = p.table(old)
	third := w.mustRun(p)
	w.verify(third)
	w.wantMarks(third, table)
	if !slices.Equal(w.rows(d.CurrentPath()), table) {
		t.Error("the third table is not the portal's")
	}
	if !slices.Equal(w.feed(third), changes(old, table)) {
		t.Error("the third feed is not what changed")
	}
	rejected, err := d.Rejected(t.Context(), third)
	if err != nil || !slices.Equal(rejected, []pipeline.PaymentID{64}) {
		t.Errorf("rejected %v, error %v; want payment 64", rejected, err)
	}
	for rej, err := range d.ReadRejects(t.Context(), third) {
		if err != nil {
			t.Fatal(err)
		}
		if want := (pipeline.Reject{ID: 64, Stage: "get", Code: "0", Description: "Access denied", Attempts: 1, Raw: `{"error":0}`, SeenAt: start}); *rej != want {
			t.Errorf("reject %+v, want %+v", *rej, want)
		}
	}
	// The first one is past retention.
	w.wantKeys(slices.Concat(w.filesOf(second), w.filesOf(third), []string{d.CurrentPath()})...)

	// The payment can be read again.
	clear(p.refused)
	old = table
	table = p.table(old)
	fourth := w.mustRun(p)
	w.verify(fourth)
	if feed := w.feed(fourth); !slices.Equal(feed, changes(old, table)) || len(feed) != 1 || feed[0].row.ID != 64 {
		t.Errorf("the fourth feed is %v, want the one payment that was fixed", feed)
	}

	// All payments are deleted.
	fifth := w.mustRun(newPortal(0))
	w.verify(fifth)
	w.wantMarks(fifth, nil)
	if rows := w.rows(d.CurrentPath()); len(rows) != 0 {
		t.Errorf("%d rows of an empty portal", len(rows))
	}
	if !slices.Equal(w.feed(fifth), changes(table, nil)) {
		t.Error("the fifth feed is not all deletes")
	}
	if got := w.snapshots(); len(got) != 2 || got[0].Snapshot != fifth.Snapshot || got[1].Snapshot != fourth.Snapshot {
		t.Errorf("snapshots are not the newest two, newest first")
	}
}

func testEmpty(t *testing.T, open func(*testing.T) sinks.Store) {
	w := newWorld(t, open)
	d := w.dataset(w.store)
	for range 2 {
		m := w.mustRun(newPortal(0))
		w.verify(m)
		if len(m.Files) != 1 || m.Files[0].Rows != 0 {
			t.Errorf("files %v, want an empty table", m.Files)
		}
		if rows := w.rows(d.CurrentPath()); len(rows) != 0 {
			t.Errorf("%d rows of an empty portal", len(rows))
		}
	}
}

// night is a second run of a dataset, and how it dies.
type night struct {
	name   string
	next   func(p *portal) *portal // what the portal has then
	answer Answer                  // to the effect at which the run dies
}

// testDeaths kills a run at its first effect, at its second one, and so on, in two
// ways, until a run completes. After each death, readers must see one table or the
// other, and the next run must have the same result.
func testDeaths(t *testing.T, open func(*testing.T) sinks.Store) {
	deaths(t, open, []night{
		{"effect does not happen", (*portal).change, Refuse},
		{"effect happens, answer lost", (*portal).change, DoAndFail},
	})
}

// RunQuietDeaths is the test of deaths at each effect for nights that copy what they do not
// change. open returns an empty store, another one each time.
func RunQuietDeaths(t *testing.T, open func(*testing.T) sinks.Store) {
	same := func(p *portal) *portal { return p }
	deaths(t, open, []night{
		// The snapshot's table is a copy or a link of the last one's.
		{"nothing changed, effect does not happen", same, Refuse},
		{"nothing changed, effect happens, answer lost", same, DoAndFail},
		{"new payments, effect does not happen", (*portal).grow, Refuse}, // the first row group is copied
	})
}

func deaths(t *testing.T, open func(*testing.T) sinks.Store, nights []night) {
	for _, tt := range nights {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for k := int64(1); ; k++ {
				if k > 500 {
					t.Fatal("no run gets through")
				}
				if !death(t, open, tt.next, tt.answer, k) {
					t.Logf("%d effects", k-1)
					return
				}
			}
		})
	}
}

// death kills the second run of a dataset at its k-th effect, and reports whether the
// run had that many.
func death(t *testing.T, open func(*testing.T) sinks.Store, next func(*portal) *portal, answer Answer, k int64) bool {
	w := newWorld(t, open)
	d := w.dataset(w.store)
	p := newPortal(90)
	before := p.table(nil)
	first := w.mustRun(p)
	p = next(p)
	after := p.table(before)

	var effects atomic.Int64
	var fatal Effect
	_, err := w.run(Faulty(w.store, func(e Effect) Answer {
		switch n := effects.Add(1); {
		case n < k:
			return Do
		case n == k:
			fatal = e
			return answer
		}
		return Refuse // it died
	}), p)
	died := effects.Load() >= k
	if died && err != nil && !errors.Is(err, ErrInjected) {
		t.Fatalf("death %d, at %s: error %v", k, fatal, err)
	}
	if !died && err != nil {
		t.Fatal(err)
	}

	// The table that readers see after the death.
	rows := w.rows(d.CurrentPath())
	isBefore, isAfter := slices.Equal(rows, before), slices.Equal(rows, after)
	snapshots := w.snapshots()
	if !isBefore && !isAfter || len(snapshots) == 2 && !isAfter {
		t.Fatalf("death %d, at %s: readers see %d rows, with %d snapshots: neither the old table nor the new one", k, fatal, len(rows), len(snapshots))
	}
	for _, m := range snapshots {
		_, found, err := d.Verify(t.Context(), m.Snapshot)
		if err != nil {
			t.Fatalf("death %d, at %s: %v", k, fatal, err)
		}
		for _, diff := range found {
			t.Fatalf("death %d, at %s: snapshot %s: %s", k, fatal, m.Snapshot, diff)
		}
	}

	// This is the next run. If the run that died had written its manifest, it is one
	// without changes.
	w.now = w.now.Add(2 * time.Hour)
	m := w.mustRun(p)
	w.verify(m)
	if !slices.Equal(w.rows(d.CurrentPath()), after) {
		t.Fatalf("death %d, at %s: the next run's table is not the portal's", k, fatal)
	}
	w.wantMarks(m, after)
	// All feeds since the first snapshot, one after the other.
	want := changes(before, after)
	var feed []change
	for _, m := range slices.Backward(w.snapshots()) {
		if m.Snapshot != first.Snapshot {
			feed = append(feed, w.feed(m)...)
		}
	}
	if !slices.Equal(feed, want) {
		t.Fatalf("death %d, at %s: the feeds have %d changes, want %d", k, fatal, len(feed), len(want))
	}
	keys := []string{d.CurrentPath()}
	for _, m := range w.snapshots() {
		keys = append(keys, w.filesOf(m)...)
	}
	w.wantKeys(keys...)
	if t.Failed() {
		t.Fatalf("death %d, at %s", k, fatal)
	}
	return died
}
