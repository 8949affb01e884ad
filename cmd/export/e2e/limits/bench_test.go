package main

import (
	"bytes"
	"io"
	"regexp"
	"testing"
)

// TestTable runs the whole command. Every number of its table is there, and only a
// neighbour causes refusals.
func TestTable(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		// A first page, the rest of the list, a second count of its end, and eleven
		// batches.
		{"gets", []string{"-payments", "500", "-speed", "20"},
			`(?m)^ *b24export +500 +\d+\.\d s +\d\.\d s +\d+\.\d{3} +14 +0 +0 *$`},
		{"what the list shows", []string{"-payments", "3000", "-speed", "20", "-enrich", "list", "-operating", "480s", "-charge", "batch"},
			`(?m)^ *b24export +3000 +\d+\.\d s +\d\.\d s +\d+\.\d{3} +\d +0 +0 *$`},
		{"beside a neighbour", []string{"-payments", "500", "-speed", "20", "-neighbour", "1"},
			`(?m)^ *b24export +500 .*\n *its neighbour +\d+ +0 *$`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), tt.args, &out, io.Discard); err != nil {
				t.Fatal(err)
			}
			if !regexp.MustCompile(tt.want).Match(out.Bytes()) {
				t.Errorf("printed:\n%s\nwant a line that matches %s", &out, tt.want)
			}
		})
	}
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{{"-speed", "0"}, {"-operating-window", "0s"}, {"more"}, {"-charge", "nobody"}, {"-no-such-flag"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
