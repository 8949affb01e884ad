package sinks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"runtime"
	"testing"
	"time"
	"unicode/utf8"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/schemas/totals"
	"b24export/sinks/parquetcheck"
)

func seedCheckpoint() pipeline.Checkpoint {
	return pipeline.Checkpoint{
		Version: 1, Number: 7, Runner: "r", Program: "b24export/1", Fingerprint: "f", Snapshot: snapshot2, Previous: snapshot1,
		Mode: pipeline.Incremental, Phase: pipeline.Merged, Done: 50,
		Segments: []pipeline.Segment{{Number: 3, Rows: 2, Bytes: 9, MinID: 1, MaxID: 2}, {Number: 6, Gone: 1, Rejects: 1, Bytes: 5, MinID: 3, MaxID: 3}},
		Ledger:   pipeline.Ledger{Listed: 3, Got: 2, Rejected: 1},
		Manifest: seedManifest(),
	}
}

func seedManifest() *pipeline.Manifest {
	return &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", Snapshot: snapshot2, Mode: pipeline.Full, SchemaVersion: 1,
		Ledger: pipeline.Ledger{Listed: 2, Got: 2},
		Totals: map[string]totals.Total{"USD": {Payments: 2, Sum: "1.0000", Paid: 1, PaidSum: "0.5000"}},
		Files: []pipeline.File{{
			Path: "payments_history/portal=acme/snapshot=20261123T020000Z/payments.parquet", Rows: 2, Bytes: 100, MinID: 1, MaxID: 2,
			SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		}},
	}
}

// FuzzCheckpoint checks that a run can continue from every accepted checkpoint, and
// that it is stored as it was read.
func FuzzCheckpoint(f *testing.F) {
	data, err := encodeCheckpoint(seedCheckpoint())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"number":7,"snapshot":"20261123T020000Z","phase":"fetching"}`))
	f.Add([]byte(`{"version":2,"number":7}`))
	f.Add([]byte(`{"version":1,"number":7,"snapshot":"20261123T020000Z","phase":"fetched","segments":[{"number":8}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		cp, err := decodeCheckpoint(data, 7)
		if err != nil {
			return
		}
		if cp.Number != 7 || cp.Version != 1 || cp.Phase == pipeline.Merged && cp.Manifest == nil {
			t.Fatalf("taken: %+v", cp)
		}
		last := int64(0)
		for _, s := range cp.Segments {
			if s.Number <= last || s.Number > 7 {
				t.Fatalf("segments out of order: %+v", cp.Segments)
			}
			last = s.Number
		}
		again, err := encodeCheckpoint(cp)
		if err != nil {
			t.Fatal(err)
		}
		cp2, err := decodeCheckpoint(again, 7)
		if err != nil {
			t.Fatalf("not read back: %v\n%s", err, again)
		}
		if more, err := encodeCheckpoint(cp2); err != nil || !bytes.Equal(more, again) {
			t.Fatalf("stored as something else: %v\n%s\n%s", err, again, more)
		}
	})
}

