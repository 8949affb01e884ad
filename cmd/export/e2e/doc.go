// Package e2e runs the built program against real servers and engines: a strict
// portal over HTTP, an S3 gateway, emulators of GCS and Azure, a proxy that
// breaks connections, DuckDB, ClickHouse, PostgreSQL, Chromium, and another client of
// the portal. It is a module of its own, so that what it needs does not become a
// dependency of the program.
//
// # Overview
//
// The tests build the program as it is shipped (static, without cgo) and start
// it as a child process; what they find in the bucket they read with engines
// that are not ours, and compare with what the portal knows to be true.
// TestReaders is the matrix of readers, on the dataset of internal/odd; docs/readers.md
// has what it finds. Readers in Go that cannot be linked beside the program's stand in
// goreaders. To read what an older program wrote: -program PATH, -odd FOLDER.
//
// internal/servers starts what it talks to, internal/procs keeps children from
// outliving the test.
//
// # Running
//
//	npm ci && go test ./...
//
// needs a C compiler (DuckDB), Node, PostgreSQL, Chromium, and the Go module proxy; the S3
// gateway is built from the module in tools, which pins it. The full disk is a
// small tmpfs, which only root may mount.
package e2e
