package bitrix

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestBeside lists with Beside: where answers take long, most ids are there after one
// answer, and each once; where they do not, no request is made for it.
func TestBeside(t *testing.T) {
	for _, tt := range []struct {
		name     string
		portal   listPortal
		answer   time.Duration
		n        int // ids that are listed
		requests int
		// early is how many ids are there within half a second more than one answer takes
		// after Beside, which is time for three fast ones.
		early int
	}{
		{"fast answers", listPortal{ids: idsUpTo(4000)}, time.Second, 4000, 4, 3500},
		{"slow answers", listPortal{ids: idsUpTo(4000)}, 20 * time.Second, 4000, 3, 2500},
		{"slow answers, a few payments", listPortal{ids: idsUpTo(150)}, 20 * time.Second, 150, 2, 150},
		{"slow answers, fewer than a full chain", listPortal{ids: idsUpTo(1234)}, 20 * time.Second, 1234, 2, 1234},
		{"slow answers, no references", listPortal{ids: idsUpTo(900), noRefs: true}, 20 * time.Second, 900, 21, 50},
		{"slow answers, the full chain fails", listPortal{ids: idsUpTo(900), errs: map[int]string{1: "502 <html>"}}, 20 * time.Second, 900, 3, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.portal.t = t
				var mu sync.Mutex
				requests := 0
				c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
					mu.Lock()
					requests++
					mu.Unlock()
					select {
					case <-time.After(tt.answer):
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
					mu.Lock()
					defer mu.Unlock()
					return tt.portal.RoundTrip(r)
				}), Options{Patience: time.Hour, Limits: Limits{Rate: 2, Burst: 50}})
				l := windowed
				l.Beside = 1500 * time.Millisecond
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
				if requests != tt.requests || early != tt.early {
					t.Errorf("%d requests, want %d; %d ids early, want %d", requests, tt.requests, early, tt.early)
				}
			})
		})
	}
}
