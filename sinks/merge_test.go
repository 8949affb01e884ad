package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/schemas/totals"
)

const (
	snapshot1 = pipeline.SnapshotID("20261122T020000Z")
	snapshot2 = pipeline.SnapshotID("20261123T020000Z")
)

// merger is a runner with segments to merge.
type merger struct {
	t *testing.T
	s Store
	d *Dataset
	// cp names the segments written so far.
	cp pipeline.Checkpoint
}

func newMerger(t *testing.T, s Store) *merger {
	t.Helper()
	// The race detector empties pools at random, and zstd's are expensive to fill.
	d := New(s, &Options{Portal: "acme", Runner: "a", Compression: "snappy"})
	if _, err := d.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.End(context.WithoutCancel(t.Context())) })
	return &merger{t: t, s: s, d: d, cp: pipeline.Checkpoint{
		Version: 1, Number: 100, Runner: "a", Snapshot: snapshot2, Mode: pipeline.Full, Phase: pipeline.Fetched,
	}}
}

// segment writes a segment.
func (m *merger) segment(number int64, part pipeline.Part[schemas.Payment]) {
	m.t.Helper()
	seg, err := m.d.WriteSegment(m.t.Context(), number, part)
	if err != nil {
		m.t.Fatal(err)
	}
	m.cp.Segments = append(m.cp.Segments, seg)
}

// merge merges, and returns the table and the feed.
func (m *merger) merge(last *pipeline.Manifest) (pipeline.MergeResult, []schemas.Payment, []Change) {
	m.t.Helper()
	res, err := m.d.Merge(m.t.Context(), m.cp, last)
	if err != nil {
		m.t.Fatal(err)
	}
	var rows []schemas.Payment
	for p, err := range Payments(m.t.Context(), m.s, m.d.HistoryPath(m.cp.Snapshot), Above(0)) {
		if err != nil {
			m.t.Fatal(err)
		}
		rows = append(rows, *p)
	}
	var feed []Change
	if res.Changes.Sum() > 0 {
		for c, err := range m.d.ReadChanges(m.t.Context(), &pipeline.Manifest{Snapshot: m.cp.Snapshot, Feed: res.Feed, Files: res.Files}) {
			if err != nil {
				m.t.Fatal(err)
			}
			feed = append(feed, *c)
		}
	}
	return res, rows, feed
}

// last publishes a snapshot of rows, as an earlier run would have.
func (m *merger) last(rows []schemas.Payment) *pipeline.Manifest {
	m.t.Helper()
	cp := m.cp
	m.cp.Snapshot, m.cp.Segments = snapshot1, nil
	m.segment(90, pipeline.Part[schemas.Payment]{Rows: rows})
	res, _, _ := m.merge(nil)
	m.cp = cp
	return &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", Snapshot: snapshot1, SchemaVersion: schemas.Version,
		Ledger: pipeline.Ledger{Listed: res.Rows, Got: res.Rows}, Changes: res.Changes, Feed: res.Feed, Totals: res.Totals, Files: res.Files,
	}
}

func pay(id int64, sum schemas.Decimal) schemas.Payment {
	return schemas.Payment{ID: id, Sum: schemas.Some(sum), Currency: schemas.Some("USD"), Paid: schemas.Some(id%2 == 0),
		ExtractedAt: schemas.Some(schemas.Instant(sum))}
}

type part = pipeline.Part[schemas.Payment]

