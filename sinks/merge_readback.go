package sinks

import (
	"context"
	"errors"
	"fmt"

	"b24export/pipeline"
	"b24export/schemas/totals"
	"b24export/sinks/parquetcheck"
)

// readBack checks a file that was just written, with few reads: its footer and, for a
// table, the few columns that show count, order and the totals by currency. It does so
// before the file is visible to readers.
func (d *Dataset) readBack(ctx context.Context, f pipeline.File, by map[string]totals.Total) error {
	k, err := d.fileKind(f.Path)
	if err != nil {
		return err
	}
	v := &verifier{d: d, m: &pipeline.Manifest{Totals: by}}
	obj, err := v.open(ctx, f.Path)
	if err != nil {
		return err
	}
	if obj == nil {
		return errors.New(v.found[0].What)
	}
	defer obj.Close()
	if obj.Size() != f.Bytes {
		return fmt.Errorf("it has %d bytes, %d were written", obj.Size(), f.Bytes)
	}
	r, err := openArrow(obj)
	if err == nil {
		if problems := footerProblems(r, k, f); len(problems) > 0 {
			return fmt.Errorf("%w: %s", parquetcheck.ErrCorrupt, problems[0])
		}
		if k.table == paymentTable.name {
			err = v.rows(ctx, obj, r, k, f, nil, "id", "paid", "sum", "currency")
		}
	}
	switch {
	case obj.err != nil:
		return obj.err // an error of the storage, not of the file
	case err == nil && len(v.found) > 0:
		err = fmt.Errorf("%w: %s", parquetcheck.ErrCorrupt, v.found[0].What)
	}
	return err
}
