package sinks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"b24export/pipeline"
)

// damaged is an ErrDamaged with its own text.
type damaged struct{ error }

func (e damaged) Unwrap() error        { return e.error }
func (e damaged) Is(target error) bool { return target == ErrDamaged }

// newerError means that a newer program wrote the object.
type newerError struct{ version, known int }

func (e newerError) Error() string {
	return fmt.Sprintf("it has version %d, this program knows up to %d: use a newer b24export", e.version, e.known)
}

// encodeCheckpoint returns a checkpoint's bytes, with their checksum.
func encodeCheckpoint(cp pipeline.Checkpoint) ([]byte, error) {
	cp.Checksum = noChecksum
	return encodeSummed(cp)
}

// decodeCheckpoint reads a stored checkpoint, and checks that a run can continue from
// it. It ignores fields that this program does not know. It also reads a checkpoint
// without a checksum, which older programs wrote.
func decodeCheckpoint(data []byte, number int64) (pipeline.Checkpoint, error) {
	// The version is checked first, because another version may use the fields in
	// another way.
	if err := checkVersion(data, pipeline.CheckpointVersion); err != nil {
		return pipeline.Checkpoint{}, err
	}
	var cp pipeline.Checkpoint
	if err := json.Unmarshal(data, &cp); err != nil {
		return pipeline.Checkpoint{}, err
	}
	if cp.Checksum != "" {
		if err := checkSum(data, cp.Checksum); err != nil {
			return pipeline.Checkpoint{}, err
		}
		cp.Checksum = ""
	}
	if cp.Number != number {
		return pipeline.Checkpoint{}, fmt.Errorf("it says that it is number %d", cp.Number)
	}
	if _, err := pipeline.ParseSnapshotID(string(cp.Snapshot)); err != nil {
		return pipeline.Checkpoint{}, err
	}
	if cp.Previous != "" {
		if _, err := pipeline.ParseSnapshotID(string(cp.Previous)); err != nil {
			return pipeline.Checkpoint{}, err
		}
	}
	switch cp.Phase {
	case pipeline.Fetching, pipeline.Fetched, pipeline.Abandoned:
	case pipeline.Merged, pipeline.Published:
		if cp.Manifest == nil {
			return pipeline.Checkpoint{}, fmt.Errorf("phase %s, but no manifest", cp.Phase)
		}
		if cp.Manifest.Snapshot != cp.Snapshot {
			return pipeline.Checkpoint{}, fmt.Errorf("the manifest belongs to snapshot %s", cp.Manifest.Snapshot)
		}
	default:
		return pipeline.Checkpoint{}, fmt.Errorf("unknown phase %q", cp.Phase)
	}
	for _, segments := range [][]pipeline.Segment{cp.Segments, cp.Pool} {
		if err := checkNumbers(cp.Number, segments); err != nil {
			return pipeline.Checkpoint{}, err
		}
	}
	if p := cp.Pending; p != nil {
		for _, segments := range [][]pipeline.Segment{p.Segments, p.Pool} {
			if err := checkNumbers(cp.Number, segments); err != nil {
				return pipeline.Checkpoint{}, fmt.Errorf("pending: %w", err)
			}
		}
	}
	last := pipeline.PaymentID(-1)
	for _, hole := range cp.Holes {
		if hole.After < last || hole.After < 0 || hole.Through < hole.After || hole.Through > cp.Done {
			return pipeline.Checkpoint{}, fmt.Errorf("hole %d to %d is out of order", hole.After, hole.Through)
		}
		last = hole.Through
	}
	if l := cp.Ledger; min(l.Listed, l.Got, l.Carried, l.Rejected, l.Vanished, l.Outside, l.Kept, int64(cp.Done)) < 0 {
		return pipeline.Checkpoint{}, errors.New("impossible counts")
	}
	return cp, nil
}

