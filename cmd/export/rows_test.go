package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/google/go-cmp/cmp"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

func instant(t *testing.T, text string) schemas.Null[schemas.Instant] {
	t.Helper()
	i, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return schemas.Some(schemas.InstantOf(i))
}

// oddPayments returns payments with values that formats may write wrong: nulls, quotes,
// commas, line breaks, control characters, wide characters, all four digits.
func oddPayments(t *testing.T) []schemas.Payment {
	return []schemas.Payment{
		{
			ID:            1036,
			AccountNumber: schemas.Some("3653/1"),
			Paid:          schemas.Some(true),
			DatePaid:      instant(t, "2024-05-20T12:32:02.5+02:00"),
			EmpPaidID:     schemas.Some[int64](1),
			PaySystemID:   schemas.Some[int64](6),
			Sum:           schemas.Some[schemas.Decimal](123_450_001),
			Currency:      schemas.Some("USD"),
			PaySystemName: schemas.Some(`Visa, "Master"`),
			OrderID:       schemas.Some[int64](77),
			EntityTypeID:  schemas.Some[int64](2),
			EntityID:      schemas.Some[int64](99),
			DateBill:      instant(t, "2024-05-01T00:00:00Z"),
			Extra:         schemas.Some(`{"comments":"a\nb","marked":"N"}`),
			ExtractedAt:   instant(t, "2026-11-22T02:00:00.000001Z"),
		},
		{
			ID:            1037,
			Paid:          schemas.Some(false),
			Sum:           schemas.Some[schemas.Decimal](-1),
			PaySystemName: schemas.Some("現金\n\x1b[31mred 💶"),
			ExtractedAt:   instant(t, "2026-11-22T02:00:01Z"),
		},
	}
}

func sequence[T any](rows []T) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

// firstColumns are the columns of the table's first version. A column that is added
// later changes no test.
var firstColumns = func() (names []string) {
	for i := range schemas.PaymentTable.Columns {
		if c := &schemas.PaymentTable.Columns[i]; c.Since == 1 {
			names = append(names, c.Name)
		}
	}
	return names
}()

