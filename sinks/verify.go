package sinks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/parquet/file"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// Difference is a part of a snapshot that does not match its manifest.
type Difference struct {
	// File is the path of the file, or of the manifest.
	File string `json:"file"`
	What string `json:"what"`
}

// String returns both fields on one line.
func (d Difference) String() string { return d.File + ": " + d.What }

// Verify reads a whole snapshot back and compares it with its manifest. It uses Arrow's
// Parquet reader, which shares no code with the library that wrote the snapshot. It
// compares size and checksum, columns, rows, their order, uniqueness and count, the
// changes, totals by currency, the previous snapshot, and everything by which engines
// skip parts of a file: statistics, page indexes, order. For the newest snapshot, the
// current table must have the same bytes.
//
// Verify returns all differences. The error is the reason why it could not compare:
// fs.ErrNotExist for a snapshot that is not published, or no longer retained. The
// manifest is nil if it cannot be read; then that is the only difference. Runs may be
// under way: objects that they replace or delete in the meantime are not a difference.
func (d *Dataset) Verify(ctx context.Context, id pipeline.SnapshotID) (*pipeline.Manifest, []Difference, error) {
	v, err := d.Inspect(ctx, id)
	return v.Manifest, v.Differences, err
}

// Inspection is the result of Inspect for a snapshot.
type Inspection struct {
	Manifest    *pipeline.Manifest
	Differences []Difference
	// LargeSums is the number of payments with sums from schemas.FloatLimit on. The
	// portal sent them as floats, whose fourth digit is not reliable.
	LargeSums int64
}

// Inspect is Verify, and also counts facts that are not differences.
func (d *Dataset) Inspect(ctx context.Context, id pipeline.SnapshotID) (Inspection, error) {
	if d.bad != nil {
		return Inspection{}, d.bad
	}
	data, err := d.readManifest(ctx, id)
	if err != nil {
		return Inspection{}, err
	}
	m, damage := d.readable(data, id)
	if m == nil {
		return Inspection{Differences: damage}, nil
	}
	v := &verifier{d: d, m: m}
	err = v.check(ctx)
	found := v.found
	if m.Checksum == "" {
		found = append(found, Difference{File: d.manifest(id), What: "it has no checksum: it was damaged or edited"})
	}
	if len(found) > 0 && err == nil {
		// A sweep deletes a manifest before its files.
		if _, gone := d.readManifest(ctx, id); isAbsent(gone) {
			return Inspection{}, gone
		}
	}
	return Inspection{Manifest: m, Differences: found, LargeSums: v.large}, err
}

// readable decodes a manifest. If that fails, the reason is a difference.
func (d *Dataset) readable(data []byte, id pipeline.SnapshotID) (*pipeline.Manifest, []Difference) {
	m, err := d.decodeManifest(data, id)
	if err != nil {
		return nil, []Difference{{File: d.manifest(id), What: err.Error()}}
	}
	return m, nil
}

func (v *verifier) check(ctx context.Context) error {
	for _, f := range v.m.Files {
		if err := v.file(ctx, f); err != nil {
			return fmt.Errorf("verify %s: %w", f.Path, err)
		}
	}
	v.manifest()
	ids, err := v.d.SnapshotIDs(ctx)
	if err != nil {
		return err
	}
	v.previous(ids)
	if slices.Max(append(ids, "")) == v.m.Snapshot {
		if err := v.current(ctx); err != nil {
			return fmt.Errorf("verify %s: %w", v.d.current(), err)
		}
	}
	return nil
}

type verifier struct {
	d     *Dataset
	m     *pipeline.Manifest
	found []Difference
	large int64 // sums from schemas.FloatLimit on, in the table
}

func (v *verifier) add(file, format string, args ...any) {
	v.found = append(v.found, Difference{File: file, What: fmt.Sprintf(format, args...)})
}

// previous checks that the snapshot names the previous one. The oldest retained
// snapshot has nothing to be compared with.
func (v *verifier) previous(ids []pipeline.SnapshotID) {
	before := pipeline.SnapshotID("")
	for _, id := range ids {
		if id < v.m.Snapshot {
			before = max(before, id)
		}
	}
	if before != "" && before != v.m.Previous {
		v.add(v.d.manifest(v.m.Snapshot), "it says that the snapshot before is %q, and that is %q", v.m.Previous, before)
	}
}

