// Package pipeline is the engine of an export. It lists a portal's payments, finds what
// changed, fetches those payments, and commits them. It knows neither the portal's API
// (a Source does), nor the storage (a Sink does), nor the columns of a row (a Table
// does).
//
// # Overview
//
//	Source.List ──pages──► lister ──chunks──► getters ──results──► collector ──segments──► merge ──► snapshot
//	                         ▲                (Source.Get)          │
//	   Sink.Last ────rows────┘                                      └─► checkpoints
//
// All listings are in ascending order of payment id, and so is a snapshot. The lister
// iterates over both at once. It decides for each payment whether it is new, unchanged,
// changed, or gone. Payments to fetch are divided into numbered chunks. Getters read
// the chunks in any order, and the collector collects them in the order of their
// numbers. The id of the last payment collected is therefore the whole position of a
// run.
//
// A listing need not show everything. A listing of possible changes shows only the ids
// of all other payments, and these are carried. A listing of a part of the portal
// decides what it means if a payment of the last snapshot is not listed
// (Source.Absent): the payment is gone, or it is outside the listing and carried, or it
// can be either and must be listed by its id.
//
// Data flows in one direction. Only cancellation flows back, and one token of a window
// for each chunk collected: if one chunk is slow, the others cannot pile up in memory.
//
// # Modes
//
// A full run fetches every listed payment. An incremental run fetches payments whose
// listed values differ from the last snapshot's, and those that the last snapshot could
// not read. It becomes a full run if there is no last snapshot, if the meaning of the
// job has changed since, or if the newest full run is older than Options.FullEvery. A
// backfill fetches what its range lists. If the last snapshot has payments of that
// range that the listing lacks, it looks them up by id. It carries over all other
// payments, which the ledger counts as outside.
//
// # Guarantees
//
// If two of these conflict, the first one wins:
//
//  1. A published table has each payment that the portal listed exactly once, with
//     the values that the portal returned at the row's own time of reading.
//     Otherwise the ledger says how many are missing, and the rejects say which and
//     why. A payment that exists during the whole run is in the table.
//  2. A reader sees either the previous snapshot or the new one.
//  3. Whenever the process dies, the next run resumes its work, on any machine. It
//     reads again at most what was read since the last checkpoint.
//  4. Memory does not grow with the table: it holds the window's chunks and one open
//     segment. Both are bounded in rows and in bytes of their texts.
//
// # Commit protocol
//
//  1. Take the lease. It only advises: it saves two runners from doing the same
//     work. Step 4 is what keeps them apart.
//  2. Read the newest checkpoint. The zero checkpoint starts a new snapshot. Any
//     other one goes through the same code. An unfinished snapshot is resumed if it
//     is based on the newest published one. Otherwise a new snapshot begins, and the
//     rows of the unfinished one are its pool; see Healing.
//  3. Write the open part as a segment. Its name contains the number of the next
//     checkpoint.
//  4. Write that checkpoint, create-only. Of two runners only one succeeds; the
//     other one stops with ErrFenced. Repeat 3 and 4 until all is read. The last
//     segment has no checkpoint of its own unless the merge fails: the checkpoint of
//     step 5 names it.
//  5. Merge the segments and the last snapshot's other rows into the snapshot's
//     files. Read them back. Compare rows and ledger. Write a checkpoint that
//     contains the whole manifest.
//  6. Replace the current table by a copy of the snapshot's.
//  7. Write the manifest, create-only. The snapshot now exists. Write a checkpoint
//     with phase Published.
//  8. Sweep: delete segments, older checkpoints, snapshots past retention. The last
//     checkpoint stays, so that its number is never used again.
//
// If the process dies after a step:
//
//	died after             readers see     the next run
//	1 lease                the old table   waits until the lease expires, or finds that its holder is gone; starts again
//	2 newest checkpoint    the old table   the same
//	3 segment              the old table   reads again what was read since the last checkpoint, overwrites the segment
//	4 checkpoint           the old table   continues after it
//	5 merge, no checkpoint the old table   merges again: the same bytes under the same names
//	5 checkpoint           the old table   continues with 6
//	6 current table        the new table   copies again (the same bytes), continues with 7
//	7 manifest             the new table   finds the manifest, continues with its checkpoint
//	8 some of the sweep    the new table   starts a new snapshot, sweeps the rest at its end
//
// # Backfills
//
// A backfill executes steps 1 to 4 in a sink of its own, which no night reads. It
// executes steps 5 to 8 with the nights' lease, on the snapshot that is newest then.
// For each id the later reading wins. A payment that a change feed since the backfill's
// beginning deletes stays deleted. The checkpoints of the merge contain a night's
// unfinished work as pending, and the next night resumes it. backfill.go lists the
// steps.
//
// # Healing
//
// A run reads a part of the listing again for three reasons: the snapshot that it was
// based on is no longer the newest one (then all of the listing), a segment is missing
// or damaged (then what that segment accounts for), or the rejects of an earlier run
// are tried again (then what the segments with rejects account for). These parts are
// the checkpoint's holes. In all three cases the listing is compared with the newest
// snapshot, as always. The rows of segments that no longer count become a pool. If a
// payment must be read and the pool has a row with the listed values, the row is used,
// unless it is older than the newest snapshot or than that snapshot's row. A valid row
// is therefore never fetched twice, and the run decides again which payments are
// carried, gone or rejected.
//
// When its context ends, a run waits up to stopGrace (10 s) for the gets in flight, then
// executes steps 3 and 4 once more. A run that fails does the same.
//
// # Errors
//
// A payment that cannot be read is a Reject. It is recorded, and the run continues. If
// there are more rejects than Options.Rejects allows (*RejectsError), nothing is
// published; the next run tries the rejects again and decides again. All other errors
// end the run and leave a checkpoint that the next run resumes. *HeldError and
// ErrFenced mean that another runner is active. *JobChangedError means that the
// unfinished snapshot belongs to a job with another meaning.
//
// # Testing
//
// The engine is tested with a memory sink and a scripted source. The tests stop a run
// at each of its effects in turn, in four variants, resume it, and check every
// guarantee.
package pipeline
