// Package jobs runs jobs: it wires one pipeline for each of a job's portals.
//
// Package jobfile reads a job, package source reads a portal. For each portal, Run
// wires a bitrix.Client, a source.Source over it, and a sinks.Dataset, and passes them
// to pipeline.Run. Check and MakePlan examine a job before its run. Recheck compares a
// table with its portal. Authorizations obtains an application's tokens. This package
// decides outcomes and exit codes; the program prints them.
//
// # Errors
//
// *jobfile.Problems and *UsageError mean that nothing was started. All other errors
// come from the packages below. ExitCode and Hint interpret them.
package jobs
