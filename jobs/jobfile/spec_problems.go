package jobfile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"b24export/sinks/address"
)

// Problem is one problem of a job file or of a flag.
type Problem struct {
	// File is the included file with the problem; empty: the job file.
	File string
	// Line and Column are the position in the file, from 1; 0 if there is none.
	Line, Column int
	// Path is the key, such as portals[0].limits.rate, or the flag, such as --rate. It
	// is empty if the problem is about the whole file.
	Path string
	// Value is the wrong value in a form that may be shown: bounded in length, with ***
	// or its own ${…} for what may be secret. It is empty if there is none.
	Value string
	// What describes the problem.
	What string
	// Hint describes what to do about it, if that does not follow from What.
	Hint string
}

// String returns the problem in one line, without the file's name.
func (p Problem) String() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{p.Path, p.Value, p.What} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	s := strings.Join(parts, ": ")
	if p.Hint != "" {
		s += " (" + p.Hint + ")"
	}
	return s
}

// Problems are all problems of a job file and of the files that it includes, in the
// order of the lines of each. They contain no secret.
type Problems struct {
	// File is the job file's name; empty for a job from flags alone.
	File  string
	Items []Problem
}

// shownProblems is how many problems Error prints.
const shownProblems = 50

// Error returns one line for each problem, such as
//
//	job.yaml:7:13: portals[0].limits.rate: -1: must be 0 or more
func (p *Problems) Error() string {
	var b strings.Builder
	for i, item := range p.Items {
		file := cmp.Or(item.File, p.File)
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == shownProblems {
			fmt.Fprintf(&b, "%s: and %d more problems", p.File, len(p.Items)-i)
			break
		}
		switch {
		case item.Line > 0:
			fmt.Fprintf(&b, "%s:%d:%d: ", file, item.Line, item.Column)
		case file != "" && !strings.HasPrefix(item.Path, "--"):
			fmt.Fprintf(&b, "%s: ", file)
		}
		b.WriteString(item.String())
	}
	return b.String()
}

// asError returns nil if there is no problem.
func (p *Problems) asError() error {
	if len(p.Items) == 0 {
		return nil
	}
	slices.SortStableFunc(p.Items, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return p
}

// maxShown is how many characters of a value a problem shows.
const maxShown = 60

// shown returns a value in a form that a problem may show. A webhook's address may be
// anywhere in a file by mistake, and an address may contain a password or a key.
func shown(value string) string {
	if strings.Contains(value, "/rest/") {
		return hidden
	}
	value = address.Redact(value)
	if r := []rune(value); len(r) > maxShown {
		value = string(r[:maxShown]) + "…"
	}
	plain := value != "" && strings.TrimSpace(value) == value && !strings.Contains(value, ": ")
	for _, r := range value {
		plain = plain && unicode.IsPrint(r)
	}
	if !plain {
		return strconv.Quote(value)
	}
	return value
}

// hidden is shown instead of a secret.
const hidden = "***"

// shownKey returns an unknown key in a form that a problem may show. A key that no job
// file can have may be a value in the wrong place.
func shownKey(key string) string {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}
	if key == "" || len(key) > 40 || strings.ContainsFunc(key, odd) {
		return hidden
	}
	return key
}
