package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/parquet-go/parquet-go"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// markRow is the mark of a payment's row; see pipeline.Mark. A segment has its marks in
// an object next to it, a snapshot in a private object. The object is missing if no row
// has a mark.
type markRow struct {
	ID   int64
	Mark schemas.Null[int64] // the bits of the mark
}

type markColumns struct {
	ID   *int64 `parquet:"id,optional"`
	Mark *int64 `parquet:"mark,optional"`
}

var markTable = newTable[markColumns]("listed", []schemas.Column[markRow]{
	{Name: "id", Since: 1, Encoding: schemas.Delta, At: func(m *markRow) any { return &m.ID }},
	{Name: "mark", Since: 1, At: func(m *markRow) any { return &m.Mark }},
}, func(m *markRow) int64 { return m.ID }, func(columns [][]parquet.Value, i int, m *markRow) {
	setID(&columns[0][i], m.ID)
	setNumber(&columns[1][i], &m.Mark)
})

func rowOfMark(id int64, mark uint64) markRow {
	return markRow{ID: id, Mark: schemas.Some(int64(mark))}
}

// writeSegmentMarks stores the marks of a part next to its segment.
//
// If the program dies before the checkpoint, the same is true as for the segment.
func (d *Dataset) writeSegmentMarks(ctx context.Context, number int64, marks []pipeline.Mark) (pipeline.File, error) {
	return putSegment(ctx, d, number, d.segmentMarks(number), markTable, func(add func(*markRow) error) error {
		for _, m := range marks {
			row := rowOfMark(int64(m.ID), m.Mark)
			if err := add(&row); err != nil {
				return err
			}
		}
		return nil
	})
}

// Marks implements pipeline.Sink.
func (d *Dataset) Marks(ctx context.Context, m *pipeline.Manifest, after pipeline.PaymentID) iter.Seq2[pipeline.Mark, error] {
	return func(yield func(pipeline.Mark, error) bool) {
		if m.Listed == nil {
			return
		}
		f := *m.Listed
		f.Path = d.listed(m.Snapshot)
		// The whole file is checked first. A part of it would look like missing marks.
		err := d.sameSum(ctx, f)
		if err == nil {
			for row, rowErr := range readRows(ctx, d.store, f.Path, f.Bytes, markTable, Above(after)) {
				if err = rowErr; err != nil {
					break
				}
				if !yield(pipeline.Mark{ID: pipeline.PaymentID(row.ID), Mark: uint64(row.Mark.V)}, nil) {
					return
				}
			}
		}
		if errors.Is(err, ErrDamaged) {
			d.opts.Log.Warn("what the listing showed is lost; payments whose listing differs from their rows are fetched again", "error", err)
			err = nil
		}
		if err != nil {
			yield(pipeline.Mark{}, err)
		}
	}
}

// marksOf returns the marks of a segment's rows, none if they are lost or damaged.
func (d *Dataset) marksOf(ctx context.Context, seg pipeline.Segment) ([]pipeline.Mark, error) {
	key := d.segmentMarks(seg.Number)
	obj, err := d.openSegmentFile(ctx, seg.Number, key, seg.MarksBytes, seg.MarksSHA256)
	if err != nil {
		return nil, d.lostMarks(err)
	}
	defer obj.Close()
	rows, err := openRows(obj, markTable)
	if err != nil {
		return nil, d.lostMarks(fmt.Errorf("read %s: %w", key, err))
	}
	marks := make([]pipeline.Mark, 0, seg.Marks)
	for row, err := range rows.all(ctx, Above(0)) {
		if err != nil {
			return nil, d.lostMarks(fmt.Errorf("read %s: %w", key, err))
		}
		marks = append(marks, pipeline.Mark{ID: pipeline.PaymentID(row.ID), Mark: uint64(row.Mark.V)})
	}
	return marks, nil
}

