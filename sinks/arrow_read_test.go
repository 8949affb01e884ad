package sinks

import (
	"bytes"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet/file"

	"b24export/schemas"
)

// Arrow's own bridge decodes the same file to the same schema and the same values.
func TestArrowRecordsAreThoseOfPqarrow(t *testing.T) {
	rows := generate(5, 1, 3*batchRows+17)
	for i := range rows { // whole pages of nulls, and a mixture
		if i < 2*batchRows || i%3 == 0 {
			rows[i].DatePaid, rows[i].Currency, rows[i].Sum, rows[i].Paid = schemas.Null[schemas.Instant]{}, schemas.Null[string]{}, schemas.Null[schemas.Decimal]{}, schemas.Null[bool]{}
		}
	}
	opts := testFileOptions()
	opts.rowGroupRows = 2000
	data, _ := writePayments(t, opts, rows)
	want := arrowTable(t, data)
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	s, err := arrowSchema(r.MetaData().Schema)
	if err != nil {
		t.Fatal(err)
	}
	if diff := schemaDiff(s, want.Schema()); diff != "" {
		t.Fatal(diff)
	}
	for _, columns := range [][]int{nil, {0, 2, 6, 7}} {
		tr := array.NewTableReader(want, 2000)
		for group := range r.NumRowGroups() {
			if !tr.Next() {
				t.Fatalf("row group %d is one too many", group)
			}
			rec, err := arrowRecord(r, s, group, columns)
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range rec.Schema().Fields() {
				at := slices.IndexFunc(want.Schema().Fields(), func(w arrow.Field) bool { return w.Name == f.Name })
				if !array.Equal(rec.Column(i), tr.Record().Column(at)) {
					t.Errorf("row group %d: column %s differs", group, f.Name)
				}
			}
			rec.Release()
		}
		if tr.Next() {
			t.Error("rows are missing")
		}
		tr.Release()
	}
}
