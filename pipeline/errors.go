package pipeline

import (
	"fmt"
	"math"
)

// RejectLimit is how many rejects a published snapshot may have: a share of the
// payments that it accounts for, listed ones and those outside the listing, or a count.
// A share allows at least 10. The zero limit allows none.
type RejectLimit struct {
	Share float64
	Count int64
}

// leastShared is how many rejects a share always allows. On a small portal a share
// alone would allow none.
const leastShared = 10

// Allowed returns how many rejects the limit allows among so many payments.
func (l RejectLimit) Allowed(payments int64) int64 {
	if l.Share <= 0 {
		return l.Count
	}
	return max(l.Count, leastShared, int64(math.Floor(l.Share*float64(payments)+1e-9)))
}

// RejectsError is returned if too many payments were rejected. The snapshot is not
// published and stays unfinished. The next run tries the rejects again.
type RejectsError struct {
	// Payments is the number of payments of the portal, and of a backfill also those
	// outside its range if the listing is complete.
	Rejected, Payments, Allowed int64
	// First is one of the rejects, as an example.
	First Reject
}

func (e *RejectsError) Error() string {
	s := fmt.Sprintf("%d of %d payments rejected, at most %d allowed; nothing was published", e.Rejected, e.Payments, e.Allowed)
	if e.First.ID != 0 {
		s += fmt.Sprintf("; payment %d, for one: %s %s", e.First.ID, e.First.Code, e.First.Description)
	}
	return s
}

// SegmentsError is returned if segments that a checkpoint names are missing or damaged.
// Their payments must be read again. Nothing else is lost.
type SegmentsError struct {
	// Numbers are the numbers of the segments, in ascending order.
	Numbers []int64
	Err     error
}

func (e *SegmentsError) Error() string { return e.Err.Error() }
func (e *SegmentsError) Unwrap() error { return e.Err }

// JobChangedError is returned if an unfinished snapshot belongs to a job with another
// meaning. Options.Restart discards the snapshot.
type JobChangedError struct {
	Snapshot SnapshotID
	Rows     int64
	// Range is the range of the unfinished snapshot, if the ranges differ. Begun is
	// then its mode.
	Begun Mode
	Range string
}

func (e *JobChangedError) Error() string {
	switch {
	case e.Range != "":
		return fmt.Sprintf("a backfill (%s) is unfinished: snapshot %s, %d payments read so far", e.Range, e.Snapshot, e.Rows)
	case e.Begun != "":
		return fmt.Sprintf("a run of mode %s is unfinished: snapshot %s, %d payments read so far", e.Begun, e.Snapshot, e.Rows)
	}
	return fmt.Sprintf("the job has changed since its unfinished snapshot %s (%d payments read so far)", e.Snapshot, e.Rows)
}

// OtherTableError is returned if a backfill's rows do not fit those of the last
// snapshot, because a job with another meaning made it.
type OtherTableError struct{ Snapshot SnapshotID }

func (e *OtherTableError) Error() string {
	return fmt.Sprintf("the table (snapshot %s) was made by a job that means something else: of another portal, of payments that are found or read in another way, or with other fields", e.Snapshot)
}