// lostMarks logs an error if it means that marks are lost, and returns any other error.
func (d *Dataset) lostMarks(err error) error {
	if !errors.Is(err, ErrDamaged) && !errors.Is(err, parquetcheck.ErrCorrupt) {
		return err
	}
	d.opts.Log.Warn("what the listing showed of some payments is lost; they are fetched again", "error", err)
	return nil
}

// mergeMarks calls write with the writer of the new snapshot's marks, if any row may
// have one. It is called for each attempt at the table.
func (d *Dataset) mergeMarks(ctx context.Context, m *merge, cp pipeline.Checkpoint, last *pipeline.Manifest, write func() error) error {
	m.marks, m.listed = nil, nil
	if (last == nil || last.Listed == nil) && !slices.ContainsFunc(cp.Segments, func(s pipeline.Segment) bool { return s.Marks > 0 }) {
		return write()
	}
	key := d.listed(cp.Snapshot)
	err := d.store.Put(ctx, key, func(out io.Writer) error {
		if m.marks != nil {
			return errAgain // the same as for the change feed
		}
		m.marks = newRowWriter(out, markTable, d.fileOptions(cp.Snapshot))
		if err := write(); err != nil {
			return err
		}
		f, err := m.marks.close()
		if err != nil {
			return err
		}
		if f.Rows == 0 {
			return errNoRows
		}
		f.Path = key
		m.listed = &f
		return d.notBeyond(ctx, cp.Number)
	})
	if errors.Is(err, errNoRows) {
		return nil
	}
	return err
}

// oldMarks returns the marks of the last snapshot's rows, if the merge writes marks.
func (d *Dataset) oldMarks(ctx context.Context, m *merge, last *pipeline.Manifest) iter.Seq2[pipeline.Mark, error] {
	if m.marks == nil || last == nil {
		return func(func(pipeline.Mark, error) bool) {}
	}
	return d.Marks(ctx, last, 0)
}

// mark records the mark of a row of the new table.
func (m *merge) mark(id int64, mark uint64) error {
	if m.marks == nil || mark == 0 {
		return nil
	}
	row := rowOfMark(id, mark)
	return m.marks.add(&row)
}

// keepMarks returns the last snapshot's marks for a snapshot with the same table. It
// omits marks that are lost.
func (d *Dataset) keepMarks(ctx context.Context, cp pipeline.Checkpoint, last *pipeline.Manifest) (*pipeline.File, error) {
	if last.Listed == nil {
		return nil, nil
	}
	old := *last.Listed
	old.Path = d.listed(last.Snapshot)
	kept := old
	kept.Path = d.listed(cp.Snapshot)
	err := d.copyTable(ctx, kept.Path, old, d.store.Link)
	if isAbsent(err) || errors.Is(err, ErrDamaged) {
		return nil, nil // the lister has logged it
	}
	if err != nil {
		return nil, err
	}
	return &kept, nil
}

// markReader reads ascending marks together with ascending ids.
type markReader struct {
	pull func() (pipeline.Mark, error, bool)
	next pipeline.Mark
	more bool
}

func newMarkReader(marks iter.Seq2[pipeline.Mark, error]) (r *markReader, stop func()) {
	r = &markReader{more: true}
	r.pull, stop = iter.Pull2(marks)
	return r, stop
}

// of returns the mark of id, 0 if it has none.
func (r *markReader) of(id int64) (uint64, error) {
	if err := r.upTo(id-1, nil); err != nil || !r.more || int64(r.next.ID) != id {
		return 0, err
	}
	return r.next.Mark, nil
}

// upTo calls do, unless do is nil, for each remaining mark of ids up to last.
func (r *markReader) upTo(last int64, do func(pipeline.Mark) error) (err error) {
	for r.more && int64(r.next.ID) <= last {
		if do != nil && r.next.ID > 0 {
			if err := do(r.next); err != nil {
				return err
			}
		}
		if r.next, err, r.more = r.pull(); err != nil {
			return err
		}
	}
	return nil
}
