package jobs_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a run, or what it started, outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
