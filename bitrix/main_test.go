package bitrix

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the tests if they leave a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
