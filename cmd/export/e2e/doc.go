// Package e2e runs the built program against real servers and engines: a strict portal
// over HTTP, an S3 gateway, emulators of GCS and Azure, a proxy that breaks
// connections, DuckDB, ClickHouse, PostgreSQL, Chromium, and another client of the
// portal. It is a separate module, so that its dependencies are not those of the
// program.
//
// # Overview
//
// The tests build the program as it is shipped (static, without cgo) and start it as a
// child process. They read the bucket with engines that are not ours, and compare the
// result with the portal's true values. TestReaders is the matrix of readers, on the
// dataset of internal/odd; docs/readers.md has its results. goreaders has readers in Go
// that cannot be linked together with the program's. To read what an older program
// wrote, use the flags -program PATH and -odd FOLDER.
//
// internal/servers starts the servers. internal/procs makes sure that no child process
// outlives its test.
//
// # Running
//
//	npm ci && go test ./...
//
// needs a C compiler (DuckDB), Node, PostgreSQL, Chromium, and the Go module proxy. The
// S3 gateway is built from the module in tools, which pins it. The full disk is a small
// tmpfs, which only root may mount.
package e2e
