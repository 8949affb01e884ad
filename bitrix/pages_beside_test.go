package bitrix

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestBeside lists with Beside. If answers take longer than Beside, most ids arrive with
// the first answers, and each id once. If they do not, Beside costs no request.
func TestBeside(t *testing.T) {
	const slow, fast = 20 * time.Second, time.Second
	const late, atOnce = 1500 * time.Millisecond, time.Nanosecond
	for _, tt := range []struct {
		name           string
		portal         listPortal
		answer, beside time.Duration
		n              int   // ids that are listed
		requests       int64 // that are sent, whether they are answered or not
		// early is how many ids arrive within half a second more than one answer takes
		// after Beside. For a late Beside, that is time for three fast answers.
		early int
	}{
		{"fast answers", listPortal{ids: idsUpTo(4000)}, fast, late, 4000, 4, 3500},
		{"slow answers", listPortal{ids: idsUpTo(4000)}, slow, late, 4000, 3, 2500},
		{"slow answers, a few payments", listPortal{ids: idsUpTo(150)}, slow, late, 150, 2, 150},
		{"slow answers, fewer than a full chain", listPortal{ids: idsUpTo(1234)}, slow, late, 1234, 2, 1234},
		{"slow answers, no references", listPortal{ids: idsUpTo(900), noRefs: true}, slow, late, 900, 21, 50},
		{"slow answers, the full chain fails", listPortal{ids: idsUpTo(900), errs: map[int]string{1: "502 <html>"}}, slow, late, 900, 3, 200},
		{"at once", listPortal{ids: idsUpTo(4000)}, fast, atOnce, 4000, 3, 2500},
		{"at once, a few payments", listPortal{ids: idsUpTo(150)}, fast, atOnce, 150, 2, 150},
		{"at once, none", listPortal{}, fast, atOnce, 0, 3, 0},
		{"at once, the full chain takes too long", listPortal{ids: idsUpTo(900), errs: map[int]string{1: "504 <html>"}}, fast, atOnce, 900, 3, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.portal.t = t
				c := windowedList(t, &tt.portal, tt.answer)
				l := windowed
				l.Beside = tt.beside
				start, early := time.Now(), 0
				var ids []int64
				for page, err := range c.Pages(t.Context(), l, 0) {
					if err != nil {
						t.Fatal(err)
					}
					ids = append(ids, page.IDs...)
					if time.Since(start) <= tt.answer+l.Beside+time.Second/2 {
						early = len(ids)
					}
				}
				if !slices.Equal(ids, idsUpTo(tt.n)) {
					t.Errorf("%d ids, want %d, each once", len(ids), tt.n)
				}
				if sent := c.Use().Requests; sent != tt.requests || early != tt.early {
					t.Errorf("%d requests, want %d; %d ids early, want %d", sent, tt.requests, early, tt.early)
				}
			})
		})
	}
}
