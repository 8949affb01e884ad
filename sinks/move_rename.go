package sinks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"b24export/pipeline"
	"b24export/schemas"
)

// Rename changes the name of the dataset of from to that of to. to is another portal in
// the same store, which must have no objects. Rename keeps unfinished work. No run of
// either portal may be under way.
//
// These are the steps, and what is left if the program dies in them. Another Rename
// continues in each of them, and until then no run of either portal begins:
//
//  1. Rename takes all leases, and writes both marks, that of from first.
//  2. It copies the files of snapshots, checkpoints and segments. If it dies, there are
//     copies that no manifest names.
//  3. It writes the manifests under the new name, then the descriptions of related tables.
//     If it dies, two portals have the same snapshots, and one of them has a current table.
//  4. It copies the current table and the related tables aside. For each table it then
//     deletes the old one and creates the new one, so that no reader ever counts a payment
//     twice. If it dies between the two, readers miss that table.
//  5. It deletes everything that is left of from, in the order of Forget, and its mark. If
//     it dies, less is left.
//  6. It deletes what was aside, and the mark of to last.
func Rename(ctx context.Context, from, to *Dataset) (err error) {
	if err := errors.Join(from.bad, to.bad); err != nil {
		return err
	}
	if from.portal == to.portal {
		return fmt.Errorf("portal %s: the new name is the old one", from.portal)
	}
	r := &renaming{from: from, to: to}
	if err := r.look(ctx); err != nil {
		return err
	}
	held, err := to.hold(ctx)
	if err != nil {
		return err
	}
	// A run of the new name may have come in between.
	if err = r.look(ctx); err == nil && !r.behind {
		err = r.leave(ctx)
	}
	if err == nil {
		err = r.clear(ctx)
	}
	if err = errors.Join(err, held.release(ctx)); err != nil {
		return err
	}
	return to.store.Delete(ctx, to.moving())
}

// renaming is a Rename that is under way.
type renaming struct {
	from, to *Dataset
	// behind reports whether an earlier Rename has completed step 5. from may be in use
	// again.
	behind bool
}

// anything reports whether the store has objects of the portal other than probes.
func (d *Dataset) anything(ctx context.Context) (bool, error) {
	keys, err := d.objects(ctx)
	return slices.ContainsFunc(keys, func(key string) bool { return !strings.HasPrefix(key, d.state()+probeStart) }), err
}

// look checks that the rename can begin, or has begun. It changes nothing.
func (r *renaming) look(ctx context.Context) error {
	marked, err := r.from.readMoving(ctx)
	if err != nil {
		return err
	}
	markedTo, err := r.to.readMoving(ctx)
	if err != nil {
		return err
	}
	switch {
	case marked != nil && *marked != r.markFrom():
		return &UnfinishedMoveError{r.from.portal, *marked}
	case markedTo != nil && *markedTo != r.markTo():
		return &UnfinishedMoveError{r.to.portal, *markedTo}
	case markedTo != nil:
		r.behind = marked == nil
		return nil
	}
	there, err := r.from.anything(ctx)
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("portal %s: %w", r.from.portal, ErrNothing)
	}
	if there, err = r.to.anything(ctx); err != nil {
		return err
	}
	if there {
		err := fmt.Errorf("portal %s: %w: forget it first, or choose another name", r.to.portal, ErrTaken)
		if marked != nil {
			// Only the mark exists so far.
			err = errors.Join(err, r.from.store.Delete(ctx, r.from.moving()))
		}
		return err
	}
	// A manifest that cannot be read cannot be renamed. It is better to find this now.
	_, err = r.from.Snapshots(ctx)
	return err
}

func (r *renaming) markFrom() Moving { return Moving{Version: movingVersion, To: r.to.portal} }
func (r *renaming) markTo() Moving   { return Moving{Version: movingVersion, From: r.from.portal} }

