package pipeline

import (
	"fmt"
	"strconv"
	"time"
)

// PaymentID is a payment's id on its portal. The portal counts from 1.
type PaymentID int64

// String returns the decimal form that ParsePaymentID parses.
func (id PaymentID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParsePaymentID parses the result of String. Ids below 1 are errors.
func ParsePaymentID(s string) (PaymentID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("payment id %q: must be a whole number from 1", s)
	}
	return PaymentID(n), nil
}

// SnapshotID names one complete table of one portal: the second at which its
// run started, in UTC, as 20261122T020000Z. Later snapshots sort after earlier
// ones, as text too.
type SnapshotID string

const snapshotLayout = "20060102T150405Z"

// SnapshotAt names the snapshot of a run that starts at t.
func SnapshotAt(t time.Time) SnapshotID { return SnapshotID(t.UTC().Format(snapshotLayout)) }

// ParseSnapshotID parses the result of SnapshotAt.
func ParseSnapshotID(s string) (SnapshotID, error) {
	if t, err := time.Parse(snapshotLayout, s); err != nil || t.Format(snapshotLayout) != s {
		return "", fmt.Errorf("snapshot %q: must look like %s", s, snapshotLayout)
	}
	return SnapshotID(s), nil
}

// Time returns the second that the snapshot is named for, or the zero time for "".
func (s SnapshotID) Time() time.Time {
	t, _ := time.Parse(snapshotLayout, string(s))
	return t
}

// after returns the name of the snapshot of a run that starts at t, but always one that
// sorts after s. If two runs start within a second, or a clock was set back, it is a
// second later than s.
func (s SnapshotID) after(t time.Time) SnapshotID {
	if next := SnapshotAt(t); next > s {
		return next
	}
	return SnapshotAt(s.Time().Add(time.Second))
}

// Mode says what a run fetches; see the package comment.
type Mode string

// The modes of a job.
const (
	Full        Mode = "full"
	Incremental Mode = "incremental"
	Backfill    Mode = "backfill"
)

// Phase is the progress of a checkpoint's snapshot.
type Phase string

// The phases in their order. The zero phase belongs to the zero checkpoint.
const (
	// Fetching: payments up to Checkpoint.Done are in segments.
	Fetching Phase = "fetching"
	// Fetched: all payments are in segments; the merge comes next.
	Fetched Phase = "fetched"
	// Merged: the snapshot's files are written and checked, and
	// Checkpoint.Manifest is what will be published.
	Merged Phase = "merged"
	// Abandoned: the snapshot was abandoned because it had too many rejects. Older
	// programs wrote this phase. The next run starts a new snapshot.
	Abandoned Phase = "abandoned"
	// Published: the manifest is written. Nothing is left to do. The checkpoint remains
	// as the fence against a runner that was paused in the meantime.
	Published Phase = "published"
)

// CheckpointVersion is the newest form of a stored checkpoint that this
// program writes, and the newest that it reads.
//
//	1  the first form
//	2  has Holes or Pool, without which the work would look complete, or is of a
//	   backfill's merge
const CheckpointVersion = 2

