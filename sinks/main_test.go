package sinks

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if the renewals of a lease, or an upload, outlive their test.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
