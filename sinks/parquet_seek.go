package sinks

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"b24export/pipeline"
	"b24export/sinks/parquetcheck"
)

// A reader that wants only some ids of a row group decodes only their rows, and only the
// pages that have them. It needs no page index, which older files do not have: the column
// id has the numbers of the rows, and the page headers, which are checked anyway, have the
// number of rows of each page.

// Above returns the range of all ids above after.
func Above(after pipeline.PaymentID) pipeline.Range {
	return pipeline.Range{After: after, Through: math.MaxInt64}
}

// needs reports whether a row group may have ids of a range, and whether all its ids may
// be in the range, by its statistics.
func (r *rowReader[T]) needs(group *format.RowGroup, within pipeline.Range) (some, all bool) {
	low, high, ok := r.ids(group)
	if !ok {
		return true, within == Above(0)
	}
	after, through := int64(within.After), int64(within.Through)
	return high > after && low <= through, low > after && high <= through
}

// seek prepares the columns to read the rows of a row group that have ids within a range,
// and returns how many there are. It keeps only their pages in memory.
func (r *rowReader[T]) seek(index int, group *format.RowGroup, within pipeline.Range) (rows int64, err error) {
	defer guard(&err)
	id := r.idColumn()
	if id < 0 {
		return group.NumRows, r.load(index, group)
	}
	headers, err := r.loadColumn(group, id)
	if err != nil {
		return 0, err
	}
	from, to, err := rowsWithin(r.pages(index, id, &r.loaded), within)
	if err != nil {
		return 0, fmt.Errorf("column id: %w", err)
	}
	if from == to {
		return 0, nil
	}
	r.keep(index, id, headers, from, to)
	for i, column := range r.columns {
		if column == nil || i == id {
			continue
		}
		if headers, err = r.loadColumn(group, i); err != nil {
			return 0, err
		}
		r.keep(index, i, headers, from, to)
	}
	return to - from, nil
}

// loadColumn reads a column's bytes of a row group, and checks its pages.
func (r *rowReader[T]) loadColumn(group *format.RowGroup, column int) ([]parquetcheck.Page, error) {
	start, end, err := parquetcheck.ChunkRange(&group.Columns[column].MetaData, r.obj.Size())
	if err != nil {
		return nil, err
	}
	if err := r.loadRange(start, end); err != nil {
		return nil, err
	}
	return r.check(group, column, r.loaded.data)
}

// keep prepares the loaded column to read the rows from from, up to but not including to.
func (r *rowReader[T]) keep(index, column int, headers []parquetcheck.Page, from, to int64) {
	data, first := parquetcheck.KeepPages(r.loaded.data, headers, from, to)
	r.chunks[column] = chunkReader{pages: r.pages(index, column, &keptBytes{data, r.loaded.off}), skip: from - first}
}

// rowsWithin returns the rows of a column id with ids within a range, from the first up to
// but not including to. It closes pages.
func rowsWithin(pages *parquet.FilePages, within pipeline.Range) (from, to int64, err error) {
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return from, to, nil
		}
		if err != nil {
			return 0, 0, fmt.Errorf("%w: %w", parquetcheck.ErrCorrupt, err)
		}
		data, rows := page.Data(), page.NumRows()
		ids := data.Int64()
		upTo := func(last pipeline.PaymentID) int64 {
			return int64(sort.Search(len(ids), func(i int) bool { return ids[i] > int64(last) }))
		}
		from, to = from+upTo(within.After), to+upTo(within.Through)
		full := int64(len(ids)) == rows
		done := len(ids) > 0 && ids[len(ids)-1] > int64(within.Through)
		parquet.Release(page)
		if !full {
			return 0, 0, fmt.Errorf("%w: %d ids in %d rows", parquetcheck.ErrCorrupt, len(ids), rows)
		}
		if done {
			return from, max(from, to), nil
		}
	}
}

// keptBytes has the bytes of the pages that are kept of a column chunk, in place of the
// chunk at off.
type keptBytes struct {
	data []byte
	off  int64
}

func (k *keptBytes) ReadAt(p []byte, off int64) (int, error) {
	at := off - k.off
	if at < 0 || at >= int64(len(k.data)) {
		return 0, io.EOF
	}
	n := copy(p, k.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// idColumn returns the index of the column id, -1 if there is none.
func (r *rowReader[T]) idColumn() int {
	return slices.IndexFunc(r.columns, func(c *parquet.Column) bool { return c != nil && c.Name() == "id" })
}
