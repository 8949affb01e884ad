package jobfile

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
)

// Spec is a job as its file, or its flags, say it: plain data, checked, with
// every default filled in. Load, Parse and FromFlags make one; what they return
// without an error keeps every rule of Keys. A Spec is not changed once made.
type Spec struct {
	// Version is the form of the job file; 1.
	Version int
	// Name is the dataset's folder.
	Name string
	Mode pipeline.Mode
	// FullEvery is how old the newest full run may become; 0: any age.
	FullEvery time.Duration
	// Include are further files that Portals come from, as the job file says it.
	Include    []string
	Portals    []PortalSpec
	Source     SourceSpec
	Backfill   BackfillSpec
	Sink       SinkSpec
	Checkpoint CheckpointSpec
	Rejects    RejectsSpec
	Deletes    DeletesSpec
	// Patience is how long a run continues against something temporary.
	Patience time.Duration
	Notify   NotifySpec
}

// PortalSpec is one portal: what it is called, how to get in, and how much of
// it may be used. Exactly one of Webhook and OAuth is set.
type PortalSpec struct {
	// Name is unique in the job. If the file returns none, it comes from the portal's
	// address.
	Name    string
	Webhook bitrix.Secret
	OAuth   *OAuthSpec
	Plan    Plan
	// TimeZone is the one in which the portal's days are counted; nil: the one that
	// its dates show.
	TimeZone *time.Location
	// Limits are what the job says on top of the plan; EffectiveLimits has both.
	Limits LimitsSpec
}

// Address is the portal's host, in lower case, with its port if that is not the
// scheme's own. It is no secret. It is empty if the portal's URL is broken.
func (p *PortalSpec) Address() string {
	text := p.Webhook.Reveal()
	if p.OAuth != nil {
		text = p.OAuth.Portal
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" || port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" {
		return host
	}
	return host + ":" + port
}

// OAuthSpec is how an application gets into a portal.
type OAuthSpec struct {
	// Portal is the portal's address: scheme and host.
	Portal       string
	ClientID     string
	ClientSecret bitrix.Secret
	// Tokens is where the rotating pair lives: a path, or a bucket's URL.
	Tokens bitrix.Secret
	// Server is the authorization server's address.
	Server string
}

// LimitsSpec is what a job says about a portal's limits; nil is what the plan
// says.
type LimitsSpec struct {
	Rate            *float64
	Burst           *int
	Operating       *time.Duration
	OperatingWindow *time.Duration
	// Share is the part of rate and burst that is ours, 1 by default.
	Share float64
	// Concurrency is how many requests may be under way at once; 0: as many as
	// bitrix.Limits says.
	Concurrency int
}

// SourceSpec is how payments are found and read.
type SourceSpec struct {
	List List
	// EntityTypes are the CRM types to walk, for ListItems; empty: every type
	// that can have payments.
	EntityTypes []int64
	IDs         IDsSpec
	Enrich      Enrich
	Batch       Batch
	// Fields are further fields of sale.payment.list, kept in the column extra.
	Fields []string
	Since  Since
	// Related are the tables to read beside the payments, at most once in
	// RelatedEvery.
	Related      []string
	RelatedEvery time.Duration
}

// IDsSpec is a given set of payment ids: those from From to To, both included,
// or those in a file. The zero value is none.
type IDsSpec struct {
	From, To int64
	// File is a path: one id a line. A path of a job file that is relative to
	// it has been made relative to the working directory.
	File string
}

// BackfillSpec is the part of the past that a backfill gets. At most one is set.
type BackfillSpec struct {
	Billed, Paid DateRange
}

// DateRange is the days from From up to, but without, To, in the portal's time
// zone. The zero value is no range.
type DateRange struct {
	From, To Date
}

// IsZero reports whether there is no range.
func (r DateRange) IsZero() bool { return r == DateRange{} }

// Date is a day of the calendar. The zero value is none.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// String is the day as 2019-01-31.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// Before reports whether d is an earlier day than e.
func (d Date) Before(e Date) bool {
	if d.Year != e.Year {
		return d.Year < e.Year
	}
	if d.Month != e.Month {
		return d.Month < e.Month
	}
	return d.Day < e.Day
}

// in is the day's first instant in a time zone.
// In is the instant at which the day begins in a time zone.
func (d Date) In(zone *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
}

// SinkSpec is where the dataset goes, and in what form.
type SinkSpec struct {
	// URL is s3://…, gs://…, azblob://…, file:///… or a path. A relative path of a
	// job file has been made relative to the working directory.
	URL string
	// Former is what version 0.1.0 took for URL: a relative path began at the working
	// directory. It is empty where that is the same place.
	Former      string
	Compression Compression
	// Profile is Compatible for readers that know only the oldest form of the
	// files. Compression is then Snappy or Uncompressed.
	Profile Profile
	// RowGroupRows is how many rows a row group of the tables has.
	RowGroupRows int
	// History is how many snapshots are kept besides the current one.
	History int
	// UnsafeNoFencing accepts a store without conditional writes.
	UnsafeNoFencing bool
}

// CheckpointSpec is when a run saves what it has: whichever comes first.
type CheckpointSpec struct {
	Every time.Duration
	Rows  int
}

// RejectsSpec is how many payments may be rejected.
type RejectsSpec struct {
	Max pipeline.RejectLimit
}

// DeletesSpec is how many rows one run may delete.
type DeletesSpec struct {
	Max pipeline.DeleteLimit
}

// NotifySpec says where to send a message when a run ends; an empty URL means nowhere.
type NotifySpec struct {
	URL bitrix.Secret
	// Secret signs what is sent; "": it is not signed.
	Secret bitrix.Secret
	On     []Event
}

// List is how payments are found.
type List string

// The ways to find payments.
const (
	ListAuto     List = "auto"     // sale if the rights allow it, else bindings
	ListSale     List = "sale"     // sale.payment.list
	ListBindings List = "bindings" // crm.orderentity.list, then each item's payments
	ListItems    List = "items"    // the owners of given types, then their payments
	ListIDs      List = "ids"      // given ids
)

// Enrich is where a row's values come from.
type Enrich string

// The sources of values.
const (
	EnrichGet  Enrich = "get"  // crm.item.payment.get
	EnrichList Enrich = "list" // what the listing returned
)

// Batch is whether calls travel in batches.
type Batch string

// The ways to send calls.
const (
	BatchAuto  Batch = "auto"
	BatchNever Batch = "never"
)

// Since is how an incremental run finds changed payments.
type Since string

// The signs of a change.
const (
	SinceList   Since = "list"
	SinceOrders Since = "orders"
	SinceEvents Since = "events"
)

// Compression is how the Parquet files are compressed.
type Compression string

// The compressions.
const (
	Zstd         Compression = "zstd"
	Snappy       Compression = "snappy"
	Uncompressed Compression = "none"
)

// Profile says which readers the Parquet files are for.
type Profile string

// The profiles.
const (
	Standard   Profile = "standard"
	Compatible Profile = "compatible"
)

// Event is an outcome of a run that can be notified.
type Event string

// The events.
const (
	OnSuccess Event = "success"
	OnFailure Event = "failure"
	OnRejects Event = "rejects"
)

// String returns which part of the past it is: billed from 2019-01-01 to 2024-01-01.
func (b *BackfillSpec) String() string {
	if !b.Billed.IsZero() {
		return fmt.Sprintf("billed from %s to %s", b.Billed.From, b.Billed.To)
	}
	return fmt.Sprintf("paid from %s to %s", b.Paid.From, b.Paid.To)
}