// Checkpoint is everything that a run needs to resume another run, on any machine. It
// is stored as JSON under its number and is create-only: of two runners only one can
// write number n+1, and the other one stops.
//
// Fields are added, never renamed and never given another meaning; a change that older
// programs would misread raises CheckpointVersion.
type Checkpoint struct {
	Version int `json:"version"`
	// Number counts all checkpoints of a portal's dataset, across snapshots.
	Number int64 `json:"number"`
	// Runner is the random name of the process that wrote the checkpoint. It makes the
	// stored bytes unique. If the answer of the store was lost, the runner reads the
	// object and sees who wrote it.
	Runner  string `json:"runner"`
	Program string `json:"program"`
	// Fingerprint identifies the meaning of the job. A job with another fingerprint
	// cannot resume.
	Fingerprint string     `json:"job_fingerprint"`
	Snapshot    SnapshotID `json:"snapshot"`
	Previous    SnapshotID `json:"previous,omitempty"`
	Mode        Mode       `json:"mode"`
	Phase       Phase      `json:"phase"`
	StartedAt   time.Time  `json:"started_at"`
	WrittenAt   time.Time  `json:"written_at"`
	// Range is Options.Range of the run that began the snapshot.
	Range string `json:"range,omitempty"`
	Since *Since `json:"since,omitempty"`
	Dates *Dates `json:"list_dates,omitempty"`
	// TimeZone is Manifest.TimeZone, as far as it is known.
	TimeZone string `json:"time_zone,omitempty"`
	// Done is the id up to which every listed payment is accounted for. The listing
	// continues after it.
	Done     PaymentID `json:"done"`
	Segments []Segment `json:"segments,omitempty"`
	// Holes are parts of the listing up to Done that must be read again, because their
	// segment was lost or its rejects are tried again. They ascend and do not overlap.
	Holes []Range `json:"holes,omitempty"`
	// Pool has segments of earlier work that no longer count. If a payment is listed
	// with the values of a row in the pool, the run uses the row instead of a get.
	Pool []Segment `json:"pool,omitempty"`
	// Backfill is the first snapshot name of the backfill, if this is the merge of a
	// backfill. Base is the snapshot that was newest then. The segments are in the
	// backfill's own sink.
	Backfill SnapshotID `json:"backfill,omitempty"`
	Base     SnapshotID `json:"base,omitempty"`
	// Pending is the checkpoint of unfinished work that a backfill's merge found,
	// without its manifest. The next run that is not a backfill resumes it.
	Pending *Checkpoint `json:"pending,omitempty"`
	// TryRejects: the run ended because of too many rejects. The next run reads the
	// rejects again before it decides.
	TryRejects bool      `json:"try_rejects,omitempty"`
	Ledger     Ledger    `json:"ledger"`
	Use        PortalUse `json:"portal_use"`
	Pace       *Pace     `json:"pace,omitempty"`
	// UnknownIDs has the ids that the ledger counts as unknown, in no particular order,
	// in at most manyRanges ranges.
	UnknownIDs []IDRange `json:"unknown_ids,omitempty"`
	// DeletesHeld: the snapshot is fetched, and was not published because it would
	// delete too much.
	DeletesHeld bool `json:"deletes_held,omitempty"`
	// Manifest is set from phase Merged on.
	Manifest *Manifest `json:"manifest,omitempty"`
	// Checksum is the checksum of the stored checkpoint; the sink defines how it is
	// made. It is the last field, and empty outside of the sink.
	Checksum string `json:"checksum,omitempty"`
}

// Segment is a stored part of an unfinished snapshot. It exists only while a checkpoint
// names it.
type Segment struct {
	// Number is the number of the first checkpoint that names the segment. The name of
	// its object contains it.
	Number  int64     `json:"number"`
	Rows    int64     `json:"rows"`
	Gone    int64     `json:"gone"`
	Rejects int64     `json:"rejects"`
	Bytes   int64     `json:"bytes"`
	MinID   PaymentID `json:"min_id"`
	MaxID   PaymentID `json:"max_id"`
	// SHA256 is the checksum of the segment's object, RejectsSHA256 that of the object
	// with its rejects; "" if there is no such object. Older programs did not write
	// them.
	SHA256        string `json:"sha256,omitempty"`
	RejectsBytes  int64  `json:"rejects_bytes,omitempty"`
	RejectsSHA256 string `json:"rejects_sha256,omitempty"`
	// Marks counts the rows that have a mark. The marks are in a separate object.
	Marks       int64  `json:"marks,omitempty"`
	MarksBytes  int64  `json:"marks_bytes,omitempty"`
	MarksSHA256 string `json:"marks_sha256,omitempty"`
	// Range is the part of the listing that the segment accounts for, and Ledger its
	// share of the checkpoint's ledger. The zero Range means that an older program
	// wrote the segment and neither is known.
	Range  Range  `json:"range,omitzero"`
	Ledger Ledger `json:"ledger,omitzero"`
}

// Range is a part of a listing: the payments above After, up to Through.
type Range struct {
	After   PaymentID `json:"after"`
	Through PaymentID `json:"through"`
}

// Unfinished reports whether the checkpoint's snapshot has not been published.
func (cp *Checkpoint) Unfinished() bool {
	return cp.Phase == Fetching || cp.Phase == Fetched || cp.Phase == Merged
}

