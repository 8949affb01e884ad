package sinks

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"b24export/pipeline"
	"b24export/schemas"
)

// backfillState is the folder for the unfinished work of a backfill, below that of
// nightly runs.
const backfillState = "backfill/"

// Backfill returns the dataset as the sink of a backfill. The sink has its own lease,
// checkpoints and segments, and nothing that readers see. In all other respects it is
// the dataset itself.
func (d *Dataset) Backfill() *Dataset {
	own := &Dataset{store: d.store, layout: d.layout, opts: d.opts, bad: d.bad}
	own.work = backfillState
	return own
}

// joining is a backfill's part of a merge. For each id the later reading wins. A
// payment that was deleted since the backfill began stays deleted.
type joining struct {
	deleted map[int64]bool
	// rejects has the rejects of the last snapshot and of the backfill. The merge removes a
	// reject if a reading resolves it.
	rejects map[int64]*joinedReject
	// lost counts rows of the backfill for which the last snapshot has a row of the
	// same time or later. dropped counts those that were deleted since. kept counts
	// rejects whose row stays. read counts rejects of the backfill that were read
	// since.
	got, lost, dropped, kept, read int64
}

type joinedReject struct {
	schemas.Reject
	own   bool // it is the backfill's
	there bool // the last snapshot has a row of it
}

// openJoin reads what a backfill's merge needs besides rows.
func (d *Dataset) openJoin(ctx context.Context, j *joining, cp pipeline.Checkpoint, last *pipeline.Manifest) error {
	*j = joining{deleted: make(map[int64]bool), rejects: make(map[int64]*joinedReject)}
	ids, err := d.SnapshotIDs(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if id <= cp.Base || last == nil || id > last.Snapshot {
			continue
		}
		m, err := d.Manifest(ctx, id)
		if err != nil {
			return fmt.Errorf("what was deleted since the backfill began: %w", err)
		}
		if m.Changes.Delete == 0 {
			continue
		}
		for c, err := range d.ReadChanges(ctx, m) {
			if err != nil {
				return fmt.Errorf("what was deleted since the backfill began: %w", err)
			}
			if c.Op == OpDelete {
				j.deleted[c.Payment.ID] = true
			}
		}
	}
	if last != nil {
		if f, ok := fileOf(last, d.rejects(last.Snapshot)); ok {
			for r, err := range readRows(ctx, d.store, f.Path, f.Bytes, rejectTable, Above(0)) {
				if err != nil {
					return err
				}
				j.rejects[r.ID] = &joinedReject{Reject: *r}
			}
		}
	}
	for _, seg := range cp.Segments {
		if seg.Rejects == 0 {
			continue
		}
		err := d.Backfill().eachSegmentReject(ctx, seg, func(r *schemas.Reject) error {
			if was := j.rejects[r.ID]; was == nil || was.SeenAt.V <= r.SeenAt.V {
				j.rejects[r.ID] = &joinedReject{Reject: *r, own: true}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// carry records a row of the last snapshot that stays.
func (j *joining) carry(was *schemas.Payment) {
	r := j.rejects[was.ID]
	if r == nil {
		return
	}
	if r.SeenAt.V >= was.ExtractedAt.V || !r.own {
		r.there = true
		j.kept++
		return
	}
	delete(j.rejects, was.ID)
	j.read++
}

// wins reports whether the backfill's row, or its result that the payment is gone,
// replaces the row of the last snapshot. was is nil if there is no such row.
func (j *joining) wins(row *segmentRow, was *schemas.Payment) bool {
	if was == nil && (row.Gone || j.deleted[row.ID]) {
		if !row.Gone {
			j.dropped++
		}
		delete(j.rejects, row.ID)
		return false
	}
	if was != nil && was.ExtractedAt.V >= row.ExtractedAt.V {
		if !row.Gone {
			j.lost++
		}
		if r := j.rejects[row.ID]; r != nil && !r.own {
			j.kept++
			if !row.Gone {
				j.lost-- // it counts as rejected
			}
		} else {
			delete(j.rejects, row.ID)
		}
		return false
	}
	if !row.Gone {
		j.got++
	}
	delete(j.rejects, row.ID)
	return true
}

// ledger returns the ledger of the merged snapshot. read is the ledger of the backfill.
func (j *joining) ledger(read pipeline.Ledger, res *pipeline.MergeResult) *pipeline.Ledger {
	for id, r := range j.rejects {
		if !r.there && j.deleted[id] {
			delete(j.rejects, id)
			j.dropped++
		}
	}
	l := &pipeline.Ledger{
		Got: j.got, Kept: j.kept, Rejected: int64(len(j.rejects)), Carried: j.lost + j.read,
		Vanished: read.Vanished + j.dropped, Unknown: read.Unknown, Gone: res.Changes.Delete,
	}
	l.Outside = res.Carried - l.Kept - l.Carried
	l.Listed = l.Got + l.Carried + l.Rejected + l.Vanished
	return l
}

// writeJoinedRejects writes the remaining rejects.
func (d *Dataset) writeJoinedRejects(ctx context.Context, j *joining, cp pipeline.Checkpoint, allowed func() error) (pipeline.File, error) {
	key := d.rejects(cp.Snapshot)
	if len(j.rejects) == 0 {
		return pipeline.File{}, d.store.Delete(ctx, key)
	}
	return putFile(ctx, d, key, rejectTable, cp.Snapshot, func(add func(*schemas.Reject) error) error {
		for _, id := range slices.Sorted(maps.Keys(j.rejects)) {
			if err := add(&j.rejects[id].Reject); err != nil {
				return err
			}
		}
		return nil
	}, allowed)
}

// backfillBase returns the snapshot on which an unfinished backfill began. The change
// feeds after it are still needed. ok is false if no backfill is unfinished.
func (d *Dataset) backfillBase(ctx context.Context) (base pipeline.SnapshotID, ok bool, err error) {
	cp, err := d.Backfill().newestCheckpoint(ctx)
	if err != nil || !cp.Unfinished() {
		return "", false, err
	}
	return cp.Previous, true, nil
}

// Held returns the run that holds the lease of nightly runs. It returns nil if there is
// none, or if it is a backfill that merges.
func (d *Dataset) Held(ctx context.Context) (*pipeline.HeldError, error) {
	n, err := d.highest(ctx, leaseKind)
	if err != nil || n == 0 {
		return nil, err
	}
	rec, err := d.readLease(ctx, n)
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil || rec.Merging || d.leaseEnded(rec) {
		return nil, err
	}
	return &pipeline.HeldError{Holder: rec.Holder, Since: rec.Since, Until: rec.Expires}, nil
}
