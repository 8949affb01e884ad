package sinks_test

import (
	"testing"

	"go.uber.org/goleak"

	"b24export/sinks/sinktest"
)

// TestMain fails if the renewals of a lease, or an upload, outlive their test.
func TestMain(m *testing.M) {
	sinktest.TempInMemory()
	goleak.VerifyTestMain(m)
}
