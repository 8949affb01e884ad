package deploy

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

// healthy has a portal's series over six days without faults: a run each night of 24 h.
// The load step is an hour.
const healthy = `
b24export_last_success_timestamp_seconds{dataset="payments", portal="good"} 0x23 86400x23 172800x23 259200x23 345600x23 432000x23
b24export_run_start_timestamp_seconds{dataset="payments", portal="good"} 0x23 86400x23 172800x23 259200x23 345600x23 432000x23
b24export_run_exit_code{dataset="payments", portal="good"} 0x143
b24export_job_exit_code{file="nightly.yaml"} 0x143
b24export_snapshot_rows{dataset="payments", portal="good"} 10000x143
b24export_snapshot_rejects{dataset="payments", portal="good"} 2x143
b24export_snapshot_new_rejects{dataset="payments", portal="good"} 0x143
`

// TestAlerts evaluates the rules over series as a run writes them, every five minutes
// until a moment, and compares the alerts that fire then.
func TestAlerts(t *testing.T) {
	tests := []struct {
		name, series string
		at           time.Duration
		want         []string // alert and portal or file
	}{
		{"all is well", "", 130 * time.Hour, nil},
		{"a run fails one night", `
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x40
b24export_run_start_timestamp_seconds{dataset="payments", portal="acme"} 0x23 86400x16
b24export_run_exit_code{dataset="payments", portal="acme"} 0x23 1x16`, 30 * time.Hour, []string{"RunFailed acme"}},
		{"no snapshot for a day and a half", `
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x40
b24export_run_start_timestamp_seconds{dataset="payments", portal="acme"} 0x23 86400x16
b24export_run_exit_code{dataset="payments", portal="acme"} 0x23 75x16`, 37 * time.Hour, []string{"SnapshotOld acme"}},
		{"a right was taken away", `
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x40
b24export_run_start_timestamp_seconds{dataset="payments", portal="acme"} 0x23 86400x16
b24export_run_exit_code{dataset="payments", portal="acme"} 0x23 4x16`, 30 * time.Hour, []string{"PortalRefuses acme"}},
		{"never exported, after two hours", `
b24export_run_exit_code{dataset="payments", portal="acme"} 75x40`, 2 * time.Hour, nil},
		{"never exported, after half a day", `
b24export_run_exit_code{dataset="payments", portal="acme"} 75x40`, 13 * time.Hour, []string{"NeverExported acme"}},
		{"the scheduler starts nothing", `
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x40
b24export_run_start_timestamp_seconds{dataset="payments", portal="acme"} 0x40
b24export_run_exit_code{dataset="payments", portal="acme"} 0x40`, 31 * time.Hour, []string{"NoRun acme"}},
		{"the job file no longer parses", `
b24export_job_exit_code{file="broken.yaml"} 0x23 2x16
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x40
b24export_run_start_timestamp_seconds{dataset="payments", portal="acme"} 0x40
b24export_run_exit_code{dataset="payments", portal="acme"} 0x40`, 25 * time.Hour, []string{"JobFileWrong broken.yaml"}},
		{"a portal's series vanish", `
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x10 stale
b24export_run_exit_code{dataset="payments", portal="acme"} 0x10 stale`, 14 * time.Hour, []string{"SeriesGone acme"}},
		{"a portal's series vanished days ago", `
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x10 stale
b24export_run_exit_code{dataset="payments", portal="acme"} 0x10 stale`, 90 * time.Hour, nil},
		{"a mass deletion is held back", `
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x40
b24export_run_start_timestamp_seconds{dataset="payments", portal="acme"} 0x23 86400x16
b24export_run_deletes_held{dataset="payments", portal="acme"} 0x23 800x16
b24export_run_exit_code{dataset="payments", portal="acme"} 0x23 1x16`, 30 * time.Hour, []string{"DeletesHeld acme", "RunFailed acme"}},
		{"a listing that sees less", `
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x23 86400x16
b24export_run_start_timestamp_seconds{dataset="payments", portal="acme"} 0x23 86400x16
b24export_run_exit_code{dataset="payments", portal="acme"} 0x40
b24export_snapshot_listing{dataset="payments", portal="acme", listing="sale", chosen_by="auto"} 1x23 stale
b24export_snapshot_listing{dataset="payments", portal="acme", listing="bindings", chosen_by="auto"} _x24 1x16`, 26 * time.Hour, []string{"ListsLess acme"}},
		{"a listing that sees less, until the right was given back", `
b24export_last_success_timestamp_seconds{dataset="payments", portal="acme"} 0x23 86400x16
b24export_run_start_timestamp_seconds{dataset="payments", portal="acme"} 0x23 86400x16
b24export_run_exit_code{dataset="payments", portal="acme"} 0x40
b24export_snapshot_listing{dataset="payments", portal="acme", listing="bindings", chosen_by="auto"} 1x23 stale
b24export_snapshot_listing{dataset="payments", portal="acme", listing="sale", chosen_by="auto"} _x24 1x16`, 26 * time.Hour, nil},
		{"a listing that sees less, as the job says", `
b24export_snapshot_listing{dataset="payments", portal="acme", listing="bindings", chosen_by="job"} 1x40`, 26 * time.Hour, nil},
		{"the rejects of the night before", `
b24export_snapshot_rows{dataset="payments", portal="acme"} 10000x40
b24export_snapshot_rejects{dataset="payments", portal="acme"} 3x40
b24export_snapshot_new_rejects{dataset="payments", portal="acme"} 0x40`, 5 * time.Hour, nil},
		{"further rejects", `
b24export_snapshot_rows{dataset="payments", portal="acme"} 10000x40
b24export_snapshot_rejects{dataset="payments", portal="acme"} 9x40
b24export_snapshot_new_rejects{dataset="payments", portal="acme"} 6x40`, 5 * time.Hour, []string{"ManyRejects acme", "NewRejects acme"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := firing(t, "load 1h\n"+strings.TrimSpace(healthy)+tt.series, tt.at)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("alerts that fire (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("no metrics at all", func(t *testing.T) {
		got := firing(t, "load 1h\nup 1x40", 2*time.Hour)
		if diff := cmp.Diff([]string{"NoMetrics "}, got); diff != "" {
			t.Errorf("alerts that fire (-want +got):\n%s", diff)
		}
	})
}

// firing returns the alerts of deploy/alerts.yaml that fire over the given series
// at a moment, sorted.
func firing(t *testing.T, series string, at time.Duration) []string {
	t.Helper()
	storage := promqltest.LoadedStorage(t, indent(series))
	t.Cleanup(func() { storage.Close() })
	// Series have a sample per hour. The lookback keeps them alive in between, but ends
	// with a stale marker.
	engine := promqltest.NewTestEngine(t, false, 65*time.Minute, 1_000_000)
	manager := rules.NewManager(&rules.ManagerOptions{
		ExternalURL:  &url.URL{},
		QueryFunc:    rules.EngineQueryFunc(engine, storage),
		NotifyFunc:   func(context.Context, string, ...*rules.Alert) {},
		Context:      t.Context(),
		Queryable:    storage,
		AppendableV2: storage,
		Registerer:   prometheus.NewRegistry(),
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, filepath.Join(root, "deploy", "alerts.yaml"))
	for _, err := range errs {
		t.Fatal(err)
	}
	var fired []string
	for _, group := range groups {
		for now := time.Duration(0); now <= at; now += group.Interval() {
			group.Eval(t.Context(), time.Unix(0, 0).Add(now))
		}
		for _, rule := range group.AlertingRules() {
			if err := rule.LastError(); err != nil {
				t.Fatalf("%s: %v", rule.Name(), err)
			}
			for _, alert := range rule.ActiveAlerts() {
				if summary := alert.Annotations.Get("summary"); strings.Contains(summary, "<no value>") || strings.HasPrefix(summary, ":") {
					t.Errorf("%s: summary %q", rule.Name(), summary)
				}
				if alert.State == rules.StateFiring {
					fired = append(fired, rule.Name()+" "+alert.Labels.Get("portal")+alert.Labels.Get("file"))
				}
			}
		}
	}
	slices.Sort(fired)
	return fired
}

// indent puts the lines of series after their load command.
func indent(load string) string { return strings.ReplaceAll(load, "\nb24", "\n  b24") }