func TestMerge(t *testing.T) {
	m := newMerger(t, memStore(t))
	last := m.last([]schemas.Payment{pay(1, 10), pay(2, 20), pay(3, 30), pay(4, 40), pay(5, 50)})
	same := pay(2, 20)
	same.ExtractedAt = schemas.Some(schemas.Instant(999))
	m.segment(1, part{Rows: []schemas.Payment{same, pay(3, 31)}, Gone: []pipeline.PaymentID{4}})
	m.segment(2, part{Rows: []schemas.Payment{pay(6, 60)}, Gone: []pipeline.PaymentID{7}}) // 7 vanished before its get
	res, rows, feed := m.merge(last)
	if diff := cmp.Diff([]schemas.Payment{pay(1, 10), same, pay(3, 31), pay(5, 50), pay(6, 60)}, rows); diff != "" {
		t.Error(diff)
	}
	wantFeed := []Change{
		{Op: OpUpdate, Changed: []string{"sum"}, Payment: pay(3, 31)},
		{Op: OpDelete, Payment: pay(4, 40)},
		{Op: OpInsert, Payment: pay(6, 60)},
	}
	if diff := cmp.Diff(wantFeed, feed); diff != "" {
		t.Error(diff)
	}
	want := pipeline.MergeResult{
		Rows: 5, Carried: 2, Changes: pipeline.Changes{Insert: 1, Update: 1, Delete: 1},
		Totals: map[string]totals.Total{"USD": {Payments: 5, Sum: "0.0171", Paid: 2, PaidSum: "0.0080"}},
		Files:  res.Files,
	}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Error(diff)
	}
	for i, want := range []pipeline.File{
		{Path: "payments_history/portal=acme/snapshot=20261123T020000Z/payments.parquet", Rows: 5, MinID: 1, MaxID: 6},
		{Path: "payments_changes/portal=acme/snapshot=20261123T020000Z/changes.parquet", Rows: 3, MinID: 3, MaxID: 6},
	} {
		got := res.Files[i]
		got.Bytes, got.SHA256 = 0, ""
		if got != want {
			t.Errorf("file %+v, want %+v", got, want)
		}
	}
	// The same merge again has the same bytes.
	again, _, _ := m.merge(last)
	if diff := cmp.Diff(res, again); diff != "" {
		t.Error(diff)
	}
}

// A deleted payment with the greatest id leaves the table.
func TestMergeOfTheGreatestID(t *testing.T) {
	m := newMerger(t, memStore(t))
	last := m.last([]schemas.Payment{pay(1, 10), pay(math.MaxInt64, 20)})
	m.segment(1, part{Gone: []pipeline.PaymentID{math.MaxInt64}})
	_, rows, feed := m.merge(last)
	if diff := cmp.Diff([]schemas.Payment{pay(1, 10)}, rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Change{{Op: OpDelete, Payment: pay(math.MaxInt64, 20)}}, feed); diff != "" {
		t.Error(diff)
	}
}

func TestMergeOfOverlappingSegments(t *testing.T) {
	m := newMerger(t, memStore(t))
	m.segment(1, part{Rows: []schemas.Payment{pay(1, 1), pay(5, 1), pay(9, 1)}, Gone: []pipeline.PaymentID{6},
		Rejects: []pipeline.Reject{{ID: 2, Stage: "get", Code: "old"}, {ID: 11, Stage: "get", Code: "x"}}})
	m.segment(2, part{Rows: []schemas.Payment{pay(2, 2), pay(5, 2), pay(6, 2)}, Gone: []pipeline.PaymentID{9}})
	m.segment(3, part{Rejects: []pipeline.Reject{{ID: 2, Stage: "get", Code: "new"}}})
	m.segment(4, part{Rows: []schemas.Payment{pay(5, 4)}})
	m.segment(5, part{Rows: []schemas.Payment{pay(20, 5)}})
	_, rows, _ := m.merge(nil)
	if diff := cmp.Diff([]schemas.Payment{pay(1, 1), pay(2, 2), pay(5, 4), pay(6, 2), pay(20, 5)}, rows); diff != "" {
		t.Error(diff)
	}
	var rejects []string
	for r, err := range Rejects(t.Context(), m.s, m.d.RejectsPath(snapshot2)) {
		if err != nil {
			t.Fatal(err)
		}
		rejects = append(rejects, fmt.Sprint(r.ID, r.Code))
	}
	if got, want := fmt.Sprint(rejects), "[2new 11x]"; got != want {
		t.Errorf("rejects %s, want %s", got, want)
	}
}

