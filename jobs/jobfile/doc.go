// Package jobfile reads job files: what a user asks for, checked.
//
// Load reads a file into a Spec, strictly, and returns all its problems at once.
// FromFlags makes a Spec from a command line. Keys is the table of all keys: the
// reader, the flags and the reference in docs/job-file.md are loops over it.
// Fingerprint says whether two jobs make the same rows.
//
// A Spec has every default filled in and obeys every rule of docs/job-file.md.
// Whoever gets one need not check it again.
//
// The package knows no portal and no storage: it sends no request, and links the
// SDK of no cloud.
//
// # Errors
//
// *Problems: the file, its values or the flags are wrong. Each Problem has the
// place, what is wrong and what to do. No secret is in it.
package jobfile
