package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"b24export/schemas/totals"
)

// Listed is a payment as a listing showed it.
type Listed[R any] struct {
	ID PaymentID
	// Row has the columns that the listing knows.
	Row R
	// Reject is set if the listing's values could not be read. The payment is
	// rejected without being got.
	Reject *Reject
	// Unread is set if the listing shows that the payment exists, and nothing
	// else of it: Row means nothing.
	Unread bool
	// Missing is set if the listing shows that there is no such payment.
	Missing bool
}

// Absence is what it means that a listing did not show a payment which the last
// snapshot has.
type Absence int

const (
	// Gone: the payment no longer exists.
	Gone Absence = iota
	// Doubtful: it no longer exists, or it has changed so that this listing does not
	// show it. Source.Find decides.
	Doubtful
	// Outside: nothing; the listing does not go so far.
	Outside
)

// Scope is what a source has to know of a run before it lists.
type Scope struct {
	// Mode is the run's; it is Full for an incremental job's first run.
	Mode Mode
	// Last is the newest snapshot's manifest, nil if there is none.
	Last *Manifest
	// Resumed reports whether earlier work counts: the run resumes a snapshot, or
	// may use rows of an unfinished one. Begun is what Begin returned for that.
	Resumed bool
	Begun   *Since
	// Gap reports whether a snapshot later than Last was published and has been
	// deleted since. What its run has noted elsewhere of changes may be gone.
	Gap bool
}

// Since says how a run found the payments that may have changed.
type Since struct {
	// By is the source's name for it.
	By string `json:"by"`
	// Why is the reason if that is not what the job says.
	Why string `json:"why,omitempty"`
	// Watermark is where the next run's look at changes begins, in the source's own
	// form; "" if the next run cannot continue from this one.
	Watermark string `json:"watermark,omitempty"`
}

// Got is what became of the payments of one chunk: each of them is in exactly
// one of the four.
type Got[R any] struct {
	// Rows may be in any order.
	Rows     []R
	Rejects  []Reject
	Vanished []PaymentID
	// Unknown are payments that the portal refuses with a message that does not show
	// whether they exist. One that the last snapshot has is a reject, and keeps its
	// row; the others are counted, and neither rejects nor rows.
	Unknown []Reject
}

// Source finds and reads a portal's payments.
type Source[R any] interface {
	// Begin is called once a run that fetches, before all else. It settles what List
	// will go through. Its answer goes into the manifest; nil where there is no choice.
	// The watermark of a snapshot that is resumed must be the one of its beginning:
	// what has changed since may lie before the place where the listing continues.
	Begin(ctx context.Context, scope Scope) (*Since, error)
	// List yields pages of payments in strictly ascending order of id,
	// beginning with the first id above after. A payment that exists during
	// the whole listing must be in it, unless Absent says otherwise. An error
	// ends the sequence. It is called once for each part of the listing that
	// the run reads, one after another; each sequence is ranged over once, and
	// not always to its end.
	List(ctx context.Context, after PaymentID) iter.Seq2[[]Listed[R], error]
	// Absent says what it means that List passed a payment over. last is the
	// last snapshot's row, nil for one that it has as a reject only.
	Absent(id PaymentID, last *R) Absence
	// Find lists those of at most a chunk of ids that exist, as they are now, in
	// any order. Called beside List's iteration, while it stands still.
	Find(ctx context.Context, ids []PaymentID) ([]Listed[R], error)
	// Get reads the payments of one chunk. It retries by itself what may pass;
	// an error ends the run. Called concurrently.
	Get(ctx context.Context, chunk []Listed[R]) (Got[R], error)
	// Use is what the source has cost the portal since it was made. Called
	// concurrently with the others.
	Use() PortalUse
	// Total is how many payments the portal says that the listing has from its
	// beginning on, as far as is known by now; 0 if it is not. Called
	// concurrently with the others.
	Total() int64
	// Dates is what the source has found out about the dates that its listing
	// shows; nil if they need no reading. Called concurrently with the others.
	Dates() *Dates
	// TimeZone returns the portal's time zone as Manifest.TimeZone has it; "" if it is
	// not known by now. Called concurrently with the others.
	TimeZone() string
}

// Table is what the engine has to know of a row.
type Table[R any] struct {
	// ID returns a row's payment id.
	ID func(*R) PaymentID
	// Same reports whether a listing shows a payment as it did when last was
	// fetched, as far as a listing knows its values. mark is what Mark returned then;
	// 0: the listing had the values of last, or what it had is not known.
	Same func(listed, last *R, mark uint64) bool
	// Mark returns a number other than 0 that stands for what a listing shows, if got,
	// which was fetched for it, has other values; else 0. nil: rows have no marks.
	Mark func(listed, got *R) uint64
	// Fill returns the last snapshot's row with what only a listing has, and true,
	// where the listing's row differs from it in nothing else. mark is as with Same.
	// Such a row is written without a get. It is called only where Same reports
	// false; nil: never.
	Fill func(listed, last *R, mark uint64) (R, bool)
	// Keep sets values of a listing's row that this listing cannot show to those that
	// the last snapshot's row has. nil: there are none.
	Keep func(listed, last *R)
	// Differs names the columns in which a listing's row differs from the last
	// snapshot's. nil: a run does not say why it fetched much.
	Differs func(listed, last *R) []string
	// ReadAt returns when a row's values were read from the portal.
	ReadAt func(*R) time.Time
}

