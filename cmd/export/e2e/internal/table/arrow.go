package table

import (
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// ArrowPayments reads a payments file with Arrow's own Parquet reader, in the
// order of the file.
func ArrowPayments(t testing.TB, path string) []Row {
	t.Helper()
	in, err := file.OpenParquetFile(path, false)
	if err != nil {
		t.Fatalf("open with Arrow: %v", err)
	}
	defer in.Close()
	reader, err := pqarrow.NewFileReader(in, pqarrow.ArrowReadProperties{BatchSize: 8192}, memory.DefaultAllocator)
	if err != nil {
		t.Fatalf("read with Arrow: %v", err)
	}
	records, err := reader.GetRecordReader(t.Context(), nil, nil)
	if err != nil {
		t.Fatalf("read with Arrow: %v", err)
	}
	defer records.Release()
	var rows []Row
	for records.Next() {
		record := records.Record()
		for i := range int(record.NumRows()) {
			var row Row
			for c, name := range Columns {
				at := c
				if c >= extractedAt {
					at++
				}
				if got := record.ColumnName(at); got != name {
					t.Fatalf("column %d is %s, want %s", at, got, name)
				}
				row[c] = arrowText(t, record.Column(at), i)
			}
			rows = append(rows, row)
		}
	}
	// The end is reported as an error too.
	if err := records.Err(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("read with Arrow: %v", err)
	}
	return rows
}

// arrowText returns a value in the form of Row.
func arrowText(t testing.TB, column arrow.Array, i int) string {
	t.Helper()
	if column.IsNull(i) {
		return Null
	}
	switch c := column.(type) {
	case *array.Int64:
		return strconv.FormatInt(c.Value(i), 10)
	case *array.String:
		return c.Value(i)
	case *array.Boolean:
		return strconv.FormatBool(c.Value(i))
	case *array.Decimal128:
		return c.Value(i).ToString(c.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Timestamp:
		typ := c.DataType().(*arrow.TimestampType)
		if typ.Unit != arrow.Microsecond || typ.TimeZone != "UTC" {
			t.Fatalf("timestamp is %v, want microseconds in UTC", typ)
		}
		return time.UnixMicro(int64(c.Value(i))).UTC().Format(TimeLayout)
	}
	t.Fatalf("column of type %v", column.DataType())
	return ""
}
