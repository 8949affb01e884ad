package sinks

import (
	"context"
	"fmt"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"b24export/pipeline"
)

// keepTable gives the last snapshot's table to the new snapshot too, if no segment
// changes a row of it: a hard link in a folder, a copy by the server in a bucket. It
// reports false if the table must be written, which includes a table that this run
// would write in another way. The file's own metadata still name the snapshot that
// wrote it.
//
// Died in here: the new name lies where no manifest names it, and is made again.
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
	obj, err := d.store.Open(ctx, f.Path)
	if err != nil {
		return pipeline.File{}, false, err
	}
	defer obj.Close()
	file, err := openParquet(obj)
	if err != nil {
		return pipeline.File{}, false, fmt.Errorf("read %s: %w", f.Path, err)
	}
	if !d.writtenAlike(file) {
		return pipeline.File{}, false, nil
	}
	if err := allowed(); err != nil {
		return pipeline.File{}, false, err
	}
	kept := f
	kept.Path = d.history(cp.Snapshot)
	if err := d.store.Link(ctx, kept.Path, f.Path); err != nil {
		return pipeline.File{}, false, err
	}
	// A merge would have read each row. Reading the bytes finds the same damage,
	// and a copy that the server did not make.
	if err := d.sameSum(ctx, kept); err != nil {
		if lerr := d.sameSum(ctx, f); lerr != nil {
			err = lerr // the last snapshot's table is what is damaged
		}
		return pipeline.File{}, false, err
	}
	return kept, true, nil
}

// writtenAlike reports whether this run would write a table's file in the same
// way: the same columns, page indexes and compression.
func (d *Dataset) writtenAlike(file *parquet.File) bool {
	layout, _ := file.Lookup(metaLayout)
	if layout != fileLayout || len(file.Root().Columns()) != len(paymentTable.columns) {
		return false
	}
	for _, group := range file.Metadata().RowGroups {
		for _, c := range group.Columns {
			if c.MetaData.Codec != codecNumbers[d.opts.Compression] {
				return false
			}
		}
	}
	return true
}

// codecNumbers are how footers spell the compressions of Options.
var codecNumbers = map[string]format.CompressionCodec{
	"zstd": format.Zstd, "snappy": format.Snappy, "none": format.Uncompressed,
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
		if _, err := v.sum(f.Path, obj, f); err != nil {
			return err
		}
	}
	if len(v.found) > 0 {
		return damaged{fmt.Errorf("read %s: %s", f.Path, v.found[0].What)}
	}
	return nil
}
