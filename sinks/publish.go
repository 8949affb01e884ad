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
	s.closeTables() // where files that are open cannot be deleted
	if !s.mergedJustNow(m.Snapshot) {
		if err := d.notPassed(ctx, m); err != nil {
			return err
		}
		if there, err := d.store.Read(ctx, key); err == nil {
			// Published already, by a run that died before it could say so.
			return d.sameManifest(ctx, key, there, data)
		} else if !isAbsent(err) {
			return err
		}
	}
	// Died after: readers see the new table already. The next run finds the
	// same checkpoint and comes here again.
	replaced, err := d.makeCurrent(ctx, m)
	if err != nil {
		return err
	}
	// A later snapshot that was published meanwhile: its table has just been
	// replaced by this older one.
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

// sameManifest makes sure that a manifest that is there means the same as data.
// Another version of the program may have written it in other bytes. A runner that was
// paused between its merge and this call finds the manifest of its successor, which
// merged the same segments at another time: ErrFenced.
func (d *Dataset) sameManifest(ctx context.Context, key string, there, data []byte) error {
	if bytes.Equal(there, data) || meaning(there) != "" && meaning(there) == meaning(data) {
		return nil
	}
	if err := d.stillOurs(ctx, d.held); err != nil {
		return err
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

// makeCurrent replaces the current table by a snapshot's, and reports whether it did.
// It leaves a current table alone that is that one already, as after a night in which
// nothing changed.
func (d *Dataset) makeCurrent(ctx context.Context, m *pipeline.Manifest) (bool, error) {
	f, ok := fileOf(m, d.history(m.Snapshot))
	if !ok {
		return false, fmt.Errorf("the manifest of snapshot %s names no table", m.Snapshot)
	}
	// A table that this run has just made is not the current one yet.
	if made := d.seen.mergedJustNow(m.Snapshot) && !d.seen.kept; !made {
		if same, err := d.isCurrent(ctx, f); same || err != nil {
			return false, err
		}
	}
	return true, d.copyTable(ctx, d.current(), f, d.store.Copy)
}

// copyTries is how often a copy may turn out not to have been made.
const copyTries = 3

// copyTable makes or replaces dst by the file f, and reads it back: some stores answer
// that they have copied an object, and have not. The last try sends the bytes through
// this machine.
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
			return err // what was to be copied is damaged
		}
		if try == copyTries {
			return fmt.Errorf("copy %s to %s in %s: the store answers that it is done, and %[2]s has other bytes", f.Path, dst, d.store)
		}
		d.opts.Log.Warn("the store has not copied an object, though it says so; copying again", "from", f.Path, "to", dst)
	}
}

// copyThrough copies an object through this machine.
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

// isCurrent reports whether the current table has the bytes of f. One that is absent
// or damaged has not. Only a table of f's size is read.
func (d *Dataset) isCurrent(ctx context.Context, f pipeline.File) (bool, error) {
	sum, err := d.store.Sum(ctx, d.current(), f.Bytes)
	if isAbsent(err) {
		return false, nil
	}
	return sum == f.SHA256, err
}