// printPayments returns payments in one format.
func printPayments(t *testing.T, rows []schemas.Payment, form string, width int, limit int64, names ...string) string {
	t.Helper()
	columns, err := pickColumns(schemas.Payments(), names)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := newRowWriter(&b, form, project(schemas.Payments(), columns), width)
	if _, err := copyRows(w, sequence(rows), newPaymentRecords(), &selection{columns: columns, limit: limit}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRowForms(t *testing.T) {
	tests := []struct {
		form    string
		width   int
		columns []string
		want    string
	}{
		{
			"csv", 0, firstColumns,
			"id,account_number,paid,date_paid,emp_paid_id,pay_system_id,sum,currency,pay_system_name,order_id,entity_type_id,entity_id,date_bill,extra,extracted_at\r\n" +
				`1036,3653/1,true,2024-05-20T10:32:02.500000Z,1,6,12345.0001,USD,"Visa, ""Master""",77,2,99,2024-05-01T00:00:00.000000Z,"{""comments"":""a\nb"",""marked"":""N""}",2026-11-22T02:00:00.000001Z` + "\r\n" +
				"1037,,false,,,,-0.0001,,\"現金\n\x1b[31mred 💶\",,,,,,2026-11-22T02:00:01.000000Z\r\n",
		},
		{"csv", 0, []string{"currency"}, "currency\r\nUSD\r\n\"\"\r\n"},
		{
			"jsonl", 0, firstColumns,
			`{"id":1036,"account_number":"3653/1","paid":true,"date_paid":"2024-05-20T10:32:02.500000Z","emp_paid_id":1,"pay_system_id":6,"sum":12345.0001,"currency":"USD","pay_system_name":"Visa, \"Master\"","order_id":77,"entity_type_id":2,"entity_id":99,"date_bill":"2024-05-01T00:00:00.000000Z","extra":{"comments":"a\nb","marked":"N"},"extracted_at":"2026-11-22T02:00:00.000001Z"}` + "\n" +
				`{"id":1037,"account_number":null,"paid":false,"date_paid":null,"emp_paid_id":null,"pay_system_id":null,"sum":-0.0001,"currency":null,"pay_system_name":"現金\n\u001b[31mred 💶","order_id":null,"entity_type_id":null,"entity_id":null,"date_bill":null,"extra":null,"extracted_at":"2026-11-22T02:00:01.000000Z"}` + "\n",
		},
		{
			"table", 0, []string{"sum", "id", "pay_system_name", "date_paid"},
			"        sum │   id │ pay_system_name  │ date_paid\n" +
				"────────────┼──────┼──────────────────┼─────────────────────\n" +
				" 12345.0001 │ 1036 │ Visa, \"Master\"   │ 2024-05-20 10:32:02\n" +
				"    -0.0001 │ 1037 │ 現金··[31mred 💶 │\n",
		},
		{
			"table", 45, []string{"id", "paid", "extracted_at", "extra", "currency"},
			"   id │ paid  │ extracted_at\n" +
				"──────┼───────┼─────────────────────\n" +
				" 1036 │ true  │ 2026-11-22 02:00:00\n" +
				" 1037 │ false │ 2026-11-22 02:00:01\n" +
				"no room for: extra, currency\n",
		},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.form, test.width, test.columns), func(t *testing.T) {
			got := printPayments(t, oddPayments(t), test.form, test.width, 0, test.columns...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Rows written as CSV, JSON and Arrow are the same when they are read.
func TestRowFormsReadBack(t *testing.T) {
	rows := oddPayments(t)
	table, err := csv.NewReader(strings.NewReader(printPayments(t, rows, "csv", 0, 0, "id", "pay_system_name"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"id", "pay_system_name"}, {"1036", `Visa, "Master"`}, {"1037", "現金\n\x1b[31mred 💶"}}, table); diff != "" {
		t.Errorf("CSV: -want +got:\n%s", diff)
	}

	for line := range strings.Lines(printPayments(t, rows, "jsonl", 0, 0)) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}

	r, err := ipc.NewReader(strings.NewReader(printPayments(t, rows, "arrow", 0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if !r.Schema().Equal(schemas.Payments()) || !r.Schema().Metadata().Equal(schemas.Payments().Metadata()) {
		t.Errorf("Arrow: schema %v, want %v", r.Schema(), schemas.Payments())
	}
	var again []string
	for r.Next() {
		for row := range int(r.Record().NumRows()) {
			again = append(again, string(appendCell(nil, r.Record().Column(6), row))+" "+string(appendCell(nil, r.Record().Column(3), row)))
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"12345.0001 2024-05-20T10:32:02.500000Z", "-0.0001 "}, again); diff != "" {
		t.Errorf("Arrow: -want +got:\n%s", diff)
	}
}

func TestRowsAcrossRecordsAndBlocks(t *testing.T) {
	const rows = 2*recordRows + 500
	many := make([]schemas.Payment, rows)
	for i := range many {
		many[i].ID = int64(i + 1)
	}
	for _, limit := range []int64{0, 1, recordRows - 1, recordRows, recordRows + 1, tableBlock + 1, rows, rows + 1} {
		want := limit
		if limit == 0 || limit > rows {
			want = rows
		}
		for _, form := range []string{"csv", "jsonl", "table"} {
			lines := strings.Split(strings.TrimSpace(printPayments(t, many, form, 0, limit, "id")), "\n")
			if form == "csv" {
				lines = lines[1:]
			}
			if form == "table" {
				lines = lines[2:]
			}
			if int64(len(lines)) != want {
				t.Errorf("%s, limit %d: %d rows, want %d", form, limit, len(lines), want)
			}
			if last := lines[len(lines)-1]; !strings.Contains(last, fmt.Sprint(want)) {
				t.Errorf("%s, limit %d: last row is %s", form, limit, last)
			}
		}
	}
}

// The first block decides the width of a column, but no digit of a number or a time is cut
// in a later one.
func TestTableCutsNoNumber(t *testing.T) {
	many := make([]schemas.Payment, tableBlock+1)
	for i := range many {
		many[i].ID = int64(i + 1)
	}
	many[tableBlock].ID = 123_456_789
	many[tableBlock].DatePaid = schemas.Null[schemas.Instant]{V: schemas.InstantOf(time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)), Valid: true}
	text := printPayments(t, many, "table", 0, 0, "id", "date_paid")
	if !strings.HasSuffix(strings.TrimSpace(text), "123456789 │ 2026-11-22 02:00:00") {
		t.Errorf("the last row is %q", text[len(text)-40:])
	}
}

// Memory never holds more than a record and a block of rows, whatever their number.
func TestRowFormsHoldNothingBack(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, f := range rowForms {
		form := f.name
		var early, late uint64
		row := oddPayments(t)[0]
		columns, _ := pickColumns(schemas.Payments(), nil)
		w := newRowWriter(io.Discard, form, schemas.Payments(), 0)
		_, err := copyRows(w, func(yield func(*schemas.Payment, error) bool) {
			for i := range int64(100_000) {
				if i == 5_000 {
					early = heap()
				}
				if i == 95_000 {
					late = heap()
				}
				row.ID = i
				if !yield(&row, nil) {
					return
				}
			}
		}, newPaymentRecords(), &selection{columns: columns})
		if err != nil {
			t.Fatal(err)
		}
		if late > early+2<<20 {
			t.Errorf("%s: %d bytes after 5,000 rows, %d after 95,000", form, early, late)
		}
	}
}

// Without rows, the formats for machines still show their columns.
func TestRowFormsWithoutRows(t *testing.T) {
	if got := printPayments(t, nil, "csv", 0, 0, "id", "sum"); got != "id,sum\r\n" {
		t.Errorf("csv: got %q", got)
	}
	if got := printPayments(t, nil, "jsonl", 0, 0); got != "" {
		t.Errorf("jsonl: got %q", got)
	}
	r, err := ipc.NewReader(strings.NewReader(printPayments(t, nil, "arrow", 0, 0, "id", "sum")))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if r.Next() || r.Schema().NumFields() != 2 {
		t.Errorf("arrow: want no record of two columns, got %v", r.Schema())
	}
}

func TestChangeAndRejectRecords(t *testing.T) {
	var b bytes.Buffer
	columns, _ := pickColumns(schemas.Changes(), []string{"op", "changed", "id"})
	w := newRowWriter(&b, "jsonl", project(schemas.Changes(), columns), 0)
	n, err := copyRows(w, sequence([]sinks.Change{
		{Op: sinks.OpInsert, Payment: schemas.Payment{ID: 1}},
		{Op: sinks.OpUpdate, Changed: []string{"paid", "sum"}, Payment: schemas.Payment{ID: 2}},
	}), newChangeRecords(), &selection{columns: columns})
	if err != nil || n != 2 {
		t.Fatalf("copy: %d rows, %v", n, err)
	}
	want := `{"op":"insert","changed":null,"id":1}` + "\n" + `{"op":"update","changed":"paid,sum","id":2}` + "\n"
	if b.String() != want {
		t.Errorf("changes: got %s, want %s", b.String(), want)
	}

	b.Reset()
	columns, _ = pickColumns(schemas.Rejects(), nil)
	w = newRowWriter(&b, "jsonl", schemas.Rejects(), 0)
	_, err = copyRows(w, sequence([]pipeline.Reject{
		{ID: 7, Stage: "get", Code: "0", Description: "Access denied", Attempts: 2, SeenAt: time.Unix(0, 5000).UTC()},
		{ID: 8, Stage: "list", Code: "BAD_VALUE", Raw: `"x"`, Attempts: 1},
	}), newRejectRecords(), &selection{columns: columns})
	if err != nil {
		t.Fatal(err)
	}
	want = `{"id":7,"stage":"get","code":"0","description":"Access denied","attempts":2,"raw":null,"seen_at":"1970-01-01T00:00:00.000005Z"}` + "\n" +
		`{"id":8,"stage":"list","code":"BAD_VALUE","description":null,"attempts":1,"raw":"\"x\"","seen_at":null}` + "\n"
	if b.String() != want {
		t.Errorf("rejects: got %s, want %s", b.String(), want)
	}
}

var errTest = errors.New("it broke")

// An error in the middle of the rows, or of a write, is the error of the whole.
func TestCopyRowsFails(t *testing.T) {
	broken := func(yield func(*schemas.Payment, error) bool) {
		if yield(&schemas.Payment{ID: 1}, nil) {
			yield(nil, errTest)
		}
	}
	columns, _ := pickColumns(schemas.Payments(), nil)
	if _, err := copyRows(newJSONRows(io.Discard, schemas.Payments()), broken, newPaymentRecords(), &selection{columns: columns}); !errors.Is(err, errTest) {
		t.Errorf("broken rows: got %v", err)
	}
	for _, f := range rowForms {
		form := f.name
		w := newRowWriter(brokenWriter{}, form, schemas.Payments(), 0)
		_, err := copyRows(w, sequence(oddPayments(t)), newPaymentRecords(), &selection{columns: columns})
		if err == nil {
			err = w.Close()
		}
		if !errors.Is(err, errTest) {
			t.Errorf("broken output, %s: got %v", form, err)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errTest }

func TestDifferences(t *testing.T) {
	row := func(id, sum int64) schemas.Payment {
		return schemas.Payment{ID: id, Sum: schemas.Some(schemas.Decimal(sum))}
	}
	tests := []struct {
		name          string
		before, after []schemas.Payment
		want          string
	}{
		{"both empty", nil, nil, ""},
		{"all new", nil, []schemas.Payment{row(1, 1), row(2, 1)}, "insert 1, insert 2"},
		{"all gone", []schemas.Payment{row(1, 1), row(2, 1)}, nil, "delete 1, delete 2"},
		{"same", []schemas.Payment{row(1, 1)}, []schemas.Payment{row(1, 1)}, ""},
		{
			"mixed",
			[]schemas.Payment{row(1, 1), row(2, 1), row(4, 1), row(5, 1), row(9, 1)},
			[]schemas.Payment{row(2, 1), row(3, 1), row(4, 2), row(9, 1), row(10, 1)},
			"delete 1, insert 3, update 4 [sum], delete 5, insert 10",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for c, err := range differences(sequence(test.before), sequence(test.after)) {
				if err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprint(c.Op, " ", c.Payment.ID)
				if c.Op == sinks.OpUpdate {
					text += fmt.Sprint(" ", c.Changed)
				}
				got = append(got, text)
			}
			if joined := strings.Join(got, ", "); joined != test.want {
				t.Errorf("got %s, want %s", joined, test.want)
			}
		})
	}

	broken := func(yield func(*schemas.Payment, error) bool) { yield(nil, errTest) }
	for _, sides := range [][2]iter.Seq2[*schemas.Payment, error]{
		{broken, sequence([]schemas.Payment{row(1, 1)})},
		{sequence([]schemas.Payment{row(1, 1)}), broken},
	} {
		var last error
		for _, err := range differences(sides[0], sides[1]) {
			last = err
		}
		if !errors.Is(last, errTest) {
			t.Errorf("broken side: got %v", last)
		}
	}
}
