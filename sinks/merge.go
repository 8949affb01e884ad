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

var (
	// errNoRows keeps a file without rows from being stored.
	errNoRows = errors.New("no rows")
	// errAgain means that both files of a merge must be written again.
	errAgain = errors.New("the change feed has to be written again")
)

// mergeTries is the maximum number of attempts of a merge when the storage fails in the
// middle of the change feed.
const mergeTries = 3

// Merge implements pipeline.Sink. It reads the segments and the last snapshot once,
// together, while it writes the table and the change feed. If both have an id, the
// segment's row is written. If only the last snapshot has it, the row is carried over.
//
// A runner that slept may find that its successor has swept the segments. If another
// runner took over, Merge returns ErrFenced instead of any other error.
func (d *Dataset) Merge(ctx context.Context, cp pipeline.Checkpoint, last *pipeline.Manifest) (pipeline.MergeResult, error) {
	if err := d.fenced(); err != nil {
		return pipeline.MergeResult{}, err
	}
	d.seen.merges++
	d.seen.copies = false
	res, err := d.merge(ctx, cp, last)
	if d.seen.copies && isCorrupt(err) {
		// The damaged bytes may be ones that decoding does not need.
		d.opts.Log.Warn("the last snapshot's table cannot be copied; all its rows are decoded", "error", err)
		d.seen.decode = true
		res, err = d.merge(ctx, cp, last)
	}
	if err != nil {
		if passed := d.notBeyond(ctx, cp.Number); errors.Is(passed, pipeline.ErrFenced) {
			return pipeline.MergeResult{}, passed
		}
	}
	if lost, ok := errors.AsType[*pipeline.SegmentsError](err); ok {
		return pipeline.MergeResult{}, d.allLost(ctx, cp, lost)
	}
	return res, err
}

// allLost returns all segments that are missing or damaged, once one was found.
func (d *Dataset) allLost(ctx context.Context, cp pipeline.Checkpoint, first *pipeline.SegmentsError) error {
	found, err := d.segmentsOf(cp).CheckSegments(ctx, pipeline.Checkpoint{Segments: cp.Segments})
	if err != nil {
		return err
	}
	all := &pipeline.SegmentsError{Numbers: first.Numbers, Err: first.Err}
	for _, err := range found {
		if lost, ok := errors.AsType[*pipeline.SegmentsError](err); ok && !slices.Contains(all.Numbers, lost.Numbers[0]) {
			all.Numbers = append(all.Numbers, lost.Numbers[0])
		}
	}
	slices.Sort(all.Numbers)
	return all
}

func (d *Dataset) merge(ctx context.Context, cp pipeline.Checkpoint, last *pipeline.Manifest) (pipeline.MergeResult, error) {
	if _, err := pipeline.ParseSnapshotID(string(cp.Snapshot)); err != nil {
		return pipeline.MergeResult{}, err
	}
	// A runner that slept must not replace files that its successor published. The
	// files have the same bytes, unless a newer program wrote them.
	allowed := func() error { return d.notBeyond(ctx, cp.Number) }
	var join *joining
	if cp.Backfill != "" {
		join = new(joining)
	}
	res, err := d.tables(ctx, cp, last, join, allowed)
	if err != nil {
		return pipeline.MergeResult{}, err
	}
	if (res.Changes.Sum() == 0 || res.Feed == pipeline.FeedTable) && !d.unmade(cp.Snapshot) {
		// An earlier attempt of this merge, or an older program, may have left a change
		// feed.
		if err := d.store.Delete(ctx, d.changes(cp.Snapshot)); err != nil {
			return pipeline.MergeResult{}, err
		}
	}
	var rejects pipeline.File
	if join != nil {
		res.Ledger = join.ledger(cp.Ledger, &res)
		rejects, err = d.writeJoinedRejects(ctx, join, cp, allowed)
	} else {
		rejects, err = d.mergeRejects(ctx, cp, allowed)
	}
	if err != nil {
		return pipeline.MergeResult{}, err
	}
	if rejects.Rows > 0 {
		res.Files = append(res.Files, rejects)
	}
	for _, f := range res.Files {
		if d.seen.kept && f.Path == d.history(cp.Snapshot) {
			continue // its bytes have been compared already
		}
		if err := d.readBack(ctx, f, res.Totals); err != nil {
			return pipeline.MergeResult{}, fmt.Errorf("read back %s: %w", f.Path, err)
		}
	}
	return res, nil
}

