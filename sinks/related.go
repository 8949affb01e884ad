package sinks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// relatedVersion is the version of a Related's format.
const relatedVersion = 1

// Related describes a related table of a portal. It is stored next to the manifests,
// but is not a part of any snapshot: its file is replaced, and has no information about
// older snapshots.
type Related struct {
	Version       int    `json:"version"`
	Dataset       string `json:"dataset"`
	Portal        string `json:"portal"`
	Table         string `json:"table"`
	Program       string `json:"program"`
	SchemaVersion int    `json:"schema_version"`
	// Snapshot is the snapshot for whose payments the table was read. ReadAt is the
	// time of the reading.
	Snapshot pipeline.SnapshotID `json:"snapshot,omitempty"`
	ReadAt   time.Time           `json:"read_at,omitzero"`
	// Rows may be 0. Then there is no file, and Path is "".
	Rows   int64  `json:"rows"`
	Path   string `json:"path,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Unreadable is the number of rows that the portal sent with values that do not fit
	// their columns' types. The table does not have them.
	Unreadable int64 `json:"unreadable,omitempty"`
	// Requests is the number of requests for the table.
	Requests int64 `json:"requests,omitempty"`
	// Missing is the reason why the table could not be read the last time, at
	// MissingAt. The other fields describe the previous reading. Without ReadAt there
	// is no table.
	Missing   string    `json:"missing,omitempty"`
	MissingAt time.Time `json:"missing_at,omitzero"`
	Checksum  string    `json:"checksum"`
}

// storedTable is a table without the type of its pointers.
type storedTable[R any] interface {
	put(ctx context.Context, d *Dataset, key string, snapshot pipeline.SnapshotID, produce func(add func(*R) error) error) (pipeline.File, error)
}

func (t *table[T]) put(ctx context.Context, d *Dataset, key string, snapshot pipeline.SnapshotID, produce func(add func(*T) error) error) (pipeline.File, error) {
	return putFile(ctx, d, key, t, snapshot, produce, d.fenced)
}

// relatedTables has the storage form of each related table, by its name.
var relatedTables = map[string]any{
	"orders": newTable[orderColumns]("orders", schemas.OrderTable.Columns, func(r *schemas.Order) int64 { return r.ID }, orderValues),
	"owners": newTable[ownerColumns]("owners", schemas.OwnerTable.Columns, nil, ownerValues).sortedBy(schemas.OwnerTable.Keys, func(a, b *schemas.Owner) bool {
		return cmp.Or(cmp.Compare(a.EntityTypeID, b.EntityTypeID), cmp.Compare(a.EntityID, b.EntityID)) < 0
	}),
	"stages": newTable[stageColumns]("stages", schemas.StageTable.Columns, nil, stageValues).sortedBy(schemas.StageTable.Keys, func(a, b *schemas.Stage) bool {
		return cmp.Or(cmp.Compare(a.EntityTypeID, b.EntityTypeID), cmp.Compare(a.CategoryID.V, b.CategoryID.V), cmp.Compare(a.StageID.V, b.StageID.V)) < 0
	}),
	"companies":   newTable[companyColumns]("companies", schemas.CompanyTable.Columns, func(r *schemas.Company) int64 { return r.ID }, companyValues),
	"contacts":    newTable[contactColumns]("contacts", schemas.ContactTable.Columns, func(r *schemas.Contact) int64 { return r.ID }, contactValues),
	"users":       newTable[userColumns]("users", schemas.UserTable.Columns, func(r *schemas.User) int64 { return r.ID }, userValues),
	"pay_systems": newTable[paySystemColumns]("pay_systems", schemas.PaySystemTable.Columns, func(r *schemas.PaySystem) int64 { return r.ID }, paySystemValues),
}

func (t *table[T]) sortedBy(keys []string, before func(a, b *T) bool) *table[T] {
	t.keys, t.before = keys, before
	return t
}

// PutRelated replaces a related table with the rows that produce adds, in the order of
// the table's keys. m describes it: the caller sets Snapshot, ReadAt, Unreadable and
// Requests. PutRelated may call produce several times, which must then add the same
// rows. It returns the stored description. The lease must be held.
//
// These are the steps, and what is left if the program dies in them:
//
//  1. PutRelated creates the file among the private objects, reads it back, and puts its
//     description next to it. If it dies, both are created again, or swept.
//  2. It copies the file to its place. If it dies, readers see the new table; the
//     description in its place is that of the old one, and Verify uses the private one. The
//     next PutRelated or Rename begins with step 3 for it, and so does a sweep that deletes
//     the private one.
//  3. It puts the description in its place. If it dies, the private objects are swept.
//  4. It deletes the private objects.
//
// Without rows there is no file: the description is stored first, then the old file is
// deleted.
func PutRelated[R any](ctx context.Context, d *Dataset, t *schemas.Table[R], m Related, produce func(add func(*R) error) error) (Related, error) {
	name := t.Short()
	stored, ok := relatedTables[name].(storedTable[R])
	if !ok {
		return Related{}, fmt.Errorf("%s is no related table", name)
	}
	if err := d.finishRelated(ctx, name); err != nil {
		return Related{}, err
	}
	stage := d.relatedStage(name)
	f, err := stored.put(ctx, d, stage, m.Snapshot, produce)
	if err != nil {
		return Related{}, fmt.Errorf("write %s: %w", stage, err)
	}
	m.Table, m.SchemaVersion = name, t.Version()
	m.Rows, m.Path, m.Bytes, m.SHA256 = f.Rows, "", 0, ""
	m.Missing, m.MissingAt = "", time.Time{}
	if f.Rows == 0 {
		if err := d.putRelatedManifest(ctx, d.relatedManifest(name), &m); err != nil {
			return Related{}, err
		}
		return m, d.deleteAll(ctx, []string{d.related(name), stage})
	}
	m.Path, m.Bytes, m.SHA256 = d.related(name), f.Bytes, f.SHA256
	if found, err := d.relatedContent(ctx, stage, &m); err != nil || len(found) > 0 {
		return Related{}, errors.Join(err, differences(found))
	}
	if err := d.putRelatedManifest(ctx, d.relatedPending(name), &m); err != nil {
		return Related{}, err
	}
	if err := d.fencedThen(func() error { return d.copyTable(ctx, d.related(name), f, d.store.Copy) }); err != nil {
		return Related{}, err
	}
	if err := d.putRelatedManifest(ctx, d.relatedManifest(name), &m); err != nil {
		return Related{}, err
	}
	return m, d.deleteAll(ctx, []string{stage, d.relatedPending(name)})
}

// finishRelated puts the description of a file in its place, if a run copied the file
// to its place and then died.
func (d *Dataset) finishRelated(ctx context.Context, table string) error {
	if err := d.fenced(); err != nil {
		return err
	}
	pending, err := d.readRelated(ctx, d.relatedPending(table), table)
	if err != nil {
		if isAbsent(err) || errors.Is(err, ErrDamaged) {
			return nil
		}
		return err
	}
	v := &verifier{d: d}
	if err := v.bytes(ctx, pending.Path, pending.file()); err != nil || len(v.found) > 0 {
		return err // the file was not copied
	}
	return d.putRelatedManifest(ctx, d.relatedManifest(table), pending)
}

// finishSwept calls finishRelated for each table whose private description is among keys.
// The table need not be read again soon: the portal may refuse it.
func (d *Dataset) finishSwept(ctx context.Context, keys []string) error {
	for _, t := range schemas.Related {
		if !slices.Contains(keys, d.relatedPending(t.Name)) {
			continue
		}
		if err := d.finishRelated(ctx, t.Name); err != nil {
			return err
		}
	}
	return nil
}

func (m *Related) file() pipeline.File {
	return pipeline.File{Path: m.Path, Rows: m.Rows, Bytes: m.Bytes, SHA256: m.SHA256}
}

func (d *Dataset) fencedThen(do func() error) error {
	if err := d.fenced(); err != nil {
		return err
	}
	return do()
}

// differences returns an error with the differences, nil if there are none.
func differences(found []Difference) error {
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", parquetcheck.ErrCorrupt, found[0])
}

// MissRelated records that a related table could not be read, and why. A table from an
// earlier time stays. The lease must be held.
func (d *Dataset) MissRelated(ctx context.Context, table, why string, at time.Time) error {
	if err := d.fenced(); err != nil {
		return err
	}
	m, err := d.Related(ctx, table)
	if err != nil && !isAbsent(err) && !errors.Is(err, ErrDamaged) {
		return err
	}
	if m == nil {
		t, _ := schemas.RelatedNamed(table)
		m = &Related{Table: table, SchemaVersion: t.Version}
	}
	m.Missing, m.MissingAt = why, at.UTC().Truncate(time.Microsecond)
	return d.putRelatedManifest(ctx, d.relatedManifest(table), m)
}

// DropRelated deletes related tables that are no longer wanted. It deletes the
// description first, so that no description names a missing file. It returns the names
// of the tables. The lease must be held.
func (d *Dataset) DropRelated(ctx context.Context, wanted func(table string) bool) ([]string, error) {
	if err := d.fenced(); err != nil {
		return nil, err
	}
	var dropped []string
	for _, t := range schemas.Related {
		if wanted(t.Name) {
			continue
		}
		if !slices.Contains(d.seen.runs, d.relatedManifest(t.Name)) {
			continue
		}
		if err := d.deleteAll(ctx, []string{d.relatedManifest(t.Name)}); err != nil {
			return dropped, err
		}
		if err := d.deleteAll(ctx, []string{d.related(t.Name), d.relatedStage(t.Name), d.relatedPending(t.Name)}); err != nil {
			return dropped, err
		}
		dropped = append(dropped, t.Name)
	}
	return dropped, nil
}

func (d *Dataset) putRelatedManifest(ctx context.Context, key string, m *Related) error {
	m.Version, m.Dataset, m.Portal, m.Program = relatedVersion, d.name, d.portal, d.opts.Program
	m.Checksum = noChecksum
	data, err := encodeJSON(m)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	m.Checksum = hex.EncodeToString(sum[:])
	data = bytes.Replace(data, []byte(noChecksum), []byte(m.Checksum), 1)
	return d.fencedThen(func() error {
		return d.store.Put(ctx, key, whole(data))
	})
}

// Related returns the description of a related table. It returns fs.ErrNotExist if the
// table was never read.
func (d *Dataset) Related(ctx context.Context, table string) (*Related, error) {
	if d.bad != nil {
		return nil, d.bad
	}
	return d.readRelated(ctx, d.relatedManifest(table), table)
}

func (d *Dataset) readRelated(ctx context.Context, key, table string) (*Related, error) {
	data, err := d.store.Read(ctx, key)
	if err != nil {
		return nil, err
	}
	m, err := d.decodeRelated(data, table)
	if err != nil {
		return nil, corrupt(key, err)
	}
	return m, nil
}

func (d *Dataset) decodeRelated(data []byte, table string) (*Related, error) {
	if err := checkVersion(data, relatedVersion); err != nil {
		return nil, err
	}
	m := new(Related)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, err
	}
	if err := checkSum(data, m.Checksum); err != nil {
		return nil, err
	}
	switch {
	case m.Dataset != d.name || m.Portal != d.portal || m.Table != table:
		return nil, fmt.Errorf("it says that it is of dataset %s, portal %s, table %s", m.Dataset, m.Portal, m.Table)
	case m.Path != "" && m.Path != d.related(table):
		return nil, fmt.Errorf("it names the file %s", m.Path)
	case m.Rows < 0 || m.Bytes < 0 || m.Rows > 0 && m.Path == "":
		return nil, errors.New("impossible counts")
	}
	return m, nil
}

// RelatedTables returns the description of each related table that was ever read, in
// the order of schemas.Related.
func (d *Dataset) RelatedTables(ctx context.Context) ([]*Related, error) {
	var all []*Related
	for _, t := range schemas.Related {
		m, err := d.Related(ctx, t.Name)
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}
