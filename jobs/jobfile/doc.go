// Package jobfile reads and checks job files.
//
// Load reads a file into a Spec, strictly, and returns all its problems at once.
// FromFlags makes a Spec from a command line. Keys is the table of all keys. The
// reader, the flags and the reference in docs/job-file.md are loops over it.
// Fingerprint identifies jobs that produce the same rows.
//
// A Spec has all defaults set and obeys every rule of docs/job-file.md. Its users need
// not check it again.
//
// The package knows neither portals nor storage: it sends no request, and links no
// cloud SDK.
//
// # Errors
//
// *Problems: the file, its values or the flags are wrong. Each Problem has the place,
// what is wrong and what to do. It contains no secret.
package jobfile
