package sinks

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"b24export/pipeline"
)

// tempAge is the minimum age of temporary files and probes to be swept. Younger ones
// may belong to the run that holds the lease.
const tempAge = time.Hour

// Sweep implements pipeline.Sink. It deletes the following in this order, so that no
// manifest without its files is left if the program dies in between:
//
//  1. the manifests of snapshots past retention, oldest first;
//  2. their files, and those of snapshots that were discarded or whose manifest an earlier
//     sweep deleted;
//  3. segments that the checkpoint does not name, and the marks of snapshots before the one
//     that it is based on;
//  4. older checkpoints;
//  5. older leases, and old probes and temporary files.
//
// All of these are older than the checkpoint, by number or by snapshot. A successor
// only writes newer ones, so a runner that slept in the middle of a sweep cannot harm
// it.
func (d *Dataset) Sweep(ctx context.Context, cp pipeline.Checkpoint) error {
	if err := d.fenced(); err != nil {
		return err
	}
	keys, ok, err := d.ownLeftovers(ctx, cp)
	if err != nil {
		return err
	}
	if ok {
		if err := d.deleteAll(ctx, keys); err != nil {
			return err
		}
		return d.sweepTemp(ctx)
	}
	if keys, err = d.sweepable(ctx, cp, d.held.number); err != nil {
		return err
	}
	if err := d.finishSwept(ctx, keys); err != nil {
		return err
	}
	if err := d.deleteAll(ctx, keys); err != nil {
		return err
	}
	return d.sweepTemp(ctx)
}

// ownLeftovers returns the result of sweepable, from the names that follow from what
// the run knows. ok is false if earlier runs have left something, or if a backfill is
// unfinished; a listing is then necessary.
func (d *Dataset) ownLeftovers(ctx context.Context, cp pipeline.Checkpoint) (keys []string, ok bool, err error) {
	s := d.seen
	if !s.tidy || cp.Phase != pipeline.Published || cp.Pending != nil || cp.Backfill != "" || s.newest != cp.Number {
		return nil, false, nil
	}
	ids := append(slices.Clone(s.ids), cp.Snapshot)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	past := ids[:max(0, len(ids)-d.opts.History-1)]
	if len(past) > 0 {
		backfill, err := s.backfills.d.newestOf(ctx, s.backfills)
		if err != nil || backfill.Unfinished() {
			return nil, false, err // its merge needs change feeds
		}
	}
	var files []string
	for _, id := range past {
		keys = append(keys, d.manifest(id))
		files = append(files, d.history(id), d.changes(id), d.rejects(id))
	}
	for _, id := range s.marks {
		if id < cp.Previous || slices.Contains(past, id) {
			files = append(files, d.listed(id))
		}
	}
	keys = append(append(keys, files...), s.segments...)
	for n := s.oldest; n > 0 && n < cp.Number; n++ {
		keys = append(keys, d.checkpoint(n))
	}
	return keys, true, nil
}

// deleteInOrder deletes one object after the other.
func (d *Dataset) deleteInOrder(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if err := d.fencedThen(func() error { return d.store.Delete(ctx, key) }); err != nil {
			return err
		}
	}
	return nil
}