// TestMergeAgainstAModel merges random segments and compares with a map.
func TestMergeAgainstAModel(t *testing.T) {
	for seed := range uint64(8) {
		m := newMerger(t, memStore(t))
		m.d.opts.RowGroupRows = 7
		old := generate(seed, 1, 200)
		last := m.last(old)
		model := make(map[int64]schemas.Payment)
		for _, r := range old {
			model[r.ID] = r
		}
		carried := len(old)
		untouched := make(map[int64]bool)
		for _, r := range old {
			untouched[r.ID] = true
		}
		for n := range 6 {
			rows := generate(seed+uint64(n)*100, int64(n*60+1), 30)
			var p part
			for i, r := range rows {
				if untouched[r.ID] {
					carried--
					delete(untouched, r.ID)
				}
				if i%5 == 0 {
					p.Gone = append(p.Gone, pipeline.PaymentID(r.ID))
					delete(model, r.ID)
				} else {
					p.Rows = append(p.Rows, r)
					model[r.ID] = r
				}
			}
			m.segment(int64(n+1), p)
		}
		res, rows, feed := m.merge(last)
		if len(rows) != len(model) || res.Carried != int64(carried) {
			t.Fatalf("seed %d: %d rows, %d carried; want %d, %d", seed, len(rows), res.Carried, len(model), carried)
		}
		for _, r := range rows {
			if model[r.ID] != r {
				t.Fatalf("seed %d: payment %d: %s", seed, r.ID, cmp.Diff(model[r.ID], r))
			}
		}
		// The feed applied to the old table produces the new one, except times.
		table := make(map[int64]schemas.Payment)
		for _, r := range old {
			table[r.ID] = r
		}
		for _, c := range feed {
			was, known := table[c.Payment.ID]
			switch {
			case c.Op == OpDelete && known:
				delete(table, c.Payment.ID)
			case c.Op == OpInsert && !known, c.Op == OpUpdate && known && slices.Equal(c.Changed, schemas.Changed(&was, &c.Payment)):
				table[c.Payment.ID] = c.Payment
			default:
				t.Fatalf("seed %d: change %+v of %+v", seed, c, was)
			}
		}
		for id, r := range table {
			now, there := model[id]
			if !there || len(schemas.Changed(&now, &r)) > 0 {
				t.Fatalf("seed %d: by the feed there is %+v, in the table %+v", seed, r, now)
			}
		}
		if len(table) != len(model) {
			t.Fatalf("seed %d: by the feed there are %d rows, in the table %d", seed, len(table), len(model))
		}
	}
}

func TestMergeLeavesNoFilesWithoutRows(t *testing.T) {
	m := newMerger(t, memStore(t))
	last := m.last([]schemas.Payment{pay(1, 10)})
	// A file of an earlier attempt, of a job with another meaning.
	putText(t, m.s, m.d.ChangesPath(snapshot2), "old")
	putText(t, m.s, m.d.RejectsPath(snapshot2), "old")
	res, rows, _ := m.merge(last)
	if len(res.Files) != 1 || len(rows) != 1 || res.Carried != 1 {
		t.Errorf("merged %+v", res)
	}
	for _, key := range []string{m.d.ChangesPath(snapshot2), m.d.RejectsPath(snapshot2)} {
		if _, err := m.s.Read(t.Context(), key); !isAbsent(err) {
			t.Errorf("%s is there: %v", key, err)
		}
	}
	// The table of a first snapshot is the change feed.
	cp := m.cp
	m.cp.Snapshot = pipeline.SnapshotID("20261124T020000Z")
	key := m.d.ChangesPath(m.cp.Snapshot)
	putText(t, m.s, key, "an older program's")
	m.segment(2, part{Rows: []schemas.Payment{pay(1, 10)}})
	first, _, feed := m.merge(nil)
	if len(first.Files) != 1 || first.Feed != pipeline.FeedTable || len(feed) != 1 || feed[0].Op != OpInsert {
		t.Errorf("merged %+v, with feed %+v", first, feed)
	}
	if _, err := m.s.Read(t.Context(), key); !isAbsent(err) {
		t.Errorf("%s is there: %v", key, err)
	}
	m.cp = cp
	// The table is the exception.
	m.segment(1, part{Gone: []pipeline.PaymentID{1}})
	if _, rows, _ = m.merge(last); len(rows) != 0 {
		t.Errorf("%d rows, want none", len(rows))
	}
}

