package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"b24export/pipeline"
	"b24export/schemas"
)

// Moving is the mark of a portal's dataset that a Forget or a Rename has begun to
// change. While the mark exists, no run and no Prune begins.
type Moving struct {
	Version int `json:"version"`
	// To is the new name, and From the old one. In a Rename, the mark of each portal
	// has the name of the other one. In a Forget both are "".
	To   string `json:"to,omitempty"`
	From string `json:"from,omitempty"`
}

const movingVersion = 1

// UnfinishedMoveError means that a Forget or a Rename of a portal has begun and has not
// ended. The same call completes it.
type UnfinishedMoveError struct {
	Portal string
	Moving
}

func (e *UnfinishedMoveError) Error() string {
	switch {
	case e.To != "":
		return fmt.Sprintf("portal %s is being renamed to %s, and that has not ended", e.Portal, e.To)
	case e.From != "":
		return fmt.Sprintf("portal %s is being renamed to %s, and that has not ended", e.From, e.Portal)
	}
	return fmt.Sprintf("portal %s is being forgotten, and that has not ended", e.Portal)
}

// ErrNothing means that a store has no objects of a portal's dataset.
var ErrNothing = errors.New("there is no dataset of this portal")

// ErrTaken means that the new name of a portal is the name of another portal.
var ErrTaken = errors.New("there is a dataset of this portal already")

// moving returns the path of the mark.
func (l layout) moving() string {
	return layout{name: l.name, portal: l.portal}.state() + "moving.json"
}

// readMoving returns the mark, or nil if there is none.
func (d *Dataset) readMoving(ctx context.Context) (*Moving, error) {
	data, err := d.store.Read(ctx, d.moving())
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := new(Moving)
	if err := checkVersion(data, movingVersion); err != nil {
		return nil, corrupt(d.moving(), err)
	}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, corrupt(d.moving(), err)
	}
	return m, nil
}

// Unmoved returns an *UnfinishedMoveError if a Forget or a Rename has begun and has not
// ended.
func (d *Dataset) Unmoved(ctx context.Context) error {
	if d.bad != nil {
		return d.bad
	}
	m, err := d.readMoving(ctx)
	if err == nil && m != nil {
		err = &UnfinishedMoveError{d.portal, *m}
	}
	return err
}

// unmovedIn is Unmoved for a listing of the state. The mark is written while the lease
// is held, so a listing without a lease shows the mark.
func (d *Dataset) unmovedIn(ctx context.Context, list stateList) error {
	if d.work == "" && !list.has(d.moving()) {
		return nil
	}
	return d.Unmoved(ctx)
}

// mark writes the mark. It also succeeds if the same mark exists already.
func (d *Dataset) mark(ctx context.Context, m Moving) error {
	m.Version = movingVersion
	data, err := encodeJSON(m)
	if err != nil {
		return err
	}
	err = d.fencedThen(func() error { return d.create(ctx, d.moving(), data) })
	if errors.Is(err, ErrExists) {
		return errors.Join(d.Unmoved(ctx), err)
	}
	return err
}

// holding is a portal of which this runner holds the leases of nightly runs and of
// backfills.
type holding [2]*Dataset

// hold takes both leases. The caller releases them with release, unless there is an
// error.
func (d *Dataset) hold(ctx context.Context) (h holding, err error) {
	if !d.opts.UnsafeNoFencing {
		if err := CheckConditional(ctx, d.store, d.state()); err != nil {
			return h, err
		}
	}
	h = holding{d, d.Backfill()}
	for _, part := range h {
		list, err := part.listState(ctx)
		if err == nil {
			_, err = part.acquire(ctx, list)
		}
		if err != nil {
			return h, errors.Join(err, h.release(ctx))
		}
	}
	return h, nil
}

