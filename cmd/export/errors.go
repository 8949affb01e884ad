package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"b24export/jobs"
	"b24export/pipeline"
)

// errInterrupted is the cause of a context that a signal ended. It is a
// context.Canceled, which the packages below know.
var errInterrupted error = interruption{}

type interruption struct{}

func (interruption) Error() string { return "interrupted by a signal" }
func (interruption) Unwrap() error { return context.Canceled }

// usageError is an error of the command line: exit code 2, and nothing was started.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%s (%s --help shows more)", e.err, e.command)
}

func (e *usageError) Unwrap() error { return e.err }

// usagef returns a usageError of cmd.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), err: fmt.Errorf(format, args...)}
}

// startError is the error of a job that cannot be started as it is written: exit code
// 2.
type startError struct{ err error }

func (e *startError) Error() string { return e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// exitCode ends the program with a code if everything has been printed already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// finish prints the error, if there is one, and returns the exit code.
func (p *program) finish(err error) int {
	code := 0
	if said, ok := errors.AsType[exitCode](err); ok {
		code = int(said)
	} else if err != nil && !errors.Is(err, errReaderGone) {
		code = codeOf(err)
		p.complain(err, code)
	}
	if outErr := p.stdout.Flush(); outErr != nil && code == jobs.ExitComplete {
		code = jobs.ExitFailed
		p.complain(outErr, code)
	}
	return code
}

// codeOf returns the exit code for an error that ended a command.
func codeOf(err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return jobs.ExitUsage
	}
	if _, ok := errors.AsType[*startError](err); ok {
		return jobs.ExitUsage
	}
	return jobs.ExitCode(err, pipeline.Summary{})
}

// complain prints an error for people, and with --json also for machines.
func (p *program) complain(err error, code int) {
	hint := jobs.Hint(err)
	if _, ok := errors.AsType[*outputError](err); ok {
		hint = ""
	}
	if p.json {
		line := struct {
			Exit  int    `json:"exit"`
			Error string `json:"error"`
			Hint  string `json:"hint,omitempty"`
		}{code, hideSecrets(err.Error()), hideSecrets(hint)}
		_ = p.stdout.line(line) // Flush returns the errors of standard output
	}
	p.stderr.say(err, hint)
}

// say prints an error and, if there is one, the hint about what to do. Parts of an error
// come from portals, file names and pasted texts, so it prints no control characters.
func (s *screen) say(err error, hint string) {
	clean := func(line string) string {
		parts := strings.Split(line, "\t")
		for i, part := range parts {
			parts[i] = printable(part)
		}
		return strings.Join(parts, "\t")
	}
	var b strings.Builder
	lines := strings.Split(err.Error(), "\n")
	fmt.Fprintf(&b, "b24export: %s\n", clean(lines[0]))
	for _, line := range lines[1:] {
		fmt.Fprintf(&b, "           %s\n", clean(line))
	}
	if hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", clean(hint))
	}
	_, _ = s.Write([]byte(hideSecrets(b.String()))) // there is no other output for this error
}

// webhookSecret matches the secret part of a webhook's address anywhere in a text.
var webhookSecret = regexp.MustCompile(`(/rest/[0-9]+/)[^/\s"'?]+`)

// hideSecrets is the last protection of standard error. Packages below never put a
// secret into an error, but a command line may contain one.
func hideSecrets(text string) string { return webhookSecret.ReplaceAllString(text, "${1}***") }

// shownArg returns an argument as an error may quote it.
func shownArg(arg string) string {
	const most = 60
	if r := []rune(arg); len(r) > most {
		arg = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", hideSecrets(arg))
}
