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
// The clients of the clouds write to os.Stderr. The client of AWS reports its search
// for credentials. Those of Google and Azure write what GOOGLE_SDK_GO_LOGGING_LEVEL and
// AZURE_SDK_GO_LOGGING ask for. A program cannot set a logger for them, or only for the
// whole process. The output of the Go runtime when it dies does not use os.Stderr.
//
// At a terminal os.Stderr stays as it is, because a credential_process of AWS may ask a
// person for a code there.
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
	// The goroutine owns r. It ends when the last writer closes its side, or at the
	// deadline that end sets.
	go func() {
		defer close(logged)
		defer r.Close()
		logLines(r)
	}()
	return stderr, func() {
		w.Close()
		// A credential_process that still runs keeps its copy of w open.
		_ = r.SetReadDeadline(time.Now().Add(time.Second))
		<-logged
	}
}

// logLines logs the lines of r until r ends or fails. A line that is longer than the
// buffer becomes several lines.
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
