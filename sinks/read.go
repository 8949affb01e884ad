package sinks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// readRows yields the rows of a file with ids within a range, in their order. If size is
// not negative, the file must have that size. A row is valid until the next step. If
// the file is replaced before its first row, readRows opens it again; later it returns
// ErrReplaced.
func readRows[T any](ctx context.Context, s opener, key string, size int64, t *table[T], within pipeline.Range) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		yielded := false
		read := func() error {
			return eachRow(ctx, s, key, size, t, within, func(row *T) bool {
				yielded = true
				return yield(row, nil)
			})
		}
		err := read()
		if errors.Is(err, ErrReplaced) && !yielded {
			err = read()
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// eachRow calls do with the rows that readRows yields, until do returns false.
func eachRow[T any](ctx context.Context, s opener, key string, size int64, t *table[T], within pipeline.Range, do func(*T) bool) error {
	obj, err := s.Open(ctx, key)
	if isAbsent(err) && size >= 0 {
		err = damaged{fmt.Errorf("it is missing, and its manifest is not: %w", err)}
	}
	if err != nil {
		return err
	}
	defer obj.Close()
	fail := func(err error) error {
		err = fmt.Errorf("read %s: %w", key, err)
		if size >= 0 && errors.Is(err, parquetcheck.ErrCorrupt) {
			err = damaged{err} // without a size the file can be of any origin
		}
		return noteReplaced(obj, err)
	}
	if size >= 0 && obj.Size() != size {
		return fail(fmt.Errorf("%w: it has %d bytes, its manifest says %d", parquetcheck.ErrCorrupt, obj.Size(), size))
	}
	r, err := openRows(obj, t)
	if err != nil {
		return fail(err)
	}
	last := int64(0)
	for row, err := range r.all(ctx, within) {
		if err != nil {
			return fail(err)
		}
		id := t.id(row)
		if id <= last {
			return fail(fmt.Errorf("%w: payment %d comes after payment %d", parquetcheck.ErrCorrupt, id, last))
		}
		last = id
		if id > int64(within.Through) {
			return nil
		}
		if id > int64(within.After) && !do(row) {
			return nil
		}
	}
	return nil
}

// Payments yields the rows of a table of payments in store with ids within a range. A row
// is valid until the next step of the sequence. Its texts stay valid. Above(0) has all ids.
func Payments(ctx context.Context, store Store, key string, within pipeline.Range) iter.Seq2[*schemas.Payment, error] {
	return readRows(ctx, store, key, -1, paymentTable, within)
}

// Changes yields the rows of a change feed in store, like Payments.
func Changes(ctx context.Context, store Store, key string) iter.Seq2[*Change, error] {
	return changesOf(readRows(ctx, store, key, -1, changeTable, Above(0)))
}

// Rejects yields the rows of a file of rejects in store, like Payments.
func Rejects(ctx context.Context, store Store, key string) iter.Seq2[*pipeline.Reject, error] {
	return rejectsOf(readRows(ctx, store, key, -1, rejectTable, Above(0)))
}

// Table returns the name of the table in a Parquet file of this program: payments,
// changes, rejects or segment.
func Table(ctx context.Context, store Store, key string) (name string, err error) {
	err = againIfReplaced(func() error {
		name, err = tableName(ctx, store, key)
		return err
	})
	return name, err
}

func tableName(ctx context.Context, store Store, key string) (_ string, err error) {
	obj, err := store.Open(ctx, key)
	if err != nil {
		return "", err
	}
	defer obj.Close()
	defer func() { err = noteReplaced(obj, err) }()
	defer guard(&err)
	file, err := openParquet(obj)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", key, err)
	}
	name, ok := file.Lookup(metaTable)
	if !ok {
		return "", fmt.Errorf("read %s: it was not written by this program", key)
	}
	return name, nil
}

// ReadPayments yields the rows of a snapshot with ids within a range, like Payments.
func (d *Dataset) ReadPayments(ctx context.Context, m *pipeline.Manifest, within pipeline.Range) iter.Seq2[*schemas.Payment, error] {
	return d.readPayments(ctx, d.store, m, within)
}

func (d *Dataset) readPayments(ctx context.Context, s opener, m *pipeline.Manifest, within pipeline.Range) iter.Seq2[*schemas.Payment, error] {
	f, ok := fileOf(m, d.history(m.Snapshot))
	if !ok {
		return failed[schemas.Payment](fmt.Errorf("the manifest of snapshot %s names no table", m.Snapshot))
	}
	return readRows(ctx, s, f.Path, f.Bytes, paymentTable, within)
}

// ReadChanges yields the changes of a snapshot: the rows of its change feed, or for a
// first snapshot each row of the table as an insert. A row is valid until the next step
// of the sequence.
func (d *Dataset) ReadChanges(ctx context.Context, m *pipeline.Manifest) iter.Seq2[*Change, error] {
	if m.Feed == pipeline.FeedTable {
		return insertsOf(d.ReadPayments(ctx, m, Above(0)))
	}
	f, ok := fileOf(m, d.changes(m.Snapshot))
	if !ok {
		return none[Change]
	}
	return changesOf(readRows(ctx, d.store, f.Path, f.Bytes, changeTable, Above(0)))
}

