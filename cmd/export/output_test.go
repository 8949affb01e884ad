package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func noEnv(string) (string, bool) { return "", false }

// runProgram runs the program in this process.
func runProgram(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, noEnv, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

// failingWriter fails with err after some bytes.
type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		n := w.left
		w.left = 0
		return n, w.err
	}
	w.left -= len(b)
	return len(b), nil
}

func TestStandardOutputFails(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		code   int
		stderr string
	}{
		{"reader left", &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}, 0, ""},
		{"reader left a pipe of this process", io.ErrClosedPipe, 0, ""},
		{"full disk", &os.PathError{Op: "write", Path: "out", Err: syscall.ENOSPC}, 1, "b24export: write standard output: write out: no space left on device\n"},
	}
	for _, test := range tests {
		for _, args := range [][]string{{"version"}, {"schema"}, {"version", "--json"}, {"help"}, {"completion", "bash"}} {
			t.Run(test.name+" "+args[0], func(t *testing.T) {
				var stderr bytes.Buffer
				code := run(t.Context(), args, noEnv, nil, &failingWriter{left: 10, err: test.err}, &stderr)
				if code != test.code || stderr.String() != test.stderr {
					t.Errorf("exit code %d, stderr %q; want %d, %q", code, stderr.String(), test.code, test.stderr)
				}
			})
		}
	}
}

// A run continues if nobody reads its output.
func TestRunGoesOnWithoutAReader(t *testing.T) {
	webhook, gate := heldPortal(t, 0)
	gate.open()
	folder := t.TempDir()
	lookup := func(name string) (string, bool) { return webhook, name == webhookVariable }
	for _, form := range []string{"--json", "--json=false"} {
		var stderr bytes.Buffer
		code := run(t.Context(), []string{"run", "--to", folder, "--plan", "unlimited", "--name", "payments", "--portal", "acme", form}, lookup, nil, &failingWriter{err: syscall.EPIPE}, &stderr)
		if code != 0 {
			t.Errorf("exit code %d; stderr:\n%s", code, &stderr)
		}
	}
	manifests, err := filepath.Glob(filepath.Join(folder, "_runs", "payments", "portal=acme", "*.json"))
	if err != nil || len(manifests) != 2 {
		t.Errorf("manifests %v, %v; want 2", manifests, err)
	}
}

func TestOutputKeepsItsFirstError(t *testing.T) {
	o := newOutput(&failingWriter{err: errTest})
	if _, err := o.Write(bytes.Repeat([]byte("x"), 100_000)); !errors.Is(err, errTest) {
		t.Errorf("write: got %v", err)
	}
	if _, err := o.Write([]byte("x")); !errors.Is(err, errTest) {
		t.Errorf("next write: got %v", err)
	}
	if err := o.Flush(); !errors.Is(err, errTest) {
		t.Errorf("flush: got %v", err)
	}
}

func TestHideSecrets(t *testing.T) {
	tests := []struct{ text, want string }{
		{"open https://acme.bitrix24.com/rest/1/abc123/: no such file", "open https://acme.bitrix24.com/rest/1/***/: no such file"},
		{`Post "https://h/rest/17/s3cret/batch?x=1": EOF`, `Post "https://h/rest/17/***/batch?x=1": EOF`},
		{"/rest/1/a /rest/2/b", "/rest/1/*** /rest/2/***"},
		{"/rest/api/x and /arrest/x", "/rest/api/x and /arrest/x"},
	}
	for _, test := range tests {
		if got := hideSecrets(test.text); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	long := shownArg(strings.Repeat("é", 100) + "/rest/1/secret")
	if len([]rune(long)) > 65 || strings.Contains(long, "secret") {
		t.Errorf("got %s", long)
	}
}

func TestWidth(t *testing.T) {
	for columns, want := range map[string]int{"": 0, "100": 100, "wide": 0, "-5": 0, "7": 0} {
		p := &program{stdout: newOutput(io.Discard), lookup: func(name string) (string, bool) { return columns, name == "COLUMNS" }}
		if got := p.width(); got != want {
			t.Errorf("COLUMNS=%q: got %d, want %d", columns, got, want)
		}
	}
}

// The packages below recognize an interruption as a cancellation.
func TestInterruptionIsACancellation(t *testing.T) {
	if !errors.Is(errInterrupted, context.Canceled) {
		t.Error("it is not a context.Canceled")
	}
	if code := codeOf(errInterrupted); code != 130 {
		t.Errorf("exit code %d, want 130", code)
	}
}

// The text of an error can come from a portal, a file name or a pasted address. It cannot
// move the cursor of a terminal or change its colours.
func TestErrorsHaveNoControlCharacters(t *testing.T) {
	var b bytes.Buffer
	newScreen(&b).say(errors.New("first\x1b[2J line\nsecond\u009b31m\r line\tof it"), "a hint\x07")
	const want = "b24export: first·[2J line\n           second·31m· line\tof it\nhint: a hint·\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}
