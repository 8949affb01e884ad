package sinks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/schemas/totals"
	"b24export/sinks/parquetcheck"
)

// verify compares the files with a manifest that need not be stored.
func (d *Dataset) verify(ctx context.Context, m *pipeline.Manifest) ([]Difference, error) {
	v := &verifier{d: d, m: m}
	err := v.check(ctx)
	return v.found, err
}

// published publishes a snapshot with a table of three row groups, a feed and a reject,
// and returns its manifest.
func (m *merger) published() *pipeline.Manifest {
	m.t.Helper()
	m.d.opts.RowGroupRows = 10
	last := m.last(generate(1, 1, 20))
	m.segment(1, part{Rows: generate(2, 10, 20), Gone: []pipeline.PaymentID{1}, Rejects: []pipeline.Reject{{ID: 99, Stage: "get"}}})
	res, _, _ := m.merge(last)
	manifest := &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", Snapshot: snapshot2, SchemaVersion: schemas.Version,
		Ledger:  pipeline.Ledger{Listed: res.Rows + 1, Got: 20, Carried: res.Rows - 20, Rejected: 1},
		Changes: res.Changes, Totals: res.Totals, Files: res.Files,
	}
	if err := m.d.Publish(m.t.Context(), manifest); err != nil {
		m.t.Fatal(err)
	}
	return manifest
}

// replace stores other bytes as a manifest's file, with or without a change of the
// manifest.
func (m *merger) replace(f *pipeline.File, data []byte, knows bool) {
	m.t.Helper()
	putText(m.t, m.s, f.Path, string(data))
	if knows {
		sum := sha256.Sum256(data)
		f.Bytes, f.SHA256 = int64(len(data)), hex.EncodeToString(sum[:])
	}
}

// payments returns a file of rows, unchecked.
func (m *merger) payments(rows []schemas.Payment) []byte {
	m.t.Helper()
	data, _ := writePayments(m.t, m.d.fileOptions(snapshot2), rows)
	return data
}

