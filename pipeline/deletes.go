package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// DeleteLimit limits the rows of the last snapshot that a new snapshot may lack: a
// share of that snapshot's rows, but at least leastDeletes, or a count. The zero limit
// allows none. A snapshot that would delete every row exceeds any limit.
type DeleteLimit struct {
	Share float64
	Count int64
}

// leastDeletes is the number that a share always allows. On a small portal a few
// legitimate deletes soon exceed a share.
const leastDeletes = 100

// Allowed returns the number of rows that may be deleted from a table of this size.
func (l DeleteLimit) Allowed(rows int64) int64 {
	if l.Share > 0 {
		return max(leastDeletes, int64(math.Floor(l.Share*float64(rows)+1e-9)))
	}
	return l.Count
}

// holds reports whether a snapshot that would delete this many of a table's rows must
// not be published.
func (l DeleteLimit) holds(deleted, rows int64) bool {
	return deleted > l.Allowed(rows) || deleted > 0 && deleted >= rows
}

// DeletesError is returned if a snapshot would delete too many of the last one's rows.
// It is not published. Its rows are saved for a run with Options.AllowDeletes. Any
// other run lists again.
type DeletesError struct {
	Snapshot SnapshotID
	// Deleted is how many of the last snapshot's Rows the portal no longer shows.
	// Allowed is how many of them may be deleted.
	Deleted, Rows, Allowed int64
}

func (e *DeletesError) Error() string {
	if e.Deleted >= e.Rows {
		return fmt.Sprintf("the portal shows none of the %d payments of the last snapshot; snapshot %s would delete them all, and was not published", e.Rows, e.Snapshot)
	}
	return fmt.Sprintf("the portal no longer shows %d of the %d payments of the last snapshot, more than the %d that one run may delete; snapshot %s was not published",
		e.Deleted, e.Rows, e.Allowed, e.Snapshot)
}

// DeleteGuard is what a manifest says about the limit.
type DeleteGuard struct {
	// Rows is the number of rows of the previous snapshot; Allowed of them might be
	// deleted.
	Rows    int64 `json:"rows"`
	Allowed int64 `json:"allowed"`
	// Forced reports whether more rows were deleted because the run was started with
	// AllowDeletes.
	Forced bool `json:"forced,omitempty"`
}

// guardDeletes returns an error if the snapshot would delete too much. Otherwise it
// returns what the manifest records about the limit, nil for a first snapshot.
func (r *run[R]) guardDeletes(ctx context.Context) (*DeleteGuard, error) {
	if r.last == nil {
		return nil, nil
	}
	rows, deleted := r.last.Ledger.Rows(), int64(0)
	for _, seg := range r.cp.Segments {
		deleted += seg.Gone
	}
	// Both are equal, except in a checkpoint of an older program, whose ledger does not
	// count them.
	deleted = max(deleted, r.cp.Ledger.Gone)
	guard := &DeleteGuard{Rows: rows, Allowed: r.Deletes.Allowed(rows)}
	if !r.Deletes.holds(deleted, rows) {
		return guard, nil
	}
	if r.AllowDeletes {
		guard.Forced = true
		r.Log.Warn("the snapshot deletes more than the limit allows; this run was started with --allow-deletes", "deleted", deleted, "rows", rows, "allowed", guard.Allowed)
		return guard, nil
	}
	held := &DeletesError{Snapshot: r.cp.Snapshot, Deleted: deleted, Rows: rows, Allowed: guard.Allowed}
	cp := r.cp
	cp.DeletesHeld = true
	// If the program dies before this commit, the next run finds the snapshot fetched,
	// and decides again. If it dies after it, the next run starts a new snapshot, or
	// publishes this one if AllowDeletes is set.
	if err := r.commit(ctx, cp); err != nil {
		return nil, errors.Join(held, err)
	}
	return nil, held
}
