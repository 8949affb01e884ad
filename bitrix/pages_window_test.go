package bitrix

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// windowedList returns a client for a listing of p by windows, whose answers take so
// long.
func windowedList(t *testing.T, p *listPortal, answer time.Duration) *Client {
	var mu sync.Mutex
	return clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
		select {
		case <-time.After(answer):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		mu.Lock()
		defer mu.Unlock()
		return p.RoundTrip(r)
	}), Options{Patience: time.Hour, Limits: Limits{Rate: 2, Burst: 50}})
}

var windowed = Listing{Method: "sale.payment.list", Items: "payments", IDField: "id", Windows: true}

// TestWindows lists by windows, in the order of ids, for any ids and any portal: each
// id once, within the time and the requests of the row.
func TestWindows(t *testing.T) {
	const n = 40_000
	varied := make([]int64, 0, n) // from dense to sparse and back
	for id, step := int64(1), int64(1); len(varied) < n; id += step {
		if varied = append(varied, id); len(varied)%3000 == 0 {
			step = 1 + (step+1)%6
		}
	}
	clusters := make([]int64, 0, n)
	for i := range int64(n) {
		clusters = append(clusters, 1+i+i/500*1_000_000)
	}
	for _, tt := range []struct {
		name     string
		portal   listPortal
		requests int
		span     time.Duration
	}{
		{"even ids", listPortal{ids: idsUpTo(n)}, 19, 7 * time.Second},
		{"ids of a varied density", listPortal{ids: varied}, 26, 9 * time.Second},
		{"clusters, which one chain lists", listPortal{ids: clusters}, 35, 20 * time.Second},
		{"a portal that ignores the highest id", listPortal{ids: idsUpTo(n), unbounded: true}, 22, 20 * time.Second},
		{"no references", listPortal{ids: idsUpTo(n), noRefs: true}, 900, 900 * time.Second},
		{"a portal that counts nothing", listPortal{ids: idsUpTo(n), blind: true}, 22, 25 * time.Second},
		{"an empty page in a window, that passes", listPortal{ids: idsUpTo(n), empty: map[int]int{3: 7, 5: 0}}, 22, 10 * time.Second},
		{"a window that fails once", listPortal{ids: idsUpTo(n), errs: map[int]string{2: "502 <html>"}}, 20, 12 * time.Second},
		{"a window that takes too long", listPortal{ids: idsUpTo(n), errs: map[int]string{4: "504 <html>"}}, 40, 45 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.portal.t = t
				c := windowedList(t, &tt.portal, time.Second)
				start := time.Now()
				var ids []int64
				for page, err := range c.Pages(t.Context(), windowed, 0) {
					if err != nil {
						t.Fatal(err)
					}
					if page.Total >= 0 && len(ids) > 0 {
						t.Errorf("behind %d ids a page counts %d in the whole list", len(ids), page.Total)
					}
					ids = append(ids, page.IDs...)
				}
				took := time.Since(start)
				if !slices.Equal(ids, tt.portal.ids) {
					t.Errorf("%d ids, want %d", len(ids), len(tt.portal.ids))
				}
				t.Logf("%d requests, %v", len(tt.portal.requests), took)
				if len(tt.portal.requests) > tt.requests || took > tt.span {
					t.Errorf("%d requests in %v, want at most %d in %v", len(tt.portal.requests), took, tt.requests, tt.span)
				}
			})
		})
	}
}

// TestWindowsWhileThePortalChanges deletes ids before and after the position of the
// listing and creates new ones at its end. All ids that remain are listed once.
func TestWindowsWhileThePortalChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &listPortal{t: t, ids: idsUpTo(40_000)}
		stay := map[int64]bool{}
		for i, id := range p.ids {
			stay[id] = i%7 != 0
		}
		p.onReply = func(n int) {
			if n == 3 {
				p.ids = slices.DeleteFunc(p.ids, func(id int64) bool { return !stay[id] })
				p.ids = append(p.ids, 1_000_001, 1_000_007)
			}
		}
		c := windowedList(t, p, time.Second)
		seen := map[int64]bool{}
		last := int64(0)
		for page, err := range c.Pages(t.Context(), windowed, 0) {
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range page.IDs {
				if id <= last {
					t.Fatalf("%d comes after %d", id, last)
				}
				last, seen[id] = id, true
			}
		}
		for _, id := range p.ids {
			if !seen[id] {
				t.Fatalf("%d of %d is missing", id, len(p.ids))
			}
		}
	})
}

// TestWindowsEndWithTheirCaller stops during the listing, by a break and by the
// context. Nothing continues after it, or the bubble would not end.
func TestWindowsEndWithTheirCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &listPortal{t: t, ids: idsUpTo(40_000)}
		c := windowedList(t, p, time.Second)
		n := 0
		for _, err := range c.Pages(t.Context(), windowed, 0) {
			if n++; err != nil || n == 70 {
				break
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		n = 0
		var last error
		for _, err := range c.Pages(ctx, windowed, 0) {
			if n++; n == 70 {
				cancel()
			}
			last = err
		}
		cancel()
		if last == nil {
			t.Error("a listing whose context ended is no error")
		}
	})
}

// TestCountsBehindWindows: a portal that lists nothing in a window, but counts elements
// in it, contradicts itself.
func TestCountsBehindWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &listPortal{t: t, ids: idsUpTo(40_000), empty: map[int]int{}}
		for n := 3; n < 1000; n++ {
			p.empty[n] = 0
		}
		c := windowedList(t, p, time.Second)
		var last error
		for _, err := range c.Pages(t.Context(), windowed, 0) {
			last = err
		}
		if !isCount(last) {
			t.Errorf("error %v, want a CountError", last)
		}
	})
}
