package bitrixtest

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a portal leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
