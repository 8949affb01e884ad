package jobs_test

import (
	"testing"

	"go.uber.org/goleak"

	"b24export/sinks/sinktest"
)

// TestMain fails if a run, or a goroutine of it, outlives its test.
func TestMain(m *testing.M) {
	sinktest.TempInMemory()
	goleak.VerifyTestMain(m)
}

// slow marks a test of many thousand payments under a portal's limits, or of a year of
// nights. It takes seconds in virtual time, and minutes with the race detector.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow, and -short is set")
	}
}
