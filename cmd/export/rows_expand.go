package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/jedib0t/go-pretty/v6/text"
)

// expandedRows writes each row as several lines, one for each column. It does not cut
// values.
type expandedRows struct {
	w     io.Writer
	names []string // padded to the width of the longest name
	rows  int64
}

func newExpandedRows(w io.Writer, schema *arrow.Schema) *expandedRows {
	e := &expandedRows{w: w}
	width := 0
	for _, f := range schema.Fields() {
		width = max(width, text.StringWidth(f.Name))
	}
	for _, f := range schema.Fields() {
		e.names = append(e.names, text.Pad(f.Name, width, ' '))
	}
	return e
}

// Write implements rowWriter.
func (e *expandedRows) Write(rec arrow.Record) error {
	var b bytes.Buffer
	for row := range int(rec.NumRows()) {
		e.rows++
		fmt.Fprintf(&b, "── row %s\n", grouped(e.rows))
		for i, column := range rec.Columns() {
			b.WriteString(strings.TrimRight(" "+e.names[i]+" │ "+wholeCell(column, row), " ") + "\n")
		}
	}
	_, err := e.w.Write(b.Bytes())
	return err
}

// Close implements rowWriter. There is nothing left to write.
func (e *expandedRows) Close() error { return nil }
