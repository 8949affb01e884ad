// Package jobs is what a job is: its file, checked, and the wiring of one
// pipeline for each of its portals.
//
// # Overview
//
// Load reads a job file into a Spec, strictly, with all its problems at once;
// FromFlags makes one from a command line. Run wires, for each portal, a
// bitrix.Client, a source over it, and a sinks.Dataset, and hands them to
// pipeline.Run. Outcomes and exit codes are made here; what is printed is the
// program's business.
//
// # Sources
//
// The source gets each payment by crm.item.payment.get. How payments are found is
// a finder's business, one for each value of source.list: the plain one lists the
// whole portal by sale.payment.list, which shows each payment's order and date of
// bill. The owners of a chunk's orders travel in the chunk's own request, so a
// row is complete as soon as its chunk is there.
//
// An incremental job can have something else tell it what has changed (changes,
// one for each value of source.since): it then puts a finder in place of the
// plain one, for each run anew.
//
// # Errors
//
// *Problems and *UsageError: nothing was started. All others are those of the
// packages below; ExitCode and Hint know them.
package jobs
