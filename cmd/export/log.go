package main

import (
	"log/slog"
)

// setUp creates the logger that the flags select. It runs before each command.
func (p *program) setUp() {
	level := slog.LevelInfo
	switch p.logLevel {
	case "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	case "auto":
		// With a bar, lines that only report success are noise.
		if p.progressKind() == "bar" {
			level = slog.LevelWarn
		}
	}
	opts := &slog.HandlerOptions{Level: level}
	if p.logFormat == "json" {
		p.log = slog.New(slog.NewJSONHandler(p.stderr, opts))
	} else {
		p.log = slog.New(slog.NewTextHandler(p.stderr, opts))
	}
	if p.stderr.file != nil {
		// In the process of the program, unlike in tests, lines of libraries use the
		// same logger. Lines of the standard package log report problems of net/http
		// and of Google's client.
		slog.SetLogLoggerLevel(slog.LevelWarn)
		slog.SetDefault(p.log)
	}
}

// progressKind returns the kind of progress for the flags and standard error: bar, log
// or none.
func (p *program) progressKind() string {
	switch {
	case p.progress != "auto":
		return p.progress
	case p.stderr.isTerminal():
		return "bar"
	case p.json:
		return "none"
	}
	return "log"
}
