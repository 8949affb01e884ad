package sinks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"b24export/pipeline"
)

// SnapshotIDs returns the published snapshots still retained, oldest first.
func (d *Dataset) SnapshotIDs(ctx context.Context) ([]pipeline.SnapshotID, error) {
	if d.bad != nil {
		return nil, d.bad
	}
	_, ids, err := d.listRuns(ctx)
	return ids, err
}

// listRuns returns the keys of all manifests, and the snapshots among them, oldest
// first.
func (d *Dataset) listRuns(ctx context.Context) (keys []string, ids []pipeline.SnapshotID, err error) {
	for e, err := range d.store.List(ctx, d.runs()) {
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, e.Key)
		if id := d.manifestOf(e.Key); id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return keys, ids, nil
}

// newestManifestID is the newest published snapshot, "" if there is none.
func (d *Dataset) newestManifestID(ctx context.Context) (pipeline.SnapshotID, error) {
	ids, err := d.SnapshotIDs(ctx)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[len(ids)-1], nil
}

// Newest is the newest snapshot's manifest, nil if there is none.
func (d *Dataset) Newest(ctx context.Context) (*pipeline.Manifest, error) {
	id, err := d.newestManifestID(ctx)
	if err != nil || id == "" {
		return nil, err
	}
	return d.Manifest(ctx, id)
}

// Manifest returns the manifest of one snapshot; fs.ErrNotExist if it is not published, or
// no longer kept.
func (d *Dataset) Manifest(ctx context.Context, id pipeline.SnapshotID) (*pipeline.Manifest, error) {
	if d.bad != nil {
		return nil, d.bad
	}
	data, err := d.readManifest(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := d.decodeManifest(data, id)
	if err != nil {
		return nil, corrupt(d.manifest(id), err)
	}
	return m, nil
}

// readManifest returns a manifest's bytes.
func (d *Dataset) readManifest(ctx context.Context, id pipeline.SnapshotID) ([]byte, error) {
	data, err := d.store.Read(ctx, d.manifest(id))
	if isAbsent(err) {
		err = fmt.Errorf("portal %s has no snapshot %s, or it is no longer kept: %w", d.portal, id, err)
	}
	return data, err
}

// Snapshots are the manifests of all snapshots that are kept, newest first.
func (d *Dataset) Snapshots(ctx context.Context) ([]*pipeline.Manifest, error) {
	ids, err := d.SnapshotIDs(ctx)
	if err != nil {
		return nil, err
	}
	manifests := make([]*pipeline.Manifest, 0, len(ids))
	for _, id := range slices.Backward(ids) {
		m, err := d.Manifest(ctx, id)
		if isAbsent(err) {
			continue // pruned meanwhile
		}
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, m)
	}
	return manifests, nil
}

// Status is how a dataset stands.
type Status struct {
	// Newest is the newest snapshot's manifest, nil if there is none.
	Newest *pipeline.Manifest
	// Checkpoint is the newest one; the zero checkpoint if there is none.
	Checkpoint pipeline.Checkpoint
	// Backfill is the newest checkpoint of a backfill's own work; the zero checkpoint
	// if there is none.
	Backfill pipeline.Checkpoint
	// Lease is the newest one, nil if there is none.
	Lease *Lease
	// Attempt is how the last run ended, nil if that is not known.
	Attempt *Attempt
}

// Lease is who works on a dataset.
type Lease struct {
	// Holder is host and process, Runner the process's unique name.
	Holder, Runner string
	Since, Until   time.Time
	// Ended reports whether anybody may take it over by now.
	Ended bool
}

// Status reads how the dataset stands. It takes no lease and writes nothing.
func (d *Dataset) Status(ctx context.Context) (Status, error) {
	if d.bad != nil {
		return Status{}, d.bad
	}
	state, err := d.readState(ctx)
	if err != nil {
		return Status{}, err
	}
	s := Status{Newest: state.Last, Checkpoint: state.Checkpoint}
	if s.Backfill, err = d.Backfill().newestCheckpoint(ctx); err != nil {
		return Status{}, err
	}
	if s.Attempt, err = d.lastAttempt(ctx); s.Attempt != nil {
		s.Attempt.Limits = nil
	}
	if err != nil {
		return Status{}, err
	}
	n, err := d.highest(ctx, leaseKind)
	if err != nil || n == 0 {
		return s, err
	}
	rec, err := d.readLease(ctx, n)
	if isAbsent(err) {
		return s, nil // given back this moment
	}
	if err != nil {
		return Status{}, err
	}
	s.Lease = &Lease{
		Holder: rec.Holder, Runner: rec.Runner, Since: rec.Since, Until: rec.Expires,
		Ended: d.leaseEnded(rec),
	}
	return s, nil
}
