package jobs_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
)

// neighbour is another client of the portal at the same address. It sends a request per
// second on average, whatever the portal answers, at irregular times as programs do. At
// regular times it would be refused either never or always, by chance.
type neighbour struct {
	portal        *bitrixtest.Portal
	sent, refused atomic.Int64
}

// live sends until ctx ends. The answers may take longer than a second.
func (n *neighbour) live(t *testing.T, ctx context.Context) {
	var underWay sync.WaitGroup
	defer underWay.Wait()
	rng := rand.New(rand.NewPCG(1, 0))
	next := time.NewTimer(time.Second)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			next.Reset(time.Duration(rng.Int64N(int64(2 * time.Second))))
			underWay.Go(func() { n.ask(t) })
		}
	}
}

func (n *neighbour) ask(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.portal.Webhook("https://acme.bitrix24.com")+"server.time", strings.NewReader("{}"))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "neighbour/1")
	resp, err := n.portal.RoundTripper().RoundTrip(req)
	if err != nil {
		t.Error(err)
		return
	}
	resp.Body.Close()
	n.sent.Add(1)
	if resp.StatusCode == http.StatusServiceUnavailable {
		n.refused.Add(1)
	}
}

// TestBesideAnotherClient: if another client of the same portal uses half of the rate,
// both continue. The export uses the other half, and fewer than 2 % of its requests are
// refused.
func TestBesideAnotherClient(t *testing.T) {
	slow(t)
	synctest.Test(t, func(t *testing.T) {
		e := newExport(t, bitrixtest.Options{
			Payments: 30_000, Limits: bitrixtest.Limits{Operating: -1}, Latency: 1100 * time.Millisecond,
		}, 240*time.Millisecond, map[string]string{"operating": "0s"})
		other := &neighbour{portal: e.portal}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var life sync.WaitGroup
		life.Go(func() { other.live(t, ctx) })
		e.run(t)
		cancel()
		life.Wait()
		e.wantExact(t)
		use := e.outcome.Summary.Use
		// The neighbour leaves a request per second.
		least := time.Duration(float64(use.Requests-50) * float64(time.Second))
		t.Logf("%d requests in %v, at least %v: %.4f; %d refused: %.2f %%; the other client: %d sent, %d refused", use.Requests, e.span, least,
			float64(e.span)/float64(least), use.Refused, 100*float64(use.Refused)/float64(use.Requests), other.sent.Load(), other.refused.Load())
		if float64(e.span) > 1.05*float64(least) {
			t.Errorf("took %v, want at most 1.05 of %v", e.span, least)
		}
		if sent, refused := other.sent.Load(), other.refused.Load(); refused*50 > sent || float64(sent) < 0.9*e.span.Seconds() {
			t.Errorf("the other client sent %d requests in %v, %d were refused", sent, e.span, refused)
		}
		if use.Refused*100 >= 2*use.Requests {
			t.Errorf("%d of %d requests were refused, want under 2 %%", use.Refused, use.Requests)
		}
	})
}
