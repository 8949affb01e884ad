package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"b24export/jobs"
)

func main() {
	delayCollection()
	limitMemory(1)
	// Without this, a reader that ends (cat | head) would kill the process. Now the
	// write returns an error, which run handles.
	signal.Ignore(syscall.SIGPIPE)
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// The goroutine receives the signals, and ends with the process.
	go obeySignals(signals, func() { cancel(errInterrupted) }, func() { os.Exit(jobs.ExitInterrupted) })
	stderr, end := logLibraries()
	code := run(ctx, os.Args[1:], os.LookupEnv, os.Stdin, os.Stdout, stderr)
	end()
	os.Exit(code)
}
