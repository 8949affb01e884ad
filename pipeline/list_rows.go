package pipeline

import (
	"context"
	"fmt"
	"iter"
)

// lastRows returns a function that returns the next row of the last snapshot in the
// part, nil at the end. A row is valid until the next call.
func (l *lister[R]) lastRows(ctx context.Context) (next func() (*R, error), stop func()) {
	if l.last == nil {
		return func() (*R, error) { return nil, nil }, func() {}
	}
	return pullRows(l.Sink.Last(ctx, l.last, l.part.After), fmt.Sprintf("snapshot %s", l.last.Snapshot))
}

// pooledRows returns a function that returns the pool's row of an id. Calls must be in
// ascending order of id. A row is valid until the next call.
func (l *lister[R]) pooledRows(ctx context.Context) (reuse func(PaymentID) (*R, error), stop func()) {
	if len(l.pool) == 0 {
		return func(PaymentID) (*R, error) { return nil, nil }, func() {}
	}
	next, stop := pullRows(l.Sink.Pool(ctx, l.pool, l.part.After), "segments of earlier work")
	var row *R
	begun := false
	return func(id PaymentID) (*R, error) {
		var err error
		for !begun || row != nil && l.Table.ID(row) < id {
			begun = true
			if row, err = next(); err != nil {
				return nil, err
			}
		}
		if row == nil || l.Table.ID(row) > id {
			return nil, nil
		}
		return row, nil
	}, stop
}

// pullRows converts a sequence to a function that returns the next row, nil at the end.
func pullRows[R any](rows iter.Seq2[*R, error], what string) (next func() (*R, error), stop func()) {
	pull, stop := iter.Pull2(rows)
	return func() (*R, error) {
		row, err, ok := pull()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		if !ok {
			return nil, nil
		}
		return row, nil
	}, stop
}

// lastMarks returns a function that returns the last snapshot's mark of an id, 0 if it
// has none. Calls must be in ascending order of id. A full run uses no marks.
func (l *lister[R]) lastMarks(ctx context.Context) (mark func(PaymentID) (uint64, error), stop func()) {
	if l.last == nil || l.last.Listed == nil || l.mode == Full || l.Table.Mark == nil {
		return func(PaymentID) (uint64, error) { return 0, nil }, func() {}
	}
	pull, stop := iter.Pull2(l.Sink.Marks(ctx, l.last, l.part.After))
	var next Mark
	more := true
	return func(id PaymentID) (uint64, error) {
		for more && next.ID < id {
			var err error
			if next, err, more = pull(); err != nil {
				return 0, fmt.Errorf("read what the listing showed for snapshot %s: %w", l.last.Snapshot, err)
			}
		}
		if !more || next.ID > id {
			return 0, nil
		}
		return next.Mark, nil
	}, stop
}