// manifest checks the manifest itself.
func (v *verifier) manifest() {
	path := v.d.manifest(v.m.Snapshot)
	if err := v.m.Ledger.Check(); err != nil {
		v.add(path, "%v", err)
	}
	rows := func(key string) int64 {
		f, _ := fileOf(v.m, key)
		return f.Rows
	}
	if n := rows(v.d.history(v.m.Snapshot)); n != v.m.Ledger.Rows() {
		v.add(path, "the table has %d rows, by the ledger it should have %d", n, v.m.Ledger.Rows())
	}
	if v.m.Feed == pipeline.FeedTable {
		v.tableAsFeed(path)
	} else if n := rows(v.d.changes(v.m.Snapshot)); n != v.m.Changes.Sum() {
		v.add(path, "the change feed has %d rows, the manifest counts %d changes", n, v.m.Changes.Sum())
	}
	if n := rows(v.d.rejects(v.m.Snapshot)); n != v.m.Ledger.Rejected {
		v.add(path, "there are %d rejects, the ledger counts %d", n, v.m.Ledger.Rejected)
	}
}

// tableAsFeed checks that the table of a snapshot can be its change feed: it must be
// the first snapshot of its portal, have only inserts, and no change feed.
func (v *verifier) tableAsFeed(path string) {
	table, _ := fileOf(v.m, v.d.history(v.m.Snapshot))
	if c := v.m.Changes; c != (pipeline.Changes{Insert: table.Rows}) {
		v.add(path, "its table of %d rows is its change feed, and it counts %d inserts, %d updates and %d deletes", table.Rows, c.Insert, c.Update, c.Delete)
	}
	if v.m.Previous != "" {
		v.add(path, "its table is its change feed, which only a first snapshot's can be, and the snapshot before is %q", v.m.Previous)
	}
	if _, ok := fileOf(v.m, v.d.changes(v.m.Snapshot)); ok {
		v.add(path, "its table is its change feed, and it names a change feed as well")
	}
}

// current checks that the current table is that of the snapshot. A run replaces it
// before it writes the manifest, so it may also be that of a run that is publishing, or
// that died there.
func (v *verifier) current(ctx context.Context) error {
	f, ok := fileOf(v.m, v.d.history(v.m.Snapshot))
	if !ok {
		return nil // reported already
	}
	before := len(v.found)
	if err := v.bytes(ctx, v.d.current(), f); err != nil || len(v.found) == before {
		return err
	}
	newer := v.publishing(ctx)
	if newer == nil {
		return nil
	}
	f, ok = fileOf(newer, v.d.history(newer.Snapshot))
	if !ok {
		return nil
	}
	next := &verifier{d: v.d, m: newer}
	if err := next.bytes(ctx, v.d.current(), f); err != nil {
		return err
	}
	if len(next.found) == 0 {
		v.found = v.found[:before]
	}
	return nil
}

// publishing returns the manifest that the newest checkpoint has for a snapshot newer
// than this one, nil if there is none. It does not check whether that checkpoint can be
// read.
func (v *verifier) publishing(ctx context.Context) *pipeline.Manifest {
	cp, err := v.d.newestCheckpoint(ctx)
	if err != nil || cp.Snapshot <= v.m.Snapshot {
		return nil
	}
	return cp.Manifest
}

// bytes compares an object's size and checksum.
func (v *verifier) bytes(ctx context.Context, key string, f pipeline.File) error {
	before := len(v.found)
	return againIfReplaced(func() error {
		v.found = v.found[:before]
		obj, err := v.open(ctx, key)
		if obj == nil {
			return err
		}
		defer obj.Close()
		err = v.sum(key, obj, f)
		return err
	})
}