// State is what a sink holds of a portal's dataset when a run begins.
type State struct {
	// Checkpoint is the newest one; the zero checkpoint if there is none.
	Checkpoint Checkpoint
	// Last is the newest snapshot's manifest, nil if there is none.
	Last *Manifest
}

// Part is what a segment is made of.
type Part[R any] struct {
	// Rows in ascending order of id.
	Rows []R
	// Gone are the ids, ascending, that the last snapshot has and the portal
	// no longer lists, or that vanished before they were got.
	Gone    []PaymentID
	Rejects []Reject
	// Marks has the marks of Rows, in ascending order of id. Not every row has one.
	Marks []Mark
}

// Mark says that a listing showed other values of a payment than its row has, and
// stands for them; see Table.Mark.
type Mark struct {
	ID   PaymentID
	Mark uint64
}

// Sink keeps one portal's dataset. Methods are called from one goroutine at a time,
// except Last, Rejected, Marks and Pool, which may run concurrently with WriteSegment
// and Commit. All but Commit and Begin may be repeated with the same arguments, by this
// runner or another one, and then leave the same bytes behind. A method that returns
// nil has made its effect durable; one that returns an error may or may not have had
// its effect. Temporary faults of the storage are retried inside.
type Sink[R any] interface {
	// Begin takes the lease and reads the newest state. A lease that another
	// living runner holds is a *HeldError.
	Begin(ctx context.Context) (State, error)
	// Last yields the rows of the snapshot that m is the manifest of, in
	// ascending order of id, beginning with the first id above after. The row
	// may be reused by the next step of the sequence; a copy of it may be kept.
	Last(ctx context.Context, m *Manifest, after PaymentID) iter.Seq2[*R, error]
	// Rejected returns the ids, ascending, of the payments that the snapshot of m has
	// as rejects.
	Rejected(ctx context.Context, m *Manifest) ([]PaymentID, error)
	// Marks yields the marks of the rows of the snapshot that m is the manifest of, in
	// ascending order of id, beginning with the first id above after. Marks that are
	// lost or damaged are left out: the sink logs that, and returns no error.
	Marks(ctx context.Context, m *Manifest, after PaymentID) iter.Seq2[Mark, error]
	// WriteSegment stores a part under the name that follows from number, the
	// number of the checkpoint that will name it. It keeps nothing of part.
	WriteSegment(ctx context.Context, number int64, part Part[R]) (Segment, error)
	// Pool yields the rows of segments, in ascending order of id, beginning with
	// the first id above after. Of rows with one id it yields that of the segment
	// with the highest number. A segment that is missing or damaged is left out.
	// The row may be reused by the next step of the sequence.
	Pool(ctx context.Context, segments []Segment, after PaymentID) iter.Seq2[*R, error]
	// Commit stores the checkpoint, create-only. ErrFenced if its number, or a
	// higher one, is there already and not by this very call.
	Commit(ctx context.Context, cp Checkpoint) error
	// Merge makes the snapshot's files from cp's segments and, where last is not nil,
	// from the rows of last that no segment has a row for or calls gone. It reads back
	// what it wrote. If cp belongs to a backfill's merge, the segments are in the
	// backfill's sink, the later reading of each id wins, and a payment that a change
	// feed after cp.Base deletes stays deleted. A *SegmentsError names segments that
	// are missing or damaged.
	Merge(ctx context.Context, cp Checkpoint, last *Manifest) (MergeResult, error)
	// Publish makes m the newest snapshot: the current table first, then the
	// manifest. ErrFenced if a later snapshot is there already.
	Publish(ctx context.Context, m *Manifest) error
	// Sweep deletes what neither a manifest within retention nor cp needs:
	// segments, older checkpoints, old snapshots, temporary files.
	Sweep(ctx context.Context, cp Checkpoint) error
	// End releases the lease, if it is still held. Called once after a successful
	// Begin, whatever happened.
	End(ctx context.Context) error
}

// MergeResult is what a merge made.
type MergeResult struct {
	Files []File
	// Rows is how many the table has; Carried how many of them came from the
	// last snapshot.
	Rows    int64
	Carried int64
	Changes Changes
	// Feed is the manifest's.
	Feed   string
	Totals map[string]totals.Total
	// Listed is the file with the marks of the table's rows, nil if none has one.
	Listed *File
	// Ledger is the whole ledger, of the merge of a backfill; else nil.
	Ledger *Ledger
}

// ErrFenced says that another runner has resumed this dataset. What it does is right;
// this runner stops.
var ErrFenced = errors.New("another runner has taken this dataset over")

// HeldError says that another runner holds the lease.
type HeldError struct {
	// Holder is host and process of the other runner.
	Holder string
	Since  time.Time
	// Until is when the lease ends unless it is renewed.
	Until time.Time
	// Merging: the holder is a backfill that merges, which does not take long.
	Merging bool
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("lease held by %s since %s, until %s",
		e.Holder, e.Since.UTC().Format(time.RFC3339), e.Until.UTC().Format(time.RFC3339))
}
