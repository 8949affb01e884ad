package bitrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listPortal is a portal with a list of ids, and options for odd behaviour.
type listPortal struct {
	t   testing.TB
	ids []int64

	unbounded bool // filters by the highest id are ignored
	noRefs    bool // references within a batch do not resolve
	deaf      bool // filters are ignored
	hide      int  // that many of the first page's elements are left out
	atOnce    bool // all rows, not pages
	noBatch   bool // the method cannot be batched
	errs      map[int]string
	slow      bool        // a request that counts takes too long
	blind     bool        // nothing is counted
	empty     map[int]int // pages that are empty, by the request's number
	onReply   func(n int)

	requests []int // commands of each, 0 for a single call
	counts   int   // pages that were counted
}

func (p *listPortal) RoundTrip(r *http.Request) (*http.Response, error) {
	n := len(p.requests)
	cmds := commandsOf(p.t, r)
	p.requests = append(p.requests, len(cmds))
	if p.onReply != nil {
		p.onReply(n)
	}
	if answer := p.errs[n]; answer != "" {
		return reply(answer), nil
	}
	emptied, isEmpty := p.empty[n]
	if cmds == nil {
		body, _ := io.ReadAll(r.Body)
		var ask struct {
			Filter map[string]int64
			Start  json.Number
		}
		if err := json.Unmarshal(body, &ask); err != nil {
			p.t.Error(err)
		}
		page, total := p.page(ask.Filter[">id"], ask.Filter["<=id"], ask.Start.String())
		if p.slow && ask.Start == "0" {
			return reply("504 <html>"), nil
		}
		if total < 0 {
			return reply(fmt.Sprintf(`{"result":%s}`, text(page))), nil
		}
		return reply(fmt.Sprintf(`{"result":%s,"total":%d}`, text(page), total)), nil
	}
	if p.noBatch {
		return reply(`405 {"error":"ERROR_BATCH_METHOD_NOT_ALLOWED"}`), nil
	}
	results := map[string][]int64{}
	var body, totals []string
	for _, c := range cmds {
		cursor := c.param("filter[>id]")
		if ref, ok := strings.CutPrefix(cursor, "$result["); ok {
			page := results[ref[:3]]
			if len(page) < PageSize || p.noRefs {
				cursor = "0" // what PHP converts an unresolved text to
			} else {
				cursor = fmt.Sprint(page[PageSize-1])
			}
		}
		after, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil {
			p.t.Errorf("cursor %q", cursor)
		}
		through, err := strconv.ParseInt("0"+c.param("filter[<=id]"), 10, 64)
		if err != nil {
			p.t.Errorf("the highest id: %v", err)
		}
		page, total := p.page(after, through, c.param("start"))
		if c.param("order[id]") == "DESC" {
			page = nil
			for _, id := range slices.Backward(p.ids) {
				if len(page) < PageSize && id > after {
					page = append(page, id)
				}
			}
		}
		if p.slow && c.param("start") == "0" {
			return reply("504 <html>"), nil
		}
		if isEmpty && c.key[1:] == chainKey(emptied)[1:] {
			page = nil
		}
		results[c.key] = page
		body = append(body, fmt.Sprintf(`"%s":%s`, c.key, text(page)))
		if total >= 0 {
			totals = append(totals, fmt.Sprintf(`"%s":%d`, c.key, total))
		}
	}
	return reply(fmt.Sprintf(`{"result":{"result":{%s},"result_error":[],"result_total":{%s}}}`, strings.Join(body, ","), strings.Join(totals, ","))), nil
}

func (p *listPortal) page(after, through int64, start string) (page []int64, total int) {
	from, _ := slices.BinarySearch(p.ids, after+1)
	ids := p.ids
	if through > 0 && !p.unbounded {
		end, _ := slices.BinarySearch(p.ids, through+1)
		ids = ids[:max(from, end)]
	}
	if p.deaf {
		from = 0
	}
	total = -1
	if start == "0" {
		p.counts++
		if !p.blind {
			total = len(ids) - from
		}
	}
	page = ids[from:]
	if !p.atOnce {
		page = page[:min(len(page), PageSize)]
	}
	if p.hide > 0 && len(page) > p.hide && from == 0 {
		page = page[p.hide:]
	}
	return page, total
}

