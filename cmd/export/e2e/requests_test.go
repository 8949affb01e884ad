package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/servers"
)

// s3Counter passes requests to an S3 server, and counts them by their kind.
type s3Counter struct {
	addr string
	// answer, if set, reports whether it has answered a request. The server then does
	// not receive the request.
	answer func(http.ResponseWriter, *http.Request) bool

	mu    sync.Mutex
	seen  []string
	kinds map[string]int
	paid  int // LIST, PUT and COPY, which cost ten times as much as the others
	// renewals are how often a run renewed its lease. That depends on its time, not on
	// its work.
	renewals int
}

// renewal is the requests of a renewal: LIST, GET and PUT.
const renewal, renewalPaid = 3, 2

func countS3(t *testing.T, upstream string) *s3Counter {
	c := &s3Counter{kinds: make(map[string]int)}
	target := &url.URL{Scheme: "http", Host: upstream}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.count(r)
		if c.answer != nil && c.answer(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.addr = strings.TrimPrefix(server.URL, "http://")
	return c
}

func (c *s3Counter) count(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := r.Method
	switch {
	case r.Method == http.MethodGet && r.URL.Query().Has("list-type"):
		kind = "LIST"
	case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
		kind = "COPY"
	case r.Method == http.MethodPost && r.URL.Query().Has("delete"):
		kind = "DELETE"
	}
	c.kinds[kind]++
	if kind == "LIST" || kind == "PUT" || kind == "COPY" {
		c.paid++
	}
	if kind == "PUT" && leaseName.MatchString(strings.TrimPrefix(r.URL.Path, "/warehouse/")) && r.Header.Get("If-None-Match") == "" {
		c.renewals++
	}
	c.seen = append(c.seen, fmt.Sprint(kind, " ", r.URL.Path, " ", r.URL.Query().Get("prefix")))
}

// take returns the counts since the last call, without renewals of leases.
func (c *s3Counter) take() (all, paid int, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, paid = len(c.seen)-c.renewals*renewal, c.paid-c.renewals*renewalPaid
	text = fmt.Sprintf("%v, %d renewals\n%s", c.kinds, c.renewals, strings.Join(c.seen, "\n"))
	c.seen, c.paid, c.renewals = nil, 0, 0
	clear(c.kinds)
	return all, paid, text
}

// The requests of a run to S3: each has a price, and takes time.
func TestRequestsToS3(t *testing.T) {
	s := servers.StartS3(t)
	s.Bucket(t, "warehouse")
	counter := countS3(t, s.Addr)
	portal := bitrixtest.New(bitrixtest.Options{Seed: 5, Payments: 100_000, AllowRegets: true, Strict: t})
	j := newJob(serve(t, portal, portal), s.URL("warehouse", counter.addr))
	j["mode"] = "incremental"
	j["checkpoint"] = map[string]any{"every": "10m", "rows": 50_000}
	j["sink"].(map[string]any)["history"] = 1
	for _, run := range []struct {
		name      string
		all, paid int
		mode      string
	}{
		{"the first run, which is full", 28, 28, "incremental"},
		{"a quiet night", 20, 8, "incremental"},
		{"a quiet night after which a snapshot is past retention", 20, 8, "incremental"},
		{"a full run", 28, 28, "full"},
		{"a quiet night behind that", 20, 8, "incremental"},
	} {
		j["mode"] = run.mode
		o := runJob(t, s.Env(), j.write(t), 0)
		all, paid, text := counter.take()
		t.Logf("%s: %d requests, %d of them LIST, PUT or COPY", run.name, all, paid)
		if all > run.all || paid > run.paid {
			t.Errorf("%s: %d requests, want at most %d; %d of them LIST, PUT or COPY, want at most %d\n%s", run.name, all, run.all, paid, run.paid, text)
		}
		if o.Ledger.Rows() != 100_000 {
			t.Errorf("%s: %d rows", run.name, o.Ledger.Rows())
		}
	}
}
