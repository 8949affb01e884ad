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

// newestManifestID returns the newest published snapshot, "" if there is none.
func (d *Dataset) newestManifestID(ctx context.Context) (pipeline.SnapshotID, error) {
	ids, err := d.SnapshotIDs(ctx)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[len(ids)-1], nil
}

// Newest returns the manifest of the newest snapshot, nil if there is none.
func (d *Dataset) Newest(ctx context.Context) (*pipeline.Manifest, error) {
	id, err := d.newestManifestID(ctx)
	if err != nil || id == "" {
		return nil, err
	}
	return d.Manifest(ctx, id)
}

// Manifest returns the manifest of a snapshot. It returns fs.ErrNotExist if the
// snapshot is not published, or no longer retained.
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

// Snapshots returns the manifests of all retained snapshots, newest first.
func (d *Dataset) Snapshots(ctx context.Context) ([]*pipeline.Manifest, error) {
	ids, err := d.SnapshotIDs(ctx)
	if err != nil {
		return nil, err
	}
	manifests := make([]*pipeline.Manifest, 0, len(ids))
	for _, id := range slices.Backward(ids) {
		m, err := d.Manifest(ctx, id)
		if isAbsent(err) {
			continue // pruned in the meantime
		}
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, m)
	}
	return manifests, nil
}

// Status is the state of a dataset.
type Status struct {
	// Newest is the manifest of the newest snapshot, nil if there is none.
	Newest *pipeline.Manifest
	// Checkpoint is the newest checkpoint, the zero checkpoint if there is none.
	Checkpoint pipeline.Checkpoint
	// Backfill is the newest checkpoint of a backfill's unfinished work, the zero
	// checkpoint if there is none.
	Backfill pipeline.Checkpoint
	// Lease is the newest lease, nil if there is none.
	Lease *Lease
	// Attempt is the result of the last run, nil if it is not known.
	Attempt *Attempt
}

// Lease names the run that holds the lease of a dataset.
type Lease struct {
	// Holder is the host and the process. Runner is the process's unique name.
	Holder, Runner string
	Since, Until   time.Time
	// Ended reports whether another run may take the lease.
	Ended bool
}

// Status reads the state of the dataset. It takes no lease and writes nothing.
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
		return s, nil // released a moment ago
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
