package sinks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"runtime"
	"testing"

	"b24export/pipeline"
	"b24export/schemas"
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
		Totals: map[string]pipeline.Total{"USD": {Payments: 2, Sum: "1.0000", Paid: 1, PaidSum: "0.5000"}},
		Files: []pipeline.File{{
			Path: "payments_history/portal=acme/snapshot=20261123T020000Z/payments.parquet", Rows: 2, Bytes: 100, MinID: 1, MaxID: 2,
			SHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		}},
	}
}

// FuzzCheckpoint makes sure that what is taken for a checkpoint is one that a
// run can go on from, and is stored as it was read.
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

// FuzzManifest makes sure that what is taken for a manifest names files of its
// own snapshot only.
func FuzzManifest(f *testing.F) {
	data, err := encodeManifest(seedManifest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"dataset":"payments","portal":"acme","snapshot":"20261123T020000Z","files":[{"path":"../x"}]}`))
	f.Add([]byte(`{"version":1,"dataset":"payments","portal":"beta","snapshot":"20261123T020000Z"}`))
	f.Add([]byte(`{"version":9}`))
	l := layout{"payments", "acme"}
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

// FuzzParquet reads bytes as a file of payments, with both libraries: errors
// are fine, panics, endless loops and huge allocations are not.
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
	if err := w.add(&rejectRecord{ID: 1, Stage: schemas.Some("get")}); err != nil {
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
		for p, err := range d.ReadPayments(ctx, m, 0) {
			if err != nil {
				break
			}
			if p.ID <= last {
				t.Fatalf("payment %d after payment %d", p.ID, last)
			}
			last = p.ID
		}
		for range d.ReadPayments(ctx, m, 5) {
		}
		for range Rejects(ctx, s, m.Files[0].Path) {
		}
		if found, err := d.Verify(ctx, m); err != nil {
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
