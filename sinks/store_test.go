package sinks_test

import (
	"testing"

	"b24export/sinks"
	"b24export/sinks/sinktest"
)

func openMemory(t *testing.T) sinks.Store {
	t.Helper()
	return openStore(t, "mem://")
}

func openFolder(t *testing.T) sinks.Store {
	t.Helper()
	return openStore(t, t.TempDir()+"/not/there/yet")
}

func openStore(t *testing.T, url string) sinks.Store {
	t.Helper()
	s, err := sinks.OpenStore(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestMemory(t *testing.T) { sinktest.RunStore(t, openMemory) }

func TestFolder(t *testing.T) { sinktest.RunStore(t, openFolder) }

func TestPrefixedBucket(t *testing.T) {
	sinktest.RunStore(t, func(t *testing.T) sinks.Store { return openStore(t, "mem://bucket/some/prefix") })
}

func TestNightsAndBackfillsInMemory(t *testing.T) {
	t.Parallel()
	orders := 500
	if testing.Short() {
		orders = 100 // the race detector makes them slow
	}
	sinktest.RunInterleaved(t, openMemory, orders)
}

func TestNightsAndBackfillsInFolder(t *testing.T) { sinktest.RunInterleaved(t, openFolder, 25) }

func TestDatasetInMemory(t *testing.T) {
	t.Parallel()
	sinktest.RunDataset(t, openMemory)
}

func TestDatasetInFolder(t *testing.T) {
	t.Parallel()
	sinktest.RunDataset(t, openFolder)
}

func TestQuietDeathsInMemory(t *testing.T) { runQuietDeaths(t, openMemory) }

func TestQuietDeathsInFolder(t *testing.T) { runQuietDeaths(t, openFolder) }

func runQuietDeaths(t *testing.T, open func(*testing.T) sinks.Store) {
	if testing.Short() {
		t.Skip("the race detector makes them slow, and a night with changes has the same goroutines")
	}
	sinktest.RunQuietDeaths(t, open)
}