func text(ids []int64) string {
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = fmt.Sprintf(`{"id":"%d"}`, id)
	}
	return `{"payments":[` + strings.Join(items, ",") + `]}`
}

func idsUpTo(n int) []int64 {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = int64(10 + 3*i)
	}
	return ids
}

// walkAll collects the pages of a walk.
func walkAll(c *Client, ctx context.Context, after int64) (ids []int64, totals []int64, err error) {
	for page, e := range c.Pages(ctx, Listing{Method: "sale.payment.list", Items: "payments", IDField: "id"}, after) {
		if e != nil {
			return ids, totals, e
		}
		ids = append(ids, page.IDs...)
		totals = append(totals, page.Total)
	}
	return ids, totals, nil
}

func TestPages(t *testing.T) {
	for _, tt := range []struct {
		name     string
		portal   listPortal
		never    bool
		after    int64
		from     int // the index of the first expected id
		requests []int
		counts   int   // pages that are counted; 0: one
		total    int64 // of the first page, if it is not the ids
	}{
		{name: "none", requests: []int{4, 0}, counts: 2},
		{name: "one page", portal: listPortal{ids: idsUpTo(7)}, requests: []int{4}},
		{name: "exactly a page", portal: listPortal{ids: idsUpTo(50)}, requests: []int{4}},
		{name: "exactly a chain", portal: listPortal{ids: idsUpTo(200)}, requests: []int{4, 1, 0}, counts: 2},
		{name: "the chains grow", portal: listPortal{ids: idsUpTo(10_020)}, requests: []int{4, 16, 50, 50, 50, 31}},
		{name: "a chain takes the end along", portal: listPortal{ids: idsUpTo(6000)}, requests: []int{4, 17, 50, 50}},
		{name: "from the middle", portal: listPortal{ids: idsUpTo(500)}, after: 10 + 3*99, from: 100, requests: []int{4, 5}},
		{name: "references that never resolve", portal: listPortal{ids: idsUpTo(420), noRefs: true}, requests: []int{4, 1, 4, 1, 5, 1, 1, 1, 1}},
		{name: "a portal that hides some, and has counted them", portal: listPortal{ids: idsUpTo(420), hide: 1}, requests: []int{4, 8, 1, 0}, counts: 2},
		{name: "a count that takes too long", portal: listPortal{ids: idsUpTo(420), slow: true}, requests: []int{4, 2, 3, 4, 1, 0, 0}, total: -1},
		{name: "a count that takes too long, of nothing", portal: listPortal{slow: true}, requests: []int{4, 2, 0, 0}, total: -1},
		{name: "a count that takes too long, never batched", portal: listPortal{ids: idsUpTo(60), slow: true}, never: true, requests: []int{0, 0, 0, 0, 0, 0}, total: -1},
		{name: "a portal that counts nothing", portal: listPortal{ids: idsUpTo(420), blind: true}, requests: []int{4, 16, 1, 0}, counts: 2, total: -1},
		{name: "an empty page that passes", portal: listPortal{ids: idsUpTo(1000), empty: map[int]int{1: 3}}, requests: []int{4, 17, 14}},
		{name: "an empty page at the beginning that passes", portal: listPortal{ids: idsUpTo(420), empty: map[int]int{0: 0}}, requests: []int{4, 0, 16}, counts: 3},
		{name: "a chain that begins with an empty page that passes", portal: listPortal{ids: idsUpTo(1000), empty: map[int]int{1: 0}}, requests: []int{4, 17, 0, 17}, counts: 2},
		{name: "everything at once", portal: listPortal{ids: idsUpTo(420), atOnce: true}, requests: []int{4, 1, 0}, counts: 2},
		{name: "not to be batched", portal: listPortal{ids: idsUpTo(120), noBatch: true}, requests: []int{4, 0, 0, 0}},
		{name: "never to be batched", portal: listPortal{ids: idsUpTo(120)}, never: true, requests: []int{0, 0, 0}},
		{name: "a chain that fails", portal: listPortal{ids: idsUpTo(1000), errs: map[int]string{1: "502 <html>"}}, requests: []int{4, 17, 17}},
		{name: "a chain that takes too long", portal: listPortal{ids: idsUpTo(1000), errs: map[int]string{1: "504 <html>"}}, requests: []int{4, 17, 8, 9}},
		{name: "a chain that is too long", portal: listPortal{ids: idsUpTo(1000), errs: map[int]string{1: `400 {"error":"ERROR_BATCH_LENGTH_EXCEEDED"}`}}, requests: []int{4, 17, 8, 9}},
		{name: "a page of another shape, once", portal: listPortal{ids: idsUpTo(1000), errs: map[int]string{1: `{"result":{"result":{"c00":"x"}}}`}}, requests: []int{4, 17, 17}},
		{name: "an answer without the pages", portal: listPortal{ids: idsUpTo(1000), errs: map[int]string{1: `{"result":{"result":[]}}`}}, requests: []int{4, 17, 17}},
		{name: "a page's error that passes", portal: listPortal{ids: idsUpTo(1000), errs: map[int]string{1: `{"result":{"result":[],"result_error":{"c00":{"error":"NEW"}}}}`}}, requests: []int{4, 17, 17}},
		{name: "for want of budget", portal: listPortal{ids: idsUpTo(1000), errs: map[int]string{1: `{"result":{"result":[],"result_error":{"c00":{"error":"OPERATION_TIME_LIMIT"}}}}`}}, requests: []int{4, 17, 17}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := tt.portal
				p.t = t
				c := clientOf(t, &p, Options{BatchNever: tt.never})
				ids, totals, err := walkAll(c, t.Context(), tt.after)
				if err != nil {
					t.Fatal(err)
				}
				want := p.ids[tt.from:]
				if p.hide > 0 {
					want = want[p.hide:]
				}
				if !slices.Equal(ids, want) {
					t.Errorf("got %d ids, want %d", len(ids), len(want))
				}
				if d := cmp.Diff(tt.requests, p.requests); d != "" {
					t.Errorf("commands a request: want -, got +:\n%s", d)
				}
				for i, total := range totals {
					want := int64(-1)
					if i == 0 {
						want = int64(len(p.ids) - tt.from)
						if tt.total != 0 {
							want = tt.total
						}
					}
					if total != want {
						t.Errorf("page %d: total %d, want %d", i, total, want)
					}
				}
				if most := max(1, tt.counts) + len(p.errs); p.counts > most && !tt.portal.noBatch && !p.slow {
					t.Errorf("counted %d times", p.counts)
				}
			})
		})
	}
}

