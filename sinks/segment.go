package sinks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// WriteSegment implements pipeline.Sink. Rows and ids that are gone share a file,
// sorted by id. Rejects have a separate file. A file without content is not written.
//
// A runner that lost its lease while it slept could overwrite a segment that its
// successor has committed. So a segment is created, not put. Only the segment of a run
// that died is replaced, after a check of the checkpoints.
func (d *Dataset) WriteSegment(ctx context.Context, number int64, part pipeline.Part[schemas.Payment]) (pipeline.Segment, error) {
	if err := d.fenced(); err != nil {
		return pipeline.Segment{}, err
	}
	if number <= d.seen.newest {
		return pipeline.Segment{}, fmt.Errorf("%w: checkpoint %d is written", pipeline.ErrFenced, d.seen.newest)
	}
	seg := pipeline.Segment{
		Number:  number,
		Rows:    int64(len(part.Rows)),
		Gone:    int64(len(part.Gone)),
		Rejects: int64(len(part.Rejects)),
	}
	if seg.Rows+seg.Gone > 0 {
		f, err := putSegment(ctx, d, number, d.segment(number), segmentTable, func(add func(*segmentRow) error) error {
			return mergePart(part, schemas.InstantOf(d.opts.Now()), add)
		})
		if err != nil {
			return pipeline.Segment{}, err
		}
		seg.Bytes, seg.MinID, seg.MaxID, seg.SHA256 = f.Bytes, f.MinID, f.MaxID, f.SHA256
	}
	if seg.Rejects > 0 {
		f, err := putSegment(ctx, d, number, d.segmentRejects(number), rejectTable, func(add func(*schemas.Reject) error) error {
			for i := range part.Rejects {
				row := RejectRow(&part.Rejects[i])
				if err := add(&row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return pipeline.Segment{}, err
		}
		seg.RejectsBytes, seg.RejectsSHA256 = f.Bytes, f.SHA256
	}
	if len(part.Marks) > 0 {
		f, err := d.writeSegmentMarks(ctx, number, part.Marks)
		if err != nil {
			return pipeline.Segment{}, err
		}
		seg.Marks, seg.MarksBytes, seg.MarksSHA256 = f.Rows, f.Bytes, f.SHA256
	}
	return seg, nil
}

// putSegment stores one of a segment's objects, which it creates in memory.
func putSegment[T any](ctx context.Context, d *Dataset, number int64, key string, t *table[T], produce func(add func(*T) error) error) (pipeline.File, error) {
	var data bytes.Buffer
	w := newRowWriter(&data, t, d.fileOptions(""))
	if err := produce(w.add); err != nil {
		return pipeline.File{}, err
	}
	f, err := w.close()
	if err != nil {
		return pipeline.File{}, err
	}
	if d.opts.UnsafeNoFencing {
		err = ErrExists
	} else {
		err = d.store.Create(ctx, key, data.Bytes())
	}
	if errors.Is(err, ErrExists) {
		err = d.store.Put(ctx, key, func(out io.Writer) error {
			if _, err := out.Write(data.Bytes()); err != nil {
				return err
			}
			return d.notBeyond(ctx, number-1)
		})
	}
	if err != nil {
		return pipeline.File{}, err
	}
	f.Path = key
	d.seen.segments = append(d.seen.segments, key)
	return f, nil
}

// mergePart returns a part's rows and gone ids in one order. at is the time at which
// the ids are known to be gone.
func mergePart(part pipeline.Part[schemas.Payment], at schemas.Instant, add func(*segmentRow) error) error {
	var row segmentRow
	rows, gone := part.Rows, part.Gone
	for len(rows)+len(gone) > 0 {
		if len(gone) == 0 || len(rows) > 0 && rows[0].ID < int64(gone[0]) {
			row = segmentRow{Payment: rows[0]}
			rows = rows[1:]
		} else {
			row = segmentRow{Payment: schemas.Payment{ID: int64(gone[0]), ExtractedAt: schemas.Some(at)}, Gone: true}
			gone = gone[1:]
		}
		if err := add(&row); err != nil {
			return err
		}
	}
	return nil
}

// putFile stores the rows that produce adds as a file. It calls allowed last, when
// everything but the name is there. An error of allowed leaves everything unchanged.
func putFile[T any](ctx context.Context, d *Dataset, key string, t *table[T], snapshot pipeline.SnapshotID,
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

// segmentRows yields the rows of segments by id. Segments normally follow one another,
// and each is opened when its first row is needed. If they overlap, the later one wins
// for an id.
type segmentRows struct {
	d     *Dataset
	queue []pipeline.Segment // not opened yet, by their first id
	open  []*openSegment     // more than one only where segments overlap
	taken []*openSegment     // those at the last returned row
	best  *openSegment       // the segment of the last returned row
	marks bool               // whether marks are read too
	// skip, if set, is called for segments that are missing or damaged, which are then
	// left out. Otherwise they are an error.
	skip func(error)
}

type openSegment struct {
	pipeline.Segment
	obj  Object
	rows *rowReader[segmentRow]
	row  *segmentRow
	read pipeline.Segment // the counts so far, for comparison
	// marks has the marks of the rows from row on, if they are read.
	marks []pipeline.Mark
}

func (d *Dataset) segmentRows(segments []pipeline.Segment) *segmentRows {
	s := &segmentRows{d: d}
	for _, seg := range segments {
		if seg.Rows+seg.Gone > 0 {
			s.queue = append(s.queue, seg)
		}
	}
	slices.SortStableFunc(s.queue, func(a, b pipeline.Segment) int { return cmp.Compare(a.MinID, b.MinID) })
	return s
}

// next returns the row with the next id, nil at the end. It is valid until the next
// call.
func (s *segmentRows) next(ctx context.Context) (*segmentRow, error) {
	for _, seg := range s.taken {
		if err := s.do(seg, seg.next(ctx)); err != nil {
			return nil, err
		}
	}
	s.taken = s.taken[:0]
	s.open = slices.DeleteFunc(s.open, func(seg *openSegment) bool { return seg.row == nil })
	for len(s.queue) > 0 && (len(s.open) == 0 || int64(s.queue[0].MinID) <= s.lowest()) {
		seg := &openSegment{Segment: s.queue[0]}
		s.queue = s.queue[1:]
		s.open = append(s.open, seg) // so that close closes it
		if err := s.do(seg, seg.start(ctx, s.d)); err != nil {
			return nil, err
		}
		if s.marks && seg.Marks > 0 {
			var err error
			if seg.marks, err = s.d.marksOf(ctx, seg.Segment); err != nil {
				return nil, err
			}
		}
		s.open = slices.DeleteFunc(s.open, func(seg *openSegment) bool { return seg.row == nil })
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
	s.best = best
	return best.row, nil
}

// mark returns the mark of the last returned row, 0 if it has none. It may be called
// once for a row.
func (s *segmentRows) mark() uint64 {
	marks := &s.best.marks
	for len(*marks) > 0 && int64((*marks)[0].ID) < s.best.row.ID {
		*marks = (*marks)[1:]
	}
	if len(*marks) > 0 && int64((*marks)[0].ID) == s.best.row.ID {
		return (*marks)[0].Mark
	}
	return 0
}

// do returns the error of a segment, unless the segment is to be left out.
func (s *segmentRows) do(seg *openSegment, err error) error {
	if _, lost := errors.AsType[*pipeline.SegmentsError](err); err == nil || !lost || s.skip == nil {
		return err
	}
	s.skip(err)
	seg.close()
	seg.row = nil
	return nil
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

// Pool implements pipeline.Sink.
func (d *Dataset) Pool(ctx context.Context, segments []pipeline.Segment, after pipeline.PaymentID) iter.Seq2[*schemas.Payment, error] {
	return func(yield func(*schemas.Payment, error) bool) {
		s := d.segmentRows(slices.DeleteFunc(slices.Clone(segments), func(s pipeline.Segment) bool { return s.MaxID <= after }))
		s.skip = func(err error) {
			d.opts.Log.Warn("a segment of earlier work is missing or damaged; its payments are read again", "error", err)
		}
		defer s.close()
		for {
			row, err := s.next(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if row == nil {
				return
			}
			if !row.Gone && row.ID > int64(after) && !yield(&row.Payment, nil) {
				return
			}
		}
	}
}

// start opens the segment and reads its first row.
func (s *openSegment) start(ctx context.Context, d *Dataset) error {
	key := d.segment(s.Number)
	obj, err := d.openSegmentFile(ctx, s.Number, key, s.Bytes, s.SHA256)
	if err != nil {
		return err
	}
	s.obj = obj
	if s.rows, err = openRows(obj, segmentTable); err != nil {
		return s.damage(fmt.Errorf("read %s: %w", key, err))
	}
	return s.next(ctx)
}

// next reads the next row. s.row is nil after the last one.
func (s *openSegment) next(ctx context.Context) error {
	row, err := s.rows.next(ctx, Above(0))
	if err != nil {
		return s.damage(fmt.Errorf("read segment %d: %w", s.Number, err))
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
	return lostSegment(s.Number, fmt.Errorf("segment %d is not the one that the checkpoint names, which has %d rows and %d gone in %d bytes, ids %d to %d: %w",
		s.Number, s.Rows, s.Gone, s.Bytes, s.MinID, s.MaxID, what))
}

// damage converts an error about the segment's bytes to a *pipeline.SegmentsError.
// Other errors come from the storage, and stay unchanged.
func (s *openSegment) damage(err error) error {
	if errors.Is(err, parquetcheck.ErrCorrupt) {
		return lostSegment(s.Number, err)
	}
	return err
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

func lostSegment(number int64, err error) error {
	return &pipeline.SegmentsError{Numbers: []int64{number}, Err: damaged{err}}
}

// wholeSegment is the maximum size of a segment's object that is read at once. It then
// takes one request, and its checksum is known before its first row is used.
const wholeSegment = 32 << 20

// openSegmentFile opens one of a segment's objects, and checks its size and checksum
// against the checkpoint. Older programs wrote no checksum. An object that is missing
// or damaged is a *pipeline.SegmentsError.
func (d *Dataset) openSegmentFile(ctx context.Context, number int64, key string, size int64, sum string) (Object, error) {
	var obj Object
	if size <= wholeSegment {
		data, err := d.store.Read(ctx, key)
		if err != nil {
			return nil, lostIfAbsent(number, key, err)
		}
		obj = &wholeObject{bytes.NewReader(data)}
	} else {
		var err error
		if obj, err = d.store.Open(ctx, key); err != nil {
			return nil, lostIfAbsent(number, key, err)
		}
	}
	if size > 0 && obj.Size() != size {
		obj.Close()
		return nil, lostSegment(number, fmt.Errorf("%s has %d bytes, the checkpoint says %d", key, obj.Size(), size))
	}
	if sum == "" {
		return obj, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(obj, 0, obj.Size())); err != nil {
		obj.Close()
		return nil, err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		obj.Close()
		return nil, lostSegment(number, fmt.Errorf("%s has the checksum %s, the checkpoint says %s", key, got, sum))
	}
	return obj, nil
}

func lostIfAbsent(number int64, key string, err error) error {
	if isAbsent(err) {
		return lostSegment(number, fmt.Errorf("%s is missing: %w", key, err))
	}
	return err
}

// wholeObject is an object in memory.
type wholeObject struct{ *bytes.Reader }

func (o *wholeObject) Close() error { return nil }

// eachSegmentReject reads the rejects of a segment, sorted by id.
func (d *Dataset) eachSegmentReject(ctx context.Context, seg pipeline.Segment, do func(*schemas.Reject) error) error {
	key := d.segmentRejects(seg.Number)
	obj, err := d.openSegmentFile(ctx, seg.Number, key, seg.RejectsBytes, seg.RejectsSHA256)
	if err != nil {
		return err
	}
	defer obj.Close()
	bad := func(err error) error {
		return (&openSegment{Segment: seg}).damage(fmt.Errorf("read %s: %w", key, err))
	}
	rows, err := openRows(obj, rejectTable)
	if err != nil {
		return bad(err)
	}
	n := int64(0)
	for r, err := range rows.all(ctx, Above(0)) {
		if err != nil {
			return bad(err)
		}
		n++
		if err := do(r); err != nil {
			return err
		}
	}
	if n != seg.Rejects {
		return lostSegment(seg.Number, fmt.Errorf("segment %d has %d rejects, the checkpoint says %d", seg.Number, n, seg.Rejects))
	}
	return nil
}

// CheckSegments reads the segments of a checkpoint and of its pool, and returns the
// error of each segment that is missing or damaged. The next run reads their payments
// again. It also reports a segment that is no longer needed because a run has continued
// in the meantime.
func (d *Dataset) CheckSegments(ctx context.Context, cp pipeline.Checkpoint) ([]error, error) {
	var found []error
	for _, seg := range slices.Concat(cp.Segments, cp.Pool) {
		err := d.checkSegment(ctx, seg)
		if _, lost := errors.AsType[*pipeline.SegmentsError](err); lost {
			found = append(found, err)
		} else if err != nil {
			return found, err
		}
	}
	return found, nil
}

func (d *Dataset) checkSegment(ctx context.Context, seg pipeline.Segment) error {
	rows := d.segmentRows([]pipeline.Segment{seg})
	defer rows.close()
	for {
		row, err := rows.next(ctx)
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
	}
	if seg.Rejects == 0 {
		return nil
	}
	return d.eachSegmentReject(ctx, seg, func(*schemas.Reject) error { return nil })
}
