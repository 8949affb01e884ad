package sinks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"b24export/pipeline"
	"b24export/sinks/parquetcheck"
)

// rowReader reads the rows of a Parquet file of this package. It keeps the bytes of one
// row group and one batch of rows in memory.
type rowReader[T any] struct {
	table *table[T]
	obj   Object
	file  *parquet.File
	// columns are the file's leaf columns, by the index in table.columns. A column is
	// nil if the file is older than it.
	columns []*parquet.Column
	chunks  []chunkReader
	loaded  loadedBytes // the current row group
	rows    []T
	values  []parquet.Value
	// sum, if set, is the checksum of the file's bytes up to the current row group.
	sum *fileSum

	group int   // the next row group
	left  int64 // rows of the current row group that are not in a batch yet
	step  int64 // most rows of the current row group in one batch
	at, n int   // the next row of the batch, and the length of the batch
}

// guard converts a panic of a Parquet library to an error. Both libraries panic on some
// invalid files. Package parquetcheck rejects the corruptions that are worse than a
// panic.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: %v", parquetcheck.ErrCorrupt, r)
	}
}

// openRows reads a file's footer and checks that it has the table's columns. The caller
// closes obj.
func openRows[T any](obj Object, t *table[T]) (_ *rowReader[T], err error) {
	defer guard(&err)
	r := &rowReader[T]{
		table:   t,
		obj:     obj,
		columns: make([]*parquet.Column, len(t.columns)),
		chunks:  make([]chunkReader, len(t.columns)),
		loaded:  loadedBytes{Object: obj},
	}
	file, err := openParquet(&r.loaded)
	if err != nil {
		return nil, err
	}
	r.file = file
	if name, _ := file.Lookup(metaTable); name != t.name {
		return nil, fmt.Errorf("it is a table of %q, not of %s", name, t.name)
	}
	version, _ := file.Lookup(metaSchema)
	if v, err := strconv.Atoi(version); err != nil || v < 1 {
		return nil, fmt.Errorf("%w: schema version %q", parquetcheck.ErrCorrupt, version)
	} else if v > t.version {
		return nil, fmt.Errorf("it has columns of version %d, this program knows those of version %d: use a newer one", v, t.version)
	}
	// Columns are only appended, so an older file has the first ones.
	have, want := file.Root().Columns(), t.schema.Fields()
	if len(have) > len(want) || len(have) == 0 {
		return nil, fmt.Errorf("%w: it has %d columns", parquetcheck.ErrCorrupt, len(have))
	}
	for i, c := range have {
		if c.Name() != want[i].Name() || !c.Leaf() || !c.Optional() || !parquet.EqualTypes(c.Type(), want[i].Type()) {
			return nil, fmt.Errorf("%w: column %d is %s, want %s %s", parquetcheck.ErrCorrupt, i, c, want[i].Name(), want[i])
		}
		r.columns[i] = c
	}
	return r, nil
}

// openParquet opens a file after it has checked the footer.
func openParquet(obj Object) (_ *parquet.File, err error) {
	defer guard(&err)
	if err := parquetcheck.CheckFooter(obj); err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(obj, obj.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", parquetcheck.ErrCorrupt, err)
	}
	if err := parquetcheck.CheckFlat(file.Metadata().Schema); err != nil {
		return nil, err
	}
	return file, nil
}

// next returns the next row, nil at the end. A row is valid until the next call; its
// texts stay valid. next skips rows with ids outside of within.
func (r *rowReader[T]) next(ctx context.Context, within pipeline.Range) (*T, error) {
	for r.at == r.n {
		r.at, r.n = 0, 0
		if r.left == 0 {
			r.release()
			if more, err := r.nextGroup(ctx, within); err != nil || !more {
				return nil, err
			}
		}
		n, err := r.batch(min(r.left, r.step))
		if err != nil {
			return nil, fmt.Errorf("row group %d: %w", r.group-1, err)
		}
		r.n = n
		r.left -= int64(n)
	}
	r.at++
	return &r.rows[r.at-1], nil
}