func TestMergeRefusesOtherSegments(t *testing.T) {
	for name, tamper := range map[string]func(m *merger){
		"bytes":   func(m *merger) { m.cp.Segments[0].Bytes++ },
		"rows":    func(m *merger) { m.cp.Segments[0].Rows++ },
		"gone":    func(m *merger) { m.cp.Segments[0].Gone++ },
		"ids":     func(m *merger) { m.cp.Segments[0].MaxID = 99 },
		"rejects": func(m *merger) { m.cp.Segments[0].Rejects = 3 },
		"missing": func(m *merger) { m.s.Delete(m.t.Context(), m.d.segment(1)) },
		"another table": func(m *merger) {
			data, err := m.s.Read(m.t.Context(), m.d.segmentRejects(1))
			if err != nil {
				m.t.Fatal(err)
			}
			putText(m.t, m.s, m.d.segment(1), string(data))
			m.cp.Segments[0].Bytes = int64(len(data))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMerger(t, memStore(t))
			m.segment(1, part{Rows: []schemas.Payment{pay(1, 1), pay(2, 2)}, Gone: []pipeline.PaymentID{3},
				Rejects: []pipeline.Reject{{ID: 4, Stage: "get"}}})
			tamper(m)
			if _, err := m.d.Merge(t.Context(), m.cp, nil); err == nil {
				t.Error("merged")
			} else if !strings.Contains(err.Error(), "segment") {
				t.Errorf("error %q does not name the segment", err)
			}
			if _, err := m.s.Read(t.Context(), m.d.HistoryPath(snapshot2)); name != "rejects" && !isAbsent(err) {
				t.Errorf("a table was left: %v", err)
			}
		})
	}
}

func TestMergeRefusesAnotherLastSnapshot(t *testing.T) {
	for name, tamper := range map[string]func(m *merger, last *pipeline.Manifest){
		"bytes":    func(_ *merger, last *pipeline.Manifest) { last.Files[0].Bytes-- },
		"rows":     func(_ *merger, last *pipeline.Manifest) { last.Files[0].Rows++ },
		"missing":  func(m *merger, last *pipeline.Manifest) { m.s.Delete(m.t.Context(), last.Files[0].Path) },
		"no table": func(_ *merger, last *pipeline.Manifest) { last.Files = nil },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMerger(t, memStore(t))
			last := m.last([]schemas.Payment{pay(1, 10), pay(2, 20)})
			tamper(m, last)
			if _, err := m.d.Merge(t.Context(), m.cp, last); err == nil {
				t.Error("merged")
			}
		})
	}
}

