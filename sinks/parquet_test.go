package sinks

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"

	"b24export/pipeline"
	"b24export/schemas"
)

// memObject is an Object in memory.
type memObject struct{ *bytes.Reader }

func (memObject) Close() error { return nil }

func object(data []byte) Object { return memObject{bytes.NewReader(data)} }

func testFileOptions() fileOptions {
	return fileOptions{codec: codecs["zstd"], rowGroupRows: 122_880, program: "b24export test", snapshot: "20261122T020000Z"}
}

// writePayments returns a payments file with rows.
func writePayments(t testing.TB, opts fileOptions, rows []schemas.Payment) ([]byte, pipeline.File) {
	t.Helper()
	return writeRows(t, paymentTable, opts, rows)
}

// writeRows returns a file with a table's rows.
func writeRows[T any](t testing.TB, table *table[T], opts fileOptions, rows []T) ([]byte, pipeline.File) {
	t.Helper()
	var buf bytes.Buffer
	w := newRowWriter(&buf, table, opts)
	for i := range rows {
		if err := w.add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	f, err := w.close()
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), f
}

// readPayments reads a payments file from memory with our own reader.
func readPayments(data []byte) ([]schemas.Payment, error) {
	r, err := openRows(object(data), paymentTable)
	if err != nil {
		return nil, err
	}
	var rows []schemas.Payment
	for p, err := range r.all(context.Background(), Above(0)) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, *p)
	}
	return rows, nil
}

