package sinks

import (
	"context"
	"fmt"

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
	f, ok := fileOf(last, d.history(last.Snapshot))
	if !ok {
		return pipeline.File{}, false, fmt.Errorf("the manifest of snapshot %s names no table", last.Snapshot)
	}
	obj, err := d.opened().Open(ctx, f.Path)
	if err != nil {
		return pipeline.File{}, false, err
	}
	defer obj.Close()
	file, err := openParquet(obj)
	if err != nil {
		return pipeline.File{}, false, fmt.Errorf("read %s: %w", f.Path, err)
	}
	if n := file.NumRows(); n != f.Rows {
		return pipeline.File{}, false, damaged{fmt.Errorf("read %s: it has %d rows, its manifest says %d", f.Path, n, f.Rows)}
	}
	if whyRewrite(file, d.fileOptions(cp.Snapshot)) != "" {
		return pipeline.File{}, false, nil
	}
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
