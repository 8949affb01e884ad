package pipeline

import (
	"fmt"
	"math"
)

// RejectLimit is how many rejects a snapshot may have and still be published:
// a share of the payments that it accounts for, listed ones and those outside of
// the listing, or a count. A share allows at least 10. The zero limit allows none.
type RejectLimit struct {
	Share float64
	Count int64
}

// leastShared is how many rejects a share allows at least. A share of a small
// portal would allow none.
const leastShared = 10

// Allowed returns the most rejects that the limit lets pass among so many
// payments.
func (l RejectLimit) Allowed(payments int64) int64 {
	if l.Share <= 0 {
		return l.Count
	}
	return max(l.Count, leastShared, int64(math.Floor(l.Share*float64(payments)+1e-9)))
}

// RejectsError says that too many payments were rejected to publish. The
// snapshot stays unfinished, and the next run tries the rejects again.
type RejectsError struct {
	// Payments is how many payments the limit was compared with.
	Rejected, Payments, Allowed int64
	// First is one of them, as an example.
	First Reject
}

func (e *RejectsError) Error() string {
	s := fmt.Sprintf("%d of %d payments rejected, at most %d allowed; nothing was published", e.Rejected, e.Payments, e.Allowed)
	if e.First.ID != 0 {
		s += fmt.Sprintf("; payment %d, for one: %s %s", e.First.ID, e.First.Code, e.First.Description)
	}
	return s
}

// SegmentsError says that segments which a checkpoint names are missing or
// damaged. Their payments have to be read again; nothing else is lost.
type SegmentsError struct {
	// Numbers are the numbers of the segments, ascending.
	Numbers []int64
	Err     error
}

func (e *SegmentsError) Error() string { return e.Err.Error() }
func (e *SegmentsError) Unwrap() error { return e.Err }

// JobChangedError says that an unfinished snapshot belongs to a job with
// another meaning. Options.Restart throws it away.
type JobChangedError struct {
	Snapshot SnapshotID
	Rows     int64
	// Range is the unfinished snapshot's, where that is what differs; Begun is
	// its mode then.
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

// OtherTableError says that a backfill's rows do not go with those of the last
// snapshot, which a job with another meaning made.
type OtherTableError struct{ Snapshot SnapshotID }

func (e *OtherTableError) Error() string {
	return fmt.Sprintf("the table (snapshot %s) was made by a job that means something else: of another portal, of payments that are found or read in another way, or with other fields", e.Snapshot)
}
