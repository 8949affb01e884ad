package schemas

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"
)

func columnLines(schema *arrow.Schema) string {
	var b strings.Builder
	for _, f := range schema.Fields() {
		b.WriteString(f.Name + " " + f.Type.String() + "\n")
	}
	return b.String()
}

// TestColumns checks what every column must have, and that the columns of existing
// snapshots do not change. -update appends lines to testdata/frozen-*.txt. Lines are
// never changed in any other way.
func TestColumns(t *testing.T) {
	tests := []struct {
		name   string
		schema *arrow.Schema
	}{
		{"payments", Payments()},
		{"changes", Changes()},
		{"rejects", Rejects()},
	}
	for _, table := range Related {
		tests = append(tests, struct {
			name   string
			schema *arrow.Schema
		}{table.Name, table.Schema})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frozen, err := os.ReadFile(filepath.Join("testdata", "frozen-"+tt.name+".txt"))
			if errors.Is(err, fs.ErrNotExist) && *update {
				err = nil // a new table
			}
			if lines := columnLines(tt.schema); err == nil && strings.HasPrefix(lines, string(frozen)) {
				golden(t, "frozen-"+tt.name+".txt", []byte(lines))
			} else {
				t.Errorf("a column that snapshots have was changed (-want +got), error %v:\n%s", err, cmp.Diff(string(frozen), lines))
			}
			for _, f := range tt.schema.Fields() {
				if !f.Nullable {
					t.Errorf("column %s is not nullable", f.Name)
				}
				for _, key := range []string{MetaSource, MetaDescription, MetaNull, MetaExample, MetaChanges} {
					if meta(f.Metadata, key) == "" {
						t.Errorf("column %s: metadata has no %s", f.Name, key)
					}
				}
				b := array.NewBuilder(memory.NewGoAllocator(), f.Type)
				if example := meta(f.Metadata, MetaExample); b.AppendValueFromString(example) != nil {
					t.Errorf("column %s: the example %q is no %s", f.Name, example, f.Type)
				}
				b.Release()
				// BigQuery's limit is 1024.
				if text := meta(f.Metadata, MetaDescription); len(text) > 1024 || !strings.HasSuffix(text, ".") {
					t.Errorf("column %s: description %q must be sentences of at most 1024 bytes", f.Name, text)
				}
			}
			for _, key := range []string{MetaTable, MetaDescription, MetaVersion} {
				if meta(tt.schema.Metadata(), key) == "" {
					t.Errorf("table's metadata has no %s", key)
				}
			}
		})
	}
}

// The fields that a payment's columns name as their source must be the fields that are
// read into them.
func TestSourcesAreRead(t *testing.T) {
	var row Payment
	for i, f := range Payments().Fields() {
		source, _, _ := strings.Cut(meta(f.Metadata, MetaSource), " ") // the text for people
		for _, text := range []string{`1`, `"1"`, `"2024-05-20T12:32:02Z"`} {
			if row.ReadGot([]byte(`{"id":1,"`+source+`":`+text+`}`)) == nil {
				break
			}
		}
		if f.Name == "id" || f.Name == "extra" { // id is in every answer; extra has all fields without a column
			continue
		}
		from := PaymentTable.Columns[i].From
		fromElsewhere := from != FromGet && from != FromList
		if read := !reflect.ValueOf(row).Field(i).IsZero(); read == fromElsewhere {
			t.Errorf("column %s: read from field %s: %t", f.Name, source, read)
		}
	}
}

func TestAppend(t *testing.T) {
	b := array.NewRecordBuilder(memory.NewGoAllocator(), Payments())
	defer b.Release()
	PaymentTable.Append(b, &Payment{ID: 7}) // all others null
	full := Payment{
		ID:            1036,
		AccountNumber: Some("3653/1"),
		Paid:          Some(true),
		DatePaid:      at(t, "2024-05-20T10:32:02.000001Z"),
		EmpPaidID:     Some(int64(1)),
		PaySystemID:   Some(int64(6)),
		Sum:           Some(Decimal(-maxDecimal)),
		Currency:      Some("USD"),
		PaySystemName: Some("Cash"),
		OrderID:       Some(int64(77)),
		EntityTypeID:  Some(int64(2)),
		EntityID:      Some(int64(9)),
		DateBill:      at(t, "0001-01-01T00:00:00Z"),
		Extra:         Some(`{"a":1}`),
		ExtractedAt:   at(t, "9999-12-31T23:59:59.999999Z"),
	}
	PaymentTable.Append(b, &full)
	record := b.NewRecord()
	defer record.Release()
	if record.NumRows() != 2 {
		t.Fatalf("%d rows, want 2", record.NumRows())
	}
	want := map[string]string{
		"id": "1036", "account_number": "3653/1", "paid": "true", "date_paid": "2024-05-20 10:32:02.000001Z", "emp_paid_id": "1",
		"pay_system_id": "6", "sum": "-99999999999999.9999", "currency": "USD", "pay_system_name": "Cash", "order_id": "77",
		"entity_type_id": "2", "entity_id": "9", "date_bill": "0001-01-01 00:00:00Z", "extra": `{"a":1}`,
		"extracted_at": "9999-12-31 23:59:59.999999Z",
	}
	for i, column := range record.Columns() {
		name := record.ColumnName(i)
		value, set := want[name]
		if !set {
			value = array.NullValueStr
		}
		if got := column.ValueStr(1); got != value {
			t.Errorf("column %s = %s, want %s", name, got, value)
		}
		if null := column.IsNull(0); null != (name != "id") {
			t.Errorf("column %s of an empty payment: null is %t", name, null)
		}
	}
}
