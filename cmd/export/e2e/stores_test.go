package e2e

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/servers"
	"b24export/cmd/export/e2e/internal/table"
	"b24export/sinks"
	"b24export/sinks/sinktest"
)

// stores are the servers that the contract suites test.
var stores = []struct {
	name string
	// start returns a bucket's URL, and the environment for it.
	start func(t *testing.T) (url string, env []string)
}{
	{"s3", func(t *testing.T) (string, []string) {
		s := servers.StartS3(t)
		return s.Bucket(t, "warehouse"), s.Env()
	}},
	{"gcs", func(t *testing.T) (string, []string) {
		g := servers.StartGCS(t)
		return g.Bucket("warehouse"), g.Env()
	}},
	{"azure", func(t *testing.T) (string, []string) {
		a := servers.StartAzure(t)
		return a.Bucket(t, "warehouse"), a.Env()
	}},
}

// TestStores runs the contract suites of package sinks on real servers, and exports to
// each.
func TestStores(t *testing.T) {
	for _, tt := range stores {
		t.Run(tt.name, func(t *testing.T) {
			url, env := tt.start(t)
			setEnv(t, env)
			var folders atomic.Int64
			open := func(t *testing.T) sinks.Store {
				store, err := sinks.OpenStore(t.Context(), inFolder(url, fmt.Sprintf("folder%d", folders.Add(1))), nil)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { store.Close() })
				return store
			}
			t.Run("store", func(t *testing.T) { sinktest.RunStore(t, open) })
			t.Run("nights and backfills", func(t *testing.T) { sinktest.RunInterleaved(t, open, 5) })
			t.Run("dataset", func(t *testing.T) { sinktest.RunDataset(t, open) })
			t.Run("export", func(t *testing.T) { exportTo(t, inFolder(url, "export"), env) })
		})
	}
}

// inFolder returns the URL of a folder in a bucket.
func inFolder(bucket, folder string) string {
	before, params, _ := strings.Cut(bucket, "?")
	return before + "/" + folder + "?" + params
}

// exportTo exports twice with the built program, the second time after some changes,
// and DuckDB reads the downloaded result.
func exportTo(t *testing.T, url string, env []string) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 21, Payments: 3000, AllowRegets: true, Strict: t})
	j := newJob(serve(t, portal, portal), url)
	j["mode"] = "incremental"
	file := j.write(t)
	runJob(t, env, file, 0)
	portal.Mutate(100, 1)
	second := runJob(t, env, file, 0)
	if second.Changes.Sum() == 0 {
		t.Error("no changes in the second snapshot")
	}

	store, err := sinks.OpenStore(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	data, err := store.Read(t.Context(), currentTable)
	if err != nil {
		t.Fatal(err)
	}
	path := tempFile(t, data)
	if diff := table.Diff(table.OpenDuckDB(t).Payments(t, path), truth(portal)); diff != "" {
		t.Errorf("the table differs from the portal:\n%s", diff)
	}
}
