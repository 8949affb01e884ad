package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

const (
	// firstPercent is GOGC until the first garbage collection. The runtime collects no heap
	// that is smaller than GOGC times 40 KiB, so this is 16 MiB instead of 4.
	firstPercent = 400
	// onePercent is GOGC while one portal is exported. A run then needs a twelfth less
	// processor time than with 100, and limitMemory bounds its heap.
	onePercent = 200
	// manyPercent is GOGC while several portals are exported, whose limit is higher.
	manyPercent = 100
)

// laterPercent is GOGC from the first garbage collection on.
var laterPercent atomic.Int64

// delayCollection delays the first garbage collection until the heap has 16 MiB. What the
// libraries allocate at start is hardly garbage, and a short command ends before it has
// allocated so much. Without this, a collection is a quarter of the processor time of
// version. If GOGC is set, delayCollection does nothing.
func delayCollection() {
	if os.Getenv("GOGC") != "" {
		return
	}
	laterPercent.Store(onePercent)
	debug.SetGCPercent(firstPercent)
	// Nothing refers to the object, so the first collection finds it.
	runtime.AddCleanup(new([64]byte), func(later *atomic.Int64) { debug.SetGCPercent(int(later.Load())) }, &laterPercent)
}

// collectOften sets GOGC for several portals at once, unless the environment sets it.
func collectOften() {
	if os.Getenv("GOGC") != "" {
		return
	}
	laterPercent.Store(manyPercent)
	debug.SetGCPercent(manyPercent)
}