// open opens a file. Both results are nil if the file is missing.
func (v *verifier) open(ctx context.Context, key string) (*watchedObject, error) {
	obj, err := v.d.store.Open(ctx, key)
	if isAbsent(err) {
		v.add(key, "it is missing")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &watchedObject{Object: obj}, nil
}

// sum adds a difference if an object does not have the bytes of f.
func (v *verifier) sum(key string, obj Object, f pipeline.File) error {
	if obj.Size() != f.Bytes {
		v.add(key, "it has %d bytes, the manifest says %d", obj.Size(), f.Bytes)
	}
	sum, err := sumOf(obj)
	if err != nil {
		return err
	}
	if sum != f.SHA256 {
		v.add(key, "its SHA-256 is %s, the manifest says %s", sum, f.SHA256)
	}
	return nil
}

func sumOf(obj Object) (string, error) {
	h := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, io.NewSectionReader(obj, 0, obj.Size()), make([]byte, 1<<20)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (v *verifier) file(ctx context.Context, f pipeline.File) error {
	k, err := v.d.fileKind(f.Path)
	if err != nil {
		v.add(f.Path, "%v", err)
		return nil
	}
	obj, err := v.open(ctx, f.Path)
	if obj == nil {
		return err
	}
	defer obj.Close()
	if err := v.sum(f.Path, obj, f); err != nil {
		return err
	}
	err = v.content(ctx, obj, k, f)
	if obj.err != nil {
		return obj.err // an error of the storage, not of the file
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		v.add(f.Path, "%v", err)
	}
	return nil
}

// content checks the content of a file. Whoever can change a file can also change what
// its manifest says about it. So a reader that relies on values of the file receives
// only what has been checked.
func (v *verifier) content(ctx context.Context, obj Object, k fileKind, f pipeline.File) (err error) {
	defer guard(&err)
	footer, err := openParquet(obj)
	if err != nil {
		return err
	}
	r, err := openArrow(obj)
	if err != nil {
		return err
	}
	if v.m.SchemaVersion < schemas.Version {
		k = k.columns(r.MetaData().Schema.NumColumns())
	}
	for _, problem := range footerProblems(r, k, f) {
		v.add(f.Path, "%s", problem)
	}
	var buf []byte
	pages := make([][]parquetcheck.Page, r.MetaData().Schema.NumColumns())
	return v.rows(ctx, obj, r, k, f, func(group int) ([][]parquetcheck.Page, error) {
		g := &footer.Metadata().RowGroups[group]
		for j := range g.Columns {
			m := &g.Columns[j].MetaData
			start, end, err := parquetcheck.ChunkRange(m, obj.Size())
			if err != nil {
				return nil, err
			}
			buf = resize(buf, int(end-start))
			if err := parquetcheck.ReadFull(obj, buf, start); err != nil {
				return nil, err
			}
			if pages[j], err = checkPages(buf, m, g.NumRows); err != nil {
				return nil, fmt.Errorf("column %d: %w", j, err)
			}
		}
		return pages, nil
	})
}

// rows decodes a whole file, or the named columns of it, counts rows, and compares with
// the statistics of the file. pages checks the pages of a row group before Arrow reads
// them; nil omits that check.
func (v *verifier) rows(ctx context.Context, obj Object, r *file.Reader, k fileKind, f pipeline.File,
	pages func(group int) ([][]parquetcheck.Page, error), columns ...string) (err error) {
	defer guard(&err)
	schema, err := arrowSchema(r.MetaData().Schema)
	if err != nil || schemaDiff(schema, k.schema) != "" {
		return nil // reported already; columns of other types cannot be compared
	}
	x, err := parquetcheck.NewIndex(obj, k.id)
	if err != nil {
		return err
	}
	c := &counter{v: v, file: f.Path, k: k, r: r, group: -1}
	x.CheckFooter(schema.NumFields())
	var indices []int
	for i := range schema.NumFields() {
		if len(columns) == 0 || slices.Contains(columns, schema.Field(i).Name) {
			indices = append(indices, i)
		}
	}
	for i := range r.NumRowGroups() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := v.rowGroup(i, schema, indices, pages, c, x); err != nil {
			return fmt.Errorf("row group %d: %w", i, err)
		}
	}
	c.finish(f)
	problems := x.Problems()
	for i, problem := range problems {
		hint := ""
		if i+1 == len(problems) && r.MetaData().KeyValueMetadata().FindValue(metaLayout) == nil {
			hint = ". Version 0.1.0 wrote files so, and engines that skip pages miss rows in them: the next run of the portal writes its table again, and this snapshot stays as it is until retention deletes it"
		}
		v.add(f.Path, "%s%s", problem, hint)
	}
	return nil
}

func (v *verifier) rowGroup(i int, schema *arrow.Schema, indices []int, pages func(int) ([][]parquetcheck.Page, error), c *counter, x *parquetcheck.Index) error {
	var seen [][]parquetcheck.Page
	if pages != nil {
		var err error
		if seen, err = pages(i); err != nil {
			return err
		}
	}
	rec, err := arrowRecord(c.r, schema, i, indices)
	if err != nil {
		return err
	}
	defer rec.Release()
	c.record(rec)
	return x.CheckGroup(i, rec, indices, seen)
}

// watchedObject keeps the storage's error, which a Parquet library returns as if the
// file were invalid.
type watchedObject struct {
	Object
	err error
}

func (o *watchedObject) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Object.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		o.err = err
	}
	return n, err
}