func TestVerify(t *testing.T) {
	read := func(m *merger, key string) []byte {
		data, err := m.s.Read(m.t.Context(), key)
		if err != nil {
			m.t.Fatal(err)
		}
		return data
	}
	for _, tt := range []struct {
		name   string
		tamper func(m *merger, man *pipeline.Manifest)
		want   []string // parts of the differences, in their order; none for ok
	}{
		{"nothing", func(*merger, *pipeline.Manifest) {}, nil},
		{"table missing", func(m *merger, man *pipeline.Manifest) { m.s.Delete(m.t.Context(), man.Files[0].Path) },
			[]string{"snapshot=20261123T020000Z/payments.parquet: it is missing"}},
		{"current table missing", func(m *merger, _ *pipeline.Manifest) { m.s.Delete(m.t.Context(), m.d.CurrentPath()) },
			[]string{"payments/portal=acme/payments.parquet: it is missing"}},
		{"current table of another snapshot", func(m *merger, man *pipeline.Manifest) {
			putText(m.t, m.s, m.d.CurrentPath(), string(read(m, m.d.HistoryPath(snapshot1))))
		}, []string{"payments/portal=acme/payments.parquet: it has ", "payments/portal=acme/payments.parquet: its SHA-256 is "}},
		{"a byte of the table", func(m *merger, man *pipeline.Manifest) {
			data := read(m, man.Files[0].Path)
			data[100] ^= 1
			m.replace(&man.Files[0], data, false)
		}, []string{"its SHA-256 is", "checksum mismatch"}},
		{"a cut table", func(m *merger, man *pipeline.Manifest) {
			data := read(m, man.Files[0].Path)
			m.replace(&man.Files[0], data[:len(data)-9], false)
		}, []string{"bytes, the manifest says", "its SHA-256 is", "corrupt Parquet file"}},
		{"another table", func(m *merger, man *pipeline.Manifest) {
			m.replace(&man.Files[0], m.payments(generate(3, 1, 5)), true)
		}, []string{"rows: the footer has 5", "ids begin at 1", "ids end at", "it has 5 rows, the manifest says", "adds up to", "payments/portal=acme/payments.parquet: it has "}},
		{"other columns", func(m *merger, man *pipeline.Manifest) {
			m.replace(&man.Files[0], read(m, man.Files[2].Path), true)
		}, []string{"columns: number 2 is stage utf8, want account_number utf8", "payments/portal=acme/payments.parquet: it has "}},
		{"totals", func(_ *merger, man *pipeline.Manifest) {
			man.Totals["USD"] = totals.Total{Payments: 1, Sum: "1.0000"}
			man.Totals["XXX"] = totals.Total{Payments: 1}
			delete(man.Totals, "RUB")
		}, []string{"RUB adds up to", "USD adds up to", "XXX adds up to"}},
		{"changes", func(_ *merger, man *pipeline.Manifest) {
			man.Changes.Insert++
			man.Changes.Delete--
		}, []string{"rows of op delete, the manifest says 0", "rows of op insert, the manifest says"}},
		{"count of changes", func(_ *merger, man *pipeline.Manifest) { man.Changes.Update++ },
			[]string{"changes.parquet: it has", "20261123T020000Z.json: the change feed has"}},
		{"its table is its change feed", func(_ *merger, man *pipeline.Manifest) {
			man.Feed, man.Previous = pipeline.FeedTable, snapshot1
		},
			[]string{"rows is its change feed, and it counts", "only a first snapshot's can be", "names a change feed as well"}},
		{"ledger", func(_ *merger, man *pipeline.Manifest) { man.Ledger.Carried++ },
			[]string{"ledger does not add up", "by the ledger it should have"}},
		{"rejects", func(_ *merger, man *pipeline.Manifest) {
			man.Ledger.Rejected++
			man.Ledger.Listed++
		}, []string{"there are 1 rejects, the ledger counts 2"}},
		{"ids", func(_ *merger, man *pipeline.Manifest) { man.Files[0].MinID, man.Files[0].MaxID = 1, 1000 },
			[]string{"ids begin at 4, in the manifest at 1", "ids end at"}},
		{"rows", func(_ *merger, man *pipeline.Manifest) { man.Files[2].Rows = 7 },
			[]string{"rejects.parquet: rows: the footer has 1, the manifest 7", "rejects.parquet: it has 1 rows", "there are 7 rejects"}},
		{"a foreign file", func(_ *merger, man *pipeline.Manifest) { man.Files[1].Path = "elsewhere/x.parquet" },
			[]string{"elsewhere/x.parquet is no file of this dataset", "the change feed has 0 rows"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMerger(t, memStore(t))
			man := m.published()
			tt.tamper(m, man)
			found, err := m.d.verify(t.Context(), man)
			if err != nil {
				t.Fatal(err)
			}
			i := 0
			for _, diff := range found {
				if i < len(tt.want) && strings.Contains(diff.String(), tt.want[i]) {
					i++
				} else if i == 0 || !strings.Contains(diff.String(), tt.want[i-1]) {
					// More differences of the same kind are fine, as with several
					// currencies.
					if !strings.Contains(diff.What, "adds up to") && !strings.Contains(diff.What, "SHA-256") {
						t.Errorf("unexpected: %s", diff)
					}
				}
			}
			if i < len(tt.want) {
				t.Errorf("found %v, want one with %q", found, tt.want[i])
			}
		})
	}
}