// tables writes the snapshot's table and, if anything has changed, its change feed.
func (d *Dataset) tables(ctx context.Context, cp pipeline.Checkpoint, last *pipeline.Manifest, join *joining, allowed func() error) (pipeline.MergeResult, error) {
	f, kept, err := pipeline.File{}, false, error(nil)
	if join == nil {
		f, kept, err = d.keepTable(ctx, cp, last, allowed)
	}
	if err != nil {
		return pipeline.MergeResult{}, err
	}
	d.seen.kept = kept
	if kept {
		listed, err := d.keepMarks(ctx, cp, last)
		return pipeline.MergeResult{Rows: f.Rows, Carried: f.Rows, Totals: last.Totals, Files: []pipeline.File{f}, Listed: listed}, err
	}
	m, err := d.mergeTable(ctx, cp, last, join, allowed)
	for try := 1; errors.Is(err, errAgain); try++ {
		if try == mergeTries {
			return pipeline.MergeResult{}, fmt.Errorf("%w: %s could not be written", ErrUnavailable, d.changes(cp.Snapshot))
		}
		m, err = d.mergeTable(ctx, cp, last, join, allowed)
	}
	if err != nil {
		return pipeline.MergeResult{}, err
	}
	res := m.result
	res.Rows = m.file.Rows
	res.Totals = m.totals.ByCurrency()
	res.Files = []pipeline.File{m.file}
	res.Listed = m.listed
	switch {
	case res.Changes.Sum() == 0:
	case m.changes == nil:
		res.Feed = pipeline.FeedTable
	default:
		res.Files = append(res.Files, m.feed)
	}
	return res, nil
}

// merge has the writers of one merge.
type merge struct {
	table      *rowWriter[schemas.Payment]
	changes    *rowWriter[schemas.Change] // nil for a first snapshot, whose table is its feed
	marks      *rowWriter[markRow]        // nil if no row has a mark
	listed     *pipeline.File             // the file of the marks
	join       *joining                   // nil unless the run is a backfill
	change     schemas.Change
	totals     schemas.Totals
	counted    bool // the totals began with those of the last snapshot
	copied     bool // row groups were copied
	result     pipeline.MergeResult
	file, feed pipeline.File // the files of the table and of the changes
}