func TestSegmentsMustAscend(t *testing.T) {
	m := newMerger(t, memStore(t))
	for name, p := range map[string]part{
		"rows":             {Rows: []schemas.Payment{pay(2, 1), pay(1, 1)}},
		"twice":            {Rows: []schemas.Payment{pay(2, 1), pay(2, 1)}},
		"there and gone":   {Rows: []schemas.Payment{pay(2, 1)}, Gone: []pipeline.PaymentID{2}},
		"gone":             {Gone: []pipeline.PaymentID{3, 2}},
		"no id":            {Rows: []schemas.Payment{pay(0, 1)}},
		"rejects":          {Rejects: []pipeline.Reject{{ID: 3}, {ID: 2}}},
		"rejects negative": {Rejects: []pipeline.Reject{{ID: -3}}},
	} {
		if _, err := m.d.WriteSegment(t.Context(), 1, p); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// flakyPuts is a store whose Put of a key fails once after all bytes are written, and
// then calls write again, as a Bucket does.
type flakyPuts struct {
	Store
	fails map[string]int
}

func (s *flakyPuts) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	for s.fails[key] > 0 {
		s.fails[key]--
		if err := write(io.Discard); err != nil {
			return err
		}
	}
	return s.Store.Put(ctx, key, write)
}

func TestMergeWhenTheStorageAsksForFilesAgain(t *testing.T) {
	for fails := range 3 {
		for _, table := range []bool{true, false} {
			s := &flakyPuts{Store: memStore(t)}
			m := newMerger(t, s)
			last := m.last([]schemas.Payment{pay(1, 10), pay(2, 20)})
			m.segment(1, part{Rows: generate(1, 3, 300)})
			want, rows, feed := m.merge(last)
			key := m.d.ChangesPath(snapshot2)
			if table {
				key = m.d.HistoryPath(snapshot2)
			}
			s.fails = map[string]int{key: fails}
			got, rows2, feed2 := m.merge(last)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d failures of %s: %s", fails, key, diff)
			}
			if !slices.Equal(rows, rows2) || len(feed) != len(feed2) {
				t.Errorf("%d failures of %s: other rows", fails, key)
			}
			s.fails = map[string]int{key: 100}
			if _, err := m.d.Merge(t.Context(), m.cp, last); !table && !errors.Is(err, ErrUnavailable) {
				t.Errorf("endless failures of %s: error %v, want ErrUnavailable", key, err)
			}
		}
	}
}

func TestReadingWithoutTheNewestColumns(t *testing.T) {
	// A file of a version with fewer columns.
	type old struct {
		ID            *int64  `parquet:"id,optional"`
		AccountNumber *string `parquet:"account_number,optional"`
	}
	t1 := &table[schemas.Payment]{
		name:    "payments",
		version: 1,
		schema:  encoded("payments", parquet.SchemaOf(old{}), encodingOf),
		id:      paymentTable.id,
		values: func(columns [][]parquet.Value, i int, p *schemas.Payment) {
			setID(&columns[0][i], p.ID)
			setText(&columns[1][i], &p.AccountNumber)
		},
	}
	var buf bytes.Buffer
	w := newRowWriter(&buf, t1, testFileOptions())
	want := []schemas.Payment{{ID: 1, AccountNumber: schemas.Some("1/1")}, {ID: 2}}
	for i := range want {
		if err := w.add(&want[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.close(); err != nil {
		t.Fatal(err)
	}
	got, err := readPayments(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	newer := *paymentTable
	newer.version++
	data, _ := writeRows(t, &newer, testFileOptions(), want)
	if _, err := readPayments(data); err == nil || !strings.Contains(err.Error(), "use a newer one") {
		t.Errorf("a file of a newer version: error %v", err)
	}
}

// A runner that slept during its successor's run finds its segments swept. The error
// must be about the successor, not about a missing file.
func TestMergeOfSweptSegmentsIsFenced(t *testing.T) {
	ctx := t.Context()
	store, err := OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d := New(store, &Options{Portal: "acme", Runner: "slept"})
	if _, err := d.Begin(ctx); err != nil {
		t.Fatal(err)
	}
	defer d.End(ctx)
	cp := pipeline.Checkpoint{Version: pipeline.CheckpointVersion, Number: 1, Runner: "slept", Snapshot: "20261122T020000Z", Phase: pipeline.Fetched}
	seg, err := d.WriteSegment(ctx, 1, part{Rows: []schemas.Payment{pay(1, 10000)}})
	if err != nil {
		t.Fatal(err)
	}
	cp.Segments = []pipeline.Segment{seg}
	if err := d.Commit(ctx, cp); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(ctx, d.segment(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Merge(ctx, cp, nil); err == nil || errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("without a successor: %v, want the missing segment", err)
	}
	next := cp
	next.Number, next.Segments, next.Phase = 2, nil, pipeline.Abandoned
	data, err := encodeCheckpoint(next)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(ctx, d.checkpoint(2), data); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Merge(ctx, cp, nil); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("with a successor: %v, want ErrFenced", err)
	}
}
