// Package jobs runs jobs: it wires one pipeline for each of a job's portals.
//
// Package jobfile reads a job, package source reads a portal. Run wires, for each
// portal, a bitrix.Client, a source.Source over it, and a sinks.Dataset, and hands
// them to pipeline.Run. Check and MakePlan look at a job before its run, Recheck
// compares a table with its portal, Authorizations gets an application's tokens.
// Outcomes and exit codes are made here; what is printed is the program's business.
//
// # Errors
//
// *jobfile.Problems and *UsageError: nothing was started. All others come from
// the packages below; ExitCode and Hint know them.
package jobs
