package jobfile

import (
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"b24export/pipeline"
)

const year = 365 * day

// datasetName and portalName exclude names that hide or mix up folders. Engines skip
// folders whose names begin with _, and b24export itself uses _runs and _state.
var (
	datasetName = regexp.MustCompile(`^[a-z0-9][a-z0-9_]{0,62}$`)
	portalName  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
)

const (
	datasetRule = "1 to 63 of a-z, 0-9 and _, the first one not _"
	portalRule  = "1 to 63 of a-z, 0-9 and -, the first one not -"
)

// jobKeys are the keys of the whole job.
var jobKeys = []Key{
	{
		Path: "version", Required: true, Example: "1",
		Text:    "The version of the job file's format.",
		reading: count(1, 1, func(s *Spec, _ int, v int64) { s.Version = int(v) }),
	},
	{
		Path: "name", Required: true, Example: "payments", Flag: "name",
		Text: "The name of the dataset: of its folder and its table. It must not end in `_history`, `_changes` or `_rejects`, " +
			"which are other folders of a dataset. `check` warns if it ends in the name of a related table, such as " +
			"`_orders`, whose folder it shares. Without a job file the default is `payments`.",
		reading: name(datasetName, datasetRule, func(s *Spec, _ int, v string) { s.Name = v }),
	},
	{
		Path: "mode", Default: "incremental", Example: "full", Flag: "mode",
		Text: "Which payments a run fetches. `full`: all. `incremental`: those that are new or differ from the last " +
			"snapshot; the first run of a portal is a full one. `backfill`: a range of the past.",
		reading: oneOf(func(s *Spec, _ int, v pipeline.Mode) { s.Mode = v },
			pipeline.Full, pipeline.Incremental, pipeline.Backfill),
	},
	{
		Path: "full_every", Default: "7d", Example: "30d", Flag: "full-every",
		Text: "For an incremental job: when the last full run is older than this, the next run fetches all payments " +
			"again. A full run finds changes that no listing shows.",
		reading: span(time.Minute, 10*year, "never", func(s *Spec, _ int, v time.Duration) { s.FullEvery = v }),
	},
	{
		Path: "include", Example: "[portals.yaml]",
		Text: "Files with more portals. Each has the key `portals` and no other. The brackets may be omitted for one file. " +
			"A relative path is relative to the job file's folder.",
		reading: includes(),
	},
}

// includes reads the paths of files with portals.
func includes() reading {
	r := many(text(func(s *Spec, _ int, v string) { s.Include = append(s.Include, v) }),
		func(s *Spec, _ int) { s.Include = nil },
		func(s *Spec, _ int, path string) bool {
			return slices.ContainsFunc(s.Include, func(other string) bool { return filepath.Clean(other) == filepath.Clean(path) })
		})
	r.lone = true
	return r
}

// backfillKeys are the keys of a backfill's range.
var backfillKeys = []Key{
	{
		Path: "backfill", Type: typeSection,
		Text: "For mode `backfill`: the range of the past. Give exactly one of these sections, or `source.ids`. Days are in " +
			"the portal's time zone.",
	},
	{
		Path: "backfill.billed", Type: typeSection, optional: true,
		Text: "Payments billed in these days.",
	},
	{
		Path: "backfill.billed.from", Required: true, Example: "2019-01-01", Flag: "billed-from",
		Text:    "The first day.",
		reading: date(func(s *Spec, _ int, v Date) { s.Backfill.Billed.From = v }),
	},
	{
		Path: "backfill.billed.to", Required: true, Example: "2024-01-01", Flag: "billed-to",
		Text:    "The day after the last day.",
		reading: date(func(s *Spec, _ int, v Date) { s.Backfill.Billed.To = v }),
	},
	{
		Path: "backfill.paid", Type: typeSection, optional: true,
		Text: "Payments paid in these days.",
	},
	{
		Path: "backfill.paid.from", Required: true, Example: "2019-01-01", Flag: "paid-from",
		Text:    "The first day.",
		reading: date(func(s *Spec, _ int, v Date) { s.Backfill.Paid.From = v }),
	},
	{
		Path: "backfill.paid.to", Required: true, Example: "2024-01-01", Flag: "paid-to",
		Text:    "The day after the last day.",
		reading: date(func(s *Spec, _ int, v Date) { s.Backfill.Paid.To = v }),
	},
}
