// Package pipeline is the engine of an export: it lists a portal's payments, finds what
// changed, gets those payments, and commits them. It knows neither the portal's API (a
// Source does) nor the storage (a Sink does), nor what a row looks like (a Table does).
//
// # Overview
//
//	Source.List ──pages──► lister ──chunks──► getters ──results──► collector ──segments──► merge ──► snapshot
//	                         ▲                (Source.Get)          │
//	   Sink.Last ────rows────┘                                      └─► checkpoints
//
// All listings ascend by payment id, and so does a snapshot. The lister walks both side
// by side and knows for each payment whether it is new, listed as before, or gone. What
// has to be got is cut into numbered chunks; getters read them in any order, and the
// collector takes them in theirs. So the id of the last payment taken is the whole
// position of a run.
//
// A listing need not show all. One that knows which payments may have changed shows the
// others' ids alone, and they are carried. One of a part of the portal says for each
// payment of the last snapshot that it passed over what that means (Source.Absent): it
// is gone; or it is outside of what was listed, and carried; or it may be either, and
// is found by its id.
//
// Data flows one way. What flows back is cancellation, and one token of a window for
// each chunk taken, so that one slow chunk cannot make the others pile up in memory.
//
// # Modes
//
// A full run gets every listed payment. An incremental run gets those whose listed
// values differ from the last snapshot's, and those that the last snapshot could not
// read; it becomes a full one when there is no last snapshot, when the job's meaning
// has changed since, or when the newest full run is older than Options.FullEvery. A
// backfill gets what its range lists, finds by id what the last snapshot has in that
// range and the listing has not, and carries the rest over, which the ledger counts as
// outside.
//
// # Guarantees
//
// In the order in which they win:
//
//  1. A published table has each payment that the portal listed exactly once,
//     with the values that the portal returned, as of the row's own instant of
//     reading; or the ledger says how many are missing, and the rejects which
//     and why. A payment that exists during the whole run is in the table.
//  2. A reader sees the snapshot before or the snapshot after.
//  3. Whenever the process dies, the next run continues, on any machine, and
//     reads again at most what was read since the last checkpoint.
//  4. Memory does not grow with the table: it holds the window's chunks and one
//     open segment.
//
// # Commit protocol
//
//  1. Take the lease. It is advice, and saves two runners from doing the same
//     work; step 4 is what keeps them apart.
//  2. Read the newest checkpoint. The zero checkpoint starts a new snapshot; any
//     other one goes through the same code. An unfinished snapshot is resumed if
//     it was based on the newest published one. Else a new snapshot begins, and
//     the unfinished one's rows are its pool; see Healing.
//  3. Write the open part as a segment, under a name that follows from the
//     number of the checkpoint to come.
//  4. Write that checkpoint, create-only. Of two runners only one can; the other
//     one stops with ErrFenced. Repeat 3 and 4 until all is read.
//     The last segment's checkpoint is left out, unless the merge fails: that of
//     step 5 names it too.
//  5. Merge the segments and the last snapshot's other rows into the snapshot's
//     files; read them back; compare rows and ledger with each other. Write a
//     checkpoint that has the whole manifest.
//  6. Replace the current table by a copy of the snapshot's.
//  7. Write the manifest, create-only. The snapshot exists from here. Write a
//     checkpoint that says so.
//  8. Sweep: segments, older checkpoints, snapshots past retention. The last
//     checkpoint stays, so that numbers are never used again.
//
// If the process dies after a step:
//
//	died after             readers see     the next run
//	1 lease                the old table   waits for the lease's end, or sees that its holder is gone; starts again
//	2 newest checkpoint    the old table   the same
//	3 segment              the old table   reads since the last checkpoint again, overwrites the segment
//	4 checkpoint           the old table   continues after it
//	5 merge, no checkpoint the old table   merges again: the same bytes under the same names
//	5 checkpoint           the old table   continues with 6
//	6 current table        the new table   copies again (the same bytes), continues with 7
//	7 manifest             the new table   finds it there, continues with its checkpoint
//	8 a part of the sweep  the new table   starts a new snapshot, sweeps the rest at its end
//
// # Backfills
//
// A backfill does steps 1 to 4 in a sink of its own, which no night looks at, and steps
// 5 to 8 with the nights' lease, on the snapshot that is newest then. For each id the
// later reading wins; what a change feed since the backfill's beginning deletes stays
// deleted. What a night has left unfinished is pending in the checkpoints of the merge,
// and the next night takes it for its own. backfill.go has the steps.
//
// # Healing
//
// Three things make a run read a part of the listing again: the snapshot that it was
// based on is no longer the newest one (then all of it), a segment is missing or
// damaged (then what that segment accounts for), or the rejects of an earlier run are
// tried again (then what the segments with rejects account for). Such parts are the
// checkpoint's holes. In all three cases what is listed is compared with the newest
// snapshot, as always. The rows of segments that no longer count are kept as a pool: a
// payment that has to be read, and is listed with the values of the pool's row, is
// taken from there, unless the row is older than the newest snapshot or than that
// snapshot's row. So nothing is fetched twice that still stands, and everything that is
// carried, gone or rejected is found out again.
//
// When its context ends, a run waits a moment for the gets in flight, then does steps 3
// and 4 once more. A run that fails does the same.
//
// # Errors
//
// A payment that cannot be read is a Reject: recorded, and the run continues, unless
// there are more than Options.Rejects allows (*RejectsError): then nothing is
// published, and the next run tries the rejects again and decides again. All other
// errors end the run and leave a checkpoint that the next run resumes. *HeldError and
// ErrFenced mean that another runner is at work; *JobChangedError that the unfinished
// snapshot belongs to a job that meant something else.
//
// # Testing
//
// The engine is tested with a memory sink and a scripted source: a run is stopped at
// each of its effects in turn, in four variants, resumed, and every guarantee checked.
package pipeline