// Ledger counts the payments of a run by outcome. Listed = Got + Carried + Rejected +
// Vanished, or the run fails; the table's rows are Got + Carried + Kept + Outside.
type Ledger struct {
	// Listed counts the payments that the portal listed.
	Listed int64 `json:"listed"`
	// Got counts the payments that this run fetched.
	Got int64 `json:"got"`
	// Carried counts the payments that have the same values as in the last snapshot.
	Carried int64 `json:"carried"`
	// Filled counts the payments of Carried that took values from the listing which a
	// get does not have, such as a column that the last snapshot's program did not
	// know. They are updates in the change feed.
	Filled int64 `json:"filled,omitempty"`
	// Rejected counts the payments that could not be read; see Reject.
	Rejected int64 `json:"rejected"`
	// Vanished counts the payments that were deleted between the listing and the get.
	Vanished int64 `json:"vanished"`
	// Outside counts the last snapshot's rows outside the listing: outside a backfill's
	// range, or not among the changes.
	Outside int64 `json:"outside"`
	// Kept counts the rejected payments whose last known row stays in the table.
	Kept int64 `json:"kept"`
	// Unknown counts given ids for which the portal does not show whether a payment has
	// them. They are not among the listed ones.
	Unknown int64 `json:"unknown"`
	// Gone counts the last snapshot's rows whose payments no longer exist.
	Gone int64 `json:"gone"`
}

// Check reports whether the ledger adds up.
func (l Ledger) Check() error {
	if l.Listed != l.Got+l.Carried+l.Rejected+l.Vanished {
		return fmt.Errorf("ledger does not add up: listed %d, but got %d + carried %d + rejected %d + vanished %d",
			l.Listed, l.Got, l.Carried, l.Rejected, l.Vanished)
	}
	return nil
}

// Sub returns the difference l − m, count by count.
func (l Ledger) Sub(m Ledger) Ledger {
	return Ledger{
		Listed: l.Listed - m.Listed, Got: l.Got - m.Got, Carried: l.Carried - m.Carried, Rejected: l.Rejected - m.Rejected,
		Vanished: l.Vanished - m.Vanished, Outside: l.Outside - m.Outside, Kept: l.Kept - m.Kept,
		Gone: l.Gone - m.Gone, Filled: l.Filled - m.Filled, Unknown: l.Unknown - m.Unknown,
	}
}

// Rows returns the number of rows of the ledger's table.
func (l Ledger) Rows() int64 { return l.Got + l.Carried + l.Kept + l.Outside }

// PortalUse is the cost of a snapshot for its portal, over all its runs.
type PortalUse struct {
	Requests       int64   `json:"requests"`
	Commands       int64   `json:"commands"`
	Retries        int64   `json:"retries"`
	Refused        int64   `json:"refused"`
	BytesReceived  int64   `json:"bytes_received"`
	RateWaitS      float64 `json:"rate_wait_s"`
	OperatingWaitS float64 `json:"operating_wait_s"`
	// Resumed counts how often the snapshot was resumed.
	Resumed int64 `json:"resumed"`
}

// Add returns the sum of both.
func (u PortalUse) Add(v PortalUse) PortalUse {
	u.Requests += v.Requests
	u.Commands += v.Commands
	u.Retries += v.Retries
	u.Refused += v.Refused
	u.BytesReceived += v.BytesReceived
	u.RateWaitS += v.RateWaitS
	u.OperatingWaitS += v.OperatingWaitS
	u.Resumed += v.Resumed
	return u
}

// Reject is a payment that could not be read, with the portal's answer.
type Reject struct {
	ID PaymentID `json:"id"`
	// Stage is the step that failed: list or get.
	Stage string `json:"stage"`
	// Code is the portal's error code, or BAD_VALUE for an answer that cannot
	// be read as its column's type.
	Code        string    `json:"code"`
	Description string    `json:"description"`
	Attempts    int64     `json:"attempts"`
	Raw         string    `json:"raw"`
	SeenAt      time.Time `json:"seen_at"`
}

// size returns how many bytes the texts of any length have.
func (r *Reject) size() int64 { return int64(len(r.Description) + len(r.Raw)) }
