package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
)

// Two processes must find the same portal in the same round. From one round to the
// next, a few payments must be new, changed and deleted, and no others.
func TestDemoPortalIsAFunctionOfItsRound(t *testing.T) {
	rounds := []int{0, 1, 2, demoRounds, demoRounds + 1, demoRounds + 2}
	state := make(map[int]map[int64]string)
	for _, round := range rounds {
		portal := demoPortal(round)
		payments := make(map[int64]string)
		for p := range portal.All() {
			payments[p.ID] = string(portal.Listed(p.ID))
		}
		state[round] = payments
		again := demoPortal(round)
		if !slices.EqualFunc(slices.Collect(portal.All()), slices.Collect(again.All()), func(a, b bitrixtest.Payment) bool {
			return string(portal.Listed(a.ID)) == string(again.Listed(b.ID))
		}) {
			t.Errorf("round %d differs from itself", round)
		}
	}
	if n := len(state[0]); n != demoPayments {
		t.Errorf("%d payments in round 0, want %d", n, demoPayments)
	}
	for _, round := range []int{0, 1, demoRounds, demoRounds + 1} {
		var added, gone, changed int
		for id, row := range state[round+1] {
			switch old, ok := state[round][id]; {
			case !ok:
				added++
			case old != row:
				changed++
			}
		}
		for id := range state[round] {
			if _, ok := state[round+1][id]; !ok {
				gone++
			}
		}
		wantNew := demoNew
		if round >= demoRounds {
			wantNew = 0
		}
		if added != wantNew || gone == 0 || gone > demoGone || changed == 0 || changed > demoPaid+demoPriced {
			t.Errorf("from round %d to the next: %d new, %d changed, %d gone", round, added, changed, gone)
		}
	}
}

func TestDemoFolder(t *testing.T) {
	tests := []struct {
		name string
		make func(folder string) error
		ok   bool
	}{
		{"absent", func(string) error { return nil }, true},
		{"empty", func(f string) error { return os.Mkdir(f, 0o755) }, true},
		{"a demo's", func(f string) error {
			if err := prepareDemoFolder(f); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(f, "payments.parquet"), nil, 0o644)
		}, true},
		{"somebody's", func(f string) error {
			if err := os.Mkdir(f, 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(f, "mine"), nil, 0o644)
		}, false},
		{"somebody's, with a folder for a marker", func(f string) error { return os.MkdirAll(filepath.Join(f, demoMarker), 0o755) }, false},
		{"a file", func(f string) error { return os.WriteFile(f, nil, 0o644) }, false},
		{"a link to a folder elsewhere", func(f string) error { return os.Symlink(filepath.Dir(f), f) }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "demo")
			if err := test.make(folder); err != nil {
				t.Fatal(err)
			}
			err := prepareDemoFolder(folder)
			if (err == nil) != test.ok {
				t.Fatalf("got %v", err)
			}
			_, markerErr := os.ReadFile(filepath.Join(folder, demoMarker))
			if (markerErr == nil) != test.ok {
				t.Errorf("marker: %v", markerErr)
			}
			if err != nil && (codeOf(err) != 2 || !strings.Contains(err.Error(), "not made by a demo")) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOrdinal(t *testing.T) {
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 102: "102nd", 111: "111th"} {
		if got := ordinal(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