// ReadRejects yields the rejects of a snapshot. A row is valid until the next step of
// the sequence.
func (d *Dataset) ReadRejects(ctx context.Context, m *pipeline.Manifest) iter.Seq2[*pipeline.Reject, error] {
	f, ok := fileOf(m, d.rejects(m.Snapshot))
	if !ok {
		return none[pipeline.Reject]
	}
	return rejectsOf(readRows(ctx, d.store, f.Path, f.Bytes, rejectTable, Above(0)))
}

// ReadUnfinishedRejects yields the rejects of an unfinished run so far, by the
// checkpoint that Status returns. A row is valid until the next step of the sequence.
func (d *Dataset) ReadUnfinishedRejects(ctx context.Context, cp pipeline.Checkpoint) iter.Seq2[*pipeline.Reject, error] {
	segments := slices.Clone(cp.Segments)
	slices.SortStableFunc(segments, func(a, b pipeline.Segment) int { return cmp.Compare(a.Range.After, b.Range.After) })
	return rejectsOf(func(yield func(*schemas.Reject, error) bool) {
		errEnough := errors.New("enough")
		for _, seg := range segments {
			if seg.Rejects == 0 {
				continue
			}
			err := d.eachSegmentReject(ctx, seg, func(r *schemas.Reject) error {
				if !yield(r, nil) {
					return errEnough
				}
				return nil
			})
			if errors.Is(err, errEnough) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	})
}

func none[T any](func(*T, error) bool) {}

func failed[T any](err error) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) { yield(nil, err) }
}

func changesOf(records iter.Seq2[*schemas.Change, error]) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		var c Change
		for r, err := range records {
			if err != nil {
				yield(nil, err)
				return
			}
			c.set(r)
			if !yield(&c, nil) {
				return
			}
		}
	}
}

// insertsOf yields each row of a table as an insert.
func insertsOf(rows iter.Seq2[*schemas.Payment, error]) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		var c Change
		for p, err := range rows {
			if err != nil {
				yield(nil, err)
				return
			}
			c = Change{Op: OpInsert, Payment: *p}
			if !yield(&c, nil) {
				return
			}
		}
	}
}

func rejectsOf(records iter.Seq2[*schemas.Reject, error]) iter.Seq2[*pipeline.Reject, error] {
	return func(yield func(*pipeline.Reject, error) bool) {
		var rej pipeline.Reject
		for r, err := range records {
			if err != nil {
				yield(nil, err)
				return
			}
			rej = rejectOf(r)
			if !yield(&rej, nil) {
				return
			}
		}
	}
}

// Last implements pipeline.Sink.
func (d *Dataset) Last(ctx context.Context, m *pipeline.Manifest, after pipeline.PaymentID) iter.Seq2[*schemas.Payment, error] {
	return d.readPayments(ctx, d.opened(), m, Above(after))
}

// Rejected implements pipeline.Sink.
func (d *Dataset) Rejected(ctx context.Context, m *pipeline.Manifest) ([]pipeline.PaymentID, error) {
	var ids []pipeline.PaymentID
	for r, err := range d.ReadRejects(ctx, m) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// lastRows has the rows of the last snapshot in a merge. The zero value has no rows.
type lastRows struct {
	key  string
	obj  Object
	rows *rowReader[schemas.Payment]
	last int64
	left int64
	// sum is set if row groups may be copied.
	sum   *fileSum
	want  string // the checksum in the manifest
	index *parquetcheck.Index
}

func (d *Dataset) openLast(ctx context.Context, m *pipeline.Manifest) (*lastRows, error) {
	f, ok := fileOf(m, d.history(m.Snapshot))
	if !ok {
		return nil, fmt.Errorf("the manifest of snapshot %s names no table", m.Snapshot)
	}
	obj, err := d.opened().Open(ctx, f.Path)
	if isAbsent(err) {
		return nil, damaged{fmt.Errorf("read %s: it is missing, and its manifest is not: %w", f.Path, err)}
	}
	if err != nil {
		return nil, err
	}
	l := &lastRows{key: f.Path, obj: obj, left: f.Rows, want: f.SHA256}
	if obj.Size() != f.Bytes {
		err = fmt.Errorf("%w: it has %d bytes, its manifest says %d", parquetcheck.ErrCorrupt, obj.Size(), f.Bytes)
	} else {
		l.rows, err = openRows(obj, paymentTable)
	}
	if err != nil {
		obj.Close()
		return nil, l.fail(err)
	}
	return l, nil
}

// fail returns an error of reading the table. One that is corrupt is ErrDamaged, since
// this program wrote it.
func (l *lastRows) fail(err error) error {
	err = fmt.Errorf("read %s: %w", l.key, err)
	if errors.Is(err, parquetcheck.ErrCorrupt) {
		err = damaged{err}
	}
	return err
}

// next returns the next row, nil at the end.
func (l *lastRows) next(ctx context.Context) (*schemas.Payment, error) {
	if l.rows == nil {
		return nil, nil
	}
	row, err := l.rows.next(ctx, Above(0))
	switch {
	case err != nil:
	case row == nil:
		if l.left != 0 {
			err = fmt.Errorf("%w: its manifest says %d rows more", parquetcheck.ErrCorrupt, l.left)
		}
	case row.ID <= l.last:
		err = fmt.Errorf("%w: payment %d comes after payment %d", parquetcheck.ErrCorrupt, row.ID, l.last)
	default:
		l.last = row.ID
		l.left--
	}
	if err != nil {
		return nil, l.fail(err)
	}
	return row, nil
}

func (l *lastRows) close() {
	if l.rows != nil {
		l.rows.release()
		l.obj.Close()
	}
}