// TestVerifyFindsDisorder verifies a table that our writer cannot write.
func TestVerifyFindsDisorder(t *testing.T) {
	m := newMerger(t, memStore(t))
	man := m.published()
	unordered := *paymentTable
	seen := int64(0)
	unordered.id = func(*schemas.Payment) int64 { seen++; return seen }
	var buf bytes.Buffer
	w := newRowWriter(&buf, &unordered, m.d.fileOptions(snapshot2))
	rows := generate(1, 1, 30)
	rows[5], rows[6] = rows[6], rows[5]
	rows[12] = rows[11]
	for i := range rows {
		if err := w.add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	f, err := w.close()
	if err != nil {
		t.Fatal(err)
	}
	m.replace(&man.Files[0], buf.Bytes(), true)
	man.Files[0].Rows, man.Files[0].MinID, man.Files[0].MaxID = f.Rows, pipeline.PaymentID(rows[0].ID), pipeline.PaymentID(rows[29].ID)
	found, err := m.d.verify(t.Context(), man)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, diff := range found {
		all = append(all, diff.What)
	}
	for _, want := range []string{"row 6: payment", "2 rows are out of order or there twice"} {
		if !strings.Contains(strings.Join(all, "\n"), want) {
			t.Errorf("found %q, want one with %q", all, want)
		}
	}
	for _, err := range m.d.ReadPayments(t.Context(), man, Above(0)) {
		if err != nil {
			if !errors.Is(err, parquetcheck.ErrCorrupt) {
				t.Errorf("reading it: %v", err)
			}
			return
		}
	}
	t.Error("it was read without an error")
}

// The read before publication finds a table whose totals differ from those of its
// future manifest.
func TestReadBack(t *testing.T) {
	m := newMerger(t, memStore(t))
	man := m.published()
	rows := generate(5, 1, 30)
	var sums schemas.Totals
	for i := range rows {
		sums.Add(&rows[i])
	}
	data, f := writePayments(t, m.d.fileOptions(snapshot2), rows)
	f.Path = man.Files[0].Path
	wants := func(what, want string) {
		t.Helper()
		err := m.d.readBack(t.Context(), f, sums.ByCurrency())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", what, err, want)
		}
	}
	putText(t, m.s, f.Path, string(data))
	wants("as it was written", "")
	sums.Add(&rows[7])
	wants("other totals", "adds up to")
	f.Rows++
	wants("other rows", "rows: the footer has 30, the manifest 31")
	m.s.Delete(t.Context(), f.Path)
	wants("nothing", "it is missing")
}

// A storage that cannot be reached is not reported as a damaged file.
func TestVerifyTellsStorageFromFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer()
		s := srv.store(nil)
		m := newMerger(t, s)
		man := m.published()
		for n := range 12 {
			var reads atomic.Int64
			srv.script(func(op, _ string) error {
				if (op == "get" || op == "head") && reads.Add(1) > int64(n) {
					return errBusy
				}
				return nil
			})
			found, err := m.d.verify(t.Context(), man)
			if len(found) > 0 || err != nil && !errors.Is(err, ErrUnavailable) {
				t.Errorf("storage away after %d reads: found %v, error %v", n, found, err)
			}
			if n == 0 && err == nil {
				t.Error("verified without reading anything")
			}
		}
		srv.script(nil)
		if err := m.d.End(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestPublishTwice(t *testing.T) {
	m := newMerger(t, memStore(t))
	man := m.published()
	if err := m.d.Publish(t.Context(), man); err != nil {
		t.Errorf("the same again: %v", err)
	}
	other := *man
	other.Program = "another"
	if err := m.d.Publish(t.Context(), &other); err == nil || errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("another manifest of the same snapshot: error %v", err)
	}
	// Another version of the program may have written it with other spelling.
	older := *man
	older.Checksum = ""
	spelled, err := json.Marshal(&older)
	if err != nil {
		t.Fatal(err)
	}
	putBytes(t, m.d.store, m.d.ManifestPath(man.Snapshot), spelled)
	if err := m.d.Publish(t.Context(), man); err != nil {
		t.Errorf("the same manifest in other bytes: %v", err)
	}
	foreign := *man
	foreign.Portal = "beta"
	if err := m.d.Publish(t.Context(), &foreign); err == nil {
		t.Error("another portal's manifest was published")
	}
}