// checkNumbers checks that a checkpoint may name these segments.
func checkNumbers(checkpoint int64, segments []pipeline.Segment) error {
	for i, s := range segments {
		switch {
		case s.Number < 1 || s.Number > checkpoint || i > 0 && s.Number <= segments[i-1].Number:
			return fmt.Errorf("segment number %d is out of order", s.Number)
		case s.Rows < 0 || s.Gone < 0 || s.Rejects < 0 || s.Bytes < 0 || s.MinID < 0 || s.MaxID < s.MinID,
			s.RejectsBytes < 0 || s.Range.After < 0 || s.Range.Through < s.Range.After:
			return fmt.Errorf("segment %d: impossible counts", s.Number)
		}
	}
	return nil
}

// noChecksum replaces the checksum in a document's bytes while the checksum is
// computed.
var noChecksum = strings.Repeat("0", 2*sha256.Size)

// encodeManifest returns a manifest's bytes, with their checksum.
func encodeManifest(m *pipeline.Manifest) ([]byte, error) {
	summed := *m
	summed.Checksum = noChecksum
	return encodeSummed(&summed)
}

// encodeSummed returns the bytes of a document whose last field is its checksum. The
// caller sets the field to noChecksum. The checksum is the SHA-256 of all of the bytes,
// with zeros at the place of the checksum.
func encodeSummed(document any) ([]byte, error) {
	data, err := encodeJSON(document)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	hex.Encode(data[bytes.LastIndex(data, []byte(noChecksum)):], sum[:])
	return data, nil
}

// checkSum compares a document's bytes with the checksum in them.
func checkSum(data []byte, checksum string) error {
	at := bytes.LastIndex(data, []byte(checksum))
	if len(checksum) != len(noChecksum) || at < 0 {
		return fmt.Errorf("its checksum %q is none", checksum)
	}
	h := sha256.New()
	h.Write(data[:at])
	h.Write([]byte(noChecksum))
	h.Write(data[at+len(checksum):])
	if sum := hex.EncodeToString(h.Sum(nil)); sum != checksum {
		return fmt.Errorf("its checksum should be %s, and it says %s: it was damaged or edited", sum, checksum)
	}
	return nil
}

// decodeManifest reads a stored manifest of this dataset. It accepts a manifest without
// a checksum; Verify reports it.
func (l layout) decodeManifest(data []byte, id pipeline.SnapshotID) (*pipeline.Manifest, error) {
	if err := checkVersion(data, pipeline.ManifestVersion); err != nil {
		return nil, err
	}
	m := new(pipeline.Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	if m.Checksum != "" {
		if err := checkSum(data, m.Checksum); err != nil {
			return nil, err
		}
	}
	if m.Snapshot != id {
		return nil, fmt.Errorf("it says that it is of snapshot %s", m.Snapshot)
	}
	if m.Dataset != l.name || m.Portal != l.portal {
		return nil, fmt.Errorf("it says that it is of dataset %s, portal %s", m.Dataset, m.Portal)
	}
	for _, f := range m.Files {
		if l.snapshotOf(f.Path) != id {
			return nil, fmt.Errorf("file %q is none of this snapshot", f.Path)
		}
		if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != 32 {
			return nil, fmt.Errorf("file %s: sha256 %q", f.Path, f.SHA256)
		}
		if f.Rows < 0 || f.Bytes < 0 || f.MinID < 0 || f.MaxID < f.MinID {
			return nil, fmt.Errorf("file %s: impossible counts", f.Path)
		}
	}
	if _, ok := fileOf(m, l.history(id)); !ok {
		return nil, errors.New("it names no table")
	}
	return m, nil
}

// fileOf finds a snapshot's file by its path.
func fileOf(m *pipeline.Manifest, path string) (pipeline.File, bool) {
	for _, f := range m.Files {
		if f.Path == path {
			return f, true
		}
	}
	return pipeline.File{}, false
}

func checkVersion(data []byte, known int) error {
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	switch {
	case v.Version > known:
		return newerError{v.Version, known}
	case v.Version < 1:
		return fmt.Errorf("version %d", v.Version)
	}
	return nil
}

// encodeJSON returns text that people can read too. The same value results in the same
// bytes.
func encodeJSON(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// corrupt names an object that has not the expected content.
func corrupt(key string, err error) error {
	err = fmt.Errorf("%s cannot be used: %w", key, err)
	if _, newer := errors.AsType[newerError](err); newer {
		return err
	}
	return damaged{err}
}

// isAbsent reports whether an error means that an object does not exist.
func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
