package sinks

import (
	"context"
	"io"
	"testing"
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
