package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"b24export/schemas/totals"
)

// Listed is a payment as a listing shows it.
type Listed[R any] struct {
	ID PaymentID
	// Row contains the columns that the listing shows.
	Row R
	// Reject is set if the listing's values could not be read. The payment is rejected
	// and not fetched.
	Reject *Reject
	// Unread is set if the listing shows only that the payment exists. Row is then
	// meaningless.
	Unread bool
	// Missing is set if the listing shows that there is no such payment.
	Missing bool
}

// Absence is what it means if a listing does not show a payment of the last snapshot.
type Absence int

const (
	// Gone: the payment no longer exists.
	Gone Absence = iota
	// Doubtful: it no longer exists, or it has changed so that this listing does not
	// show it. Source.Find decides.
	Doubtful
	// Outside: the listing does not cover the payment, so it means nothing.
	Outside
)

// Scope is what a source must know about a run before it lists.
type Scope struct {
	// Mode is the run's mode. It is Full for an incremental job's first run.
	Mode Mode
	// Last is the newest snapshot's manifest, nil if there is none.
	Last *Manifest
	// Resumed reports whether earlier work counts: the run resumes a snapshot, or may
	// use rows of an unfinished one. Begun is what Begin returned for that work.
	Resumed bool
	Begun   *Since
	// Gap reports whether a snapshot later than Last was published and has been deleted
	// since. Changes that its run has recorded elsewhere may be lost.
	Gap bool
}

// Since describes how a run found the payments that may have changed.
type Since struct {
	// By is the source's name of the way.
	By string `json:"by"`
	// Why is the reason, if the job asks for another way.
	Why string `json:"why,omitempty"`
	// Watermark is where the next run starts to look for changes, in the source's own
	// form. It is "" if the next run cannot continue from this one.
	Watermark string `json:"watermark,omitempty"`
}

// Got is the result of one chunk. Each of its payments is in exactly one of the four
// fields.
type Got[R any] struct {
	// Rows may be in any order.
	Rows     []R
	Rejects  []Reject
	Vanished []PaymentID
	// Unknown are payments that the portal refuses with a message that does not show
	// whether they exist. If the last snapshot has such a payment, it becomes a reject
	// and keeps its row. The others are only counted: they are neither rejects nor
	// rows.
	Unknown []Reject
}

// Source finds and reads a portal's payments.
type Source[R any] interface {
	// Begin is called first, once for a run that fetches. It decides what List lists.
	// Its result is recorded in the manifest; nil means that there was no choice. A
	// resumed snapshot must keep the watermark of its beginning: what has changed since
	// can be before the place where the listing continues.
	Begin(ctx context.Context, scope Scope) (*Since, error)
	// List yields pages of payments in strictly ascending order of id, from the first
	// id above after. A payment that exists during the whole listing must be in it,
	// unless Absent decides otherwise. A page belongs to the run, which may change it:
	// List does not use it again. The capacity behind a page belongs to List, which may put
	// the next pages there: the run then need not copy a chunk that begins on one page and
	// ends on another. An error ends the sequence. List is called once for
	// each part of the listing that the run reads, one after another. Each sequence is
	// ranged over once, and not always to its end.
	List(ctx context.Context, after PaymentID) iter.Seq2[[]Listed[R], error]
	// Absent returns what it means that List did not list a payment. last is the last
	// snapshot's row, nil if that has the payment only as a reject.
	Absent(id PaymentID, last *R) Absence
	// Find lists the payments that exist of at most a chunk of ids, in their current
	// state and in any order. It is called during List's iteration, while that waits.
	Find(ctx context.Context, ids []PaymentID) ([]Listed[R], error)
	// Get reads the payments of one chunk. It retries temporary errors itself; an error
	// that it returns ends the run. It is called concurrently.
	Get(ctx context.Context, chunk []Listed[R]) (Got[R], error)
	// Use returns what the source has used of the portal so far. It is called
	// concurrently with the other methods.
	Use() PortalUse
	// Total returns how many payments the whole listing has according to the portal, as
	// far as known; 0 if that is not known. It is called concurrently with the other
	// methods.
	Total() int64
	// Dates returns what the source has found out about the dates of its listing; nil
	// if they are correct. It is called concurrently with the other methods.
	Dates() *Dates
	// TimeZone returns the portal's time zone in the form of Manifest.TimeZone; "" if
	// it is not known yet. It is called concurrently with the other methods.
	TimeZone() string
}

// Table is what the engine must know about a row.
type Table[R any] struct {
	// ID returns a row's payment id.
	ID func(*R) PaymentID
	// Same reports whether a listing shows a payment as it did when last was fetched,
	// as far as a listing shows its values. mark is what Mark returned then. It is 0 if
	// the listing had the values of last, or if what it had is not known.
	Same func(listed, last *R, mark uint64) bool
	// Mark returns a number other than 0 that represents what a listing shows, if got,
	// the row that was fetched, has other values. Otherwise it returns 0. If Mark is
	// nil, rows have no marks.
	Mark func(listed, got *R) uint64
	// Fill is for payments whose listed row differs from the last snapshot's only in
	// values that a get lacks. It returns the last snapshot's row with these values,
	// and true. Such a row is written without a get. mark is as for Same. Fill is
	// called only if Same returns false. If it is nil, no row is filled.
	Fill func(listed, last *R, mark uint64) (R, bool)
	// Keep replaces values of a listed row that this listing cannot show by those of
	// the last snapshot's row. If Keep is nil, there are no such values.
	Keep func(listed, last *R)
	// Differs names the columns in which a listed row differs from the last snapshot's.
	// If it is nil, a run does not report why it fetched many payments.
	Differs func(listed, last *R) []string
	// Size returns how many bytes the texts of any length have that a row keeps in memory.
	// nil: rows have none.
	Size func(*R) int
	// ReadAt returns when a row's values were read from the portal.
	ReadAt func(*R) time.Time
}