// FuzzManifest checks that every accepted manifest names only files of its own
// snapshot.
func FuzzManifest(f *testing.F) {
	data, err := encodeManifest(seedManifest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"dataset":"payments","portal":"acme","snapshot":"20261123T020000Z","files":[{"path":"../x"}]}`))
	f.Add([]byte(`{"version":1,"dataset":"payments","portal":"beta","snapshot":"20261123T020000Z"}`))
	f.Add([]byte(`{"version":9}`))
	l := layout{name: "payments", portal: "acme"}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := l.decodeManifest(data, snapshot2)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if l.snapshotOf(file.Path) != snapshot2 {
				t.Fatalf("taken: %+v", file)
			}
		}
		if m.Dataset != "payments" || m.Portal != "acme" || m.Snapshot != snapshot2 || !json.Valid(data) {
			t.Fatalf("taken: %s", data)
		}
	})
}

// FuzzParquet reads bytes as a file of payments with both libraries. Errors are fine;
// panics, endless loops and huge allocations are not.
func FuzzParquet(f *testing.F) {
	opts := testFileOptions()
	opts.rowGroupRows = 3
	for name := range codecs {
		opts.codec = codecs[name]
		data, _ := writePayments(f, opts, generate(1, 1, 7))
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
	empty, _ := writePayments(f, opts, nil)
	f.Add(empty)
	var rejects bytes.Buffer
	w := newRowWriter(&rejects, rejectTable, testFileOptions())
	if err := w.add(&schemas.Reject{ID: 1, Stage: schemas.Some("get")}); err != nil {
		f.Fatal(err)
	}
	if _, err := w.close(); err != nil {
		f.Fatal(err)
	}
	f.Add(rejects.Bytes())
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	f.Add([]byte("PAR1\x15\x04\x19\xf5\xff\xff\xff\x7f\x08\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)

		ctx := context.Background()
		s, err := OpenStore(ctx, "mem://", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		d := New(s, &Options{Portal: "acme"})
		m := seedManifest()
		m.Files[0].Bytes = int64(len(data))
		if err := s.Put(ctx, m.Files[0].Path, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		for p, err := range d.ReadPayments(ctx, m, Above(0)) {
			if err != nil {
				break
			}
			if p.ID <= last {
				t.Fatalf("payment %d after payment %d", p.ID, last)
			}
			last = p.ID
		}
		for range d.ReadPayments(ctx, m, Above(5)) {
		}
		for range Rejects(ctx, s, m.Files[0].Path) {
		}
		if found, err := d.verify(ctx, m); err != nil {
			t.Fatal(err)
		} else if len(found) == 0 {
			t.Fatal("other bytes than the manifest's were found to be right")
		}

		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 512<<20 {
			t.Fatalf("%d MiB were allocated for a file of %d bytes", n>>20, len(data))
		}
	})
}

// FuzzSegment reads bytes as a segment, as a merge does. The ids ascend, and there are
// no more rows than the checkpoint says.
func FuzzSegment(f *testing.F) {
	opts := testFileOptions()
	opts.rowGroupRows = 3
	for _, codec := range codecs {
		var out bytes.Buffer
		opts.codec = codec
		w := newRowWriter(&out, segmentTable, opts)
		for i, p := range generate(1, 1, 4) {
			if err := w.add(&segmentRow{Payment: p, Gone: i == 2}); err != nil {
				f.Fatal(err)
			}
		}
		if _, err := w.close(); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes(), int64(3), int64(1))
		f.Add(out.Bytes()[:out.Len()/2], int64(3), int64(1))
		f.Add(out.Bytes(), int64(1<<62), int64(-1))
	}
	payments, _ := writePayments(f, opts, generate(1, 1, 7))
	f.Add(payments, int64(7), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, rows, gone int64) {
		ctx := context.Background()
		d := New(memoryStore(t), &Options{Portal: "acme"})
		defer d.store.Close()
		putBytes(t, d.store, d.segment(1), data)
		s := d.segmentRows([]pipeline.Segment{{Number: 1, Rows: rows, Gone: gone, MinID: 1, MaxID: 1 << 62, Bytes: int64(len(data))}})
		defer s.close()
		last, n := int64(0), int64(0)
		for {
			row, err := s.next(ctx)
			if err != nil || row == nil {
				return
			}
			if n++; row.ID <= last || n > int64(len(data))*parquetcheck.MaxPageValues {
				t.Fatalf("row %d: payment %d after payment %d", n, row.ID, last)
			}
			last = row.ID
		}
	})
}

// FuzzRejects reads bytes as a file of rejects, and verifies them with a matching
// manifest. A matching checksum does not make bytes harmless.
func FuzzRejects(f *testing.F) {
	var out bytes.Buffer
	w := newRowWriter(&out, rejectTable, testFileOptions())
	for id := range int64(3) {
		rec := schemas.Reject{ID: id + 1, Stage: schemas.Some("get"), Code: schemas.Some("0"), Raw: schemas.Some(`{"id":1}`), Attempts: schemas.Some(id)}
		if err := w.add(&rec); err != nil {
			f.Fatal(err)
		}
	}
	if _, err := w.close(); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add(out.Bytes()[:out.Len()-9])
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx := context.Background()
		d := New(memoryStore(t), &Options{Portal: "acme"})
		defer d.store.Close()
		m := seedManifest()
		sum := sha256.Sum256(data)
		m.Files = []pipeline.File{{Path: d.rejects(m.Snapshot), Rows: 3, Bytes: int64(len(data)), MinID: 1, MaxID: 3, SHA256: hex.EncodeToString(sum[:])}}
		putBytes(t, d.store, m.Files[0].Path, data)
		last := pipeline.PaymentID(0)
		for r, err := range d.ReadRejects(ctx, m) {
			if err != nil {
				break
			}
			if r.ID <= last || !utf8.ValidString(r.Raw+r.Code+r.Description) {
				t.Fatalf("%+v after payment %d", r, last)
			}
			last = r.ID
		}
		if _, err := d.verify(ctx, m); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzLease reads bytes as a lease. Every lease ends, and none counts as ended before
// its time unless its process has ended.
func FuzzLease(f *testing.F) {
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	data, err := encodeJSON(leaseRecord{claim: newClaim("r"), Since: now, Expires: now.Add(time.Minute)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte(`{"expires":"9999-12-31T23:59:59Z","process":"../../1/2"}`))
	f.Add([]byte(`{"expires":"0001-01-01T00:00:00Z","version":1e999}`))
	f.Add([]byte(`{"expires":"2026-11-23T02:01:00Z","process":"a/b/-1/c"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := New(memoryStore(t), &Options{Portal: "acme", Now: func() time.Time { return now }})
		defer d.store.Close()
		putBytes(t, d.store, d.lease(1), data)
		rec, err := d.readLease(context.Background(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Expires.IsZero() {
			t.Fatalf("a lease without an end: %+v", rec)
		}
		if d.leaseEnded(rec) && now.Before(rec.Expires) && !processGone(rec.Process) {
			t.Fatalf("over before its end: %+v", rec)
		}
	})
}

func memoryStore(t *testing.T) Store {
	t.Helper()
	s, err := OpenStore(context.Background(), "mem://", nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func putBytes(t *testing.T, s Store, key string, data []byte) {
	t.Helper()
	err := s.Put(context.Background(), key, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
