package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// TestSpeedMeasuresEachCase runs small cases: each has its line with figures.
func TestSpeedMeasuresEachCase(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-payments", "300,100x3", "-runs", "1", "-enrich", "list"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], " 300 ") || !strings.Contains(lines[2], " 100x3 ") {
		t.Fatalf("printed\n%s", &out)
	}
	for _, line := range lines[1:] {
		if strings.Contains(line, "NaN") || strings.Contains(line, " 0.00 ") {
			t.Errorf("no figures: %s", line)
		}
	}
}

func TestSpeedRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{{"-payments", "0"}, {"-payments", "5x"}, {"-payments", "5x251"}, {"-runs", "0"}, {"x"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q: taken", args)
		}
	}
}
