package jobfile

import (
	"slices"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
)

// sinkKeys are the keys of where the dataset goes.
var sinkKeys = []Key{
	{
		Path: "sink", Type: typeSection,
		Text: "Where the dataset goes, and in what form.",
	},
	{
		Path: "sink.url", Required: true, Example: "s3://warehouse/bitrix24?region=eu-central-1", Flag: "to",
		Text: "`s3://BUCKET/FOLDER`, `gs://…`, `azblob://…`, `file:///FOLDER`, or a plain path, which is relative to the " +
			"job file.",
		reading: destination(func(s *Spec, _ int, v string) { s.Sink.URL = v }),
	},
	{
		Path: "sink.compression", Default: "zstd", Example: "snappy", Flag: "compression",
		Text:    "Of the Parquet files. With `profile: compatible` the default is `snappy`.",
		reading: oneOf(func(s *Spec, _ int, v Compression) { s.Sink.Compression = v }, Zstd, Snappy, Uncompressed),
	},
	{
		Path: "sink.row_group_rows", Default: "122880", Example: "250000", Flag: "row-group-rows",
		Text:    "Rows in a row group of the Parquet files. The default is what DuckDB works in.",
		reading: count(1, 10_000_000, func(s *Spec, _ int, v int64) { s.Sink.RowGroupRows = int(v) }),
	},
	{
		Path: "sink.history", Default: "30", Example: "7", Flag: "history",
		Text:    "How many snapshots are kept besides the current one.",
		reading: count(0, 100_000, func(s *Spec, _ int, v int64) { s.Sink.History = int(v) }),
	},
	{
		Path: "sink.unsafe_no_fencing", Default: "false", Example: "true", Flag: "unsafe-no-fencing",
		Text: "Accept a store without conditional writes. Then nothing but you keeps two runs of one portal apart: " +
			"together they can lose data.",
		reading: truth(func(s *Spec, _ int, v bool) { s.Sink.UnsafeNoFencing = v }),
	},
	{
		Path: "sink.profile", Default: "standard", Example: "compatible", Flag: "profile",
		Text: "`compatible` is for readers without zstd, delta encodings or version 2 of the footer: all values are stored " +
			"plainly. Files are larger; docs/speed.md has the price.",
		reading: oneOf(func(s *Spec, _ int, v Profile) { s.Sink.Profile = v }, Standard, Compatible),
	},
}

// runKeys are the keys of how a run goes on, and ends.
var runKeys = []Key{
	{
		Path: "checkpoint", Type: typeSection,
		Text: "When a run saves what it has fetched; whichever comes first.",
	},
	{
		Path: "checkpoint.every", Default: "60s", Example: "5m", Flag: "checkpoint-every",
		Text:    "At most this much fetched work is lost by a kill.",
		reading: span(100*time.Millisecond, day, "", func(s *Spec, _ int, v time.Duration) { s.Checkpoint.Every = v }),
	},
	{
		Path: "checkpoint.rows", Default: "50000", Example: "20000", Flag: "checkpoint-rows",
		Text:    "At most this many rows are held in memory.",
		reading: count(1, 1_000_000, func(s *Spec, _ int, v int64) { s.Checkpoint.Rows = int(v) }),
	},
	{
		Path: "rejects", Type: typeSection,
		Text: "What to do about payments that the portal lists but does not give, or gives broken.",
	},
	{
		Path: "rejects.max", Default: "0.1%", Example: "25", Flag: "rejects-max",
		Text: "How many of them, as a part of the listed payments or as a count, still let a snapshot be published. " +
			"A part allows at least 10. With more, the run fails and publishes nothing; the next run reads these payments again, " +
			"and then decides again.",
		reading: limit("0.1%", func(s *Spec, _ int, share float64, count int64) {
			s.Rejects.Max = pipeline.RejectLimit{Share: share, Count: count}
		}),
	},
	{
		Path: "deletes", Type: typeSection,
		Text: "What to do about payments that the last snapshot has and the portal no longer shows.",
	},
	{
		Path: "deletes.max", Default: "20%", Example: "500", Flag: "deletes-max",
		Text: "How many of them, as a part of the last snapshot's rows or as a count, one run may delete. A part always allows " +
			"100; every row at once is never allowed. With more, the run fails, publishes nothing and keeps what it fetched: " +
			"`run --allow-deletes` publishes it, any other run lists again.",
		reading: limit("20%", func(s *Spec, _ int, share float64, count int64) {
			s.Deletes.Max = pipeline.DeleteLimit{Share: share, Count: count}
		}),
	},
	{
		Path: "patience", Default: "30m", Example: "2h", Flag: "patience",
		Text: "How long a run goes on against something temporary (a portal or a bucket that cannot be reached). " +
			"Waiting for the portal's limits does not count. After it, the run saves what it has and exits with 75.",
		reading: span(time.Second, 7*day, "", func(s *Spec, _ int, v time.Duration) { s.Patience = v }),
	},
	{
		Path: "notify", Type: typeSection, optional: true,
		Text: "Whom to tell when a run ends.",
	},
	{
		Path: "notify.url", Required: true, Secret: true, Example: "${HOOK_URL}",
		Text:    "Gets a POST of the run's summary.",
		reading: address(func(s *Spec, _ int, v string) { s.Notify.URL = bitrix.Secret(v) }),
	},
	{
		Path: "notify.secret", Secret: true, Example: "${HOOK_SECRET}",
		Text: "Signs it: the header `X-B24export-Signature` is then `t=SECONDS,v1=HEX`, the HMAC-SHA256 of SECONDS, a point and " +
			"the body.",
		reading: text(func(s *Spec, _ int, v string) { s.Notify.Secret = bitrix.Secret(v) }),
	},
	{
		Path: "notify.on", Default: "[failure, rejects]", Example: "[success, failure, rejects]",
		Text: "After which runs.",
		reading: many(oneOf(func(s *Spec, _ int, v Event) { s.Notify.On = append(s.Notify.On, v) }, OnSuccess, OnFailure, OnRejects),
			func(s *Spec, _ int) { s.Notify.On = nil },
			func(s *Spec, _ int, text string) bool { return slices.Contains(s.Notify.On, Event(text)) }),
	},
}
