package sinks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"b24export/pipeline"
	"b24export/schemas"
)

// VerifyRelated reads the related tables back, as Verify does with a snapshot, and
// compares each with its description. A table that a run is replacing, or was replacing
// when it died, is not a difference.
func (d *Dataset) VerifyRelated(ctx context.Context) ([]Difference, error) {
	if d.bad != nil {
		return nil, d.bad
	}
	var found []Difference
	for _, t := range schemas.Related {
		m, err := d.Related(ctx, t.Name)
		switch {
		case isAbsent(err):
			continue
		case errors.Is(err, ErrDamaged):
			found = append(found, Difference{File: d.relatedManifest(t.Name), What: err.Error()})
			continue
		case err != nil:
			return found, err
		case m.Path == "":
			continue
		}
		bad, err := d.verifyRelated(ctx, m)
		if err != nil {
			return found, fmt.Errorf("verify %s: %w", m.Path, err)
		}
		if len(bad) > 0 {
			// The description is read again, because a run may have replaced both in
			// the meantime.
			if now, err := d.Related(ctx, t.Name); err == nil && now.Checksum != m.Checksum && now.Path != "" {
				if bad, err = d.verifyRelated(ctx, now); err != nil {
					return found, fmt.Errorf("verify %s: %w", m.Path, err)
				}
			}
		}
		found = append(found, bad...)
	}
	return found, nil
}

func (d *Dataset) verifyRelated(ctx context.Context, m *Related) ([]Difference, error) {
	v := &verifier{d: d}
	if err := v.bytes(ctx, m.Path, m.file()); err != nil {
		return nil, err
	}
	if len(v.found) > 0 {
		pending, err := d.readRelated(ctx, d.relatedPending(m.Table), m.Table)
		switch {
		case isAbsent(err), errors.Is(err, ErrDamaged):
			return v.found, nil // no run is replacing it
		case err != nil:
			return v.found, err
		}
		next := &verifier{d: d}
		if err := next.bytes(ctx, pending.Path, pending.file()); err != nil || len(next.found) > 0 {
			return v.found, err
		}
		m = pending
	}
	return d.relatedContent(ctx, m.Path, m)
}

// relatedContent reads a related table's file with the reader that shares no code with
// the writer.
func (d *Dataset) relatedContent(ctx context.Context, key string, m *Related) ([]Difference, error) {
	t, ok := schemas.RelatedNamed(m.Table)
	if !ok {
		return nil, fmt.Errorf("%s is no related table", m.Table)
	}
	k := fileKind{table: t.Name, schema: t.Schema, id: -1}
	v := &verifier{d: d, m: &pipeline.Manifest{SchemaVersion: schemas.Version}}
	obj, err := v.open(ctx, key)
	if obj == nil {
		return v.found, err
	}
	defer obj.Close()
	if m.SchemaVersion < t.Version {
		v.m.SchemaVersion = 0 // an older file may have fewer columns
	}
	k.keys = t.Keys
	err = v.content(ctx, obj, k, pipeline.File{Path: key, Rows: m.Rows, Bytes: m.Bytes, SHA256: m.SHA256})
	switch {
	case obj.err != nil:
		return nil, obj.err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		v.add(key, "%v", err)
	}
	return v.found, nil
}

// keyChecker checks that rows are in the order of their keys, and that each key occurs
// once.
type keyChecker struct{ last []string }

// check returns the number of rows of a record that do not come after the previous row.
func (c *keyChecker) check(rec arrow.Record, keys []string) (wrong int64) {
	columns := make([]arrow.Array, len(keys))
	for i, key := range keys {
		columns[i] = columnOf[arrow.Array](rec, key)
	}
	for row := range int(rec.NumRows()) {
		now := make([]string, len(keys))
		for i, column := range columns {
			now[i] = sortable(column, row)
		}
		if c.last != nil && strings.Join(c.last, "\x00") >= strings.Join(now, "\x00") {
			wrong++
		}
		c.last = now
	}
	return wrong
}

// sortable returns a value as a text that sorts like the value.
func sortable(column arrow.Array, row int) string {
	if column.IsNull(row) {
		return ""
	}
	text := column.ValueStr(row)
	if column.DataType().ID() == arrow.INT64 {
		return fmt.Sprintf("%020s", text)
	}
	return text
}
