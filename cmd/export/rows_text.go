package main

import (
	"encoding/csv"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/go-json-experiment/json/jsontext"
)

// csvRows writes RFC 4180: a header, CRLF, quotes where they are needed. Null
// is an empty field, as is an empty text; the dataset has no empty texts.
type csvRows struct {
	w      *csv.Writer
	schema *arrow.Schema
	header bool
	cells  []string
	buf    []byte
}

func newCSVRows(w io.Writer, schema *arrow.Schema) *csvRows {
	c := &csvRows{w: csv.NewWriter(w), schema: schema, cells: make([]string, schema.NumFields())}
	c.w.UseCRLF = true
	return c
}

// Write implements rowWriter.
func (c *csvRows) Write(rec arrow.Record) error {
	if err := c.writeHeader(); err != nil {
		return err
	}
	for row := range int(rec.NumRows()) {
		for i, column := range rec.Columns() {
			c.buf = appendCell(c.buf[:0], column, row)
			c.cells[i] = string(c.buf)
		}
		if err := c.w.Write(c.cells); err != nil {
			return err
		}
	}
	return nil
}

func (c *csvRows) writeHeader() error {
	if c.header {
		return nil
	}
	c.header = true
	for i, f := range c.schema.Fields() {
		c.cells[i] = f.Name
	}
	return c.w.Write(c.cells)
}

// Close implements rowWriter. Without rows there is a header all the same.
func (c *csvRows) Close() error {
	if err := c.writeHeader(); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}

// jsonRows writes one JSON object a line: names in the order of the columns,
// null for null, decimals as numbers with all their digits (12.3400), times as
// texts, and the JSON of the column extra as it is, not as a text of JSON.
type jsonRows struct {
	w      io.Writer
	names  [][]byte // quoted, with the colon
	schema *arrow.Schema
	buf    []byte
}

func newJSONRows(w io.Writer, schema *arrow.Schema) *jsonRows {
	j := &jsonRows{w: w, schema: schema}
	for i, f := range schema.Fields() {
		name := []byte{','}
		if i == 0 {
			name[0] = '{'
		}
		name, _ = jsontext.AppendQuote(name, f.Name) // errs for invalid UTF-8 only
		j.names = append(j.names, append(name, ':'))
	}
	return j
}

// Write implements rowWriter.
func (j *jsonRows) Write(rec arrow.Record) error {
	for row := range int(rec.NumRows()) {
		b := j.buf[:0]
		for i, column := range rec.Columns() {
			b = append(b, j.names[i]...)
			b = j.appendValue(b, column, row, j.schema.Field(i).Name)
		}
		j.buf = append(b, '}', '\n')
		if _, err := j.w.Write(j.buf); err != nil {
			return err
		}
	}
	return nil
}

func (j *jsonRows) appendValue(b []byte, column arrow.Array, row int, name string) []byte {
	if column.IsNull(row) {
		return append(b, "null"...)
	}
	switch a := column.(type) {
	case *array.Int64, *array.Boolean, *array.Decimal128:
		return appendCell(b, column, row)
	case *array.String:
		if name == "extra" && jsontext.Value(a.Value(row)).IsValid() {
			return append(b, a.Value(row)...)
		}
	}
	text := appendCell(nil, column, row)
	b, _ = jsontext.AppendQuote(b, text) // invalid UTF-8 becomes U+FFFD
	return b
}

// Close implements rowWriter.
func (j *jsonRows) Close() error { return nil }

// arrowRows writes an Arrow IPC stream: what pyarrow, DuckDB and Polars read
// from a pipe.
type arrowRows struct {
	w *ipc.Writer
}

func newArrowRows(w io.Writer, schema *arrow.Schema) arrowRows {
	return arrowRows{ipc.NewWriter(w, ipc.WithSchema(schema))}
}

// Write implements rowWriter.
func (a arrowRows) Write(rec arrow.Record) error { return a.w.Write(rec) }

// Close implements rowWriter. Without rows the stream has its schema all the
// same.
func (a arrowRows) Close() error { return a.w.Close() }