// deleteAll deletes manifests first, so that no manifest without its files is left if
// the program dies in between.
func (d *Dataset) deleteAll(ctx context.Context, keys []string) error {
	manifests := 0
	for manifests < len(keys) && d.manifestOf(keys[manifests]) != "" {
		manifests++
	}
	for _, part := range [][]string{keys[:manifests], keys[manifests:]} {
		for some := range slices.Chunk(part, 1000) {
			if err := d.fenced(); err != nil {
				return err
			}
			if err := d.store.DeleteAll(ctx, some); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Dataset) sweepTemp(ctx context.Context) error {
	for _, prefix := range d.prefixes() {
		if err := d.store.SweepTemp(ctx, prefix, tempAge); err != nil {
			return err
		}
	}
	return nil
}

// sweepable lists the objects that Sweep deletes. lease is the number of the lease that
// stays.
func (d *Dataset) sweepable(ctx context.Context, cp pipeline.Checkpoint, lease int64) ([]string, error) {
	if err := d.notBeyond(ctx, cp.Number); err != nil {
		return nil, err
	}
	if d.work != "" {
		return d.sweepableState(ctx, cp, lease, nil) // the sweep of nightly runs deletes the rest
	}
	// The merge of a backfill needs the change feeds of all snapshots since it began.
	base, unfinished, err := d.backfillBase(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := d.SnapshotIDs(ctx)
	if err != nil {
		return nil, err
	}
	var manifests []string
	kept := make(map[pipeline.SnapshotID]bool)
	old := make(map[pipeline.SnapshotID]bool)
	for i, id := range ids {
		if len(ids)-i > d.opts.History+1 && (!unfinished || id <= base) {
			old[id] = true
			manifests = append(manifests, d.manifest(id))
		} else {
			kept[id] = true
		}
	}
	gone := func(id pipeline.SnapshotID) bool { return !kept[id] && (old[id] || id < cp.Snapshot) }
	var files []string
	for _, kind := range []string{"_history", "_changes", "_rejects"} {
		for e, err := range d.store.List(ctx, path.Join(d.name+kind, d.part())+"/") {
			if err != nil {
				return nil, err
			}
			id := d.snapshotOf(e.Key)
			if id != "" && gone(id) {
				files = append(files, e.Key)
			}
		}
	}
	// A run compares only with the marks of the newest snapshot.
	unmarked := func(id pipeline.SnapshotID) bool { return gone(id) || id < cp.Previous }
	state, err := d.sweepableState(ctx, cp, lease, unmarked)
	if err != nil {
		return nil, err
	}
	return append(append(manifests, files...), state...), nil
}

// sweepableState lists the private objects that Sweep deletes. unmarked reports whether
// a snapshot's marks are no longer needed.
func (d *Dataset) sweepableState(ctx context.Context, cp pipeline.Checkpoint, lease int64, unmarked func(pipeline.SnapshotID) bool) ([]string, error) {
	named := make(map[int64]bool)
	needed := slices.Concat(cp.Segments, cp.Pool)
	if cp.Backfill != "" {
		needed = nil // they are in the backfill's own state
	}
	if p := cp.Pending; p != nil {
		needed = slices.Concat(needed, p.Segments, p.Pool)
	}
	for _, seg := range needed {
		named[seg.Number] = true
	}
	var segments, checkpoints, rest []string
	for e, err := range d.store.List(ctx, d.state()) {
		if err != nil {
			return nil, err
		}
		segment, isSegment := d.number(segmentKind, e.Key)
		if !isSegment {
			segment, isSegment = d.number(segmentRejectsKind, e.Key)
		}
		if !isSegment {
			segment, isSegment = d.number(segmentMarksKind, e.Key)
		}
		checkpoint, isCheckpoint := d.number(checkpointKind, e.Key)
		number, isLease := d.number(leaseKind, e.Key)
		switch {
		case isSegment:
			if segment <= cp.Number && !named[segment] {
				segments = append(segments, e.Key)
			}
		case isCheckpoint:
			if checkpoint < cp.Number {
				checkpoints = append(checkpoints, e.Key)
			}
		case d.listedOf(e.Key) != "":
			if unmarked(d.listedOf(e.Key)) {
				segments = append(segments, e.Key)
			}
		case isLease:
			if number < lease {
				rest = append(rest, e.Key)
			}
		case strings.HasPrefix(e.Key, d.state()+probeStart), strings.HasPrefix(e.Key, d.state()+relatedStart):
			if d.opts.Now().Sub(e.ModTime) > tempAge {
				rest = append(rest, e.Key)
			}
		}
	}
	return append(append(segments, checkpoints...), rest...), nil
}

// Prune does the same as the sweep of a run, without a run. It deletes snapshots past
// retention and files that no manifest names, and returns their paths. It does not
// touch the state of an unfinished run. It holds the lease while it works. With dryRun
// it takes no lease and deletes nothing.
func (d *Dataset) Prune(ctx context.Context, dryRun bool) (paths []string, err error) {
	if d.bad != nil {
		return nil, d.bad
	}
	lease := int64(0)
	if !dryRun {
		list, err := d.listState(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := d.acquire(ctx, list); err != nil {
			return nil, err
		}
		defer func() {
			if endErr := d.End(context.WithoutCancel(ctx)); endErr != nil && err == nil {
				err = endErr
			}
		}()
		lease = d.held.number
	} else if lease, err = d.highest(ctx, leaseKind); err != nil {
		return nil, err
	}
	if err := d.Unmoved(ctx); err != nil {
		return nil, err
	}
	cp, err := d.newestCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := d.sweepable(ctx, cp, lease)
	if err != nil || dryRun {
		return keys, err
	}
	if err := d.finishSwept(ctx, keys); err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	if err := d.deleteAll(ctx, keys); err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	return keys, d.sweepTemp(ctx)
}
