package main

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"
)

// logLibraries makes every line that a library writes to os.Stderr a line of the
// program's log. It returns standard error itself, for the program's own output, and
// end, which waits until the last line is in the log.
//
// The clients of the clouds write there: those of AWS what happens while they look for
// credentials, those of Google and Azure what GOOGLE_SDK_GO_LOGGING_LEVEL and
// AZURE_SDK_GO_LOGGING ask for. They let nobody set a logger there, or only for the
// whole process. What the Go runtime prints when it dies does not go through os.Stderr.
//
// At a terminal os.Stderr stays as it is: a credential_process of AWS may ask a person
// for a code there.
func logLibraries() (stderr *os.File, end func()) {
	stderr = os.Stderr
	if term.IsTerminal(int(stderr.Fd())) {
		return stderr, func() {}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return stderr, func() {} // the lines keep their own format
	}
	os.Stderr = w
	logged := make(chan struct{})
	// Owns r. Ends when the last writer closes its side, or at the deadline that end
	// sets.
	go func() {
		defer close(logged)
		defer r.Close()
		logLines(r)
	}()
	return stderr, func() {
		w.Close()
		// A credential_process that runs on keeps its copy of w open.
		_ = r.SetReadDeadline(time.Now().Add(time.Second))
		<-logged
	}
}

// logLines logs the lines of r until it ends or fails. Lines that are longer than its
// buffer become several.
func logLines(r *os.File) {
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, _, err := lines.ReadLine()
		if len(bytes.TrimSpace(line)) > 0 {
			slog.Default().LogAttrs(context.Background(), slog.LevelWarn, "library: "+string(line))
		}
		if err != nil {
			return
		}
	}
}
