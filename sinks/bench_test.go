//go:build unix

package sinks

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"b24export/pipeline"
	"b24export/schemas"
)

const benchRows = 1_000_000

// gottenRows returns rows with the nine columns of crm.item.payment.get.
func gottenRows(seed uint64, n int) []schemas.Payment {
	rnd := rand.New(rand.NewPCG(seed, 2))
	currencies := []string{"RUB", "USD", "EUR", "KZT", "BYN"}
	systems := make([]string, 12)
	for i := range systems {
		systems[i] = fmt.Sprintf("Payment system %d", i)
	}
	rows := make([]schemas.Payment, n)
	for i := range rows {
		system := rnd.IntN(len(systems))
		rows[i] = schemas.Payment{
			ID:            int64(i) + 1,
			AccountNumber: schemas.Some(strconv.Itoa(i/2+1) + "/" + strconv.Itoa(1+i%2)),
			Paid:          schemas.Some(rnd.IntN(5) > 0),
			PaySystemID:   schemas.Some(int64(system + 1)),
			Sum:           schemas.Some(schemas.Decimal(rnd.Int64N(2_000_000) * 100)),
			Currency:      schemas.Some(currencies[rnd.IntN(len(currencies))]),
			PaySystemName: schemas.Some(systems[system]),
		}
		if rows[i].Paid.V {
			rows[i].DatePaid = schemas.Some(schemas.Instant((1_600_000_000 + int64(i)*20 + rnd.Int64N(86_400)) * 1e6))
		}
		if rnd.IntN(100) < 32 {
			rows[i].EmpPaidID = schemas.Some(1 + rnd.Int64N(200))
		}
	}
	return rows
}

func BenchmarkWritePayments(b *testing.B) {
	for _, bench := range []struct {
		name    string
		rows    []schemas.Payment
		profile string
		codec   string
	}{
		{"columns=all", generate(1, 1, benchRows), profileStandard, "zstd"},
		{"columns=nine", gottenRows(1, benchRows), profileStandard, "zstd"},
		{"columns=all/compatible/snappy", generate(1, 1, benchRows), profileCompatible, "snappy"},
		{"columns=all/compatible/none", generate(1, 1, benchRows), profileCompatible, "none"},
	} {
		opts := testFileOptions()
		opts.profile, opts.codec = bench.profile, codecs[bench.codec]
		b.Run(bench.name, func(b *testing.B) {
			defer reportCPU(b, benchRows)()
			var size int64
			for b.Loop() {
				w := newRowWriter(io.Discard, paymentTable, opts)
				for i := range bench.rows {
					if err := w.add(&bench.rows[i]); err != nil {
						b.Fatal(err)
					}
				}
				f, err := w.close()
				if err != nil {
					b.Fatal(err)
				}
				size = f.Bytes
			}
			b.ReportMetric(float64(size)/benchRows, "bytes/row")
		})
	}
}

func BenchmarkReadPayments(b *testing.B) {
	data, _ := writePayments(b, testFileOptions(), generate(1, 1, benchRows))
	defer reportCPU(b, benchRows)()
	for b.Loop() {
		r, err := openRows(object(data), paymentTable)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, err := range r.all(context.Background(), Above(0)) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchRows {
			b.Fatalf("%d rows", n)
		}
	}
}

// benchDataset returns a dataset in memory whose runner is the benchmark.
func benchDataset(b *testing.B) *Dataset {
	ctx := b.Context()
	s, err := OpenStore(ctx, "mem://", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	d := New(s, &Options{Portal: "acme"})
	if _, err := d.Begin(ctx); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.End(context.WithoutCancel(ctx)) })
	return d
}

func BenchmarkWriteSegment(b *testing.B) {
	d := benchDataset(b)
	part := pipeline.Part[schemas.Payment]{Rows: generate(1, 1, 50_000)}
	defer reportCPU(b, len(part.Rows))()
	for b.Loop() {
		if _, err := d.WriteSegment(b.Context(), 1, part); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMerge merges a million rows with segments. changed=1% and changed=100% have
// changes everywhere, and with the latter each row is also in the change feed. The
// changes of changed=end are in the last two of nine row groups, as after most runs.
func BenchmarkMerge(b *testing.B) {
	for _, percent := range []int{1, 100} {
		b.Run(fmt.Sprintf("changed=%d%%", percent), func(b *testing.B) { benchMerge(b, 0, benchRows, 100/percent) })
	}
	b.Run("changed=end", func(b *testing.B) { benchMerge(b, 7*122_880, benchRows+953, 100) })
}

// benchMerge merges n rows, of which every step-th after the first few has changed.
func benchMerge(b *testing.B, few, n, step int) {
	ctx, d := b.Context(), benchDataset(b)
	rows := generate(1, 1, n)
	cp := pipeline.Checkpoint{Version: 1, Number: 50, Snapshot: "20261122T020000Z"}
	write := func(rows []schemas.Payment) {
		seg, err := d.WriteSegment(ctx, int64(len(cp.Segments)+1), pipeline.Part[schemas.Payment]{Rows: rows})
		if err != nil {
			b.Fatal(err)
		}
		cp.Segments = append(cp.Segments, seg)
	}
	write(rows)
	res, err := d.Merge(ctx, cp, nil)
	if err != nil {
		b.Fatal(err)
	}
	last := &pipeline.Manifest{Version: 1, Snapshot: cp.Snapshot, Files: res.Files, Totals: res.Totals}
	cp.Snapshot, cp.Segments = "20261123T020000Z", nil
	var changed []schemas.Payment
	for i := few; i < n; i += step {
		row := rows[i]
		row.Sum.V++
		changed = append(changed, row)
	}
	for part := range slices.Chunk(changed, (len(changed)+19)/20) {
		write(part)
	}
	defer reportCPU(b, n)()
	for b.Loop() {
		if res, err = d.Merge(ctx, cp, last); err != nil {
			b.Fatal(err)
		}
	}
	if res.Rows != int64(n) || res.Changes.Update != int64(len(changed)) {
		b.Fatalf("merged %+v", res)
	}
}

// BenchmarkVerify reads a snapshot back: as the command verify does, and the parts that
// each merge reads.
func BenchmarkVerify(b *testing.B) {
	ctx, d := b.Context(), benchDataset(b)
	cp := pipeline.Checkpoint{Version: 1, Number: 1, Snapshot: "20261122T020000Z"}
	seg, err := d.WriteSegment(ctx, 1, pipeline.Part[schemas.Payment]{Rows: generate(1, 1, benchRows)})
	if err != nil {
		b.Fatal(err)
	}
	cp.Segments = append(cp.Segments, seg)
	res, err := d.Merge(ctx, cp, nil)
	if err != nil {
		b.Fatal(err)
	}
	m := &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", SchemaVersion: schemas.Version, Snapshot: cp.Snapshot, Files: res.Files,
		Ledger: pipeline.Ledger{Listed: res.Rows, Got: res.Rows}, Changes: res.Changes, Totals: res.Totals,
	}
	if err := d.Publish(ctx, m); err != nil {
		b.Fatal(err)
	}
	b.Run("whole", func(b *testing.B) {
		defer reportCPU(b, benchRows)()
		for b.Loop() {
			_, found, err := d.Verify(ctx, m.Snapshot)
			if err != nil || len(found) > 0 {
				b.Fatal(err, found)
			}
		}
	})
	b.Run("of=merge", func(b *testing.B) {
		defer reportCPU(b, benchRows)()
		for b.Loop() {
			if err := d.readBack(ctx, m.Files[0], m.Totals); err != nil {
				b.Fatal(err)
			}
		}
	})
}
