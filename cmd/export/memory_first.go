package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// firstPercent is GOGC until the first garbage collection. The runtime collects no heap
// that is smaller than GOGC times 40 KiB, so this is 16 MiB instead of 4.
const firstPercent = 400

// delayCollection delays the first garbage collection until the heap has 16 MiB. What the
// libraries allocate at start is hardly garbage, and a short command ends before it has
// allocated so much. Without this, a collection is a quarter of the processor time of
// version. All later collections are as usual. If GOGC is set, delayCollection does nothing.
func delayCollection() {
	if os.Getenv("GOGC") != "" {
		return
	}
	usual := debug.SetGCPercent(firstPercent)
	// Nothing refers to the object, so the first collection finds it.
	runtime.AddCleanup(new([64]byte), func(usual int) { debug.SetGCPercent(usual) }, usual)
}
