package sinks

import (
	"context"

	"b24export/schemas"
)

// finishRelated completes what a run has left of related tables. Their private
// descriptions are not renamed.
func (r *renaming) finishRelated(ctx context.Context) error {
	for _, t := range schemas.Related {
		if err := r.from.finishRelated(ctx, t.Name); err != nil {
			return err
		}
	}
	return nil
}

// copyFiles copies the snapshots' files, which never change.
func (r *renaming) copyFiles(ctx context.Context) error {
	for _, place := range r.from.snapshotPlaces() {
		for e, err := range r.from.store.List(ctx, place) {
			if err == nil {
				err = r.copy(ctx, renamed(e.Key, r.from.layout, r.to.layout), e.Key, e.Size, r.from.store.Link)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// copyState copies segments, marks, newest checkpoints and the record of the last run.
func (r *renaming) copyState(ctx context.Context) error {
	for _, work := range []string{"", backfillState} {
		from, to := *r.from, *r.to
		from.work, to.work = work, work
		for e, err := range r.from.store.List(ctx, from.state()) {
			if err != nil {
				return err
			}
			_, segment := from.number(segmentKind, e.Key)
			_, rejects := from.number(segmentRejectsKind, e.Key)
			_, marks := from.number(segmentMarksKind, e.Key)
			marks = marks || work == "" && from.listedOf(e.Key) != ""
			if !segment && !rejects && !marks && e.Key != from.attempt() {
				continue
			}
			if err := r.copy(ctx, renamed(e.Key, r.from.layout, r.to.layout), e.Key, e.Size, r.from.store.Copy); err != nil {
				return err
			}
		}
		cp, err := from.newestCheckpoint(ctx)
		if err != nil {
			return err
		}
		if cp.Number == 0 {
			continue
		}
		if cp.Manifest != nil {
			renameManifest(cp.Manifest, r.from.layout, r.to.layout)
		}
		data, err := encodeCheckpoint(cp)
		if err != nil {
			return err
		}
		if err := r.put(ctx, to.checkpoint(cp.Number), data); err != nil {
			return err
		}
	}
	return nil
}

// copy copies an object of size bytes to a name of the new portal. Some stores report a
// copy that they have not made, and the object under the old name is deleted later. So
// copy looks whether the copy is there, and otherwise downloads and uploads the bytes. An
// earlier Rename may have left the same copy, but no other object has the name.
func (r *renaming) copy(ctx context.Context, dst, src string, size int64, copyBy func(ctx context.Context, dst, src string) error) error {
	if err := r.fenced(); err != nil {
		return err
	}
	if err := copyBy(ctx, dst, src); err != nil {
		return err
	}
	if there, err := sizeOf(ctx, r.to.store, dst); err != nil || there == size {
		return err
	}
	r.to.opts.Log.Warn("the store has not copied an object, though it says so; copying again", "from", src, "to", dst)
	return r.to.copyThrough(ctx, dst, src)
}

// sizeOf returns the size of an object, -1 if it does not exist.
func sizeOf(ctx context.Context, s Store, key string) (int64, error) {
	obj, err := s.Open(ctx, key)
	if isAbsent(err) {
		return -1, nil
	}
	if err != nil {
		return 0, err
	}
	return obj.Size(), obj.Close()
}