func TestStoredStateIsChecked(t *testing.T) {
	const dir, runs = "_state/payments/portal=acme/", "_runs/payments/portal=acme/"
	good, err := encodeCheckpoint(seedCheckpoint())
	if err != nil {
		t.Fatal(err)
	}
	unknown := seedCheckpoint()
	unknown.Phase = "levitating"
	levitating, err := encodeCheckpoint(unknown)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, key, data, want string }{
		{"newer checkpoint", dir + "checkpoint-00000009.json", `{"version":3,"phase":"levitating"}`,
			dir + "checkpoint-00000009.json cannot be used: it has version 3, this program knows up to 2: use a newer b24export"},
		{"cut checkpoint", dir + "checkpoint-00000007.json", string(good[:100]), dir + "checkpoint-00000007.json cannot be used: unexpected end of JSON input"},
		{"empty checkpoint", dir + "checkpoint-00000007.json", "", dir + "checkpoint-00000007.json cannot be used"},
		{"another number", dir + "checkpoint-00000008.json", string(good), dir + "checkpoint-00000008.json cannot be used: it says that it is number 7"},
		{"unknown phase", dir + "checkpoint-00000007.json", string(levitating), `unknown phase "levitating"`},
		{"edited checkpoint", dir + "checkpoint-00000007.json", strings.Replace(string(good), `"merged"`, `"fetched"`, 1), "it was damaged or edited"},
		{"no manifest", dir + "checkpoint-00000001.json", `{"version":1,"number":1,"snapshot":"20261123T020000Z","phase":"merged"}`, "no manifest"},
		{"no version", dir + "checkpoint-00000001.json", `{"number":1}`, "version 0"},
		{"bad counts", dir + "checkpoint-00000001.json",
			`{"version":1,"number":1,"snapshot":"20261123T020000Z","phase":"fetching","ledger":{"got":-1}}`, "impossible counts"},
		{"bad segment", dir + "checkpoint-00000001.json",
			`{"version":1,"number":1,"snapshot":"20261123T020000Z","phase":"fetching","segments":[{"number":1,"rows":-1}]}`, "segment 1: impossible counts"},
		{"newer manifest", runs + "20261123T020000Z.json", `{"version":7}`, runs + "20261123T020000Z.json cannot be used: it has version 7"},
		{"manifest of another snapshot", runs + "20261123T020000Z.json", `{"version":1,"snapshot":"20261122T020000Z"}`, "it says that it is of snapshot 20261122T020000Z"},
		{"manifest without table", runs + "20261123T020000Z.json",
			`{"version":1,"snapshot":"20261123T020000Z","dataset":"payments","portal":"acme"}`, "it names no table"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := memStore(t)
			putText(t, s, tt.key, tt.data)
			d := New(s, &Options{Portal: "acme"})
			if _, err := d.Begin(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("begin: error %v, want one with %q", err, tt.want)
			}
			if _, err := d.Status(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("status: error %v, want one with %q", err, tt.want)
			}
			// The failed Begin blocks no other run.
			if n, err := d.highest(t.Context(), leaseKind); err != nil || n != 0 {
				t.Errorf("lease %d is left, error %v", n, err)
			}
		})
	}
	// Objects whose names only look like state stay.
	s := memStore(t)
	for _, name := range []string{"checkpoint-7.json", "checkpoint-00000007.json.bak", "checkpoint-x.json", "checkpoint-00000000.json", "checkpoint--0000001.json"} {
		putText(t, s, dir+name, "x")
	}
	putText(t, s, runs+"latest.json", "x")
	d := New(s, &Options{Portal: "acme"})
	if state, err := d.Begin(t.Context()); err != nil || state.Checkpoint.Number != 0 || state.Last != nil {
		t.Errorf("state %+v, error %v", state, err)
	}
	if err := d.End(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestUnsafeNoFencing(t *testing.T) {
	srv := newServer()
	srv.lax = true
	s := srv.store(nil)
	if _, err := New(s, &Options{Portal: "acme"}).Begin(t.Context()); !errors.Is(err, ErrNoFencing) {
		t.Fatalf("error %v, want ErrNoFencing", err)
	}
	d := New(s, &Options{Portal: "acme", UnsafeNoFencing: true})
	if _, err := d.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer d.End(t.Context())
	cp := pipeline.Checkpoint{Version: 1, Number: 1, Runner: "a", Snapshot: snapshot1, Phase: pipeline.Fetching}
	if err := d.Commit(t.Context(), cp); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(t.Context(), cp); err != nil {
		t.Errorf("the same again: %v", err)
	}
	cp.Runner = "b" // what can be noticed, is
	if err := d.Commit(t.Context(), cp); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("another runner's: error %v, want ErrFenced", err)
	}
}

