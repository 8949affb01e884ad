package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"b24export/pipeline"
	"b24export/schemas"
)

// WriteSegment implements pipeline.Sink. Rows and ids that are gone share one
// file, by id; rejects have one beside it. What there is none of is not written.
//
// A runner that lost its lease while it slept could overwrite a segment that
// its successor has committed. So, last of all before the object gets its
// name, the checkpoints are looked at.
func (d *Dataset) WriteSegment(ctx context.Context, number int64, part pipeline.Part[schemas.Payment]) (pipeline.Segment, error) {
	if err := d.fenced(); err != nil {
		return pipeline.Segment{}, err
	}
	seg := pipeline.Segment{
		Number:  number,
		Rows:    int64(len(part.Rows)),
		Gone:    int64(len(part.Gone)),
		Rejects: int64(len(part.Rejects)),
	}
	if seg.Rows+seg.Gone > 0 {
		f, err := putFile(ctx, d, d.segment(number), segmentTable, "", func(add func(*segmentRow) error) error {
			return mergePart(part, add)
		}, func() error { return d.notBeyond(ctx, number-1) })
		if err != nil {
			return pipeline.Segment{}, err
		}
		seg.Bytes, seg.MinID, seg.MaxID = f.Bytes, f.MinID, f.MaxID
	}
	if seg.Rejects > 0 {
		_, err := putFile(ctx, d, d.segmentRejects(number), rejectTable, "", func(add func(*schemas.Reject) error) error {
			for i := range part.Rejects {
				row := RejectRow(&part.Rejects[i])
				if err := add(&row); err != nil {
					return err
				}
			}
			return nil
		}, func() error { return d.notBeyond(ctx, number-1) })
		if err != nil {
			return pipeline.Segment{}, err
		}
	}
	return seg, nil
}

// mergePart gives a part's rows and gone ids in one order.
func mergePart(part pipeline.Part[schemas.Payment], add func(*segmentRow) error) error {
	var row segmentRow
	rows, gone := part.Rows, part.Gone
	for len(rows)+len(gone) > 0 {
		if len(gone) == 0 || len(rows) > 0 && rows[0].ID < int64(gone[0]) {
			row = segmentRow{Payment: rows[0]}
			rows = rows[1:]
		} else {
			row = segmentRow{Payment: schemas.Payment{ID: int64(gone[0])}, Gone: true}
			gone = gone[1:]
		}
		if err := add(&row); err != nil {
			return err
		}
	}
	return nil
}

// putFile stores what produce adds as a file. allowed is asked last, when all
// but the name is there; its error leaves things as they were.
func putFile[T, C any](ctx context.Context, d *Dataset, key string, t *table[T, C], snapshot pipeline.SnapshotID,
	produce func(add func(*T) error) error, allowed func() error) (pipeline.File, error) {
	var f pipeline.File
	err := d.store.Put(ctx, key, func(out io.Writer) error {
		w := newRowWriter(out, t, d.fileOptions(snapshot))
		if err := produce(w.add); err != nil {
			return err
		}
		var err error
		if f, err = w.close(); err != nil {
			return err
		}
		return allowed()
	})
	f.Path = key
	return f, err
}

// segmentRows yields the rows of a checkpoint's segments by id. Segments
// normally follow one another, and each is opened only when its turn comes;
// where they overlap, the later one has the say over an id.
type segmentRows struct {
	d     *Dataset
	queue []pipeline.Segment // not opened yet, by their first id
	open  []*openSegment     // more than one only where segments overlap
	taken []*openSegment     // those that stand at the row given last
}

type openSegment struct {
	pipeline.Segment
	obj  Object
	rows *rowReader[segmentRow, segmentColumns]
	row  *segmentRow
	read pipeline.Segment // what was read so far, for comparison
}

func (d *Dataset) segmentRows(cp pipeline.Checkpoint) *segmentRows {
	s := &segmentRows{d: d}
	for _, seg := range cp.Segments {
		if seg.Rows+seg.Gone > 0 {
			s.queue = append(s.queue, seg)
		}
	}
	slices.SortStableFunc(s.queue, func(a, b pipeline.Segment) int { return cmp.Compare(a.MinID, b.MinID) })
	return s
}

// next gives the row with the next id, nil at the end. It is valid until the
// next call.
func (s *segmentRows) next(ctx context.Context) (*segmentRow, error) {
	for _, seg := range s.taken {
		if err := seg.next(ctx); err != nil {
			return nil, err
		}
	}
	s.taken = s.taken[:0]
	s.open = slices.DeleteFunc(s.open, func(seg *openSegment) bool { return seg.row == nil })
	for len(s.queue) > 0 && (len(s.open) == 0 || int64(s.queue[0].MinID) <= s.lowest()) {
		seg := &openSegment{Segment: s.queue[0]}
		s.queue = s.queue[1:]
		s.open = append(s.open, seg) // so that close knows it
		if err := seg.start(ctx, s.d); err != nil {
			return nil, err
		}
	}
	if len(s.open) == 0 {
		return nil, nil
	}
	var best *openSegment
	id := s.lowest()
	for _, seg := range s.open {
		if seg.row.ID != id {
			continue
		}
		s.taken = append(s.taken, seg)
		if best == nil || seg.Number > best.Number {
			best = seg
		}
	}
	return best.row, nil
}

func (s *segmentRows) lowest() int64 {
	id := s.open[0].row.ID
	for _, seg := range s.open[1:] {
		id = min(id, seg.row.ID)
	}
	return id
}

func (s *segmentRows) close() {
	for _, seg := range s.open {
		seg.close()
	}
	s.open = nil
}

// start opens the segment and reads its first row.
func (s *openSegment) start(ctx context.Context, d *Dataset) error {
	key := d.segment(s.Number)
	obj, err := d.store.Open(ctx, key)
	if err != nil {
		return err
	}
	s.obj = obj
	if obj.Size() != s.Bytes {
		return s.mismatch(fmt.Errorf("it has %d bytes", obj.Size()))
	}
	if s.rows, err = openRows(obj, segmentTable); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return s.next(ctx)
}

// next reads the next row; s.row is nil once they are all read.
func (s *openSegment) next(ctx context.Context) error {
	row, err := s.rows.next(ctx, 0)
	if err != nil {
		return fmt.Errorf("read segment %d: %w", s.Number, err)
	}
	s.row = row
	if row == nil {
		s.close()
		if s.read.Rows != s.Rows || s.read.Gone != s.Gone || s.read.MinID != s.MinID || s.read.MaxID != s.MaxID {
			return s.mismatch(fmt.Errorf("it has %d rows and %d gone, ids %d to %d", s.read.Rows, s.read.Gone, s.read.MinID, s.read.MaxID))
		}
		return nil
	}
	id := pipeline.PaymentID(row.ID)
	if s.read.Rows+s.read.Gone == 0 {
		s.read.MinID = id
	} else if id <= s.read.MaxID {
		return s.mismatch(errors.New("its ids do not ascend"))
	}
	s.read.MaxID = id
	if row.Gone {
		s.read.Gone++
	} else {
		s.read.Rows++
	}
	return nil
}

func (s *openSegment) mismatch(what error) error {
	return fmt.Errorf("segment %d is not the one that the checkpoint names, which has %d rows and %d gone in %d bytes, ids %d to %d: %w",
		s.Number, s.Rows, s.Gone, s.Bytes, s.MinID, s.MaxID, what)
}

func (s *openSegment) close() {
	if s.rows != nil {
		s.rows.release()
	}
	if s.obj != nil {
		s.obj.Close()
		s.obj = nil
	}
}