// release releases the leases that are held.
func (h holding) release(ctx context.Context) error {
	var errs []error
	for _, part := range h {
		errs = append(errs, part.End(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// shownTables returns the paths that readers' patterns match and that runs replace: the
// current table and the related tables.
func (l layout) shownTables() []string {
	all := []string{l.current()}
	for _, t := range schemas.Related {
		all = append(all, l.related(t.Name))
	}
	return all
}

// snapshotPlaces returns the prefixes of a portal's immutable files.
func (l layout) snapshotPlaces() []string {
	return []string{
		path.Join(l.name+"_history", l.part()) + "/",
		path.Join(l.name+"_changes", l.part()) + "/",
		path.Join(l.name+"_rejects", l.part()) + "/",
	}
}

// objects lists all objects of the portal except its leases and its mark. They are in
// the order in which they may be deleted: the tables, the manifests from the oldest on,
// their files, the private objects.
func (d *Dataset) objects(ctx context.Context) ([]string, error) {
	nights := layout{name: d.name, portal: d.portal}
	backfill := nights
	backfill.work = backfillState
	var all []string
	for _, prefix := range slices.Concat([]string{path.Join(d.name, d.part()) + "/"}, nights.shownTables()[1:], []string{d.runs()}, nights.snapshotPlaces(), []string{nights.state()}) {
		var keys []string
		for e, err := range d.store.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			_, lease := nights.number(leaseKind, e.Key)
			_, leaseToo := backfill.number(leaseKind, e.Key)
			if !lease && !leaseToo && e.Key != d.moving() && !nights.foreign(e.Key) {
				keys = append(keys, e.Key)
			}
		}
		slices.Sort(keys)
		all = append(all, keys...)
	}
	return all, nil
}

// foreign reports whether key is a related table of another dataset: the orders of
// payments are in the folder of a dataset payments_orders.
func (l layout) foreign(key string) bool {
	return slices.ContainsFunc(schemas.Related, func(t schemas.RelatedTable) bool {
		other, ok := strings.CutSuffix(l.name, "_"+t.Name)
		return ok && key == layout{name: other, portal: l.portal}.related(t.Name)
	})
}

// Forget deletes all objects of the portal's dataset, and returns their paths. With
// dryRun it only lists them. No run may be under way. It returns ErrNothing if there
// are none.
//
// These are the steps, and what is left if the program dies in them:
//
//  1. Forget takes both leases. If it dies, they expire.
//  2. It writes the mark. If it dies, no run begins, and another Forget continues here.
//  3. It deletes everything: first the tables that readers' patterns match, then the
//     manifests from the oldest on, then their files. If it dies, the same as in 2 is true;
//     readers see less of the portal.
//  4. It releases the leases, and deletes the mark last.
func (d *Dataset) Forget(ctx context.Context, dryRun bool) (paths []string, err error) {
	if d.bad != nil {
		return nil, d.bad
	}
	marked, err := d.readMoving(ctx)
	if err != nil {
		return nil, err
	}
	if marked != nil && *marked != (Moving{Version: movingVersion}) {
		return nil, &UnfinishedMoveError{d.portal, *marked}
	}
	if paths, err = d.objects(ctx); err != nil || dryRun {
		return paths, err
	}
	if there, err := d.anything(ctx); err != nil || !there && marked == nil {
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("portal %s: %w", d.portal, ErrNothing)
	}
	held, err := d.hold(ctx)
	if err != nil {
		return nil, err
	}
	err = func() error {
		if err := d.mark(ctx, Moving{}); err != nil {
			return err
		}
		// This includes what a run wrote before it lost its lease.
		if paths, err = d.objects(ctx); err != nil {
			return err
		}
		return held.deleteObjects(ctx, paths)
	}()
	if err = errors.Join(err, held.release(ctx)); err != nil {
		return nil, err
	}
	return paths, d.store.Delete(ctx, d.moving())
}

// deleteObjects deletes the objects, and the leases before this runner's.
func (h holding) deleteObjects(ctx context.Context, keys []string) error {
	d := h[0]
	for _, part := range h {
		for e, err := range d.store.List(ctx, part.state()+leaseKind.begin) {
			if err != nil {
				return err
			}
			if n, ok := part.number(leaseKind, e.Key); ok && n < part.held.number {
				keys = append(keys, e.Key)
			}
		}
	}
	if err := d.deleteInOrder(ctx, keys); err != nil {
		return err
	}
	for _, prefix := range d.prefixes() {
		if err := d.store.SweepTemp(ctx, prefix, 0); err != nil {
			return err
		}
	}
	return nil
}

// LeftOver is a portal of a dataset that a job does not name.
type LeftOver struct {
	Portal string
	// Moving is the mark of an unfinished Forget or Rename, or nil if there is none.
	Moving *Moving
}

// LeftOvers returns the portals that are not among known and for which a store has
// tables, manifests or marks of the dataset called name. They are sorted. It lists the
// manifests and the private objects.
func LeftOvers(ctx context.Context, s Store, name string, known []string) ([]LeftOver, error) {
	portals, err := Portals(ctx, s, name)
	if err != nil {
		return nil, err
	}
	var left []LeftOver
	for _, portal := range portals {
		if slices.Contains(known, portal) {
			continue
		}
		d := New(s, &Options{Name: name, Portal: portal})
		if d.bad != nil {
			continue // not a name of a portal: a folder of another program
		}
		mark, err := d.readMoving(ctx)
		if err != nil {
			return nil, err
		}
		there := mark != nil
		for e, err := range s.List(ctx, d.runs()) {
			if err != nil {
				return nil, err
			}
			if there = there || strings.HasSuffix(e.Key, ".json"); there {
				break
			}
		}
		if there {
			left = append(left, LeftOver{portal, mark})
		}
	}
	return left, nil
}

// renamed returns the path that an object of one portal has under the name of another
// portal.
func renamed(key string, from, to layout) string {
	return strings.Replace(key, "/"+from.part()+"/", "/"+to.part()+"/", 1)
}

// renameManifest changes a manifest to the portal's new name.
func renameManifest(m *pipeline.Manifest, from, to layout) {
	m.Portal = to.portal
	m.Files = slices.Clone(m.Files)
	for i := range m.Files {
		m.Files[i].Path = renamed(m.Files[i].Path, from, to)
	}
	if m.Listed != nil {
		listed := *m.Listed
		listed.Path = to.listed(m.Snapshot)
		m.Listed = &listed
	}
}
