package sinks

import (
	"context"
	"fmt"

	"github.com/parquet-go/parquet-go"

	"b24export/pipeline"
)

// keepTable uses the last snapshot's table for the new snapshot too, if no segment
// changes a row of it: with a hard link in a folder, with a copy by the server in a
// bucket. It returns false if the table must be written. It must also be written if
// this run would write it in another form. The file's own metadata still name the
// snapshot that wrote it.
//
// If the program dies here, no manifest names the new file, and it is created again.
func (d *Dataset) keepTable(ctx context.Context, cp pipeline.Checkpoint, last *pipeline.Manifest, allowed func() error) (pipeline.File, bool, error) {
	if last == nil {
		return pipeline.File{}, false, nil
	}
	for _, seg := range cp.Segments {
		if seg.Rows+seg.Gone > 0 {
			return pipeline.File{}, false, nil
		}
	}
	old, err := d.openLast(ctx, last)
	if err != nil {
		return pipeline.File{}, false, err
	}
	defer old.close()
	f, _ := fileOf(last, old.key)
	if n := old.rows.file.NumRows(); n != f.Rows {
		return pipeline.File{}, false, damaged{fmt.Errorf("read %s: it has %d rows, its manifest says %d", f.Path, n, f.Rows)}
	}
	if opts := d.fileOptions(cp.Snapshot); whyRewrite(old.rows.file, opts) != "" || uneven(old.rows.file, opts) {
		return pipeline.File{}, false, nil
	}
	// A runner that slept must not replace a table that its successor published.
	if !d.unshared(cp.Snapshot) {
		if err := allowed(); err != nil {
			return pipeline.File{}, false, err
		}
	}
	kept := f
	kept.Path = d.history(cp.Snapshot)
	// A merge would have read each row. Reading the copy finds the same damage.
	if err := d.copyTable(ctx, kept.Path, f, d.store.Link); err != nil {
		return pipeline.File{}, false, err
	}
	return kept, true, nil
}

// uneven reports whether a table has row groups that are too large or too small for a merge
// to copy them, as after a change of row_group_rows. A merge leaves none behind.
func uneven(file *parquet.File, opts fileOptions) bool {
	rows, text := opts.limits()
	groups := file.Metadata().RowGroups
	for i := range groups {
		g := &groups[i]
		small := g.NumRows < rows/smallGroup && paymentTable.textOf(g) < int64(text/smallGroup)
		if g.NumRows > rows || small && i+1 < len(groups) {
			return true
		}
	}
	return false
}

// sameSum compares an object's size and checksum with a manifest's.
func (d *Dataset) sameSum(ctx context.Context, f pipeline.File) error {
	v := &verifier{d: d}
	obj, err := v.open(ctx, f.Path)
	if err != nil {
		return err
	}
	if obj != nil {
		defer obj.Close()
		if err := v.sum(f.Path, obj, f); err != nil {
			return err
		}
	}
	if len(v.found) > 0 {
		return damaged{fmt.Errorf("read %s: %s", f.Path, v.found[0].What)}
	}
	return nil
}
