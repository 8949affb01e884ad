package sinks

import (
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// fileKind describes the form of a file of a snapshot.
type fileKind struct {
	table  string
	schema *arrow.Schema
	id     int // the index of the column id; -1: rows are sorted by keys
	keys   []string
}

func (l layout) fileKind(key string) (fileKind, error) {
	switch id := l.snapshotOf(key); key {
	case l.history(id):
		return fileKind{table: paymentTable.name, schema: schemas.Payments()}, nil
	case l.changes(id):
		return fileKind{table: changeTable.name, schema: schemas.Changes(), id: 2}, nil
	case l.rejects(id):
		return fileKind{table: rejectTable.name, schema: schemas.Rejects()}, nil
	}
	return fileKind{}, fmt.Errorf("%s is no file of this dataset", key)
}

// columns returns the kind with its first n columns. It describes older files, because
// columns are only appended.
func (k fileKind) columns(n int) fileKind {
	if fields := k.schema.Fields(); n < len(fields) {
		k.schema = arrow.NewSchema(fields[:n], nil)
	}
	return k
}

// openArrow opens a file with Arrow's Parquet reader, which shares no code with the
// library that wrote the file. It first checks everything in the footer that the reader
// relies on.
func openArrow(obj Object) (_ *file.Reader, err error) {
	defer guard(&err)
	if _, err := openParquet(obj); err != nil {
		return nil, err
	}
	r, err := file.NewParquetReader(io.NewSectionReader(obj, 0, obj.Size()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", parquetcheck.ErrCorrupt, err)
	}
	return r, nil
}

// footerProblems returns the differences between a file's footer and f and k: in the
// columns, in the number of rows, and in the statistics of id, which must ascend.
func footerProblems(r *file.Reader, k fileKind, f pipeline.File) (problems []string) {
	// Arrow panics on some files that are not Parquet.
	defer func() {
		if p := recover(); p != nil {
			problems = append(problems, fmt.Sprintf("footer: %v", p))
		}
	}()
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	schema, err := arrowSchema(r.MetaData().Schema)
	if err != nil {
		problem("columns: %v", err)
		return problems
	}
	if diff := schemaDiff(schema, k.schema); diff != "" {
		problem("%s", diff)
		return problems
	}
	if r.NumRows() != f.Rows {
		problem("rows: the footer has %d, the manifest %d", r.NumRows(), f.Rows)
	}
	last, sum := int64(0), int64(0)
	for i := range r.NumRowGroups() {
		if k.id < 0 {
			sum += r.MetaData().RowGroup(i).NumRows()
			continue
		}
		low, high, err := idRange(r, i, k.id)
		if err != nil {
			problem("row group %d: %v", i, err)
			continue
		}
		if low <= last || high < low {
			problem("row group %d: ids %d to %d come after id %d", i, low, high, last)
		}
		if i == 0 && low != int64(f.MinID) {
			problem("ids begin at %d, in the manifest at %d", low, f.MinID)
		}
		last = high
		sum += r.MetaData().RowGroup(i).NumRows()
	}
	if k.id >= 0 && r.NumRowGroups() > 0 && last != int64(f.MaxID) {
		problem("ids end at %d, in the manifest at %d", last, f.MaxID)
	}
	if sum != r.NumRows() {
		problem("rows: the row groups have %d, the footer %d", sum, r.NumRows())
	}
	return problems
}

// idRange returns the smallest and the largest id of a row group, from its statistics.
func idRange(r *file.Reader, group, column int) (low, high int64, err error) {
	chunk, err := r.MetaData().RowGroup(group).ColumnChunk(column)
	if err != nil {
		return 0, 0, err
	}
	stats, err := chunk.Statistics()
	if err != nil {
		return 0, 0, err
	}
	ids, ok := stats.(*metadata.Int64Statistics)
	if !ok || !ids.HasMinMax() {
		return 0, 0, fmt.Errorf("no statistics of id")
	}
	if ids.HasNullCount() && ids.NullCount() != 0 {
		return 0, 0, fmt.Errorf("%d rows without id", ids.NullCount())
	}
	return ids.Min(), ids.Max(), nil
}

// schemaDiff returns the differences between the columns of two schemas: names, order,
// types, nullability. It returns "" if there are none.
func schemaDiff(got, want *arrow.Schema) string {
	text := func(s *arrow.Schema) []string {
		var columns []string
		for _, f := range s.Fields() {
			null := " NOT NULL"
			if f.Nullable {
				null = ""
			}
			columns = append(columns, fmt.Sprintf("%s %s%s", f.Name, f.Type, null))
		}
		return columns
	}
	g, w := text(got), text(want)
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			return fmt.Sprintf("columns: %s is missing", strings.Join(w[i:], ", "))
		case i >= len(w):
			return fmt.Sprintf("columns: %s is too much", strings.Join(g[i:], ", "))
		case g[i] != w[i]:
			return fmt.Sprintf("columns: number %d is %s, want %s", i+1, g[i], w[i])
		}
	}
	return ""
}