func TestTables(t *testing.T) {
	m := newMerger(t, memStore(t))
	man := m.published()
	for i, want := range []string{"payments", "changes", "rejects"} {
		if got, err := Table(t.Context(), m.s, man.Files[i].Path); err != nil || got != want {
			t.Errorf("%s: table %q, error %v", man.Files[i].Path, got, err)
		}
	}
	if _, err := Table(t.Context(), m.s, m.d.ManifestPath(snapshot2)); !errors.Is(err, parquetcheck.ErrCorrupt) {
		t.Errorf("a manifest: error %v", err)
	}
	for _, err := range Payments(t.Context(), m.s, man.Files[1].Path, Above(0)) {
		if err == nil || !strings.Contains(err.Error(), `it is a table of "changes", not of payments`) {
			t.Errorf("changes read as payments: error %v", err)
		}
	}
}

func TestColumnsAreOnlyAdded(t *testing.T) {
	k := fileKind{table: paymentTable.name, schema: schemas.Payments()}
	if n := len(k.columns(3).schema.Fields()); n != 3 {
		t.Errorf("%d columns of an older version, want 3", n)
	}
	if got := k.columns(99).schema; got != schemas.Payments() {
		t.Errorf("more columns than there are: %v", got)
	}
	m := newMerger(t, memStore(t))
	man := m.published()
	man.SchemaVersion = 0
	if found, err := m.d.verify(t.Context(), man); err != nil || len(found) > 0 {
		t.Errorf("a snapshot of an older version: found %v, error %v", found, err)
	}
}

// The row groups have many pages, and there are columns of nulls.
func TestVerifyOfFullRowGroups(t *testing.T) {
	m := newMerger(t, memStore(t))
	rows := generate(1, 1, 130_000)
	for i := range rows {
		rows[i].DateBill, rows[i].EntityID = schemas.Null[schemas.Instant]{}, schemas.Null[int64]{}
		if i%1000 < 500 {
			rows[i].OrderID, rows[i].DatePaid = schemas.Null[int64]{}, schemas.Null[schemas.Instant]{}
		}
	}
	m.segment(1, part{Rows: rows})
	res, got, _ := m.merge(nil)
	if !slices.Equal(got, rows) {
		t.Error("other rows came back")
	}
	man := &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", Snapshot: snapshot2, SchemaVersion: schemas.Version,
		Ledger: pipeline.Ledger{Listed: res.Rows, Got: res.Rows}, Changes: res.Changes, Feed: res.Feed, Totals: res.Totals, Files: res.Files,
	}
	if err := m.d.Publish(t.Context(), man); err != nil {
		t.Fatal(err)
	}
	if found, err := m.d.verify(t.Context(), man); err != nil || len(found) > 0 {
		t.Errorf("found %v, error %v", found, err)
	}
}

// Snapshots are a chain: one that does not name the previous one is reported.
func TestVerifyLooksAtTheSnapshotBefore(t *testing.T) {
	m := newMerger(t, memStore(t))
	man := m.published()
	older := pipeline.SnapshotID("20261101T020000Z")
	putText(t, m.s, m.d.manifest(older), "{}")
	found, err := m.d.verify(t.Context(), man)
	if err != nil || len(found) != 1 || found[0].File != m.d.manifest(man.Snapshot) || !strings.Contains(found[0].What, string(older)) {
		t.Errorf("found %v, error %v", found, err)
	}
	man.Previous = older
	if found, err := m.d.verify(t.Context(), man); err != nil || len(found) > 0 {
		t.Errorf("found %v, error %v", found, err)
	}
}

// prunedStore deletes a snapshot when its first file is opened.
type prunedStore struct {
	Store
	prune func()
}

func (s prunedStore) Open(ctx context.Context, key string) (Object, error) {
	s.prune()
	return s.Store.Open(ctx, key)
}

// A snapshot that a sweep deletes while it is read is not damaged.
func TestVerifyOfWhatGoesMeanwhile(t *testing.T) {
	m := newMerger(t, memStore(t))
	man := m.published()
	d := New(prunedStore{m.s, func() {
		for _, key := range []string{m.d.manifest(man.Snapshot), man.Files[0].Path} {
			if err := m.s.Delete(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
	}}, &Options{Portal: "acme"})
	if _, found, err := d.Verify(t.Context(), man.Snapshot); !errors.Is(err, fs.ErrNotExist) || len(found) > 0 {
		t.Errorf("found %v, error %v", found, err)
	}
}
