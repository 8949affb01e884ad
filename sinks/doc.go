// Package sinks stores datasets in a bucket or a folder: Parquet files, the manifests
// that describe them, and the state of unfinished runs. It is the storage side of the
// commit protocol that package pipeline describes.
//
// # Overview
//
// A [Store] stores objects. [Folder] and [Bucket] are the two kinds; OpenStore opens
// the one that a URL names. A [Dataset] is one portal's payments in a store. It is the
// pipeline.Sink of a run, and it reads, verifies and prunes the stored files.
//
// # Layout
//
// For a job named payments and a portal named acme, relative to the store:
//
//	payments/portal=acme/payments.parquet                                  the current table, replaced whole
//	payments_history/portal=acme/snapshot=20261122T020000Z/payments.parquet  a snapshot's table
//	payments_changes/portal=acme/snapshot=20261122T020000Z/changes.parquet   its changes; none if nothing changed, none for a first snapshot
//	payments_rejects/portal=acme/snapshot=20261122T020000Z/rejects.parquet   its rejects; none if there are none
//	_runs/payments/portal=acme/20261122T020000Z.json                       its manifest; without one it does not exist
//	_state/payments/portal=acme/checkpoint-00000042.json                   the progress of the run; the highest number counts
//	_state/payments/portal=acme/segment-00000041.parquet                   rows read, and ids that are gone
//	_state/payments/portal=acme/segment-00000041.rejects.parquet           rejects of that segment
//	_state/payments/portal=acme/segment-00000041.listed.parquet            marks of that segment's rows, if any has one
//	_state/payments/portal=acme/listed-20261122T020000Z.parquet            marks of a snapshot's rows, if any has one
//	_state/payments/portal=acme/lease-00000043.json                        which run holds the lease, and until when
//	_state/payments/portal=acme/backfill/…                                 the same of a backfill: its own lease, checkpoints and segments
//	_state/payments/portal=acme/moving.json                                the mark of an unfinished Forget or Rename
//	_state/conditional-….json                                              this endpoint and bucket honour conditional writes
//	_state/payments/portal=acme/probe-…                                    a test of conditional writes, deleted in a moment
//
// The files below _state are private: their format may change with the next version,
// and only files that a checkpoint names are used. Their numbers are the numbers of
// checkpoints. These rise from snapshot to snapshot and are never used again, so a runner
// that was paused finds that its number exists.
//
// All files are sorted by id, and each id occurs once. All columns are nullable. Row
// groups have 122,880 rows (fewer if texts are large), with zstd, statistics and page
// index. The key-value metadata name program, schema version, table and snapshot. A merge
// copies row groups in which nothing changed. So the same rows with the same history of
// snapshots produce the same bytes. A table without rows is stored only as the current and
// the history table of a portal that has no payments.
//
// # Guarantees
//
// A Bucket on s3://, gs:// or azblob:// shows an object when it is complete and
// durable, and not before. Create is exclusive if the server honours If-None-Match
// (generation-match on Google). CheckConditional tests this, and Begin fails if the test
// fails, unless Options.UnsafeNoFencing is set. Then two concurrent runs can overwrite
// each other's snapshots, and this package does not prevent it.
//
// A Folder guarantees the same on a local disk: temporary file, sync, rename or link,
// sync of the folder and of each new folder. Create is exclusive because of link(2).
// On file systems without hard links it uses O_EXCL, which is also exclusive but has
// a gap: a crash between creation and sync leaves an empty or truncated object. The
// error of the next run names it, and it can be deleted. A network mount guarantees
// what its server guarantees.
//
// Readers of the current table and of the files that a manifest names see the old
// snapshot or the new one. Before a file that could be a successor's gets its name, the
// runner checks the checkpoints once more. So a runner that was paused, on any machine,
// replaces nothing that others rely on, except between that check and the renaming of
// the object. Segments and snapshots are compared with checkpoint and manifest when they
// are read (a segment also with its checksum), so even that would be an error and not
// wrong data. A segment that is missing or damaged is a *pipeline.SegmentsError: its
// payments are read again. Marks (pipeline.Mark) that are missing or damaged are not an
// error: payments that have one are fetched once more.
//
// # Death
//
// What is left if the process, the machine or the network dies, and what the next run
// does with it:
//
//	while a probe exists           a probe without meaning; swept when it is an hour old
//	after the lease was created    the lease, until it ends; then another run takes it
//	while a segment is written     a temporary file (Folder), an unfinished upload (Bucket), or an object
//	                               that no checkpoint names: written again, or swept
//	after Commit's create          the checkpoint counts; the next run continues from it
//	while a merge writes           files that no manifest names: written again, with the same bytes
//	after the current table        readers see the new table; the next run copies it again
//	after the manifest             the snapshot is published; the next run finds and reports it
//	while a sweep deletes          the rest, which the next sweep deletes
//
// A sweep deletes manifests before the files that they name, so that no manifest is left
// whose files are missing. A later sweep recognizes these files by their paths. A sweep
// deletes only objects that are older than the newest checkpoint and have a name that this
// package uses. Unfinished uploads are not objects; the bucket's lifecycle rules delete
// them.
//
// # Errors
//
//	ErrUnavailable                 the storage was unavailable for longer than the store's patience
//	ErrNoBucket                    the bucket does not exist
//	ErrNoLogin                     there are no credentials
//	ErrNoFencing                   the store does not honour conditional writes
//	ErrChecksums                   the store refuses the checksums of requests
//	fs.ErrPermission               the credentials lack a right
//	pipeline.ErrFenced             another runner has taken the lease
//	*pipeline.HeldError            another runner holds the lease
//
// An error about an object with unexpected content names the object. No error contains the
// parameters of URLs, which may have signatures.
//
// # Two Parquet libraries
//
// parquet-go writes and merges files. Arrow's reader, which shares no code with it, reads
// them back: after each merge the parts for footer, count and totals, and in Verify the
// whole files. Both libraries rely on the lengths that a file states. So this package
// checks footers, page headers, checksums and codecs before either library reads them,
// and converts panics of both to errors.
//
// # Testing
//
// Package sinktest has the contract suite: run it against any server that claims to be
// a store. It kills a run at each of its effects in turn.
package sinks