// arrowTable reads a file with the other library.
func arrowTable(t testing.TB, data []byte) arrow.Table {
	t.Helper()
	pr, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	fr, err := pqarrow.NewFileReader(pr, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := fr.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(table.Release)
	return table
}

// generate returns n payments whose ids ascend from first.
func generate(seed uint64, first int64, n int) []schemas.Payment {
	rnd := rand.New(rand.NewPCG(seed, 1))
	currencies := []string{"RUB", "USD", "EUR", "KZT", "BYN"}
	systems := []string{"Cash", "Bank card", "Invoice", "Stripe", "PayPal", "Банковский перевод", "Apple Pay"}
	rows := make([]schemas.Payment, n)
	at := schemas.Instant(1_760_000_000_000_000)
	id := first
	for i := range rows {
		p := &rows[i]
		p.ID = id
		id += 1 + rnd.Int64N(3)
		if i%49 == 0 {
			at += schemas.Instant(100_000 + rnd.Int64N(100_000))
		}
		p.ExtractedAt = schemas.Some(at)
		p.OrderID = schemas.Some(p.ID/2 + 10)
		p.AccountNumber = schemas.Some(fmt.Sprintf("%d/%d", p.OrderID.V, 1+rnd.IntN(2)))
		p.Paid = schemas.Some(rnd.IntN(5) > 0)
		if p.Paid.V {
			p.DatePaid = schemas.Some(schemas.Instant((1_500_000_000 + p.ID*7 + rnd.Int64N(86_400)) * 1e6))
		}
		if rnd.IntN(3) == 0 {
			p.EmpPaidID = schemas.Some(1 + rnd.Int64N(200))
		}
		system := rnd.IntN(len(systems))
		p.PaySystemID = schemas.Some(int64(system + 1))
		p.PaySystemName = schemas.Some(systems[system])
		p.Sum = schemas.Some(schemas.Decimal(rnd.Int64N(1_000_000) * 100))
		p.Currency = schemas.Some(currencies[rnd.IntN(len(currencies))])
		if rnd.IntN(4) > 0 {
			p.EntityTypeID = schemas.Some([]int64{2, 31, 128}[rnd.IntN(3)])
			p.EntityID = schemas.Some(p.ID/3 + rnd.Int64N(50))
		}
		p.DateBill = schemas.Some(schemas.Instant((1_500_000_000 + p.ID*7) * 1e6))
		if rnd.IntN(100) == 0 {
			p.Extra = schemas.Some(fmt.Sprintf(`{"comments":"n° %d"}`, p.ID))
		}
	}
	return rows
}

func TestFilesHaveTheSchemasOfTheContract(t *testing.T) {
	write := map[string]func(w io.Writer) error{
		"payments": func(w io.Writer) error {
			_, err := newRowWriter(w, paymentTable, testFileOptions()).close()
			return err
		},
		"changes": func(w io.Writer) error {
			_, err := newRowWriter(w, changeTable, testFileOptions()).close()
			return err
		},
		"rejects": func(w io.Writer) error {
			_, err := newRowWriter(w, rejectTable, testFileOptions()).close()
			return err
		},
	}
	want := map[string]*arrow.Schema{"payments": schemas.Payments(), "changes": schemas.Changes(), "rejects": schemas.Rejects()}
	for name, write := range write {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			if err := write(&buf); err != nil {
				t.Fatal(err)
			}
			if diff := schemaDiff(arrowTable(t, buf.Bytes()).Schema(), want[name]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWrittenPaymentsReadBack(t *testing.T) {
	odd := []schemas.Payment{
		{ID: 1},
		{
			ID: 2, AccountNumber: schemas.Some(""), Paid: schemas.Some(false), DatePaid: schemas.Some(schemas.Instant(0)),
			EmpPaidID: schemas.Some(int64(0)), Sum: schemas.Some(schemas.Decimal(0)), Currency: schemas.Some(""), Extra: schemas.Some(""),
		},
		{
			ID: math.MaxInt64, DatePaid: schemas.Some(schemas.Instant(-62135596800000000)), EmpPaidID: schemas.Some(int64(math.MinInt64)),
			Sum: schemas.Some(schemas.Decimal(-999999999999999999)), OrderID: schemas.Some(int64(math.MaxInt64)),
			PaySystemName: schemas.Some("оплата\x00\u2028"), ExtractedAt: schemas.Some(schemas.Instant(math.MaxInt64)),
		},
	}
	small := testFileOptions()
	small.rowGroupRows = 500
	for _, tt := range []struct {
		name string
		opts fileOptions
		rows []schemas.Payment
	}{
		{"none", testFileOptions(), nil},
		{"odd values", testFileOptions(), odd},
		{"one batch", testFileOptions(), generate(1, 1, batchRows)},
		{"more than a batch", testFileOptions(), generate(2, 1, batchRows+1)},
		{"many row groups", small, generate(3, 1000, 4321)},
	} {
		for name, codec := range codecs {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				tt.opts.codec = codec
				data, f := writePayments(t, tt.opts, tt.rows)
				got, err := readPayments(data)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.rows, got); diff != "" {
					t.Error(diff)
				}
				if f.Rows != int64(len(tt.rows)) || f.Bytes != int64(len(data)) {
					t.Errorf("file says %d rows, %d bytes; has %d, %d", f.Rows, f.Bytes, len(tt.rows), len(data))
				}
				if diff := cmp.Diff(tt.rows, arrowPayments(t, data)); diff != "" {
					t.Errorf("arrow reads something else: %s", diff)
				}
			})
		}
	}
}

// arrowPayments reads payments with the other library.
func arrowPayments(t testing.TB, data []byte) []schemas.Payment {
	t.Helper()
	table := arrowTable(t, data)
	tr := array.NewTableReader(table, 4096)
	defer tr.Release()
	var rows []schemas.Payment
	for tr.Next() {
		rec := tr.Record()
		for i := range int(rec.NumRows()) {
			rows = append(rows, paymentOf(rec, i))
		}
	}
	if err := tr.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestNullPatterns writes, for each nullable column, every run of values among nulls
// that fits into 64 rows: 2,080 of them. parquet-go writes some of them wrong if a
// nullable field is not a pointer.
func TestNullPatterns(t *testing.T) {
	type pattern struct{ from, n int }
	var patterns []pattern
	for n := 1; n <= 64; n++ {
		for from := 0; from+n <= 64; from++ {
			patterns = append(patterns, pattern{from, n})
		}
	}
	if len(patterns) != 2080 {
		t.Fatalf("%d patterns, want 2080", len(patterns))
	}
	full := schemas.Payment{
		AccountNumber: schemas.Some("3653/1"), Paid: schemas.Some(true), DatePaid: schemas.Some(schemas.Instant(1)),
		EmpPaidID: schemas.Some(int64(2)), PaySystemID: schemas.Some(int64(3)), Sum: schemas.Some(schemas.Decimal(4)),
		Currency: schemas.Some("USD"), PaySystemName: schemas.Some("Cash"), OrderID: schemas.Some(int64(5)),
		EntityTypeID: schemas.Some(int64(6)), EntityID: schemas.Some(int64(7)), DateBill: schemas.Some(schemas.Instant(8)),
		Extra: schemas.Some("{}"), ExtractedAt: schemas.Some(schemas.Instant(9)),
	}
	var rows []schemas.Payment
	for _, p := range patterns {
		for i := range 64 {
			row := schemas.Payment{}
			if i >= p.from && i < p.from+p.n {
				row = full
			}
			row.ID = int64(len(rows) + 1)
			rows = append(rows, row)
		}
	}
	data, _ := writePayments(t, testFileOptions(), rows)
	compare := func(who string, got []schemas.Payment) {
		if len(got) != len(rows) {
			t.Fatalf("%s reads %d rows, want %d", who, len(got), len(rows))
		}
		for i := range rows {
			if got[i] != rows[i] {
				p := patterns[i/64]
				t.Fatalf("%s: %d values from row %d: row %d: %s", who, p.n, p.from, i%64, cmp.Diff(rows[i], got[i]))
			}
		}
	}
	compare("arrow", arrowPayments(t, data))
	got, err := readPayments(data)
	if err != nil {
		t.Fatal(err)
	}
	compare("our reader", got)
}

func TestSameRowsMakeTheSameBytes(t *testing.T) {
	rows := generate(7, 1, 5000)
	a, _ := writePayments(t, testFileOptions(), rows)
	b, _ := writePayments(t, testFileOptions(), rows)
	if !bytes.Equal(a, b) {
		t.Error("two writers made different files of the same rows")
	}
}

func TestIDsMustAscend(t *testing.T) {
	w := newRowWriter(io.Discard, paymentTable, testFileOptions())
	if err := w.add(&schemas.Payment{ID: 5}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{5, 4} {
		if err := w.add(&schemas.Payment{ID: id}); err == nil {
			t.Errorf("payment %d after payment 5 was taken", id)
		}
	}
}

func TestLargeTextsEndRowGroupsEarly(t *testing.T) {
	text := make([]byte, 1<<13)
	for i := range text {
		text[i] = byte('a' + i%7)
	}
	var rows []schemas.Payment
	for i := range 200 {
		rows = append(rows, schemas.Payment{ID: int64(i + 1), Extra: schemas.Some(string(text))})
	}
	opts := testFileOptions()
	opts.groupText = 1 << 20
	data, _ := writePayments(t, opts, rows)
	f, err := openParquet(object(data))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.RowGroups()); n != 2 {
		t.Errorf("%d row groups for 1.6 MiB of text, want 2", n)
	}
	got, err := readPayments(data)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 200 || got[199].Extra.V != string(text) {
		t.Error("texts did not come back")
	}
}

// paymentOf reads a row of a record of payments.
func paymentOf(rec arrow.Record, row int) schemas.Payment {
	text := func(i int) schemas.Null[string] {
		if rec.Column(i).IsNull(row) {
			return schemas.Null[string]{}
		}
		return schemas.Some(rec.Column(i).(*array.String).Value(row))
	}
	integer := func(i int) schemas.Null[int64] {
		if rec.Column(i).IsNull(row) {
			return schemas.Null[int64]{}
		}
		return schemas.Some(rec.Column(i).(*array.Int64).Value(row))
	}
	instant := func(i int) schemas.Null[schemas.Instant] {
		if rec.Column(i).IsNull(row) {
			return schemas.Null[schemas.Instant]{}
		}
		return schemas.Some(schemas.Instant(rec.Column(i).(*array.Timestamp).Value(row)))
	}
	p := schemas.Payment{
		ID:            integer(0).V,
		AccountNumber: text(1),
		DatePaid:      instant(3),
		EmpPaidID:     integer(4),
		PaySystemID:   integer(5),
		Currency:      text(7),
		PaySystemName: text(8),
		OrderID:       integer(9),
		EntityTypeID:  integer(10),
		EntityID:      integer(11),
		DateBill:      instant(12),
		Extra:         text(13),
		ExtractedAt:   instant(14),
		Returned:      text(15),
		ResponsibleID: integer(16),
	}
	if rec.Column(2).IsValid(row) {
		p.Paid = schemas.Some(rec.Column(2).(*array.Boolean).Value(row))
	}
	if rec.Column(6).IsValid(row) {
		p.Sum = schemas.Some(schemas.Decimal(rec.Column(6).(*array.Decimal128).Value(row).LowBits()))
	}
	return p
}

// TestBitFlips flips each byte of a file. The reader must return an error or the same
// rows. A byte that nothing depends on, such as in the statistics of a page, may change
// unnoticed.
func TestBitFlips(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector makes it slow, and it has no goroutines")
	}
	opts := testFileOptions()
	opts.rowGroupRows = 12
	rows := generate(5, 1, 20)
	var data []byte
	for name, step := range map[string]int{"none": 3, "snappy": 2, "zstd": 11} { // the buffers of the last one are slow
		opts.codec = codecs[name]
		data, _ = writePayments(t, opts, rows)
		tries, refused := 0, 0
		for i := 0; i < len(data); i += step {
			broken := bytes.Clone(data)
			broken[i] ^= 1 << (i % 8)
			got, err := readPayments(broken)
			switch {
			case err != nil:
				refused++
			case !slices.Equal(got, rows):
				t.Fatalf("%s: byte %d of %d flipped: other rows without an error", name, i, len(data))
			}
			tries++
			checkPart(t, broken, rows)
		}
		if refused < tries/2 {
			t.Errorf("%s: %d of %d broken files were refused", name, refused, tries)
		}
	}
	for n := 0; n < len(data); n += 13 {
		if _, err := readPayments(data[:n]); err == nil {
			t.Fatalf("a file cut after %d of %d bytes was read", n, len(data))
		}
	}
}

// checkPart reads some rows of a broken file. It must return an error or the same rows; a
// changed bound of a row group may hide all of them.
func checkPart(t *testing.T, broken []byte, rows []schemas.Payment) {
	t.Helper()
	want := rows[14:17]
	got, err := readWithin(broken, pipeline.Range{After: pipeline.PaymentID(rows[13].ID), Through: pipeline.PaymentID(want[2].ID)})
	if err == nil && len(got) > 0 && !slices.Equal(got, want) {
		t.Fatalf("%d rows of a broken file, want an error or %d", len(got), len(want))
	}
}

// TestRowGroupsEndByBytes writes more text than a row group may have, however the rows come
// in: the row groups are the same, and a reader decodes few rows at once.
func TestRowGroupsEndByBytes(t *testing.T) {
	text := strings.Repeat("comment ", 2500) // 20 KB
	var rows []schemas.Payment
	for i := range 2000 {
		rows = append(rows, schemas.Payment{ID: int64(i + 1), Extra: schemas.Some(text[i%7:])})
	}
	data, _ := writePayments(t, testFileOptions(), rows)
	f, err := openParquet(object(data))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.RowGroups()); n != 3 {
		t.Errorf("%d row groups for 40 MB of text, want 3 of 16 MiB", n)
	}
	for i, group := range f.Metadata().RowGroups {
		if size := group.TotalByteSize; size > 18<<20 {
			t.Errorf("row group %d has %d bytes", i, size)
		}
		if n := batchStep(&group); n < 10 || n > 60 {
			t.Errorf("row group %d is read %d rows at once, want 1 MiB of them", i, n)
		}
	}
	again, _ := writePayments(t, testFileOptions(), rows)
	if !bytes.Equal(again, data) {
		t.Error("the same rows have made other bytes")
	}
}
