package pipeline

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a goroutine of a run outlives its test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
