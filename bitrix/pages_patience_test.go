package bitrix

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowCallerCostsNoPatience: the caller of a listing by windows waits for longer than
// its patience, as for a budget. What fails once after that is retried.
func TestSlowCallerCostsNoPatience(t *testing.T) {
	ids := idsOfDensity(40_000, jumps(3000))
	step := 10
	if testing.Short() {
		step = 80 // the race detector makes them slow
	}
	for stop := 60; stop < 800; stop += step {
		synctest.Test(t, func(t *testing.T) {
			var failing atomic.Bool
			p := &listPortal{t: t, ids: ids, errs: map[int]string{}}
			p.onReply = func(n int) {
				if failing.Load() {
					p.errs[n] = `{"result":{"result":[],"result_error":{"c00":{"error":"INTERNAL_SERVER_ERROR"},"r00":{"error":"INTERNAL_SERVER_ERROR"}}}}`
				}
			}
			c := windowedList(t, p, time.Second)
			n, pages := 0, 0
			for page, err := range c.Pages(t.Context(), windowed, 0) {
				if err != nil {
					t.Fatalf("after a stop at page %d: %v", stop, err)
				}
				n += len(page.IDs)
				if pages++; pages == stop {
					time.Sleep(2 * time.Hour)
					failing.Store(true)
					time.AfterFunc(3*time.Second, func() { failing.Store(false) })
				}
			}
			if n != len(ids) {
				t.Errorf("%d ids, want %d", n, len(ids))
			}
		})
	}
}

// TestEveryLengthIsTooLong: a portal that refuses even a single command because there are
// too many ends the listing.
func TestEveryLengthIsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		p := portal(func(*http.Request) (*http.Response, error) {
			if requests++; requests > 100 {
				t.Fatal("the listing does not end")
			}
			return reply(`400 {"error":"ERROR_BATCH_LENGTH_EXCEEDED"}`), nil
		})
		for _, err := range clientOf(t, p, Options{}).Pages(t.Context(), windowed, 0) {
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeBatchLength {
				t.Errorf("error %v", err)
			}
		}
		if requests < 6 {
			t.Errorf("%d requests do not reach a single command", requests)
		}
	})
}
