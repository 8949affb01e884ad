package sinks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"b24export/pipeline"
)

// Publish implements pipeline.Sink: the current table first, then the
// manifest.
func (d *Dataset) Publish(ctx context.Context, m *pipeline.Manifest) error {
	if err := d.fenced(); err != nil {
		return err
	}
	data, err := encodeManifest(m)
	if err != nil {
		return err
	}
	if _, err := d.decodeManifest(data, m.Snapshot); err != nil {
		return fmt.Errorf("the manifest is none of this dataset: %w", err)
	}
	if err := d.notPassed(ctx, m); err != nil {
		return err
	}
	key := d.manifest(m.Snapshot)
	if there, err := d.store.Read(ctx, key); err == nil {
		// Published already, by a run that died before it could say so.
		return sameManifest(key, there, data)
	} else if !isAbsent(err) {
		return err
	}
	// Died after: readers see the new table already. The next run finds the
	// same checkpoint and comes here again.
	if err := d.makeCurrent(ctx, m); err != nil {
		return err
	}
	// A later snapshot that was published meanwhile: its table has just been
	// replaced by this older one.
	if err := d.notPassed(ctx, m); err != nil {
		return err
	}
	err = d.create(ctx, key, data)
	if errors.Is(err, ErrExists) {
		there, err := d.store.Read(ctx, key)
		if err != nil {
			return err
		}
		return sameManifest(key, there, data)
	}
	return err
}

// sameManifest makes sure that a manifest that is there means the same as data.
// Another version of the program may have written it in other bytes.
func sameManifest(key string, there, data []byte) error {
	if bytes.Equal(there, data) || meaning(there) != "" && meaning(there) == meaning(data) {
		return nil
	}
	return fmt.Errorf("%s is there already, and says something else; if that snapshot is not wanted, delete it", key)
}

// meaning is a stored manifest without its form and its checksum, which is that
// of the form; "" for what is none.
func meaning(data []byte) string {
	var m pipeline.Manifest
	if checkVersion(data, pipeline.ManifestVersion) != nil || json.Unmarshal(data, &m) != nil {
		return ""
	}
	m.Checksum = ""
	text, err := json.Marshal(&m)
	if err != nil {
		return ""
	}
	return string(text)
}

// makeCurrent replaces the current table by a snapshot's. It leaves a current table
// alone that is that one already, as after a night in which nothing changed.
func (d *Dataset) makeCurrent(ctx context.Context, m *pipeline.Manifest) error {
	f, ok := fileOf(m, d.history(m.Snapshot))
	if !ok {
		return fmt.Errorf("the manifest of snapshot %s names no table", m.Snapshot)
	}
	if same, err := d.isCurrent(ctx, f); same || err != nil {
		return err
	}
	if err := d.store.Copy(ctx, d.current(), f.Path); err != nil {
		return err
	}
	obj, err := d.store.Open(ctx, d.current())
	if err != nil {
		return err
	}
	defer obj.Close()
	if obj.Size() != f.Bytes {
		return fmt.Errorf("copy %s to %s: %d bytes arrived of %d", f.Path, d.current(), obj.Size(), f.Bytes)
	}
	return nil
}

// notPassed is ErrFenced if a snapshot later than m's is published. The current
// table is then made that snapshot's again, since this runner, which slept, may
// have replaced it.
func (d *Dataset) notPassed(ctx context.Context, m *pipeline.Manifest) error {
	id, err := d.newestManifestID(ctx)
	if err != nil || id <= m.Snapshot {
		return err
	}
	passed := fmt.Errorf("%w: it has published snapshot %s", pipeline.ErrFenced, id)
	for repaired := pipeline.SnapshotID(""); repaired != id; {
		newest, err := d.Manifest(ctx, id)
		if err == nil {
			err = d.makeCurrent(ctx, newest)
		}
		if err != nil {
			return errors.Join(passed, fmt.Errorf("make snapshot %s the current table again: %w", id, err))
		}
		repaired = id
		if id, err = d.newestManifestID(ctx); err != nil {
			return errors.Join(passed, err)
		}
	}
	return passed
}

// isCurrent reports whether the current table has the bytes of f. One that is absent
// or damaged has not. Only a table of f's size is read.
func (d *Dataset) isCurrent(ctx context.Context, f pipeline.File) (bool, error) {
	obj, err := d.store.Open(ctx, d.current())
	if isAbsent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer obj.Close()
	if obj.Size() != f.Bytes {
		return false, nil
	}
	return (&verifier{d: d}).sum(d.current(), obj, f)
}
