package bitrix_test

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
)

// countedBodies notes the size of each answer.
type countedBodies struct {
	to    http.RoundTripper
	mu    sync.Mutex
	sizes []int
}

func (c *countedBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Del("Accept-Encoding")
	resp, err := c.to.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sizes = append(c.sizes, len(body))
	resp.Body, resp.ContentLength = &heldBody{data: body}, int64(len(body))
	return resp, nil
}

// heldBody is a body in memory.
type heldBody struct{ data []byte }

func (b *heldBody) Read(p []byte) (int, error) {
	if len(b.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

func (b *heldBody) Close() error { return nil }

// TestChainsOfLargeRowsAreShort lists rows of 20 KB and of 80 KB. No answer has more than
// 16 MiB, none is thrown away, and chains of small rows keep their length.
func TestChainsOfLargeRowsAreShort(t *testing.T) {
	for _, tt := range []struct {
		name                       string
		payments, comments, atMost int // requests
	}{
		{"20 KB", 1500, 20_000, 7},    // 30 MB, 8 MiB each after the first four pages
		{"80 KB", 500, 80_000, 6},     // 40 MB
		{"small", 12_000, 200, 1 + 6}, // 50 pages each
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := bitrixtest.Options{Payments: tt.payments, NoGzip: true, Strict: t}
				o.Values.Comments = tt.comments
				p := bitrixtest.New(o)
				seen := &countedBodies{to: p.RoundTripper()}
				hook, err := bitrix.ParseWebhook(p.Webhook("https://acme.bitrix24.com"))
				if err != nil {
					t.Fatal(err)
				}
				c := bitrix.New(hook, &bitrix.Options{Transport: seen})
				defer c.Close()
				n := 0
				list := bitrix.Listing{Method: "sale.payment.list", Items: "payments", IDField: "id", Select: []string{"id", "comments"}}
				for page, err := range c.Pages(t.Context(), list, 0) {
					if err != nil {
						t.Fatal(err)
					}
					n += len(page.IDs)
				}
				if n != tt.payments {
					t.Errorf("%d payments, want %d", n, tt.payments)
				}
				for i, size := range seen.sizes {
					if size > 16<<20 {
						t.Errorf("answer %d has %d bytes", i, size)
					}
				}
				if len(seen.sizes) > tt.atMost {
					t.Errorf("%d requests, want at most %d: answers of %v", len(seen.sizes), tt.atMost, seen.sizes)
				}
				if use := c.Use(); use.Retries > 0 {
					t.Errorf("%d retries", use.Retries)
				}
			})
		})
	}
}

// TestLargeAnswerCostsOneRequest: a batch whose answer unpacks to 200 MB is thrown away once;
// the same commands then go in requests whose answers are expected to fit.
func TestLargeAnswerCostsOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := bitrixtest.New(bitrixtest.Options{Payments: 50, Gap: -1, AllowRegets: true,
			Faults: []bitrixtest.Fault{{Kind: bitrixtest.FaultLarge, At: []int{1}}}})
		hook, err := bitrix.ParseWebhook(p.Webhook("https://acme.bitrix24.com"))
		if err != nil {
			t.Fatal(err)
		}
		c := bitrix.New(hook, &bitrix.Options{Transport: p.RoundTripper()})
		defer c.Close()
		var cmds []bitrix.Command
		for id := range 50 {
			cmds = append(cmds, bitrix.Command{Key: "p" + string(rune('a'+id/26)) + string(rune('a'+id%26)), Method: "crm.item.payment.get", Params: bitrix.Params{"id": int64(id + 1)}})
		}
		results, err := c.Batch(t.Context(), cmds)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if r.Err != nil {
				t.Errorf("command %d: %v", i, r.Err)
			}
		}
		if use := c.Use(); use.Requests > 8 {
			t.Errorf("%d requests for 50 commands, of which one answer was too large", use.Requests)
		}
	})
}