func TestListsThatCannotBeWalked(t *testing.T) {
	refused := func(code string) map[int]string {
		m := map[int]string{}
		for i := range 10 {
			m[i] = `{"result":{"result":[],"result_error":{"c00":{"error":"` + code + `","error_description":"Access Denied"}}}}`
		}
		return m
	}
	for _, tt := range []struct {
		name     string
		portal   listPortal
		after    int64
		is       error
		code     string
		requests int
		ids      int
		count    *CountError
	}{
		{name: "a portal that ignores the filter", portal: listPortal{ids: idsUpTo(500), deaf: true}, is: ErrStall, requests: 6, ids: 50},
		{name: "and on the first page", portal: listPortal{ids: idsUpTo(500), deaf: true}, after: 100, is: ErrStall, requests: 5},
		{name: "for administrators only", portal: listPortal{errs: refused("200040300010")}, code: "200040300010", requests: 1},
		{name: "without the scope", portal: listPortal{errs: refused("insufficient_scope")}, code: "insufficient_scope", requests: 1},
		{name: "a code that nobody knows", portal: listPortal{errs: refused("NEW")}, code: "NEW", requests: 3},
		{name: "denied", portal: listPortal{errs: refused("ACCESS_DENIED")}, code: "ACCESS_DENIED", requests: 1},
		{name: "a portal that stumbles for ever", portal: listPortal{errs: func() map[int]string {
			m := map[int]string{}
			for i := range 1000 {
				m[i] = `{"result":{"result":[],"result_error":{"c00":{"error":"INTERNAL_SERVER_ERROR"}}}}`
			}
			return m
		}()}, is: ErrPatience, code: "INTERNAL_SERVER_ERROR"},
		{name: "no such list", portal: listPortal{errs: func() map[int]string {
			m := map[int]string{}
			for i := range 1000 {
				m[i] = `{"result":{"result":{"c00":{"x":[]}}}}`
			}
			return m
		}()}, is: ErrPatience, code: CodeNoList},
		{name: "empty pages against the count", portal: listPortal{ids: idsUpTo(1000), empty: func() map[int]int {
			m := map[int]int{}
			for i := range 20 {
				m[i] = 0
			}
			return m
		}()}, count: &CountError{Method: "sale.payment.list", Counted: 1000}, requests: 10},
		{name: "gone", portal: listPortal{errs: map[int]string{0: `500 {"error":"PORTAL_DELETED"}`}}, code: "PORTAL_DELETED", requests: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := tt.portal
				p.t = t
				c := clientOf(t, &p, Options{Patience: 10 * time.Minute})
				ids, _, err := walkAll(c, t.Context(), tt.after)
				if err == nil || !strings.Contains(err.Error(), "list sale.payment.list after ") {
					t.Errorf("error %v, want one that says what was listed", err)
				}
				if tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("error %v, want %v", err, tt.is)
				}
				if e, _ := errors.AsType[*CountError](err); tt.count != nil && (e == nil || *e != *tt.count) {
					t.Errorf("error %v, want %v", err, tt.count)
				}
				if e, ok := errors.AsType[*Error](err); tt.code != "" && (!ok || e.Code != tt.code) {
					t.Errorf("error %v, want code %s", err, tt.code)
				}
				if len(ids) != tt.ids || tt.requests > 0 && len(p.requests) != tt.requests {
					t.Errorf("%d ids by %d requests, want %d by %d", len(ids), len(p.requests), tt.ids, tt.requests)
				}
			})
		})
	}
}

