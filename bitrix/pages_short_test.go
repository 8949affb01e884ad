package bitrix

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// TestShortPagesCostOneCommand: a portal whose pages are all short, because it filters
// after it has cut them, gets no commands for pages that cannot follow a short one.
func TestShortPagesCostOneCommand(t *testing.T) {
	for _, tt := range []struct {
		windows  bool
		commands int // 200 pages are needed at least
	}{{false, 230}, {true, 500}} {
		t.Run(fmt.Sprintf("windows %v", tt.windows), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ids := idsUpTo(9000)
				p := newModelPortal(t, 1, ids, modelFaults{page: 45})
				c := clientOf(t, p, Options{})
				l, n := windowed, 0
				l.Windows = tt.windows
				for page, err := range c.Pages(t.Context(), l, 0) {
					if err != nil {
						t.Fatal(err)
					}
					n += len(page.IDs)
				}
				t.Logf("%d commands in %d requests", p.commands, p.requests)
				if n != len(ids) || p.commands > tt.commands {
					t.Errorf("%d ids by %d commands, want %d by at most %d", n, p.commands, len(ids), tt.commands)
				}
			})
		})
	}
}
