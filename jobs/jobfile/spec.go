package jobfile

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
)

// Spec is a job as its file or its flags define it: plain, checked data with all
// defaults set. Load, Parse and FromFlags return one; without an error it obeys every
// rule of Keys. A Spec does not change.
type Spec struct {
	// Version is the version of the job file's format; 1.
	Version int
	// Name is the dataset's folder.
	Name string
	Mode pipeline.Mode
	// FullEvery is how old the newest full run may become; 0: any age.
	FullEvery time.Duration
	// Include are further files with Portals, as written in the job file.
	Include    []string
	Portals    []PortalSpec
	Source     SourceSpec
	Backfill   BackfillSpec
	Sink       SinkSpec
	Checkpoint CheckpointSpec
	Rejects    RejectsSpec
	Deletes    DeletesSpec
	// Patience is how long a run retries during a temporary problem.
	Patience time.Duration
	Notify   NotifySpec
}

// PortalSpec is one portal: its name, how to access it, and how much of its limits to
// use. Exactly one of Webhook and OAuth is set.
type PortalSpec struct {
	// Name is unique in the job. If the file has none, it is derived from the portal's
	// address.
	Name    string
	Webhook bitrix.Secret
	OAuth   *OAuthSpec
	Plan    Plan
	// TimeZone is the zone in which the portal's days are counted; nil: the zone of its
	// dates.
	TimeZone *time.Location
	// Limits are the limits in the job, on top of the plan. EffectiveLimits combines both.
	Limits LimitsSpec
}

// Address returns the portal's host, in lower case, with its port if that is not the
// scheme's default. It is no secret. It is empty if the portal's URL is not valid.
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

// OAuthSpec is how to access a portal as an application.
type OAuthSpec struct {
	// Portal is the portal's address: scheme and host.
	Portal       string
	ClientID     string
	ClientSecret bitrix.Secret
	// Tokens is where the rotating pair is stored: a path, or a bucket's URL.
	Tokens bitrix.Secret
	// Server is the authorization server's address.
	Server string
}

// LimitsSpec is the limits of a portal in a job; nil means the plan's limit.
type LimitsSpec struct {
	Rate            *float64
	Burst           *int
	Operating       *time.Duration
	OperatingWindow *time.Duration
	// Share is the share of rate and burst that this job may use, 1 by default.
	Share float64
	// Concurrency is how many requests may be in flight; 0: the default of
	// bitrix.Limits.
	Concurrency int
}

// SourceSpec is how payments are found and read.
type SourceSpec struct {
	List List
	// EntityTypes are the CRM types to list, for ListItems; empty: every type that can
	// have payments.
	EntityTypes []int64
	IDs         IDsSpec
	Enrich      Enrich
	Batch       Batch
	// Fields are further fields of sale.payment.list, stored in the column extra.
	Fields []string
	Since  Since
	// Related are the related tables to read, at most once per RelatedEvery.
	Related      []string
	RelatedEvery time.Duration
}

// IDsSpec is a set of payment ids: those from From to To, both included, or those in a
// file. The zero value means none.
type IDsSpec struct {
	From, To int64
	// File is a path of a file with one id per line. If the job file has a relative
	// path, File is relative to the working directory instead of to the job file.
	File string
}

// BackfillSpec is the range that a backfill fetches. At most one is set.
type BackfillSpec struct {
	Billed, Paid DateRange
}

// DateRange is the days from From up to, but without, To, in the portal's time zone.
// The zero value means no range.
type DateRange struct {
	From, To Date
}

// IsZero reports whether there is no range.
func (r DateRange) IsZero() bool { return r == DateRange{} }

// Date is a day of the calendar. The zero value means none.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// String returns the day as 2019-01-31.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day) }

// Before reports whether d is before e.
func (d Date) Before(e Date) bool {
	if d.Year != e.Year {
		return d.Year < e.Year
	}
	if d.Month != e.Month {
		return d.Month < e.Month
	}
	return d.Day < e.Day
}

// In returns the instant at which the day begins in a time zone.
func (d Date) In(zone *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
}

// SinkSpec is where the dataset is stored, and in which format.
type SinkSpec struct {
	// URL is s3://…, gs://…, azblob://…, file:///… or a path. If the job file has a
	// relative path, URL is relative to the working directory instead of to the job
	// file.
	URL string
	// Former is the URL as version 0.1.0 read it: relative paths were relative to the
	// working directory. It is empty if both are the same.
	Former      string
	Compression Compression
	// Profile is Compatible for readers that know only the oldest version of Parquet.
	// Compression is then Snappy or Uncompressed.
	Profile Profile
	// RowGroupRows is how many rows a row group of the tables has.
	RowGroupRows int
	// History is how many snapshots to keep besides the current one.
	History int
	// UnsafeNoFencing accepts a store without conditional writes.
	UnsafeNoFencing bool
}

// CheckpointSpec is when a run saves its progress: at whichever comes first.
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

// NotifySpec is where to send a message when a run ends. An empty URL means nowhere.
type NotifySpec struct {
	URL bitrix.Secret
	// Secret is the key for the signature; "": messages are not signed.
	Secret bitrix.Secret
	On     []Event
}

// List is how payments are found.
type List string

// The ways to find payments.
const (
	ListAuto     List = "auto"     // sale if the rights allow it, otherwise bindings
	ListSale     List = "sale"     // sale.payment.list
	ListBindings List = "bindings" // crm.orderentity.list, then each owner's payments
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

// Batch is whether calls are sent in batches.
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

// Profile is which readers the Parquet files are for.
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

// String describes the range: billed from 2019-01-01 to 2024-01-01.
func (b *BackfillSpec) String() string {
	if !b.Billed.IsZero() {
		return fmt.Sprintf("billed from %s to %s", b.Billed.From, b.Billed.To)
	}
	return fmt.Sprintf("paid from %s to %s", b.Paid.From, b.Paid.To)
}
