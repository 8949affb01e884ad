package jobfile

import (
	"slices"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
)

// sinkKeys are the keys of the dataset's storage.
var sinkKeys = []Key{
	{
		Path: "sink", Type: typeSection,
		Text: "Where the dataset is stored, and in what format.",
	},
	{
		Path: "sink.url", Required: true, Example: "s3://warehouse/bitrix24?region=eu-central-1", Flag: "to",
		Text: "`s3://BUCKET/FOLDER`, `gs://…`, `azblob://…`, `file:///FOLDER`, or a plain path, which is relative to the " +
			"job file.",
		reading: destination(func(s *Spec, _ int, v string) { s.Sink.URL = v }),
	},
	{
		Path: "sink.compression", Default: "zstd", Example: "snappy", Flag: "compression",
		Text:    "Compression of the Parquet files. With `profile: compatible` the default is `snappy`.",
		reading: oneOf(func(s *Spec, _ int, v Compression) { s.Sink.Compression = v }, Zstd, Snappy, Uncompressed),
	},
	{
		Path: "sink.row_group_rows", Default: "122880", Example: "250000", Flag: "row-group-rows",
		Text:    "Rows in a row group of the Parquet files. The default is the size of DuckDB's row groups.",
		reading: count(1, 10_000_000, func(s *Spec, _ int, v int64) { s.Sink.RowGroupRows = int(v) }),
	},
	{
		Path: "sink.history", Default: "30", Example: "7", Flag: "history",
		Text:    "How many snapshots to keep besides the current one.",
		reading: count(0, 100_000, func(s *Spec, _ int, v int64) { s.Sink.History = int(v) }),
	},
	{
		Path: "sink.unsafe_no_fencing", Default: "false", Example: "true", Flag: "unsafe-no-fencing",
		Text: "Accept a store without conditional writes. You must then make sure that two runs never export the same portal " +
			"at the same time: together they can lose data.",
		reading: truth(func(s *Spec, _ int, v bool) { s.Sink.UnsafeNoFencing = v }),
	},
	{
		Path: "sink.profile", Default: "standard", Example: "compatible", Flag: "profile",
		Text: "`compatible` is for readers without zstd, delta encodings or version 2 of the footer. It stores all values " +
			"plainly. The files are larger; docs/speed.md shows by how much.",
		reading: oneOf(func(s *Spec, _ int, v Profile) { s.Sink.Profile = v }, Standard, Compatible),
	},
}

// runKeys are the keys of a run's checkpoints, thresholds and notifications.
var runKeys = []Key{
	{
		Path: "checkpoint", Type: typeSection,
		Text: "When a run saves what it has fetched: at whichever of these comes first.",
	},
	{
		Path: "checkpoint.every", Default: "60s", Example: "5m", Flag: "checkpoint-every",
		Text:    "A kill loses at most this much fetched work.",
		reading: span(100*time.Millisecond, day, "", func(s *Spec, _ int, v time.Duration) { s.Checkpoint.Every = v }),
	},
	{
		Path: "checkpoint.rows", Default: "50000", Example: "20000", Flag: "checkpoint-rows",
		Text:    "At most this many rows are kept in memory.",
		reading: count(1, 1_000_000, func(s *Spec, _ int, v int64) { s.Checkpoint.Rows = int(v) }),
	},
	{
		Path: "rejects", Type: typeSection,
		Text: "What to do about payments that the portal lists but does not return, or returns malformed.",
	},
	{
		Path: "rejects.max", Default: "0.1%", Example: "25", Flag: "rejects-max",
		Text: "The most rejects with which a run publishes a snapshot: a percentage of the listed payments, or a count. " +
			"A percentage allows at least 10. With more rejects the run fails and publishes nothing. The next run reads the rejected " +
			"payments again and then decides again.",
		reading: limit("0.1%", func(s *Spec, _ int, share float64, count int64) {
			s.Rejects.Max = pipeline.RejectLimit{Share: share, Count: count}
		}),
	},
	{
		Path: "deletes", Type: typeSection,
		Text: "What to do about payments of the last snapshot that the portal no longer shows.",
	},
	{
		Path: "deletes.max", Default: "20%", Example: "500", Flag: "deletes-max",
		Text: "The most rows that a run may delete: a percentage of the last snapshot's rows, or a count. A percentage always allows " +
			"100. A run may never delete every row. With more deletes the run fails, publishes nothing and keeps what it fetched: " +
			"`run --allow-deletes` publishes it, any other run lists again.",
		reading: limit("20%", func(s *Spec, _ int, share float64, count int64) {
			s.Deletes.Max = pipeline.DeleteLimit{Share: share, Count: count}
		}),
	},
	{
		Path: "patience", Default: "30m", Example: "2h", Flag: "patience",
		Text: "How long a run retries when something is temporarily unavailable, such as a portal or a bucket that cannot be reached. " +
			"Waiting for the portal's limits does not count. After that, the run saves what it has and exits with 75.",
		reading: span(time.Second, 7*day, "", func(s *Spec, _ int, v time.Duration) { s.Patience = v }),
	},
	{
		Path: "notify", Type: typeSection, optional: true,
		Text: "Where to send a message when a run ends.",
	},
	{
		Path: "notify.url", Required: true, Secret: true, Example: "${HOOK_URL}",
		Text:    "The URL that receives the run's summary as a POST.",
		reading: pageAddress(func(s *Spec, _ int, v string) { s.Notify.URL = bitrix.Secret(v) }),
	},
	{
		Path: "notify.secret", Secret: true, Example: "${HOOK_SECRET}",
		Text: "The key that signs the POST. The header `X-B24export-Signature` is then `t=SECONDS,v1=HEX`: the HMAC-SHA256 of " +
			"SECONDS, a dot and the body.",
		reading: text(func(s *Spec, _ int, v string) { s.Notify.Secret = bitrix.Secret(v) }),
	},
	{
		Path: "notify.on", Default: "[failure, rejects]", Example: "[success, failure, rejects]",
		Text: "The runs after which to send it.",
		reading: many(oneOf(func(s *Spec, _ int, v Event) { s.Notify.On = append(s.Notify.On, v) }, OnSuccess, OnFailure, OnRejects),
			func(s *Spec, _ int) { s.Notify.On = nil },
			func(s *Spec, _ int, text string) bool { return slices.Contains(s.Notify.On, Event(text)) }),
	},
}
