package main

import (
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"testing"
)

func TestOnlyTheFirstCollectionIsDelayed(t *testing.T) {
	percent := func() int {
		sample := []runtimemetrics.Sample{{Name: "/gc/gogc:percent"}}
		runtimemetrics.Read(sample)
		return int(sample[0].Value.Uint64())
	}
	before, limit := debug.SetGCPercent(77), debug.SetMemoryLimit(-1)
	defer func() {
		debug.SetGCPercent(before)
		debug.SetMemoryLimit(limit)
	}()
	t.Setenv("GOGC", "77")
	if delayCollection(); percent() != 77 {
		t.Errorf("GOGC is %d, want what the environment says", percent())
	}
	t.Setenv("GOGC", "")
	if delayCollection(); percent() != firstPercent {
		t.Errorf("GOGC is %d before the first collection, want %d", percent(), firstPercent)
	}
	// The runtime runs cleanups some time after a collection.
	for percent() != onePercent && t.Context().Err() == nil {
		runtime.GC()
	}
	raiseMemoryLimit(1)
	if percent() != onePercent {
		t.Errorf("GOGC is %d for one portal, want %d", percent(), onePercent)
	}
	raiseMemoryLimit(2)
	if percent() != manyPercent {
		t.Errorf("GOGC is %d for two portals, want %d", percent(), manyPercent)
	}
}
