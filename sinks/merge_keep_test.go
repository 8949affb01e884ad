package sinks

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
)

// countingStore records the writes.
type countingStore struct {
	Store
	effects []string
	// noCopy makes the server report copies that it does not make.
	noCopy bool
}

func (s *countingStore) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	s.effects = append(s.effects, "put "+key)
	return s.Store.Put(ctx, key, write)
}

func (s *countingStore) Copy(ctx context.Context, dst, src string) error {
	s.effects = append(s.effects, "copy "+dst)
	return s.Store.Copy(ctx, dst, src)
}

func (s *countingStore) Link(ctx context.Context, dst, src string) error {
	s.effects = append(s.effects, "link "+dst)
	if s.noCopy {
		return nil
	}
	return s.Store.Link(ctx, dst, src)
}

// tables returns the effects on Parquet files.
func (s *countingStore) tables() []string {
	return slices.DeleteFunc(s.effects, func(e string) bool { return !strings.HasSuffix(e, ".parquet") })
}

// night publishes snapshot2 on top of last, with the segments written so far.
func (m *merger) night(last *pipeline.Manifest) *pipeline.Manifest {
	m.t.Helper()
	res, _, _ := m.merge(last)
	manifest := &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", Snapshot: snapshot2, Previous: last.Snapshot, SchemaVersion: schemas.Version,
		Ledger:  pipeline.Ledger{Listed: res.Rows, Got: res.Rows - res.Carried, Carried: res.Carried},
		Changes: res.Changes, Totals: res.Totals, Files: res.Files,
	}
	if err := m.d.Publish(m.t.Context(), manifest); err != nil {
		m.t.Fatal(err)
	}
	return manifest
}

const (
	history2 = "payments_history/portal=acme/snapshot=20261123T020000Z/payments.parquet"
	current  = "payments/portal=acme/payments.parquet"
)

// A run in which nothing changed writes no table: its snapshot is another name of the
// last one's file, and the current table stays as it is.
func TestQuietNightWritesNoTable(t *testing.T) {
	dir := t.TempDir()
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	s := &countingStore{Store: folder}
	m := newMerger(t, s)
	last := m.last(generate(1, 1, 20))
	if err := m.d.Publish(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(dir, current))
	if err != nil {
		t.Fatal(err)
	}
	s.effects = nil
	manifest := m.night(last)
	if want := []string{"link " + history2}; !slices.Equal(s.tables(), want) {
		t.Errorf("writes %q, want %q", s.tables(), want)
	}
	after, err := os.Stat(filepath.Join(dir, current))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the current table was replaced")
	}
	one, err1 := os.Stat(filepath.Join(dir, last.Files[0].Path))
	two, err2 := os.Stat(filepath.Join(dir, history2))
	if err := errors.Join(err1, err2); err != nil || !os.SameFile(one, two) {
		t.Errorf("the snapshot's table is a file of its own (%v)", err)
	}
	if _, found, err := m.d.Verify(t.Context(), manifest.Snapshot); err != nil || len(found) > 0 {
		t.Errorf("verify: %v %v", found, err)
	}
	// A sweep deletes one name; the other one stays.
	if err := s.Delete(t.Context(), last.Files[0].Path); err != nil {
		t.Fatal(err)
	}
	if _, found, err := m.d.Verify(t.Context(), manifest.Snapshot); err != nil || len(found) > 0 {
		t.Errorf("verify, without the older snapshot: %v %v", found, err)
	}
}

// In a folder, the tables of quiet nights are one file, so damage is in all of them. As
// docs/operating.md says, a copy of the current table over one of them repairs all.
func TestDamageOfLinkedTables(t *testing.T) {
	dir := t.TempDir()
	folder, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	m := newMerger(t, folder)
	last := m.last(generate(1, 1, 20))
	if err := m.d.Publish(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	manifest := m.night(last)
	for _, repaired := range []bool{false, true} {
		data, err := folder.Read(t.Context(), current)
		if err != nil {
			t.Fatal(err)
		}
		if !repaired {
			data[100] ^= 1
		}
		if err := os.WriteFile(filepath.Join(dir, history2), data, 0o666); err != nil { // as cp does
			t.Fatal(err)
		}
		for _, id := range []pipeline.SnapshotID{last.Snapshot, manifest.Snapshot} {
			if _, found, err := m.d.Verify(t.Context(), id); err != nil || (len(found) == 0) != repaired {
				t.Errorf("repaired: %t: verify %s: %v, %v", repaired, id, found, err)
			}
		}
	}
}

// A clock was set back, so the name of a snapshot follows from that of the last one. A
// runner that slept finds no change. Its snapshot has the name of the one that its successor
// has published, whose table must stay.
func TestQuietNightThatSlept(t *testing.T) {
	s := memStore(t)
	m := newMerger(t, s)
	last := m.last(generate(1, 1, 20))
	if err := errors.Join(m.d.Publish(t.Context(), last), m.d.End(t.Context())); err != nil {
		t.Fatal(err)
	}
	now := last.Snapshot.Time().Add(-time.Hour)
	runner := func(name string) *Dataset {
		began := now
		d := New(s, &Options{Portal: "acme", Runner: name, Compression: "snappy", Now: func() time.Time { return began }})
		if _, err := d.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.End(context.WithoutCancel(t.Context())) })
		return d
	}
	slept := runner("a")
	now = now.Add(2 * time.Minute)
	m.d = runner("b")
	m.cp.Number, m.cp.Snapshot = 0, pipeline.SnapshotAt(last.Snapshot.Time().Add(time.Second))
	quiet := m.cp
	m.segment(1, part{Rows: []schemas.Payment{pay(1000, 10)}})
	res, _, _ := m.merge(last)
	manifest := &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", Snapshot: m.cp.Snapshot, Previous: last.Snapshot, SchemaVersion: schemas.Version,
		Ledger:  pipeline.Ledger{Listed: res.Rows, Got: res.Rows - res.Carried, Carried: res.Carried},
		Changes: res.Changes, Totals: res.Totals, Files: res.Files,
	}
	merged := m.cp
	merged.Number, merged.Phase, merged.Manifest = 1, pipeline.Merged, manifest
	if err := errors.Join(m.d.Commit(t.Context(), merged), m.d.Publish(t.Context(), manifest)); err != nil {
		t.Fatal(err)
	}
	if _, err := slept.Merge(t.Context(), quiet, last); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("the merge of the runner that slept: %v, want ErrFenced", err)
	}
	if _, found, err := m.d.Verify(t.Context(), manifest.Snapshot); err != nil || len(found) > 0 {
		t.Errorf("verify: %v %v", found, err)
	}
}