// nextGroup loads the next row group that has rows within the range, and reports whether
// there was one.
func (r *rowReader[T]) nextGroup(ctx context.Context, within pipeline.Range) (bool, error) {
	for r.group < len(r.file.Metadata().RowGroups) {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		group := &r.file.Metadata().RowGroups[r.group]
		r.group++
		if len(group.Columns) < len(r.file.Root().Columns()) || group.NumRows <= 0 {
			return false, fmt.Errorf("row group %d: %w: %d rows of %d columns", r.group-1, parquetcheck.ErrCorrupt, group.NumRows, len(group.Columns))
		}
		some, all := r.needs(group, within)
		if !some {
			continue
		}
		var err error
		if all {
			r.left, err = group.NumRows, r.load(r.group-1, group)
		} else {
			r.left, err = r.seek(r.group-1, group, within)
		}
		if err != nil {
			return false, fmt.Errorf("row group %d: %w", r.group-1, err)
		}
		if r.left > 0 {
			r.step = batchStep(group)
			return true, nil
		}
	}
	return false, nil
}

// batchRows is the maximum number of rows that are decoded at once.
const batchRows = 1024

// batchBytes is how many bytes the values of a batch of rows may have, by the mean of its
// row group.
const batchBytes = 1 << 20

// batchStep returns how many rows of a row group to decode at once.
func batchStep(group *format.RowGroup) int64 {
	var size int64
	for i := range group.Columns {
		size += max(0, min(group.Columns[i].MetaData.TotalUncompressedSize, 1<<40))
	}
	return max(1, min(batchRows, batchBytes/max(1, size/group.NumRows)))
}

// all yields the rows that next returns.
func (r *rowReader[T]) all(ctx context.Context, within pipeline.Range) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		defer r.release()
		for {
			row, err := r.next(ctx, within)
			if err != nil {
				yield(nil, err)
				return
			}
			if row == nil || !yield(row, nil) {
				return
			}
		}
	}
}

// ids returns the smallest and the largest id of a row group, if its statistics have them.
func (r *rowReader[T]) ids(group *format.RowGroup) (low, high int64, ok bool) {
	if i := r.idColumn(); i >= 0 && i < len(group.Columns) {
		s := &group.Columns[i].MetaData.Statistics
		if len(s.MinValue) == 8 && len(s.MaxValue) == 8 {
			return int64(binary.LittleEndian.Uint64(s.MinValue)), int64(binary.LittleEndian.Uint64(s.MaxValue)), true
		}
	}
	return 0, 0, false
}

// load reads a row group's bytes, checks its pages and prepares its columns.
func (r *rowReader[T]) load(index int, group *format.RowGroup) (err error) {
	defer guard(&err)
	size := r.obj.Size()
	start, end := size, int64(0)
	for i := range group.Columns {
		s, e, err := parquetcheck.ChunkRange(&group.Columns[i].MetaData, size)
		if err != nil {
			return err
		}
		start, end = min(start, s), max(end, e)
	}
	if start >= end {
		return fmt.Errorf("%w: %d rows in %d bytes", parquetcheck.ErrCorrupt, group.NumRows, end-start)
	}
	if err := r.loadRange(start, end); err != nil {
		return err
	}
	if r.sum != nil {
		if err := r.sum.add(r.loaded.data, start); err != nil {
			return err
		}
	}
	for i, column := range r.columns {
		if column == nil {
			continue
		}
		s, e, err := parquetcheck.ChunkRange(&group.Columns[i].MetaData, size)
		if err != nil {
			return err
		}
		if _, err := r.check(group, i, r.loaded.data[s-start:e-start]); err != nil {
			return err
		}
		r.chunks[i] = chunkReader{pages: r.pages(index, i, &r.loaded)}
	}
	return nil
}

// loadRange reads a range of the file.
func (r *rowReader[T]) loadRange(start, end int64) error {
	r.loaded.data, r.loaded.off = resize(r.loaded.data, int(end-start)), start
	return parquetcheck.ReadFull(r.obj, r.loaded.data, start)
}

