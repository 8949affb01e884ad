package sinks

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a lease's renewals, or an upload, outlive their test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
