package jobs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/sinks"
)

// Each error of the class table that needs a person has a hint, in words for a webhook
// or for an application.
func TestHintsOfThePortalsErrors(t *testing.T) {
	for _, application := range []bool{false, true} {
		for _, e := range bitrix.Stopping(application) {
			e.Method = "sale.payment.list"
			hint := Hint(fmt.Errorf("list: %w", e))
			if len(hint) < 20 || strings.Contains(hint, "SCOPE") {
				t.Errorf("application %t: %s: hint %q", application, e.Code, hint)
			}
			if scoped := strings.Contains(hint, "scope "); !e.AtServer() && scoped && !strings.Contains(hint, `"sale"`) {
				t.Errorf("application %t: %s: hint %q does not name the scope", application, e.Code, hint)
			}
			// A webhook has no tokens, and an application no webhook.
			if foreign := strings.Contains(hint, "b24export auth"); !application && !e.AtServer() && foreign {
				t.Errorf("%s: a webhook is told %q", e.Code, hint)
			}
			if application && strings.Contains(hint, "webhook") {
				t.Errorf("%s: an application is told %q", e.Code, hint)
			}
			upper := *e
			upper.Code = strings.ToUpper(e.Code)
			if got := Hint(&upper); got != Hint(e) {
				t.Errorf("%s in capitals: hint %q, want %q", e.Code, got, Hint(e))
			}
		}
	}
}

// A row group of one row is allowed, and too small for a table of a usual size.
func TestHintOfTooManyRowGroups(t *testing.T) {
	if hint := Hint(fmt.Errorf("write segment 1: %w", sinks.ErrRowGroups)); !strings.Contains(hint, "sink.row_group_rows") {
		t.Errorf("hint %q", hint)
	}
}

// A portal that answers a list against its filter, its form or its count, or that cannot
// encode it, ends a run. The hint says what else to try.
func TestHintsOfListingsThatFail(t *testing.T) {
	for _, err := range []error{bitrix.ErrStall, bitrix.ErrShape, &bitrix.CountError{}, &bitrix.Error{Code: bitrix.CodeWrongEncoding}} {
		if hint := Hint(fmt.Errorf("list payments: %w", err)); !strings.Contains(hint, "another source.list") {
			t.Errorf("%v: hint %q", err, hint)
		}
	}
}

// Hints with --restart mention the work that is lost.
func TestHintsOfRestartNameTheLoss(t *testing.T) {
	found := false
	for _, h := range hints {
		for _, words := range h.words {
			if !strings.Contains(words, "--restart") {
				continue
			}
			found = true
			if _, after, _ := strings.Cut(words, "--restart"); !strings.Contains(after, "delete the payments that it has read") {
				t.Errorf("hint %q does not say what --restart deletes", words)
			}
		}
	}
	if !found {
		t.Error("no hint names --restart")
	}
	hint := Hint(fmt.Errorf("run: %w", &pipeline.JobChangedError{Rows: 5}))
	if !strings.Contains(hint, "run with the job as it was") {
		t.Errorf("the hint for work of another job is %q: it does not name the way without loss", hint)
	}
}

// The hint for an error depends on where it occurs.
func TestHintsOfAMoment(t *testing.T) {
	const none = "no hint"
	for _, tt := range []struct {
		name             string
		err              error
		run, check, sink string // a part of each hint
	}{
		{"patience", fmt.Errorf("get: %w", bitrix.ErrPatience), "run again", "DNS, proxy", "DNS, proxy"},
		{"storage away", fmt.Errorf("put: %w", sinks.ErrUnavailable), "run again", "run again", "endpoint, DNS"},
		{"no bucket", fmt.Errorf("%w: %w", sinks.ErrNoBucket, fs.ErrNotExist), "check sink.url", "check sink.url", "make the bucket first"},
		{"no folder", fs.ErrNotExist, none, none, "make the bucket or the folder"},
		{"no rights", fs.ErrPermission, "grant read, write", "grant read, write", "grant read, write"},
		{"a full disk", &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, "make room", "make room", "make room"},
		{"a read-only disk", &fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, "read-only", "read-only", "read-only"},
		{"anything else", errors.New("disk on fire"), none, none, "check sink.url"},
		{"held", &pipeline.HeldError{}, "wait for the other run", "wait for the other run", "wait for the other run"},
		{"rejects", &pipeline.RejectsError{}, "rejects.max", "rejects.max", "rejects.max"},
		{"fencing", sinks.ErrNoFencing, "sink.unsafe_no_fencing", "sink.unsafe_no_fencing", "sink.unsafe_no_fencing"},
		{"no login", sinks.ErrNoLogin, "AWS_ACCESS_KEY_ID", "AZURE_STORAGE_KEY", "machine whose role"},
		{"checksums", sinks.ErrChecksums, "request_checksum_calculation=when_required", "request_checksum_calculation=when_required", "request_checksum_calculation=when_required"},
		{"a signal", context.Canceled, "run again", "run again", "run again"},
	} {
		for m, want := range map[moment]string{atRun: tt.run, atCheck: tt.check, atSink: tt.sink} {
			if got := hintAt(m, tt.err); !strings.Contains(got, want) && (want != none || got != "") {
				t.Errorf("%s at %d: hint %q, want %q", tt.name, m, got, want)
			}
		}
	}
}
