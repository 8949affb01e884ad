package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"b24export/schemas"
)

// tableRows writes rows for people in blocks of lines, so that memory does not grow
// with their number. The first block decides the width of each column, and which
// columns fit.
type tableRows struct {
	w      io.Writer
	schema *arrow.Schema
	width  int // of a line; 0 means any
	block  [][]string
	widths []int // of the shown columns; nil before the first block
}

const (
	tableBlock = 1000
	// widestCell is the width at which texts are cut, because the column extra can be
	// long.
	widestCell = 40
	// longestCell is how many bytes of a text are looked at: more than widestCell of any
	// characters.
	longestCell = 1 << 10
	columnGap   = len(" | ")
)

// Write implements rowWriter.
func (t *tableRows) Write(rec arrow.Record) error {
	for row := range int(rec.NumRows()) {
		cells := make([]string, rec.NumCols())
		for i, column := range rec.Columns() {
			cells[i] = shownCell(column, row)
		}
		t.block = append(t.block, cells)
		if len(t.block) == tableBlock {
			if err := t.render(); err != nil {
				return err
			}
		}
	}
	return nil
}

// shownCell returns a value as a table shows it: times to the second, and without
// control characters.
func shownCell(column arrow.Array, row int) string {
	if column.IsNull(row) {
		return ""
	}
	if a, ok := column.(*array.Timestamp); ok {
		return schemas.Instant(a.Value(row)).Time().Format("2006-01-02 15:04:05")
	}
	if a, ok := column.(*array.String); ok {
		// A block of rows is kept in memory, and cells are cut to widestCell anyway.
		text := a.Value(row)
		return printable(strings.Clone(text[:min(len(text), longestCell)]))
	}
	return printable(string(appendCell(nil, column, row)))
}

// wholeCell is shownCell without the cut. The text may belong to the column.
func wholeCell(column arrow.Array, row int) string {
	if a, ok := column.(*array.String); ok && !a.IsNull(row) {
		return printable(a.Value(row))
	}
	return shownCell(column, row)
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}

// Close implements rowWriter. It also names the columns that did not fit.
func (t *tableRows) Close() error {
	if len(t.block) > 0 || t.widths == nil {
		if err := t.render(); err != nil {
			return err
		}
	}
	if left := t.schema.Fields()[len(t.widths):]; len(left) > 0 {
		names := make([]string, len(left))
		for i, f := range left {
			names[i] = f.Name
		}
		_, err := fmt.Fprintln(t.w, text.WrapSoft("no room for: "+strings.Join(names, ", "), t.width))
		return err
	}
	return nil
}

// render writes the block, with a header above the first one.
func (t *tableRows) render() error {
	header := t.widths == nil
	if header {
		t.measure()
	}
	shown := len(t.widths)
	grid := plainTable()
	configs := make([]table.ColumnConfig, shown)
	names := make(table.Row, shown)
	for i, width := range t.widths {
		field := t.schema.Field(i)
		names[i] = field.Name
		configs[i] = table.ColumnConfig{Number: i + 1, WidthMin: width}
		if field.Type.ID() == arrow.STRING {
			// A part of a number or of a time would be another one: a later block with
			// longer ones is wider.
			configs[i].WidthMax, configs[i].WidthMaxEnforcer = width, snip
		}
		if isNumber(field.Type) {
			configs[i].Align, configs[i].AlignHeader = text.AlignRight, text.AlignRight
		}
	}
	grid.SetColumnConfigs(configs)
	if header {
		grid.AppendHeader(names)
	}
	for _, cells := range t.block {
		row := make(table.Row, shown)
		for i := range row {
			row[i] = cells[i]
		}
		grid.AppendRow(row)
	}
	t.block = t.block[:0]
	return writeTable(t.w, grid)
}

// measure sets the widths of as many columns as fit, from the left.
func (t *tableRows) measure() {
	total := 0
	t.widths = []int{}
	for i, field := range t.schema.Fields() {
		width := text.StringWidth(field.Name)
		for _, cells := range t.block {
			width = max(width, text.StringWidth(cells[i]))
		}
		width = min(width, widestCell)
		total += width + columnGap
		if t.width > 0 && total > t.width && i > 0 {
			return
		}
		t.widths = append(t.widths, width)
	}
}

func snip(s string, width int) string { return text.Snip(s, width, "…") }

// plainTable returns an empty table in the program's style: few lines, no capitals.
func plainTable() table.Writer {
	grid := table.NewWriter()
	style := table.StyleLight
	style.Options.DrawBorder = false
	style.Format.Header = text.FormatDefault
	style.Format.Footer = text.FormatDefault
	grid.SetStyle(style)
	return grid
}

// rankedColumn is a column of a table that must fit the width of a terminal.
type rankedColumn struct {
	name string
	// rank is the order in which columns are left out if there is not enough space: the
	// highest rank first. Columns of rank 0 always stay.
	rank int
}

// fitTable returns a table with as many columns as fit into width; 0 means any width.
// Columns are aligned to the right, except those in left. Each row has a cell for each
// column.
func fitTable(columns []rankedColumn, left []string, rows []table.Row, width int) table.Writer {
	highest := 0
	for _, c := range columns {
		highest = max(highest, c.rank)
	}
	for rank := highest; ; rank-- {
		grid := rankedTable(columns, left, rows, rank)
		first, _, _ := strings.Cut(grid.Render(), "\n")
		if width == 0 || rank == 0 || text.StringWidth(first) <= width {
			return grid
		}
	}
}

// rankedTable returns a table of the columns up to a rank.
func rankedTable(columns []rankedColumn, left []string, rows []table.Row, rank int) table.Writer {
	grid := plainTable()
	shown := func(cells table.Row) table.Row {
		var row table.Row
		for i, cell := range cells {
			if columns[i].rank <= rank {
				row = append(row, cell)
			}
		}
		return row
	}
	var header table.Row
	var config []table.ColumnConfig
	for _, c := range columns {
		header = append(header, c.name)
		if !slices.Contains(left, c.name) {
			config = append(config, table.ColumnConfig{Name: c.name, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	grid.AppendHeader(shown(header))
	grid.SetColumnConfigs(config)
	for _, row := range rows {
		grid.AppendRow(shown(row))
	}
	return grid
}

// writeTable writes a table without blanks at the ends of its lines.
func writeTable(w io.Writer, grid table.Writer) error {
	var b strings.Builder
	for line := range strings.Lines(grid.Render()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
