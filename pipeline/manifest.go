package pipeline

import (
	"cmp"
	"time"

	"b24export/schemas/totals"
)

// ManifestVersion is the newest form of a manifest that this program reads and writes.
const ManifestVersion = 1

// Manifest is a snapshot's public record, stored as JSON. It is written last,
// create-only: a snapshot without a manifest does not exist. Fields are added, never
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
	// Source is how payments were found. Why is the reason.
	Source    string `json:"source"`
	SourceWhy string `json:"source_why,omitempty"`
	// SourceLacks names the columns that this way of finding payments leaves empty;
	// null in manifests of programs that did not write it.
	SourceLacks []string `json:"source_lacks"`
	// Range is the range that a backfill fetched.
	Range string `json:"range,omitempty"`
	// Backfill names the backfill that was merged into this snapshot.
	Backfill SnapshotID `json:"backfill,omitempty"`
	// Dates is how the dates of the listing were read; nil if the listing shows them
	// correctly.
	Dates *Dates `json:"list_dates,omitempty"`
	// TimeZone is the portal's time zone, in which its days are counted: an IANA name
	// such as Europe/Berlin, of the portal's city or of one with the same rules, or an
	// offset such as +03:00 if all dates that the run saw have that one; "" if it is
	// not known.
	TimeZone string `json:"time_zone,omitempty"`
	// Since describes how the changes were found; nil if the listing itself showed
	// them.
	Since      *Since    `json:"since,omitempty"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	// FullAt is the start of the newest run, up to this one, that fetched every
	// payment again.
	FullAt  time.Time `json:"full_at"`
	Ledger  Ledger    `json:"ledger"`
	Changes Changes   `json:"changes"`
	// Feed is FeedTable if the snapshot's table is also its change feed. That is true
	// of a portal's first snapshot, in which each row is an insert. Otherwise the
	// change feed is a file of its own, or nothing changed.
	Feed   string                  `json:"feed,omitempty"`
	Totals map[string]totals.Total `json:"totals"`
	// UnknownIDs are the ids that the ledger counts as unknown.
	UnknownIDs []IDRange `json:"unknown_ids,omitempty"`
	// Deletes is the limit of deletions under which the snapshot was published; nil for
	// a portal's first one.
	Deletes *DeleteGuard `json:"deletes,omitempty"`
	Files   []File       `json:"files"`
	// Listed is the file with the marks of rows whose values the listing shows
	// otherwise. Only the program uses it. Without it, such payments are fetched once
	// more.
	Listed *File `json:"listed,omitempty"`
	// PriorFingerprint is the job_fingerprint of the newest earlier snapshot that had
	// another one; "" if there was none.
	PriorFingerprint string    `json:"prior_fingerprint,omitempty"`
	PortalUse        PortalUse `json:"portal_use"`
	// Pace is the progress of fetching over time; nil if it took almost no time.
	Pace *Pace `json:"pace,omitempty"`
	// Checksum is the checksum of the stored manifest; the sink defines how it is
	// computed. It is the last key, and only in the stored manifest.
	Checksum string `json:"checksum,omitempty"`
}

// FeedTable is the value of Manifest.Feed of a portal's first snapshot.
const FeedTable = "table"

// Dates describes how a run read the dates of its listing.
type Dates struct {
	// Measured describes what the dates were measured by.
	Measured string `json:"measured"`
	// ShiftS is how many seconds later than stored the listing shows dates.
	ShiftS int64 `json:"shift_s"`
	// Form is how else the listing changes dates; "" if it does not.
	Form string `json:"form,omitempty"`
	// Zone is the time zone of the portal's server; "" if it is not known.
	Zone string `json:"zone,omitempty"`
	// Unknown counts listed payments without a date of bill in the listing that may
	// have one. Ambiguous counts payments whose date of bill is one of two.
	Unknown   int64 `json:"unknown,omitempty"`
	Ambiguous int64 `json:"ambiguous,omitempty"`
}

// Add returns d with the counts of before added, which is from an earlier run of the
// same snapshot. Either may be nil.
func (d *Dates) Add(before *Dates) *Dates {
	if d == nil || before == nil {
		return cmp.Or(d, before)
	}
	sum := *d
	sum.Unknown += before.Unknown
	sum.Ambiguous += before.Ambiguous
	return &sum
}

// Changes counts the differences between a snapshot and the previous one. The first
// snapshot of a portal has only inserts.
type Changes struct {
	Insert int64 `json:"insert"`
	Update int64 `json:"update"`
	Delete int64 `json:"delete"`
}

// Sum returns the number of all changes.
func (c Changes) Sum() int64 { return c.Insert + c.Update + c.Delete }

// File is one object of a snapshot. Path is relative to the sink's URL. MinID and MaxID
// are 0 for a file without payment ids.
type File struct {
	Path   string    `json:"path"`
	Rows   int64     `json:"rows"`
	Bytes  int64     `json:"bytes"`
	SHA256 string    `json:"sha256"`
	MinID  PaymentID `json:"min_id,omitempty"`
	MaxID  PaymentID `json:"max_id,omitempty"`
}
