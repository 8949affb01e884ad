package pipeline

import (
	"fmt"
	"strconv"
	"time"
)

// PaymentID is a payment's id on its portal. The portal counts from 1.
type PaymentID int64

// String gives the decimal form that ParsePaymentID reads.
func (id PaymentID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParsePaymentID reads what String gave. Ids below 1 are errors.
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

// ParseSnapshotID reads what SnapshotAt gave.
func ParseSnapshotID(s string) (SnapshotID, error) {
	if t, err := time.Parse(snapshotLayout, s); err != nil || t.Format(snapshotLayout) != s {
		return "", fmt.Errorf("snapshot %q: must look like %s", s, snapshotLayout)
	}
	return SnapshotID(s), nil
}

// Time is the second that the snapshot is named for, the zero time for "".
func (s SnapshotID) Time() time.Time {
	t, _ := time.Parse(snapshotLayout, string(s))
	return t
}

// after names the snapshot of a run that starts at t, but never one that sorts
// at or before s: two runs within a second, or a clock set back, move on by
// one second instead.
func (s SnapshotID) after(t time.Time) SnapshotID {
	if next := SnapshotAt(t); next > s {
		return next
	}
	return SnapshotAt(s.Time().Add(time.Second))
}

// Mode is what a run fetches; see the package comment.
type Mode string

// The modes of a job.
const (
	Full        Mode = "full"
	Incremental Mode = "incremental"
	Backfill    Mode = "backfill"
)

// Phase says how far a checkpoint's snapshot has come.
type Phase string

// The phases in their order. The zero phase is that of the zero checkpoint.
const (
	// Fetching: payments up to Checkpoint.Done are in segments.
	Fetching Phase = "fetching"
	// Fetched: all payments are in segments; the merge comes next.
	Fetched Phase = "fetched"
	// Merged: the snapshot's files are written and checked, and
	// Checkpoint.Manifest is what will be published.
	Merged Phase = "merged"
	// Abandoned: the snapshot was given up, since too much of it was rejected.
	// Older programs wrote it. The next run starts a new snapshot.
	Abandoned Phase = "abandoned"
	// Published: the manifest is there. Nothing is left to do; the checkpoint
	// stays as the fence against a runner that was paused all the while.
	Published Phase = "published"
)

// CheckpointVersion is the newest form of a stored checkpoint that this
// program writes, and the newest that it reads.
//
//	1  the first form
//	2  has Holes or Pool, without which the work would look complete, or is of a
//	   backfill's merge
const CheckpointVersion = 2

// Checkpoint is all that a run has to know to go on where another one ended,
// on any machine. It is stored as JSON under its number, create-only: of two
// runners only one can write number n+1, and the other one stops.
//
// Fields are added, never renamed and never given another meaning; a change
// that older programs would misread raises CheckpointVersion.
type Checkpoint struct {
	Version int `json:"version"`
	// Number counts all checkpoints of a portal's dataset, across snapshots.
	Number int64 `json:"number"`
	// Runner is the process that wrote it, a random name. It makes the stored
	// bytes unique, so that a store whose answer got lost can be asked whose
	// the object is.
	Runner  string `json:"runner"`
	Program string `json:"program"`
	// Fingerprint stands for what the job means: another one cannot go on.
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
	// Done is the id up to which every listed payment is accounted for. The
	// listing goes on behind it.
	Done     PaymentID `json:"done"`
	Segments []Segment `json:"segments,omitempty"`
	// Holes are parts of the listing up to Done that have to be read again,
	// since their segment was lost or its rejects are tried again. They ascend
	// and do not overlap.
	Holes []Range `json:"holes,omitempty"`
	// Pool are segments of earlier work that no longer count. A row of theirs
	// spares the get of a payment that is listed with the same values.
	Pool []Segment `json:"pool,omitempty"`
	// Backfill names the backfill that this is the merge of, by the snapshot that it
	// was begun as; Base is the newest snapshot of that time. Its segments are in
	// the backfill's own sink.
	Backfill SnapshotID `json:"backfill,omitempty"`
	Base     SnapshotID `json:"base,omitempty"`
	// Pending is unfinished work that a backfill's merge found, without its
	// manifest. The next run that is no backfill takes it for its own.
	Pending *Checkpoint `json:"pending,omitempty"`
	// TryRejects: the run ended since too much was rejected. The next one reads
	// the rejects again before it decides.
	TryRejects bool      `json:"try_rejects,omitempty"`
	Ledger     Ledger    `json:"ledger"`
	Use        PortalUse `json:"portal_use"`
	Pace       *Pace     `json:"pace,omitempty"`
	// UnknownIDs are those that the ledger counts as unknown, in no certain order;
	// no more than manyRanges of them.
	UnknownIDs []IDRange `json:"unknown_ids,omitempty"`
	// DeletesHeld: the snapshot is fetched, and was not published because it would
	// delete too much.
	DeletesHeld bool `json:"deletes_held,omitempty"`
	// Manifest is set from phase Merged on.
	Manifest *Manifest `json:"manifest,omitempty"`
}

// Segment is a stored part of a snapshot in the making. It exists only while a
// checkpoint names it.
type Segment struct {
	// Number is that of the first checkpoint that names the segment; its
	// object's name follows from it.
	Number  int64     `json:"number"`
	Rows    int64     `json:"rows"`
	Gone    int64     `json:"gone"`
	Rejects int64     `json:"rejects"`
	Bytes   int64     `json:"bytes"`
	MinID   PaymentID `json:"min_id"`
	MaxID   PaymentID `json:"max_id"`
	// SHA256 is the checksum of the segment's object, RejectsSHA256 that of the
	// object with its rejects; "" where there is no such object. Older programs
	// wrote none.
	SHA256        string `json:"sha256,omitempty"`
	RejectsBytes  int64  `json:"rejects_bytes,omitempty"`
	RejectsSHA256 string `json:"rejects_sha256,omitempty"`
	// Marks counts the rows that have a mark; they are in an object of their own.
	Marks       int64  `json:"marks,omitempty"`
	MarksBytes  int64  `json:"marks_bytes,omitempty"`
	MarksSHA256 string `json:"marks_sha256,omitempty"`
	// Range is the part of the listing that the segment accounts for, and Ledger
	// what it adds to the checkpoint's. The zero Range means that an older
	// program wrote the segment, and that neither is known.
	Range  Range  `json:"range,omitzero"`
	Ledger Ledger `json:"ledger,omitzero"`
}

// Range is a part of a listing: the payments above After, up to Through.
type Range struct {
	After   PaymentID `json:"after"`
	Through PaymentID `json:"through"`
}

// Unfinished reports whether the checkpoint's snapshot still has to be
// published.
func (cp *Checkpoint) Unfinished() bool {
	return cp.Phase == Fetching || cp.Phase == Fetched || cp.Phase == Merged
}

// Ledger says what became of each payment. Listed = Got + Carried + Rejected +
// Vanished, or the run fails; the table's rows are Got + Carried + Kept +
// Outside.
type Ledger struct {
	// Listed counts the payments that the portal listed.
	Listed int64 `json:"listed"`
	// Got counts those whose values this run read.
	Got int64 `json:"got"`
	// Carried counts those that are as the last snapshot has them.
	Carried int64 `json:"carried"`
	// Filled counts those of Carried that took values from the listing which a get
	// does not have, such as those of a column that the last snapshot's program did
	// not know. They are updates in the change feed.
	Filled int64 `json:"filled,omitempty"`
	// Rejected counts those that could not be read; see Reject.
	Rejected int64 `json:"rejected"`
	// Vanished counts those that were deleted between the listing and the get.
	Vanished int64 `json:"vanished"`
	// Outside counts the last snapshot's rows that lie outside of what was
	// listed: outside of a backfill's range, or not among the changes.
	Outside int64 `json:"outside"`
	// Kept counts the rejected ones whose last known row stays in the table.
	Kept int64 `json:"kept"`
	// Unknown counts given ids of which the portal did not tell whether a payment has
	// them. They are not among the listed ones.
	Unknown int64 `json:"unknown"`
	// Gone counts the last snapshot's rows whose payments are no longer there.
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

// Sub returns what l has more than m, count by count.
func (l Ledger) Sub(m Ledger) Ledger {
	return Ledger{
		Listed: l.Listed - m.Listed, Got: l.Got - m.Got, Carried: l.Carried - m.Carried, Rejected: l.Rejected - m.Rejected,
		Vanished: l.Vanished - m.Vanished, Outside: l.Outside - m.Outside, Kept: l.Kept - m.Kept,
		Gone: l.Gone - m.Gone, Filled: l.Filled - m.Filled, Unknown: l.Unknown - m.Unknown,
	}
}

// Rows is how many rows the ledger's table has.
func (l Ledger) Rows() int64 { return l.Got + l.Carried + l.Kept + l.Outside }

// PortalUse is what a snapshot cost its portal, over all the runs that it took.
type PortalUse struct {
	Requests       int64   `json:"requests"`
	Commands       int64   `json:"commands"`
	Retries        int64   `json:"retries"`
	Refused        int64   `json:"refused"`
	BytesReceived  int64   `json:"bytes_received"`
	RateWaitS      float64 `json:"rate_wait_s"`
	OperatingWaitS float64 `json:"operating_wait_s"`
	// Resumed counts how often the snapshot was taken up again.
	Resumed int64 `json:"resumed"`
}

// Add gives the sum of both.
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

// Reject is a payment that could not be read, with what the portal said.
type Reject struct {
	ID PaymentID `json:"id"`
	// Stage is where it failed: list or get.
	Stage string `json:"stage"`
	// Code is the portal's error code, or BAD_VALUE for an answer that cannot
	// be read as its column's type.
	Code        string    `json:"code"`
	Description string    `json:"description"`
	Attempts    int64     `json:"attempts"`
	Raw         string    `json:"raw"`
	SeenAt      time.Time `json:"seen_at"`
}
