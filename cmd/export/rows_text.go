package main

import (
	"io"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/go-json-experiment/json/jsontext"
)

// csvRows writes CSV by RFC 4180: a header, CRLF, and quotes if they are needed. Null
// is an empty field, as is an empty text; the dataset has no empty texts. csvRows does
// not use encoding/csv, which would also convert line feeds inside of a text to CRLF.
type csvRows struct {
	w      io.Writer
	schema *arrow.Schema
	header bool
	buf    []byte // lines to write
}

func newCSVRows(w io.Writer, schema *arrow.Schema) *csvRows { return &csvRows{w: w, schema: schema} }

// Write implements rowWriter.
func (c *csvRows) Write(rec arrow.Record) error {
	c.startHeader()
	columns := rec.Columns()
	for row := range int(rec.NumRows()) {
		for i, column := range columns {
			if i > 0 {
				c.buf = append(c.buf, ',')
			}
			switch text, ok := column.(*array.String); {
			case column.IsNull(row):
				c.appendText("")
			case ok:
				c.appendText(text.Value(row))
			default:
				c.buf = appendCell(c.buf, column, row) // never needs quotes
			}
		}
		c.buf = append(c.buf, '\r', '\n')
	}
	return c.flush()
}

// appendText appends a text as a field.
func (c *csvRows) appendText(text string) {
	// A line of one empty field would be an empty line, which readers pass over.
	quoted := text == "" && c.schema.NumFields() == 1
	for i := 0; i < len(text) && !quoted; i++ {
		b := text[i]
		quoted = b == '"' || b == ',' || b == '\r' || b == '\n'
	}
	if !quoted {
		c.buf = append(c.buf, text...)
		return
	}
	c.buf = append(c.buf, '"')
	c.buf = append(c.buf, strings.ReplaceAll(text, `"`, `""`)...)
	c.buf = append(c.buf, '"')
}

// flush writes the lines.
func (c *csvRows) flush() error {
	_, err := c.w.Write(c.buf)
	c.buf = c.buf[:0]
	return err
}

// startHeader begins with the names of the columns.
func (c *csvRows) startHeader() {
	if c.header {
		return
	}
	c.header = true
	for i, f := range c.schema.Fields() {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.appendText(f.Name)
	}
	c.buf = append(c.buf, '\r', '\n')
}

// Close implements rowWriter. It writes a header also if there are no rows.
func (c *csvRows) Close() error {
	c.startHeader()
	return c.flush()
}

// jsonRows writes one JSON object per line. Names are in the order of the columns. Null
// is null, decimals are numbers with all their digits (12.3400), times are texts. The
// column extra is written as JSON, not as a text that contains JSON.
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
		name, _ = jsontext.AppendQuote(name, f.Name) // it fails for invalid UTF-8 only
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

// arrowRows writes an Arrow IPC stream, which pyarrow, DuckDB and Polars can read from
// a pipe.
type arrowRows struct {
	w *ipc.Writer
}

// Write implements rowWriter.
func (a arrowRows) Write(rec arrow.Record) error { return a.w.Write(rec) }

// Close implements rowWriter. Without rows the stream still has its schema.
func (a arrowRows) Close() error { return a.w.Close() }