// A run replaces a damaged current table, also if nothing changed.
func TestQuietNightReplacesADamagedCurrentTable(t *testing.T) {
	s := &countingStore{Store: memStore(t)}
	m := newMerger(t, s)
	last := m.last(generate(1, 1, 20))
	if err := m.d.Publish(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	data, err := s.Read(t.Context(), current)
	if err != nil {
		t.Fatal(err)
	}
	data[100] ^= 1
	putText(t, s, current, string(data))
	manifest := m.night(last)
	if _, found, err := m.d.Verify(t.Context(), manifest.Snapshot); err != nil || len(found) > 0 {
		t.Errorf("verify: %v %v", found, err)
	}
}

// A table that this run would write in another form is written again.
func TestTableIsNotKept(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(m *merger)
	}{
		{"compression", func(m *merger) { m.d.opts.Compression = "none" }},
		{"fewer rows in a row group", func(m *merger) { m.d.opts.RowGroupRows = 1 }},
		{"a row", func(m *merger) { m.segment(1, part{Rows: []schemas.Payment{pay(3, 30)}}) }},
		{"a row that is gone", func(m *merger) { m.segment(1, part{Gone: []pipeline.PaymentID{3}}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &countingStore{Store: memStore(t)}
			m := newMerger(t, s)
			last := m.last([]schemas.Payment{pay(1, 10), pay(3, 30)})
			if err := m.d.Publish(t.Context(), last); err != nil {
				t.Fatal(err)
			}
			tt.do(m)
			s.effects = nil
			m.night(last)
			if got := s.tables(); !slices.Contains(got, "put "+history2) || !slices.Contains(got, "copy "+current) {
				t.Errorf("writes %q", got)
			}
		})
	}
}

// If the server reports a copy and does not make it, the bytes are downloaded and
// uploaded.
func TestCopyThatIsNotMade(t *testing.T) {
	s := &countingStore{Store: memStore(t), noCopy: true}
	m := newMerger(t, s)
	last := m.last(generate(1, 1, 20))
	res, err := m.d.Merge(t.Context(), m.cp, last)
	if err != nil {
		t.Fatal(err)
	}
	for _, dst := range []string{history2, current} {
		if dst == current {
			if _, err := m.d.makeCurrent(t.Context(), last); err != nil {
				t.Fatal(err)
			}
		}
		sum, err := s.Sum(t.Context(), dst, res.Files[0].Bytes)
		if err != nil || sum != res.Files[0].SHA256 {
			t.Errorf("%s has the checksum %q, error %v", dst, sum, err)
		}
	}
	if n := len(s.effects); n == 0 {
		t.Error("no copy was tried")
	}
}

// More rows in a row group: small row groups are joined, also if nothing changed, and the
// next run keeps the table.
func TestSmallRowGroupsAreNotKept(t *testing.T) {
	n := newNights(t, profileStandard, "snappy", 10)
	n.night(part{Rows: generate(1, 1, 200)})
	for _, tt := range []struct {
		groupRows, groups int
		kept              bool
	}{{10, 20, true}, {40, 20, true}, {44, 5, false}, {44, 5, true}, {43, 5, false}, {43, 5, true}} {
		n.d.opts.RowGroupRows = tt.groupRows
		n.night(part{})
		if _, groups := n.table(); len(groups) != tt.groups || n.d.seen.kept != tt.kept {
			t.Errorf("night %d, %d rows: %d row groups, kept: %t; want %d, %t", n.n, tt.groupRows, len(groups), n.d.seen.kept, tt.groups, tt.kept)
		}
	}
}

// A damaged last table ends the merge.
func TestKeptTableIsReadBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(data []byte) []byte // nil deletes the table
		want string
	}{
		{"damaged", func(data []byte) []byte { data[100] ^= 1; return data }, "its SHA-256 is "},
		{"footer damaged", func(data []byte) []byte { data[len(data)-1] ^= 1; return data }, "does not begin and end with PAR1"},
		{"cut", func(data []byte) []byte { return data[:len(data)-9] }, "bytes, its manifest says"},
		{"missing", func([]byte) []byte { return nil }, "it is missing, and its manifest is not"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &countingStore{Store: memStore(t)}
			m := newMerger(t, s)
			last := m.last(generate(1, 1, 20))
			key := last.Files[0].Path
			data, err := s.Read(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if data = tt.do(data); data != nil {
				putText(t, s, key, string(data))
			} else if err := s.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			_, err = m.d.Merge(t.Context(), m.cp, last)
			if err == nil || !strings.HasPrefix(err.Error(), "read "+key+": ") || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, ErrDamaged) {
				t.Errorf("merge: %v, want %s…", err, tt.want)
			}
		})
	}
}