// TestOneChainAhead: while the caller processes one chain's pages, the next one is in
// flight, and no third.
func TestOneChainAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &listPortal{t: t, ids: idsUpTo(10_000), onReply: func(int) { after(4 * time.Second) }}
		c := clientOf(t, p, Options{})
		start := time.Now()
		pages := 0
		for _, err := range c.Pages(t.Context(), Listing{Method: "sale.payment.list", Items: "payments", IDField: "id"}, 0) {
			if err != nil {
				t.Fatal(err)
			}
			if pages++; pages == 1 {
				after(time.Hour)
				synctest.Wait()
				if len(p.requests) != 2 {
					t.Errorf("%d requests after an hour at the first page, want 2", len(p.requests))
				}
			}
		}
		if took := time.Since(start) - time.Hour; took != 5*4*time.Second {
			t.Errorf("%d requests took %v besides, want 20s: the second of six chains was under way", len(p.requests), took)
		}
	})
}

// TestStoppedWalk: a caller that stops, in any way, leaves nothing running.
func TestStoppedWalk(t *testing.T) {
	list := Listing{Method: "sale.payment.list", Items: "payments", IDField: "id"}
	slow := func(r *http.Request, p *listPortal) (*http.Response, error) {
		select {
		case <-time.After(10 * time.Second):
			return p.RoundTrip(r)
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	for _, tt := range []struct {
		name string
		stop func(t *testing.T, c *Client)
		took time.Duration
	}{
		{"break", func(t *testing.T, c *Client) {
			for range c.Pages(t.Context(), list, 0) {
				break
			}
		}, 10 * time.Second},
		{"panic", func(t *testing.T, c *Client) {
			defer func() {
				if r := recover(); r != "enough" {
					t.Errorf("recovered %v", r)
				}
			}()
			for range c.Pages(t.Context(), list, 0) {
				panic("enough")
			}
		}, 10 * time.Second},
		{"cancelled", func(t *testing.T, c *Client) {
			gone := errors.New("gone")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(15*time.Second, func() { cancel(gone) })
			var last error
			for _, err := range c.Pages(ctx, list, 0) {
				last = err
			}
			if !errors.Is(last, gone) {
				t.Errorf("error %v, want the context's cause", last)
			}
		}, 15 * time.Second},
		{"never begun", func(t *testing.T, c *Client) { c.Pages(t.Context(), list, 0) }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The bubble fails if a goroutine remains.
			synctest.Test(t, func(t *testing.T) {
				p := &listPortal{t: t, ids: idsUpTo(10_000)}
				c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) { return slow(r, p) }), Options{})
				start := time.Now()
				tt.stop(t, c)
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v: it must not wait for the next chain", took, tt.took)
				}
			})
		})
	}
}
