package sinks

import (
	"context"
	"io"
	"testing"

	"b24export/pipeline"
	"b24export/schemas"
)

const benchRows = 1_000_000

func BenchmarkWritePayments(b *testing.B) {
	rows := generate(1, 1, benchRows)
	var size int64
	for b.Loop() {
		w := newRowWriter(io.Discard, paymentTable, testFileOptions())
		for i := range rows {
			if err := w.add(&rows[i]); err != nil {
				b.Fatal(err)
			}
		}
		f, err := w.close()
		if err != nil {
			b.Fatal(err)
		}
		size = f.Bytes
	}
	b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(size)/benchRows, "bytes/row")
}

func BenchmarkReadPayments(b *testing.B) {
	data, _ := writePayments(b, testFileOptions(), generate(1, 1, benchRows))
	for b.Loop() {
		r, err := openRows(object(data), paymentTable)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, err := range r.all(context.Background(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchRows {
			b.Fatalf("%d rows", n)
		}
	}
	b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(len(data))/benchRows, "bytes/row")
}

// BenchmarkMerge merges a million rows with 1 % changed, as a night does, in
// memory: the last snapshot is read, and table and feed are written.
func BenchmarkMerge(b *testing.B) {
	ctx := b.Context()
	s, err := OpenStore(ctx, "mem://", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	d := New(s, &Options{Portal: "acme"})
	if _, err := d.Begin(ctx); err != nil {
		b.Fatal(err)
	}
	defer d.End(context.WithoutCancel(ctx))
	old := generate(1, 1, benchRows)
	cp := pipeline.Checkpoint{Version: 1, Number: 50, Snapshot: "20261122T020000Z"}
	write := func(number int64, rows []schemas.Payment) {
		seg, err := d.WriteSegment(ctx, number, pipeline.Part[schemas.Payment]{Rows: rows})
		if err != nil {
			b.Fatal(err)
		}
		cp.Segments = append(cp.Segments, seg)
	}
	write(1, old)
	res, err := d.Merge(ctx, cp, nil)
	if err != nil {
		b.Fatal(err)
	}
	last := &pipeline.Manifest{Version: 1, Snapshot: cp.Snapshot, Files: res.Files}
	cp.Snapshot, cp.Segments = "20261123T020000Z", nil
	var changed []schemas.Payment
	for i := 0; i < benchRows; i += 100 {
		row := old[i]
		row.Sum.V++
		changed = append(changed, row)
		if len(changed) == 1000 {
			write(int64(2+i/100_000), changed)
			changed = nil
		}
	}
	for b.Loop() {
		if res, err = d.Merge(ctx, cp, last); err != nil {
			b.Fatal(err)
		}
	}
	if res.Rows != benchRows || res.Changes.Update != benchRows/100 {
		b.Fatalf("merged %+v", res)
	}
	b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(res.Files[0].Bytes)/benchRows, "bytes/row")
}
