package sinks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// A merge copies the row groups of the last snapshot that no segment changes: their
// bytes, statistics and page indexes. This needs a fraction of the processor time of
// decoding and encoding them. Only the last table and the segments decide which row
// groups are copied, so equal portals with an equal history have equal bytes.
//
// Bytes that are not decoded are checked in another way: each page has a checksum, the
// page indexes are checked before parquet-go reads them, and the whole file must have
// the checksum in its manifest.

// smallGroup is the part of row_group_rows below which a row group is too small to be
// copied, or to end because the next one is copied, unless its texts have that part of
// groupText. Its rows are added to a neighbour.
const smallGroup = 4

// ahead returns the row group from which next reads its next row. It returns nil within
// a row group and at the end.
func (r *rowReader[T]) ahead() *format.RowGroup {
	groups := r.file.Metadata().RowGroups
	if r.at < r.n || r.left > 0 || r.group == len(groups) {
		return nil
	}
	return &groups[r.group]
}

// mayCopy prepares the merge for copies. The totals of rows that are not decoded come
// from the last snapshot; readBack adds up all rows and compares.
func (m *merge) mayCopy(old *lastRows, last *pipeline.Manifest) error {
	if last.Totals == nil {
		return nil
	}
	t, err := schemas.TotalsOf(last.Totals)
	if err != nil {
		return fmt.Errorf("the manifest of snapshot %s: %w", last.Snapshot, err)
	}
	m.totals, m.counted = *t, true
	old.sum = newFileSum(old.obj)
	old.rows.sum = old.sum
	return nil
}

// pass loads the row group ahead, which checks its pages, and continues after it.
func (r *rowReader[T]) pass(ctx context.Context) error {
	r.release()
	_, err := r.nextGroup(ctx, Above(0))
	r.left, r.at, r.n = 0, 0, 0
	return err
}

// copyGroups copies row groups to m for as long as the next one can be copied. row is
// the next row of the segments, nil if there is none.
func (l *lastRows) copyGroups(ctx context.Context, m *merge, row *segmentRow, marks *markReader) error {
	for l.sum != nil {
		g := l.rows.ahead()
		if g == nil {
			return nil
		}
		low, high, ok := l.rows.ids(g)
		// New payments come after all others, so the last row group is written again
		// together with them. Otherwise each run would leave a small row group.
		end := l.rows.group+1 == len(l.rows.file.Metadata().RowGroups)
		if !ok || row != nil && (end || row.ID <= high) || !m.table.takes(g) {
			return nil
		}
		if err := l.copyGroup(ctx, m, g); err != nil {
			return fmt.Errorf("read %s: %w", l.key, err)
		}
		// Marks of rows that the segments replace remain below low.
		err := marks.upTo(low-1, nil)
		if err == nil {
			err = marks.upTo(high, func(mark pipeline.Mark) error { return m.mark(int64(mark.ID), mark.Mark) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *lastRows) copyGroup(ctx context.Context, m *merge, g *format.RowGroup) (err error) {
	defer guard(&err)
	number := l.rows.group
	if l.index == nil {
		if l.index, err = parquetcheck.NewIndex(l.obj, -1); err != nil {
			return err
		}
	}
	if err := l.index.Readable(number); err != nil {
		return fmt.Errorf("row group %d: %w", number, err)
	}
	low, high, _ := l.rows.ids(g)
	if low <= l.last || high < low || g.NumRows > l.left {
		return fmt.Errorf("%w: row group %d: %d rows, payments %d to %d come after payment %d", parquetcheck.ErrCorrupt, number, g.NumRows, low, high, l.last)
	}
	if err := l.rows.pass(ctx); err != nil {
		return err
	}
	l.last = high
	l.left -= g.NumRows
	m.copied = true
	m.result.Carried += g.NumRows
	return m.table.addGroup(l.rows.file.RowGroups()[number], low, high)
}

// check compares the file's checksum with that of its manifest, if row groups were
// copied.
func (l *lastRows) check(m *merge) error {
	if !m.copied {
		return nil
	}
	if err := l.sum.end(); err != nil {
		return fmt.Errorf("read %s: %w", l.key, err)
	}
	if sum := hex.EncodeToString(l.sum.hash.Sum(nil)); sum != l.want {
		return damaged{fmt.Errorf("read %s: its SHA-256 is %s, the manifest says %s", l.key, sum, l.want)}
	}
	return nil
}

// isCorrupt reports whether err means that the bytes of a file, other than a segment's,
// are wrong.
func isCorrupt(err error) bool {
	_, segment := errors.AsType[*pipeline.SegmentsError](err)
	return !segment && (errors.Is(err, parquetcheck.ErrCorrupt) || errors.Is(err, ErrDamaged))
}

// fileSum is the checksum of a file that is read from beginning to end.
type fileSum struct {
	file Object
	hash hash.Hash
	at   int64
}

func newFileSum(file Object) *fileSum { return &fileSum{file: file, hash: sha256.New()} }

// add adds the bytes up to off, which it reads, and then data, which is at off.
func (s *fileSum) add(data []byte, off int64) error {
	if off < s.at {
		return fmt.Errorf("%w: row groups are not in the order of their places", parquetcheck.ErrCorrupt)
	}
	if err := s.upTo(off); err != nil {
		return err
	}
	s.hash.Write(data)
	s.at += int64(len(data))
	return nil
}

// end adds the rest of the file.
func (s *fileSum) end() error { return s.upTo(s.file.Size()) }

func (s *fileSum) upTo(off int64) error {
	_, err := io.Copy(s.hash, io.NewSectionReader(s.file, s.at, off-s.at))
	s.at = off
	return err
}

// takes reports whether a row group of another file may be added unchanged. It must
// have the form of this writer's own row groups, and neither it nor the previous one
// may be small.
func (w *rowWriter[T]) takes(g *format.RowGroup) bool {
	small := w.groupRows / smallGroup
	little := int64(w.limit / smallGroup)
	text := w.table.textOf(g)
	// A row group with more texts than this writer's own is from an older program.
	if g.NumRows < small && text < little || g.NumRows > w.groupRows || text > int64(w.limit+w.limit/groupPart+w.limit/2) ||
		w.open > 0 && w.open < small && int64(w.inGroup) < little {
		return false
	}
	for i := range g.Columns {
		for _, s := range g.Columns[i].MetaData.EncodingStats {
			if s.PageType == format.DataPage && s.Encoding != w.schema.Fields()[i].Encoding().Encoding() {
				return false
			}
		}
	}
	return true
}

// textOf returns about how many bytes the unbounded texts of a row group have.
func (t *table[T]) textOf(g *format.RowGroup) (n int64) {
	for i, f := range t.schema.Fields() {
		if i < len(g.Columns) && slices.ContainsFunc(t.large, func(c schemas.Column[T]) bool { return c.Name == f.Name() }) {
			n += g.Columns[i].MetaData.TotalUncompressedSize
		}
	}
	return n
}

// addGroup adds a row group of another file, with the ids first to last, unchanged.
func (w *rowWriter[T]) addGroup(g parquet.RowGroup, first, last int64) error {
	if err := w.encode(); err != nil {
		return err
	}
	if first <= w.last {
		return fmt.Errorf("write row %d: payment %d after payment %d; ids must ascend from 1", w.written, first, w.last)
	}
	n, err := w.pw.WriteRowGroup(g)
	if err != nil {
		return err
	}
	if w.last == 0 {
		w.first = first
	}
	w.last = last
	w.written += n
	w.open, w.inGroup = 0, 0
	return nil
}