// mergeTable writes the table and the change feed. A first snapshot has no feed. The
// feed is complete before the table gets its name.
//
// If the program dies here, no manifest names the two files, and they are written
// again.
func (d *Dataset) mergeTable(ctx context.Context, cp pipeline.Checkpoint, last *pipeline.Manifest, join *joining, allowed func() error) (*merge, error) {
	var m *merge
	err := d.store.Put(ctx, d.history(cp.Snapshot), func(out io.Writer) error {
		m = &merge{table: newRowWriter(out, paymentTable, d.fileOptions(cp.Snapshot)), join: join}
		if join != nil {
			// Each attempt starts from the beginning.
			if err := d.openJoin(ctx, join, cp, last); err != nil {
				return err
			}
		}
		write := func() error {
			err := d.mergeMarks(ctx, m, cp, last, func() error { return d.mergeRows(ctx, m, cp, last) })
			if err == nil {
				m.file, err = m.table.close()
			}
			return err
		}
		if last == nil {
			if err := write(); err != nil {
				return err
			}
			return allowed()
		}
		err := d.store.Put(ctx, d.changes(cp.Snapshot), func(feed io.Writer) error {
			if m.changes != nil {
				// The storage asks for the feed again, but a part of the table's rows
				// is already sent.
				return errAgain
			}
			m.changes = newRowWriter(feed, changeTable, d.fileOptions(cp.Snapshot))
			if err := write(); err != nil {
				return err
			}
			if m.result.Changes.Sum() == 0 {
				return errNoRows
			}
			var err error
			if m.feed, err = m.changes.close(); err != nil {
				return err
			}
			return allowed()
		})
		if errors.Is(err, errNoRows) {
			err = allowed()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	m.file.Path, m.feed.Path = d.history(cp.Snapshot), d.changes(cp.Snapshot)
	return m, nil
}

// mergeRows passes all ids to m in their order.
func (d *Dataset) mergeRows(ctx context.Context, m *merge, cp pipeline.Checkpoint, last *pipeline.Manifest) error {
	segments := d.segmentsOf(cp).segmentRows(cp.Segments)
	defer segments.close()
	segments.marks = m.marks != nil
	old := &lastRows{}
	if last != nil {
		var err error
		if old, err = d.openLast(ctx, last); err != nil {
			return err
		}
		if why := whyRewrite(old.rows.file, d.fileOptions(cp.Snapshot)); why != "" {
			d.opts.Log.Info("every row of the table is written again", "reason", why)
		} else if m.join == nil && !d.seen.decode { // a backfill reads every row
			if err := m.mayCopy(old, last); err != nil {
				return err
			}
			d.seen.copies = old.sum != nil
		}
	}
	defer old.close()
	marks, stop := newMarkReader(d.oldMarks(ctx, m, last))
	defer stop()
	stay := func(was *schemas.Payment) error {
		mark, err := marks.of(was.ID)
		if err == nil {
			err = m.mark(was.ID, mark)
		}
		if err != nil {
			return err
		}
		return m.stay(was)
	}
	row, err := segments.next(ctx)
	if err != nil {
		return err
	}
	nextOld := func() (*schemas.Payment, error) {
		if err := old.copyGroups(ctx, m, row, marks); err != nil {
			return nil, err
		}
		return old.next(ctx)
	}
	was, err := nextOld()
	if err != nil {
		return err
	}
	for row != nil || was != nil {
		takeNew := row != nil && (was == nil || row.ID <= was.ID)
		takeOld := was != nil && (row == nil || was.ID <= row.ID)
		switch {
		case takeNew && m.join != nil && !m.join.wins(row, pick(takeOld, was)):
			if takeOld {
				err = stay(was)
			}
		case !takeNew:
			if m.join != nil {
				m.join.carry(was)
			}
			err = stay(was)
		case row.Gone:
			err = m.put(&row.Payment, pick(takeOld, was), true)
		default:
			if err = m.mark(row.ID, segments.mark()); err == nil {
				err = m.put(&row.Payment, pick(takeOld, was), false)
			}
		}
		if err == nil && takeNew {
			row, err = segments.next(ctx)
		}
		if err == nil && takeOld {
			was, err = nextOld()
		}
		if err != nil {
			return err
		}
	}
	return old.check(m)
}

// pick returns p if use is true, else nil.
func pick(use bool, p *schemas.Payment) *schemas.Payment {
	if use {
		return p
	}
	return nil
}

// segmentsOf returns the dataset with the segments of a checkpoint.
func (d *Dataset) segmentsOf(cp pipeline.Checkpoint) *Dataset {
	if cp.Backfill != "" {
		return d.Backfill()
	}
	return d
}

// stay keeps a row of the last snapshot.
func (m *merge) stay(p *schemas.Payment) error {
	m.result.Carried++
	if !m.counted {
		m.totals.Add(p)
	}
	return m.table.add(p)
}

// put adds a segment's row. was is the last snapshot's row, if it has one.
func (m *merge) put(p, was *schemas.Payment, gone bool) error {
	if m.counted && was != nil {
		m.totals.Remove(was)
	}
	switch {
	case gone && was == nil:
		return nil
	case gone:
		m.result.Changes.Delete++
		m.change = changeRow(OpDelete, nil, was)
		return m.changes.add(&m.change)
	}
	m.totals.Add(p)
	if err := m.table.add(p); err != nil {
		return err
	}
	if was == nil {
		m.result.Changes.Insert++
		if m.changes == nil {
			return nil
		}
		m.change = changeRow(OpInsert, nil, p)
		return m.changes.add(&m.change)
	}
	names := schemas.Changed(was, p)
	if len(names) == 0 {
		return nil
	}
	m.result.Changes.Update++
	m.change = changeRow(OpUpdate, names, p)
	return m.changes.add(&m.change)
}

// mergeRejects writes the rejects of all segments as one file. If there are none, it
// writes no file and deletes that of an earlier attempt.
func (d *Dataset) mergeRejects(ctx context.Context, cp pipeline.Checkpoint, allowed func() error) (pipeline.File, error) {
	// Segments may overlap, and then their rejects overlap too: the later segment wins.
	// There are few rejects, or the run fails. Memory holds only which segment has an
	// id, not the texts.
	from := make(map[int64]int64)
	var ids []int64
	again := false
	for _, seg := range cp.Segments {
		if seg.Rejects == 0 {
			continue
		}
		err := d.eachSegmentReject(ctx, seg, func(r *schemas.Reject) error {
			if _, ok := from[r.ID]; ok {
				again = true
			} else {
				ids = append(ids, r.ID)
			}
			from[r.ID] = seg.Number
			return nil
		})
		if err != nil {
			return pipeline.File{}, err
		}
	}
	key := d.rejects(cp.Snapshot)
	if len(ids) == 0 {
		if d.unmade(cp.Snapshot) {
			return pipeline.File{}, nil
		}
		return pipeline.File{}, d.store.Delete(ctx, key)
	}
	sorted := slices.IsSorted(ids) && !again
	return putFile(ctx, d, key, rejectTable, cp.Snapshot, func(add func(*schemas.Reject) error) error {
		var late []schemas.Reject // only if segments do not follow one another
		for _, seg := range cp.Segments {
			if seg.Rejects == 0 {
				continue
			}
			err := d.eachSegmentReject(ctx, seg, func(r *schemas.Reject) error {
				switch {
				case from[r.ID] != seg.Number:
					return nil
				case sorted:
					return add(r)
				}
				late = append(late, *r)
				return nil
			})
			if err != nil {
				return err
			}
		}
		slices.SortFunc(late, func(a, b schemas.Reject) int { return cmp.Compare(a.ID, b.ID) })
		for i := range late {
			if err := add(&late[i]); err != nil {
				return err
			}
		}
		return nil
	}, allowed)
}