// leave does the steps up to 5, with the leases of from.
func (r *renaming) leave(ctx context.Context) error {
	held, err := r.from.hold(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(r.move(ctx, held), held.release(ctx))
	if err == nil {
		err = r.from.store.Delete(ctx, r.from.moving())
	}
	return err
}

func (r *renaming) move(ctx context.Context, held holding) error {
	if err := r.from.mark(ctx, r.markFrom()); err != nil {
		return err
	}
	if err := r.to.mark(ctx, r.markTo()); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.finishRelated, r.copyFiles, r.copyState, r.writeManifests, r.switchTables} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("rename %s to %s: %w", r.from.portal, r.to.portal, err)
		}
	}
	keys, err := r.from.objects(ctx)
	if err != nil {
		return err
	}
	return held.deleteObjects(ctx, keys)
}

// fenced returns ErrFenced once one of the leases belongs to another runner.
func (r *renaming) fenced() error { return errors.Join(r.from.fenced(), r.to.fenced()) }

func (r *renaming) put(ctx context.Context, key string, data []byte) error {
	if err := r.fenced(); err != nil {
		return err
	}
	return r.to.store.Put(ctx, key, whole(data))
}

// writeManifests writes the manifests under the new name, and the descriptions of
// the related tables.
func (r *renaming) writeManifests(ctx context.Context) error {
	manifests, err := r.from.Snapshots(ctx)
	if err != nil {
		return err
	}
	for _, m := range manifests {
		renameManifest(m, r.from.layout, r.to.layout)
		data, err := encodeManifest(m)
		if err == nil {
			err = r.whole(ctx, m)
		}
		if err == nil {
			err = r.put(ctx, r.to.manifest(m.Snapshot), data)
		}
		if err != nil {
			return err
		}
	}
	for _, t := range schemas.Related {
		m, err := r.from.Related(ctx, t.Name)
		if isAbsent(err) || errors.Is(err, ErrDamaged) {
			continue // the next run reads the table again
		}
		if err != nil {
			return err
		}
		if m.Path != "" {
			m.Path = r.to.related(t.Name)
		}
		if err := r.to.putRelatedManifest(ctx, r.to.relatedManifest(t.Name), m); err != nil {
			return err
		}
	}
	return nil
}

// whole checks that the files of a manifest have been copied.
func (r *renaming) whole(ctx context.Context, m *pipeline.Manifest) error {
	for _, f := range m.Files {
		obj, err := r.to.store.Open(ctx, f.Path)
		if err != nil {
			return err
		}
		size := obj.Size()
		if err := obj.Close(); err != nil {
			return err
		}
		if size != f.Bytes {
			return fmt.Errorf("%s: %d bytes arrived of %d", f.Path, size, f.Bytes)
		}
	}
	return nil
}

// aside returns the path of a table between its deletion under the old name and its
// creation under the new one.
func (r *renaming) aside(i int) string { return fmt.Sprintf("%smoved-%d.parquet", r.to.state(), i) }

// switchTables moves the tables that readers' patterns match to their new paths.
func (r *renaming) switchTables(ctx context.Context) error {
	store := r.from.store
	old, places := r.from.shownTables(), r.to.shownTables()
	for i, key := range old {
		size, err := sizeOf(ctx, store, key)
		if err == nil && size >= 0 {
			err = r.copy(ctx, r.aside(i), key, size, store.Copy)
		}
		if err != nil {
			return err
		}
	}
	for i, key := range old {
		size, err := sizeOf(ctx, store, r.aside(i))
		if err != nil {
			return err
		}
		if size < 0 {
			continue // no such table
		}
		if err := r.from.deleteAll(ctx, []string{key}); err != nil {
			return err
		}
		if err := r.copy(ctx, places[i], r.aside(i), size, store.Copy); err != nil {
			return err
		}
	}
	return nil
}

// clear deletes the tables that were aside.
func (r *renaming) clear(ctx context.Context) error {
	for i := range r.to.shownTables() {
		if err := r.to.deleteAll(ctx, []string{r.aside(i)}); err != nil {
			return err
		}
	}
	return nil
}
