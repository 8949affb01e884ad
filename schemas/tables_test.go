package schemas

import (
	"reflect"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/google/go-cmp/cmp"
)

// The columns that snapshots in the field have. Lines may be added at the end,
// and that is all that may be done here.
const frozen = `id int64
account_number utf8
paid bool
date_paid timestamp[us, tz=UTC]
emp_paid_id int64
pay_system_id int64
sum decimal(18, 4)
currency utf8
pay_system_name utf8
order_id int64
entity_type_id int64
entity_id int64
date_bill timestamp[us, tz=UTC]
extra utf8
extracted_at timestamp[us, tz=UTC]
`

func columnLines(schema *arrow.Schema) string {
	var b strings.Builder
	for _, f := range schema.Fields() {
		b.WriteString(f.Name + " " + f.Type.String() + "\n")
	}
	return b.String()
}

func TestColumns(t *testing.T) {
	tests := []struct {
		name   string
		schema *arrow.Schema
		want   string
	}{
		{"payments", Payments(), frozen},
		{"changes", Changes(), "op utf8\nchanged utf8\n" + frozen},
		{"rejects", Rejects(), "id int64\nstage utf8\ncode utf8\ndescription utf8\nattempts int64\nraw utf8\nseen_at timestamp[us, tz=UTC]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, columnLines(tt.schema)); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
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

// The portal's fields that a payment's columns name as their source must be
// those that are read into them.
func TestSourcesAreRead(t *testing.T) {
	var row Payment
	for i, f := range Payments().Fields() {
		source, _, _ := strings.Cut(meta(f.Metadata, MetaSource), " ")
		for _, text := range []string{`1`, `"1"`, `"2024-05-20T12:32:02Z"`} {
			if row.ReadGot([]byte(`{"id":1,"`+source+`":`+text+`}`)) == nil {
				break
			}
		}
		if f.Name == "id" || f.Name == "extra" { // in every answer; all that no column wants
			continue
		}
		fromElsewhere := strings.HasPrefix(f.Name, "entity_") || f.Name == "extracted_at"
		if read := !reflect.ValueOf(row).Field(i).IsZero(); read == fromElsewhere {
			t.Errorf("column %s: read from field %s: %t", f.Name, source, read)
		}
	}
}

func TestAppendPayment(t *testing.T) {
	b := array.NewRecordBuilder(memory.NewGoAllocator(), Payments())
	defer b.Release()
	AppendPayment(b, &Payment{ID: 7}) // all others null
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
	AppendPayment(b, &full)
	record := b.NewRecord()
	defer record.Release()
	if record.NumRows() != 2 {
		t.Fatalf("%d rows, want 2", record.NumRows())
	}
	want := []string{
		"1036", "3653/1", "true", "2024-05-20 10:32:02.000001Z", "1", "6", "-99999999999999.9999", "USD", "Cash", "77", "2", "9",
		"0001-01-01 00:00:00Z", `{"a":1}`, "9999-12-31 23:59:59.999999Z",
	}
	for i, column := range record.Columns() {
		name := record.ColumnName(i)
		if got := column.ValueStr(1); got != want[i] {
			t.Errorf("column %s = %s, want %s", name, got, want[i])
		}
		if null := column.IsNull(0); null != (name != "id") {
			t.Errorf("column %s of an empty payment: null is %t", name, null)
		}
	}
}
