package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"b24export/schemas"
)

// rowWriter writes rows in one form. Write takes the next records, which all
// have one schema and belong to the caller again when it returns; Close writes
// what is left, but does not close what is below. Not for concurrent use.
type rowWriter interface {
	Write(rec arrow.Record) error
	Close() error
}

// rowForms are all forms of rows, the default first. width bounds the lines of a
// table; 0 is any width.
var rowForms = []struct {
	name string
	open func(w io.Writer, schema *arrow.Schema, width int) rowWriter
}{
	{"table", func(w io.Writer, schema *arrow.Schema, width int) rowWriter { return newTableRows(w, schema, width) }},
	{"csv", func(w io.Writer, schema *arrow.Schema, _ int) rowWriter { return newCSVRows(w, schema) }},
	{"jsonl", func(w io.Writer, schema *arrow.Schema, _ int) rowWriter { return newJSONRows(w, schema) }},
	{"arrow", func(w io.Writer, schema *arrow.Schema, _ int) rowWriter { return newArrowRows(w, schema) }},
}

// rowFormFlag is the value of a flag that chooses one of rowForms.
func rowFormFlag(form *string) *choice {
	names := make([]string, len(rowForms))
	for i, f := range rowForms {
		names[i] = f.name
	}
	return oneOf(form, names...)
}

// newRowWriter returns the writer of a form, which must be one of rowForms.
func newRowWriter(w io.Writer, form string, schema *arrow.Schema, width int) rowWriter {
	for _, f := range rowForms {
		if f.name == form {
			return f.open(w, schema, width)
		}
	}
	panic("no form of rows is called " + strconv.Quote(form)) // unreachable: the flag takes no other
}

// appendCell appends the exact text of one value: times in RFC 3339 with
// microseconds, decimals with all their digits. Null is nothing.
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
		return append(b, schemas.Instant(a.Value(row)).String()...)
	case *array.Decimal128:
		return append(b, a.Value(row).ToString(a.DataType().(*arrow.Decimal128Type).Scale)...)
	}
	// Unreachable for the schemas of this program, which have no other types.
	return append(b, column.ValueStr(row)...)
}

// isNumber reports whether a column's values are set to the right.
func isNumber(t arrow.DataType) bool {
	return t.ID() == arrow.INT64 || t.ID() == arrow.DECIMAL128
}

// pickColumns returns the places of the named columns in schema, in the order asked
// for; all of them if none are named.
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

// project makes the schema of some of a schema's columns.
func project(schema *arrow.Schema, picked []int) *arrow.Schema {
	fields := make([]arrow.Field, len(picked))
	for i, at := range picked {
		fields[i] = schema.Field(at)
	}
	meta := schema.Metadata()
	return arrow.NewSchema(fields, &meta)
}
