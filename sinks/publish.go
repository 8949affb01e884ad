package sinks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

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
	key := d.manifest(m.Snapshot)
	s := d.seen
	s.closeTables() // on some systems, open files cannot be deleted
	if !s.mergedJustNow(m.Snapshot) {
		if err := d.notPassed(ctx, m); err != nil {
			return err
		}
		if there, err := d.store.Read(ctx, key); err == nil {
			// A run published it and died before it could report that.
			return d.sameManifest(ctx, key, there, data)
		} else if !isAbsent(err) {
			return err
		}
	}
	// If the program dies after it, readers see the new table already. The next run
	// finds the same checkpoint and continues here.
	replaced, err := d.makeCurrent(ctx, m)
	if err != nil {
		return err
	}
	// A later snapshot may have been published in the meantime. This older table has
	// then replaced its table.
	if replaced || !s.mergedJustNow(m.Snapshot) {
		if err := d.notPassed(ctx, m); err != nil {
			return err
		}
	}
	err = d.create(ctx, key, data)
	if errors.Is(err, ErrExists) {
		there, err := d.store.Read(ctx, key)
		if err != nil {
			return err
		}
		return d.sameManifest(ctx, key, there, data)
	}
	return err
}

// sameManifest checks that an existing manifest has the same meaning as data. Another
// version of the program may have written it with other bytes. A runner that was paused
// between its merge and this call finds the manifest of its successor, which merged the
// same segments at another time. It then returns ErrFenced.
func (d *Dataset) sameManifest(ctx context.Context, key string, there, data []byte) error {
	if bytes.Equal(there, data) || meaning(there) != "" && meaning(there) == meaning(data) {
		return nil
	}
	if err := d.stillOurs(ctx, d.held); err != nil {
		return err
	}
	return fmt.Errorf("%s is there already, and says something else; if that snapshot is not wanted, delete it", key)
}

// meaning returns a stored manifest without its form and without its checksum, which
// depends on the form. It returns "" if data is not a manifest.
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

// makeCurrent replaces the current table with a snapshot's table, and reports whether
// it did. It does nothing if the current table is the same already, as after a run in
// which nothing changed.
func (d *Dataset) makeCurrent(ctx context.Context, m *pipeline.Manifest) (bool, error) {
	f, ok := fileOf(m, d.history(m.Snapshot))
	if !ok {
		return false, fmt.Errorf("the manifest of snapshot %s names no table", m.Snapshot)
	}
	// A table that this run has just written is not the current one yet.
	if made := d.seen.mergedJustNow(m.Snapshot) && !d.seen.kept; !made {
		if same, err := d.isCurrent(ctx, f); same || err != nil {
			return false, err
		}
	}
	return true, d.copyTable(ctx, d.current(), f, d.store.Copy)
}

// copyTries is the maximum number of tries if a copy was not made.
const copyTries = 3

// copyTable creates or replaces dst with the file f, and reads it back, because some
// stores report a copy that they have not made. The last try downloads and uploads the
// bytes.
func (d *Dataset) copyTable(ctx context.Context, dst string, f pipeline.File, copyBy func(ctx context.Context, dst, src string) error) error {
	for try := 1; ; try++ {
		if try == copyTries {
			copyBy = d.copyThrough
		}
		if err := copyBy(ctx, dst, f.Path); err != nil {
			return err
		}
		sum, err := d.store.Sum(ctx, dst, f.Bytes)
		if err == nil && sum == f.SHA256 {
			return nil
		}
		if err != nil && !isAbsent(err) {
			return err
		}
		if err := d.sameSum(ctx, f); err != nil {
			return err // the source of the copy is damaged
		}
		if try == copyTries {
			return fmt.Errorf("copy %s to %s in %s: the store answers that it is done, and %[2]s has other bytes", f.Path, dst, d.store)
		}
		d.opts.Log.Warn("the store has not copied an object, though it says so; copying again", "from", f.Path, "to", dst)
	}
}

// copyThrough downloads and uploads an object.
func (d *Dataset) copyThrough(ctx context.Context, dst, src string) error {
	obj, err := d.store.Open(ctx, src)
	if err != nil {
		return err
	}
	defer obj.Close()
	return d.store.Put(ctx, dst, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(obj, 0, obj.Size()))
		return err
	})
}

// notPassed returns ErrFenced if a snapshot later than m's is published. It then
// restores the current table to that snapshot, because this runner, which slept, may
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
			_, err = d.makeCurrent(ctx, newest)
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

// isCurrent reports whether the current table has the bytes of f. It is false for a
// table that is absent or damaged. isCurrent reads only a table with the size of f.
func (d *Dataset) isCurrent(ctx context.Context, f pipeline.File) (bool, error) {
	sum, err := d.store.Sum(ctx, d.current(), f.Bytes)
	if isAbsent(err) {
		return false, nil
	}
	return sum == f.SHA256, err
}