// State is what a sink has stored of a portal's dataset when a run begins.
type State struct {
	// Checkpoint is the newest checkpoint; the zero checkpoint if there is none.
	Checkpoint Checkpoint
	// Last is the newest snapshot's manifest, nil if there is none.
	Last *Manifest
}

// Part is the content of a segment.
type Part[R any] struct {
	// Rows are in ascending order of id.
	Rows []R
	// Gone are the ids, in ascending order, that the last snapshot has and the portal
	// no longer lists, or that vanished before they were fetched.
	Gone    []PaymentID
	Rejects []Reject
	// Marks are the marks of Rows, in ascending order of id. Not every row has one.
	Marks []Mark
}

// Mark records that a listing shows other values of a payment than its row has, and
// represents them; see Table.Mark.
type Mark struct {
	ID   PaymentID
	Mark uint64
}

// Sink stores one portal's dataset. Methods are called from one goroutine at a time,
// except Last, Rejected, Marks and Pool, which may be called concurrently with
// WriteSegment and Commit. All methods except Commit and Begin may be repeated with the
// same arguments, by this runner or another one, and then leave the same bytes. If a
// method returns nil, its effect is durable. If it returns an error, it may or may not
// have had its effect. A Sink retries temporary errors of the storage itself.
type Sink[R any] interface {
	// Begin takes the lease and reads the newest state. It returns a *HeldError if
	// another living runner holds the lease.
	Begin(ctx context.Context) (State, error)
	// Last yields the rows of the snapshot with the manifest m, in ascending order of
	// id, from the first id above after. The next step of the sequence may reuse the
	// row; the caller may keep a copy.
	Last(ctx context.Context, m *Manifest, after PaymentID) iter.Seq2[*R, error]
	// Rejected returns the ids, in ascending order, of the payments that the snapshot
	// with the manifest m has as rejects.
	Rejected(ctx context.Context, m *Manifest) ([]PaymentID, error)
	// Marks yields the marks of the rows of the snapshot with the manifest m, in
	// ascending order of id, from the first id above after. It leaves out marks that
	// are lost or damaged, and logs that instead of returning an error.
	Marks(ctx context.Context, m *Manifest, after PaymentID) iter.Seq2[Mark, error]
	// WriteSegment stores a part. number is the number of the checkpoint that will name
	// the segment, and determines the segment's name. WriteSegment does not retain
	// part.
	WriteSegment(ctx context.Context, number int64, part Part[R]) (Segment, error)
	// Pool yields the rows of segments, in ascending order of id, from the first id
	// above after. Of rows with the same id it yields that of the segment with the
	// highest number. It leaves out segments that are missing or damaged. The next step
	// of the sequence may reuse the row.
	Pool(ctx context.Context, segments []Segment, after PaymentID) iter.Seq2[*R, error]
	// Commit stores the checkpoint, create-only. It returns ErrFenced if a checkpoint
	// with this or a higher number exists that this call has not written.
	Commit(ctx context.Context, cp Checkpoint) error
	// Merge writes the snapshot's files from cp's segments. If last is not nil, it adds
	// the rows of last, except those that a segment replaces or lists as gone. It reads
	// back what it wrote. If cp belongs to a backfill's merge, the segments are in the
	// backfill's sink, the later reading of each id wins, and a payment that a change
	// feed after cp.Base deletes stays deleted. A *SegmentsError names segments that
	// are missing or damaged.
	Merge(ctx context.Context, cp Checkpoint, last *Manifest) (MergeResult, error)
	// Publish makes m the newest snapshot: it writes the current table first, then the
	// manifest. It returns ErrFenced if a later snapshot exists.
	Publish(ctx context.Context, m *Manifest) error
	// Sweep deletes what neither a manifest within retention nor cp needs: segments,
	// older checkpoints, old snapshots, temporary files.
	Sweep(ctx context.Context, cp Checkpoint) error
	// End releases the lease, if it is still held. It is called once after each
	// successful Begin.
	End(ctx context.Context) error
}

// MergeResult is the result of a merge.
type MergeResult struct {
	Files []File
	// Rows is how many rows the table has. Carried is how many of them came from the
	// last snapshot.
	Rows    int64
	Carried int64
	Changes Changes
	// Feed is the value of Manifest.Feed.
	Feed   string
	Totals map[string]totals.Total
	// Listed is the file with the marks of the table's rows, nil if none has one.
	Listed *File
	// Ledger is the whole ledger, for the merge of a backfill; else nil.
	Ledger *Ledger
}

// ErrFenced is returned if another runner has resumed this dataset. The other runner
// continues; this runner stops.
var ErrFenced = errors.New("another runner has taken this dataset over")

// HeldError is returned if another runner holds the lease.
type HeldError struct {
	// Holder is the host and process of the other runner.
	Holder string
	Since  time.Time
	// Until is when the lease expires unless it is renewed.
	Until time.Time
	// Merging reports whether the holder is a backfill that merges, which is short.
	Merging bool
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("lease held by %s since %s, until %s",
		e.Holder, e.Since.UTC().Format(time.RFC3339), e.Until.UTC().Format(time.RFC3339))
}
