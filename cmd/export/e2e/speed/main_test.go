package main

import (
	"bytes"
	"io"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"b24export/bitrix/bitrixtest"
	"b24export/schemas"
)

// TestSpeedMeasuresEachCase runs small cases. Each has a line with figures.
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

// TestPeers runs floor and naive against a portal: floor's file has each payment.
func TestPeers(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 2700})
	server := httptest.NewServer(portal)
	defer server.Close()
	for name, peer := range peers {
		path := filepath.Join(t.TempDir(), name)
		if err := runPeer(t.Context(), peer(), schemas.ListFields(nil), portal.Webhook(server.URL), path); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name != "floor" {
			continue
		}
		rows, err := parquet.ReadFile[row](path)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for truth := range portal.All() {
			if i == len(rows) || rows[i].ID != truth.ID {
				t.Fatalf("row %d is not payment %d", i, truth.ID)
			}
			i++
		}
		if i != len(rows) || i != 2700 {
			t.Errorf("%d rows of %d payments", len(rows), i)
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

// TestMemoryMeasuresEachStep runs a small case of -memory: each command has its line.
func TestMemoryMeasuresEachStep(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-memory", "-part", "100", "-only", "80 KB"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "run, full") || !strings.Contains(lines[2], "cat --format csv") {
		t.Fatalf("printed\n%s", &out)
	}
}

// TestLookupMeasuresEachPlace runs a small case of -lookup: each command has its line.
func TestLookupMeasuresEachPlace(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-lookup", "-payments", "300", "-enrich", "list"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 7 || !strings.Contains(lines[1], "version") || !strings.Contains(lines[6], "row 300 ") {
		t.Fatalf("printed\n%s", &out)
	}
}
