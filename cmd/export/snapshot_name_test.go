package main

import (
	"strings"
	"testing"

	"b24export/pipeline"
)

func TestSnapshotNames(t *testing.T) {
	ids := []pipeline.SnapshotID{"20261120T020000Z", "20261121T020000Z", "20261121T140000Z", "20261123T020000Z"}
	tests := []struct {
		ids        []pipeline.SnapshotID
		name, want string // want is an id, or a part of the error
	}{
		{ids, "", "20261123T020000Z"},
		{ids, "latest", "20261123T020000Z"},
		{ids, "newest", "20261123T020000Z"},
		{ids, "previous", "20261121T140000Z"},
		{ids[:1], "previous", "one snapshot only, 20261120T020000Z: there is no previous one until the job runs again"},
		{ids, "2026-11-20", "20261120T020000Z"},
		{ids, "2026-11-21", "20261121T140000Z"},
		{ids, "2026-11-22", "no snapshot of 2026-11-22; the nearest are 20261121T140000Z and 20261123T020000Z"},
		{ids, "2026-11-19", "no snapshot of 2026-11-19; the oldest is 20261120T020000Z"},
		{ids, "2026-11-24", "no snapshot of 2026-11-24; the newest is 20261123T020000Z"},
		{ids, "20261121T1", "20261121T140000Z"},
		{ids, "20261120", "20261120T020000Z"},
		{ids, "20261121", "2 snapshots that begin with 20261121, from 20261121T020000Z to 20261121T140000Z: give more of the id"},
		{ids, "2026", "4 snapshots that begin with 2026, from 20261120T020000Z to 20261123T020000Z"},
		{ids, "2025", "no snapshot 2025…; the oldest is 20261120T020000Z"},
		{ids, "20261121T020000Z", "20261121T020000Z"},
	}
	for _, tt := range tests {
		if err := checkSnapshotName(tt.name); err != nil {
			t.Errorf("%q is refused: %v", tt.name, err)
		}
		id, err := findSnapshot(tt.ids, tt.name)
		got := string(id)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want && (err == nil || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%q: got %s, want %s", tt.name, got, tt.want)
		}
	}
	for _, name := range []string{"yesterday", "2026-11-31", "2026-11", "20261121t", "20261121T0200000", "-", "T02", "20261121Z"} {
		if err := checkSnapshotName(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}
