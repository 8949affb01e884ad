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
//	payments_changes/portal=acme/snapshot=20261122T020000Z/changes.parquet   what it changed; none if nothing, none for a first snapshot
//	payments_rejects/portal=acme/snapshot=20261122T020000Z/rejects.parquet   what it could not read; none if nothing
//	_runs/payments/portal=acme/20261122T020000Z.json                       its manifest; without one it does not exist
//	_state/payments/portal=acme/checkpoint-00000042.json                   how far the run is; the highest number counts
//	_state/payments/portal=acme/segment-00000041.parquet                   rows read, and ids that are gone
//	_state/payments/portal=acme/segment-00000041.rejects.parquet           rejects of that segment
//	_state/payments/portal=acme/segment-00000041.listed.parquet            marks of that segment's rows, if any has one
//	_state/payments/portal=acme/listed-20261122T020000Z.parquet            marks of a snapshot's rows, if any has one
//	_state/payments/portal=acme/lease-00000043.json                        which run holds the lease, and until when
//	_state/payments/portal=acme/backfill/…                                 the same of a backfill: its own lease, checkpoints and segments
//	_state/payments/portal=acme/moving.json                                the mark of an unfinished Forget or Rename
//	_state/conditional-….json                                              this endpoint and bucket honour conditional writes
//	_state/payments/portal=acme/probe-…                                    a proof of conditional writes, gone in a moment
//
// The files below _state are private: their format may change with the next version,
// and only those that a checkpoint names count. Their numbers are the numbers of
// checkpoints. These rise from snapshot to snapshot and are never reused, so a runner
// that was paused finds its number taken.
//
// All files are sorted by id, each id once, all columns nullable, in row groups of
// 122,880 rows (fewer where texts are large), with zstd, statistics and page index, and
// their key-value metadata name program, schema version, table and snapshot. A merge
// copies row groups in which nothing changed. So the same rows with the same history of
// snapshots produce the same bytes. A table without rows is stored only as the current and
// the history table of a portal that has no payments.
//
// # Guarantees
//
// A Bucket on s3://, gs:// or azblob:// shows an object when it is complete and
// durable, and not before. Create excludes others if the server honours If-None-Match
// (generation-match on Google); CheckConditional tests this, and Begin fails without
// it, unless Options.UnsafeNoFencing is set. Then two concurrent runs can overwrite
// each other's snapshots, and this package does not prevent it.
//
// A Folder guarantees the same on a local disk: temporary file, sync, rename or link,
// sync of the folder and of each folder newly made. Create excludes others by link(2).
// On file systems without hard links it uses O_EXCL, which also excludes others but has
// a gap: a crash between creation and sync leaves an empty or truncated object. The
// error of the next run names it, and it can be deleted. A network mount guarantees
// what its server guarantees.
//
// Readers of the current table and of the files that a manifest names see the old
// snapshot or the new one. Before a file that could be a successor's gets its name, the
// checkpoints are looked at once more; so a runner that was paused, on any machine,
// replaces nothing that others rely on, except between that look and the renaming of
// the object. Segments and snapshots that are read are compared with what checkpoint
// and manifest say of them (of a segment that includes its checksum), so even that
// would be an error and not wrong data. A segment that is missing or damaged is a
// *pipeline.SegmentsError: its payments are read again. Marks (pipeline.Mark) that are
// missing or damaged are no error: payments that have one are fetched once more.
//
// # Death
//
// What is left if the process, the machine or the network dies, and what the next run
// makes of it:
//
//	while a probe is there         nothing of meaning; swept when it is an hour old
//	after the lease was created    the lease, until it ends; then it is taken over
//	while a segment is written     a temporary file (Folder), an unfinished upload (Bucket), or an object
//	                               that no checkpoint names: written again, or swept
//	after Commit's create          the checkpoint counts; the next run continues from it
//	while a merge writes           files that no manifest names: written again, with the same bytes
//	after the current table        readers see the new table; the next run copies it again
//	after the manifest             the snapshot is published; the next run finds it there and says so
//	while a sweep deletes          the rest, which the next sweep deletes
//
// A sweep deletes manifests before the files that they name, so that none is ever left
// whose files are missing; what the manifests named is recognized by its path later on.
// It deletes only what lies before the newest checkpoint and has the name of something
// that this package made. Unfinished uploads are no objects, and the business of the
// bucket's lifecycle rules.
//
// # Errors
//
// ErrUnavailable: the storage was away for longer than its patience. ErrNoBucket: there
// is no such bucket. pipeline.ErrFenced and *pipeline.HeldError: another runner is at
// work. ErrNoLogin: there are no credentials. ErrNoFencing: the store does not keep two runs apart. ErrChecksums: the store
// refuses the checksums of requests. An error that is
// fs.ErrPermission: the credentials do not do. Objects that cannot be read as what they
// should be are named. Parameters of URLs, where signatures stand, are in no error.
//
// # Two Parquet libraries
//
// Files are written and merged by parquet-go. Arrow's reader, which shares no code with
// it, reads them back after each merge, as far as footer, count and totals need it, and
// in Verify altogether. Both believe the lengths that a file states; so footers, page
// headers, checksums and codecs are gone through before either may, and panics of
// either become errors.
//
// # Testing
//
// Package sinktest has the contract suite: run it against any server that claims to be
// a store. It kills a run at each of its effects in turn.
package sinks
