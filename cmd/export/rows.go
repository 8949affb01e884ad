package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"b24export/schemas"
)

// rowWriter writes rows in one format. Write writes the next records. All of them have
// the same schema, and belong to the caller again when Write returns. Close writes what
// is left, but does not close the writer below. A rowWriter is not safe for concurrent
// use.
type rowWriter interface {
	Write(rec arrow.Record) error
	Close() error
}

// rowForms are all formats of rows, the default first. width limits the lines of a
// table; 0 means any width.
var rowForms = []struct {
	name string
	open func(w io.Writer, schema *arrow.Schema, width int) rowWriter
}{
	{"table", func(w io.Writer, schema *arrow.Schema, width int) rowWriter {
		return &tableRows{w: w, schema: schema, width: width}
	}},
	{"csv", func(w io.Writer, schema *arrow.Schema, _ int) rowWriter { return newCSVRows(w, schema) }},
	{"jsonl", func(w io.Writer, schema *arrow.Schema, _ int) rowWriter { return newJSONRows(w, schema) }},
	{"arrow", func(w io.Writer, schema *arrow.Schema, _ int) rowWriter {
		return arrowRows{ipc.NewWriter(w, ipc.WithSchema(schema))}
	}},
}

// rowFormFlag returns the value of a flag that selects one of rowForms.
func rowFormFlag(form *string) *choice {
	names := make([]string, len(rowForms))
	for i, f := range rowForms {
		names[i] = f.name
	}
	return oneOf(form, names...)
}

// newRowWriter returns the writer of a format, which must be one of rowForms.
func newRowWriter(w io.Writer, form string, schema *arrow.Schema, width int) rowWriter {
	for _, f := range rowForms {
		if f.name == form {
			return f.open(w, schema, width)
		}
	}
	panic("no form of rows is called " + strconv.Quote(form)) // unreachable: the flag accepts no other
}

// appendCell appends the exact text of one value. Times are in RFC 3339 with
// microseconds, and decimals have all their digits. Null is an empty text.
func appendCell(b []byte, column arrow.Array, row int) []byte {
	if column.IsNull(row) {
		return b
	}
	switch a := column.(type) {
	case *array.Int64:
		return strconv.AppendInt(b, a.Value(row), 10)
	case *array.String:
		return append(b, a.Value(row)...)
	case *array.Boolean:
		return strconv.AppendBool(b, a.Value(row))
	case *array.Timestamp:
		return schemas.Instant(a.Value(row)).Append(b)
	case *array.Decimal128:
		v, scale := a.Value(row), a.DataType().(*arrow.Decimal128Type).Scale
		if d := int64(v.LowBits()); scale == schemas.Scale && v.HighBits() == d>>63 {
			return schemas.Decimal(d).Append(b)
		}
		return append(b, v.ToString(scale)...)
	}
	// Unreachable for the schemas of this program, which have no other types.
	return append(b, column.ValueStr(row)...)
}

// isNumber reports whether the values of a column are aligned to the right.
func isNumber(t arrow.DataType) bool {
	return t.ID() == arrow.INT64 || t.ID() == arrow.DECIMAL128
}

// pickColumns returns the indexes of the named columns in schema, in the given order.
// It returns all columns if names is empty.
func pickColumns(schema *arrow.Schema, names []string) ([]int, error) {
	if len(names) == 0 {
		all := make([]int, schema.NumFields())
		for i := range all {
			all[i] = i
		}
		return all, nil
	}
	var picked []int
	for _, name := range names {
		at := schema.FieldIndices(name)
		if len(at) == 0 {
			return nil, fmt.Errorf("no column %s; there are %s", shownArg(name), fieldNames(schema))
		}
		picked = append(picked, at[0])
	}
	return picked, nil
}

func fieldNames(schema *arrow.Schema) string {
	var b []byte
	for i, f := range schema.Fields() {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, f.Name...)
	}
	return string(b)
}

// project returns a schema with the picked columns.
func project(schema *arrow.Schema, picked []int) *arrow.Schema {
	fields := make([]arrow.Field, len(picked))
	for i, at := range picked {
		fields[i] = schema.Field(at)
	}
	meta := schema.Metadata()
	return arrow.NewSchema(fields, &meta)
}