// check checks a column of a row group, of which data has the bytes. It returns the pages.
func (r *rowReader[T]) check(group *format.RowGroup, column int, data []byte) ([]parquetcheck.Page, error) {
	name := r.columns[column].Name()
	// The library uses that of the first row group for all of them.
	m := &group.Columns[column].MetaData
	if m.Codec != r.file.Metadata().RowGroups[0].Columns[column].MetaData.Codec {
		return nil, fmt.Errorf("%w: column %s: compressed in two ways", parquetcheck.ErrCorrupt, name)
	}
	if m.PathInSchema[0] != name {
		return nil, fmt.Errorf("%w: column %s is called %q", parquetcheck.ErrCorrupt, name, m.PathInSchema)
	}
	pages, err := checkPages(data, m, group.NumRows)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", name, err)
	}
	return pages, nil
}

// pages returns a reader of the pages of a column in a row group, from bytes at their place
// in the file.
func (r *rowReader[T]) pages(group, column int, from io.ReaderAt) *parquet.FilePages {
	// A file has no other type of columns.
	return r.file.RowGroups()[group].ColumnChunks()[column].(*parquet.FileColumnChunk).PagesFrom(from)
}

// batch reads the next n rows into r.rows.
func (r *rowReader[T]) batch(n int64) (_ int, err error) {
	defer guard(&err)
	if int64(len(r.rows)) < n {
		r.rows, r.values = make([]T, n), make([]parquet.Value, n)
	}
	clear(r.rows[:n])
	values := r.values[:n]
	for i := range r.columns {
		if r.columns[i] == nil {
			continue
		}
		c := &r.chunks[i]
		for done := 0; done < len(values); {
			k, err := c.read(values[done:])
			if err == nil {
				// This comes before the next page, because texts are in the memory of
				// this one.
				err = r.table.columns[i].set(r.rows[done:done+k], values[done:done+k])
			}
			if err != nil {
				return 0, fmt.Errorf("column %s: %w", r.table.columns[i].name, err)
			}
			done += k
		}
		if n == r.left {
			c.release() // the next column uses its memory
		}
	}
	return int(n), nil
}

// release releases the pages that are still open.
func (r *rowReader[T]) release() {
	for i := range r.chunks {
		r.chunks[i].release()
	}
}

// chunkReader reads the values of a column in a row group.
type chunkReader struct {
	pages  *parquet.FilePages
	page   parquet.Page
	values parquet.ValueReader
	skip   int64 // rows of the next page that are not wanted; fewer than it has
}

func (c *chunkReader) release() {
	if c.pages != nil {
		parquet.Release(c.page)
		c.pages.Close()
		*c = chunkReader{}
	}
}

// read reads at least one value, from a single page. parquetcheck.CheckPages has
// checked that there are enough.
func (c *chunkReader) read(values []parquet.Value) (int, error) {
	for {
		if c.page == nil {
			page, err := c.pages.ReadPage()
			if errors.Is(err, io.EOF) {
				return 0, fmt.Errorf("%w: too few values", parquetcheck.ErrCorrupt)
			}
			if err != nil {
				return 0, fmt.Errorf("%w: %w", parquetcheck.ErrCorrupt, err)
			}
			if c.skip > 0 {
				rest := page.Slice(c.skip, page.NumRows())
				parquet.Release(page)
				page, c.skip = rest, 0
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(values)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("%w: %w", parquetcheck.ErrCorrupt, err)
		}
		if n > 0 {
			return n, nil
		}
		parquet.Release(c.page)
		c.page, c.values = nil, nil
	}
}

// loadedBytes is a file of which one range is in memory.
type loadedBytes struct {
	Object
	data []byte
	off  int64
}

func (l *loadedBytes) ReadAt(p []byte, off int64) (int, error) {
	if at := off - l.off; at >= 0 && at+int64(len(p)) <= int64(len(l.data)) {
		return copy(p, l.data[at:]), nil
	}
	return l.Object.ReadAt(p, off)
}
