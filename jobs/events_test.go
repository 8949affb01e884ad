package jobs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// On portals whose queue of events differs from its documentation, each night's table
// is the portal's. If the queue cannot be trusted, the manifest says why.
func TestSinceEventsOnOddQueues(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values bitrixtest.ValueQuirks
		why    string
	}{
		{"reserved events without a process", bitrixtest.ValueQuirks{Queue: bitrixtest.QueueNoProcess}, "does not show what is reserved"},
		{"reserved events hidden", bitrixtest.ValueQuirks{Queue: bitrixtest.QueueHidden}, "does not show what is reserved"},
		{"cleared in spite of clear: 0", bitrixtest.ValueQuirks{QueueClears: true}, "clears"},
		{"never reserved", bitrixtest.ValueQuirks{QueueUnreserved: true}, "same events"},
		{"a plan without the feature", bitrixtest.ValueQuirks{NoOfflineFeature: true}, "rest_offline_extended"},
		{"the same, without feature.get", bitrixtest.ValueQuirks{NoOfflineFeature: true, NoFeatureGet: true}, "WRONG_LICENSE"},
		{"event.bind refused", bitrixtest.ValueQuirks{NoBind: true}, "event.bind is refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 600, AllowRegets: true, Strict: t, Values: tt.values})
			e := newSinceJob(t, portal, "events", "")
			e.run(t, jobs.ExitComplete)
			for night := range uint64(4) {
				portal.Mutate(120, night)
				before := portal.Stats().Requests
				m := e.run(t, jobs.ExitComplete).Summary.Manifest
				e.wantTable(t, portal, none)
				if m.Since == nil || m.Since.By != "list" || night > 0 && !strings.Contains(m.Since.Why, tt.why) {
					t.Errorf("night %d: since %+v, want list, because: %s", night, m.Since, tt.why)
				}
				if n := portal.Stats().Requests - before; n > 60 {
					t.Errorf("night %d: %d requests", night, n)
				}
			}
		})
	}
}

// If the manifest of a snapshot is lost, its events were already cleared: the run lists
// everything.
func TestSinceEventsAfterALostManifest(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 600, AllowRegets: true, Strict: t})
	e := newSinceJob(t, portal, "events", "")
	for night := range uint64(4) {
		portal.Mutate(20, night)
		e.run(t, jobs.ExitComplete)
	}
	portal.Mutate(20, 9)
	m := e.run(t, jobs.ExitComplete).Summary.Manifest
	if m.Since.By != "events" {
		t.Fatalf("since %+v; want a night by events to lose", m.Since)
	}
	if err := os.Remove(filepath.Join(e.folder, "_runs/payments/portal=acme", string(m.Snapshot)+".json")); err != nil {
		t.Fatal(err)
	}
	m = e.run(t, jobs.ExitComplete).Summary.Manifest
	e.wantTable(t, portal, none)
	if m.Since.By != "list" || !strings.Contains(m.Since.Why, "lost") {
		t.Errorf("since %+v", m.Since)
	}
}

// A run dies after the reservation, on a queue that does not show it.
func TestSinceEventsDiesOnAHiddenQueue(t *testing.T) {
	for after := int64(1); after < 12; after++ {
		synctest.Test(t, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 300, AllowRegets: true, Strict: t,
				Values: bitrixtest.ValueQuirks{Queue: bitrixtest.QueueHidden}})
			e := newSinceJob(t, portal, "events", "patience: 1m")
			e.spec.Sink.Compression = "none"
			e.run(t, jobs.ExitComplete)
			portal.Mutate(20, 1)
			opts := *e.opts
			opts.Transport = &dies{next: portal.RoundTripper(), after: after}
			jobs.Run(t.Context(), e.spec, &opts)
			e.run(t, jobs.ExitComplete)
			e.wantTable(t, portal, none)
		})
	}
}

// A queue that cannot be used does not fail the run, and check reports it.
func TestCheckOfAPlanWithoutEvents(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 60, AllowRegets: true, Strict: t,
		Values: bitrixtest.ValueQuirks{NoOfflineFeature: true}})
	e := newSinceJob(t, portal, "events", "")
	var found []jobs.CheckLine
	for line := range jobs.Check(t.Context(), e.spec, e.opts) {
		if line.Check == "since: events" {
			found = append(found, line)
		}
	}
	if len(found) != 1 || found[0].State != jobs.CheckWarning || !strings.Contains(found[0].Detail, "every run lists all payments: the portal's plan lacks the feature rest_offline_extended") {
		t.Errorf("check: %+v", found)
	}
}
