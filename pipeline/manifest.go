package pipeline

import (
	"cmp"
	"time"

	"b24export/schemas/totals"
)

// ManifestVersion is the newest form of a manifest that this program writes,
// and the newest that it reads.
const ManifestVersion = 1

// Manifest is a snapshot's public record, stored as JSON. It is written last,
// create-only: a snapshot without one does not exist. Fields are added, never
// renamed.
type Manifest struct {
	Version       int        `json:"version"`
	Dataset       string     `json:"dataset"`
	Portal        string     `json:"portal"`
	Snapshot      SnapshotID `json:"snapshot"`
	Previous      SnapshotID `json:"previous,omitempty"`
	Mode          Mode       `json:"mode"`
	Program       string     `json:"program"`
	SchemaVersion int        `json:"schema_version"`
	Fingerprint   string     `json:"job_fingerprint"`
	// Source is how payments were found, and Why it was chosen.
	Source    string `json:"source"`
	SourceWhy string `json:"source_why,omitempty"`
	// SourceLacks names the columns that this way of finding payments leaves empty;
	// null in manifests of programs that did not write it.
	SourceLacks []string `json:"source_lacks"`
	// Range is the part of the past that a backfill got.
	Range string `json:"range,omitempty"`
	// Backfill names the backfill that this snapshot is the merge of.
	Backfill SnapshotID `json:"backfill,omitempty"`
	// Dates is how the dates of the listing were read; nil if it shows them as they
	// are.
	Dates *Dates `json:"list_dates,omitempty"`
	// TimeZone is the portal's time zone, in which its days are counted: an IANA name
	// such as Europe/Berlin, of the portal's city or of one with the same rules, or an
	// offset such as +03:00 if all dates that the run saw have that one; "" if it is
	// not known.
	TimeZone string `json:"time_zone,omitempty"`
	// Since says how the changes were found; nil if it was the listing itself.
	Since      *Since    `json:"since,omitempty"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	// FullAt is the start of the newest run, up to this one, that fetched every
	// payment again.
	FullAt  time.Time `json:"full_at"`
	Ledger  Ledger    `json:"ledger"`
	Changes Changes   `json:"changes"`
	// Feed is FeedTable where the snapshot's table is its change feed, which is so of
	// a portal's first snapshot: each row is an insert. Else the change feed is a file of
	// its own, or nothing changed.
	Feed   string                  `json:"feed,omitempty"`
	Totals map[string]totals.Total `json:"totals"`
	// UnknownIDs are those that the ledger counts as unknown.
	UnknownIDs []IDRange `json:"unknown_ids,omitempty"`
	// Deletes is the limit of deletions that the snapshot was published under; nil
	// for a portal's first one.
	Deletes *DeleteGuard `json:"deletes,omitempty"`
	Files   []File       `json:"files"`
	// Listed is the file that has, for rows whose values the listing shows otherwise,
	// what it showed. It is the program's own: without it, such payments are fetched
	// once more.
	Listed *File `json:"listed,omitempty"`
	// PriorFingerprint is the job_fingerprint of the newest earlier snapshot that had
	// another one; "" if there was none.
	PriorFingerprint string    `json:"prior_fingerprint,omitempty"`
	PortalUse        PortalUse `json:"portal_use"`
	// Pace is how the fetching continued; nil if it took no time to speak of.
	Pace *Pace `json:"pace,omitempty"`
	// Checksum is the checksum of the stored manifest; who stores it says how it is
	// made. It stands last, and nowhere but in the stored one.
	Checksum string `json:"checksum,omitempty"`
}

// FeedTable is the value of Manifest.Feed of a portal's first snapshot.
const FeedTable = "table"

// Dates says how a run read the dates that its listing shows.
type Dates struct {
	// Measured says what it was measured by.
	Measured string `json:"measured"`
	// ShiftS is how many seconds later than they are dates are shown.
	ShiftS int64 `json:"shift_s"`
	// Form is what else becomes of them; "" if nothing does.
	Form string `json:"form,omitempty"`
	// Zone is the time zone of the portal's server; "" if it is not known.
	Zone string `json:"zone,omitempty"`
	// Unknown counts listed payments of which the listing shows no date of bill
	// although there may be one, Ambiguous those whose date of bill is one of two.
	Unknown   int64 `json:"unknown,omitempty"`
	Ambiguous int64 `json:"ambiguous,omitempty"`
}

// Add returns d with the counts of before, which is of an earlier run of the same
// snapshot. Either may be nil.
func (d *Dates) Add(before *Dates) *Dates {
	if d == nil || before == nil {
		return cmp.Or(d, before)
	}
	sum := *d
	sum.Unknown += before.Unknown
	sum.Ambiguous += before.Ambiguous
	return &sum
}

// Changes counts a snapshot's differences from the one before. The first
// snapshot of a portal is all inserts.
type Changes struct {
	Insert int64 `json:"insert"`
	Update int64 `json:"update"`
	Delete int64 `json:"delete"`
}

// Sum is how many there are.
func (c Changes) Sum() int64 { return c.Insert + c.Update + c.Delete }

// File is one of a snapshot's objects. Path is relative to the sink's URL. A
// file without payment ids has none as MinID and MaxID.
type File struct {
	Path   string    `json:"path"`
	Rows   int64     `json:"rows"`
	Bytes  int64     `json:"bytes"`
	SHA256 string    `json:"sha256"`
	MinID  PaymentID `json:"min_id,omitempty"`
	MaxID  PaymentID `json:"max_id,omitempty"`
}
