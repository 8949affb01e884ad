package bitrixtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Each rule that a single request can break.
func TestRulesOfRequests(t *testing.T) {
	tests := []struct {
		name  string
		query string
		agent string
		body  string
		want  string
	}{
		{"well behaved", "", "b24export/1.0", "{}", ""},
		{"more products", "", "b24export/1.0 (linux)", "{}", ""},
		{"no agent", "", "", "{}", "User-Agent"},
		{"no version", "", "b24export", "{}", "User-Agent"},
		{"Go's own agent", "", "Go-http-client/1.1", "{}", "User-Agent"},
		{"token in the query", "?auth=tok", "a/1", "{}", "secret in the query: auth"},
		{"secret in the query", "?client_secret=s", "a/1", "{}", "secret in the query: client_secret"},
		{"broken JSON", "", "a/1", `{"id":`, "not JSON"},
		{"client secret to the portal", "", "a/1", `{"client_secret":"s"}`, "client secret"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var strict recorder
			c := open(t, Options{Strict: &strict})
			req := newRequest(t, c.base+"profile"+test.query, "application/json", test.body)
			req.Header.Set("User-Agent", test.agent)
			do(t, c.http, req)
			list := c.p.Violations()
			if !slices.EqualFunc(list, strict.list, func(a, b string) bool { return strings.HasSuffix(b, a) }) {
				t.Errorf("listed %q, reported %q", list, strict.list)
			}
			text := strings.Join(list, "; ")
			if (test.want == "") != (text == "") || !strings.Contains(text, test.want) {
				t.Errorf("violations %q, want %q", text, test.want)
			}
			if strings.Contains(text, "tok") {
				t.Errorf("the secret is shown: %q", text)
			}
		})
	}
}

func TestRegets(t *testing.T) {
	var strict recorder
	c := open(t, Options{Seed: 1, Payments: 100, Refuse: 0.2, Strict: &strict})
	var id, refused int64
	for q := range c.p.All() {
		if q.Refused {
			refused = q.ID
		} else {
			id = q.ID
		}
	}
	get := func(id int64) { c.call("crm.item.payment.get", fmt.Sprintf(`{"id":%d}`, id)) }
	expect := func(n int, after string) {
		t.Helper()
		if got := len(c.p.Violations()); got != n {
			t.Fatalf("%s: violations %q, want %d", after, c.p.Violations(), n)
		}
	}
	get(id)
	expect(0, "the first get")
	get(id)
	expect(1, "the second get")
	if want := fmt.Sprintf("payment %d was fetched again", id); !strings.Contains(c.p.Violations()[0], want) {
		t.Errorf("violation %q, want %q", c.p.Violations()[0], want)
	}
	c.p.Unpay(id)
	c.p.Pay(id)
	get(id)
	expect(1, "a get after a change")
	get(refused)
	get(refused)
	expect(2, "a refusal is an answer too")
	b := []string{"a", fmt.Sprintf("crm.item.payment.get?id=%d", c.p.ID(50)), "b", fmt.Sprintf("crm.item.payment.get?id=%d", c.p.ID(51))}
	c.batch(b...)
	expect(2, "a batch")
	c.batch(b...)
	expect(4, "the same batch")
	if most := c.p.Stats().GetsMax; most != 3 {
		t.Errorf("most gets of a payment %d, want 3", most)
	}
	c.p.ForgetGets()
	c.batch(b...)
	expect(4, "another run")
	c.p.Adjust(func(o *Options) { o.AllowRegets = true })
	c.batch(b...)
	expect(4, "allowed")
	if most := c.p.Stats().GetsMax; most != 2 {
		t.Errorf("most gets since %d, want 2", most)
	}
}

// brokenWriter is a connection that fails while the answer is written.
type brokenWriter struct{ http.ResponseWriter }

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// An answer that could not be written has not arrived: another get is allowed.
func TestGetWhoseAnswerCannotBeWritten(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 10})
	get := fmt.Sprintf(`{"id":%d}`, c.p.ID(0))
	c.p.ServeHTTP(brokenWriter{httptest.NewRecorder()}, newRequest(t, c.base+"crm.item.payment.get", "", get))
	if r := c.call("crm.item.payment.get", get); r.status != 200 || c.p.Stats().GetsMax != 2 {
		t.Errorf("%s, stats %+v", r.raw, c.p.Stats())
	}
}

func TestConcurrencyCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var strict recorder
		c := open(t, Options{Strict: &strict, Concurrency: 3, Latency: time.Second})
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { do(t, c.http, newRequest(t, c.base+"profile", "", "")) })
		}
		wg.Wait()
		if st := c.p.Stats(); st.AtOnce != 5 || len(strict.list) != 2 {
			t.Errorf("%d at once, reported %q, want two reports", st.AtOnce, strict.list)
		}
		c.call("profile", "")
		if len(strict.list) != 2 {
			t.Errorf("one alone is reported: %q", strict.list)
		}
	})
}

// A client that keeps sending after refusals is reported, once.
func TestIgnoredRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var strict recorder
		c := open(t, Options{Strict: &strict, Limits: Limits{Rate: 1, Burst: 1}})
		for range 1 + manyRefusals - 1 {
			c.call("profile", "")
		}
		if len(strict.list) != 0 {
			t.Errorf("reported too early: %q", strict.list)
		}
		for range 100 {
			c.call("profile", "")
		}
		if len(strict.list) != 1 {
			t.Errorf("reported %q, want one", strict.list)
		}
	})
}

func TestViolationsAreBounded(t *testing.T) {
	c := open(t, Options{Strict: new(recorder)})
	for range manyViolations + 50 {
		req := newRequest(t, c.base+"profile", "", "")
		req.Header.Set("User-Agent", "")
		do(t, c.http, req)
	}
	if n := len(c.p.Violations()); n != manyViolations {
		t.Errorf("%d violations are kept, want %d", n, manyViolations)
	}
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Seed: 1, Payments: 10})
		if st := c.p.Stats(); st.Requests != 0 || !st.First.IsZero() {
			t.Errorf("at first: %+v", st)
		}
		first := time.Now()
		c.call("profile", "{}")
		<-time.After(time.Minute)
		c.batch("a", "profile", "b", "scope", "c", "crm.item.payment.get?id=999")
		st := c.p.Stats()
		if st.Requests != 2 || st.Batches != 1 || st.Commands["profile"] != 2 || st.Commands["scope"] != 1 || st.Commands["crm.item.payment.get"] != 1 || len(st.Commands) != 3 {
			t.Errorf("stats %+v", st)
		}
		if !st.First.Equal(first) || !st.Last.Equal(first.Add(time.Minute)) || st.BytesIn < 50 || st.BytesOut < 500 {
			t.Errorf("from %v to %v, %d bytes in, %d out", st.First, st.Last, st.BytesIn, st.BytesOut)
		}
	})
}

// Many concurrent clients, with changes meanwhile: for the race detector.
func TestConcurrentUse(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 5000, AllowRegets: true, Odd: true, Limits: Limits{Rate: 1e6, Burst: 1000, Operating: time.Hour},
		OAuth: OAuth{ClientID: "app", ClientSecret: "s"}, Churn: Churn{Every: 5, Count: 3}})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			client := &http.Client{Transport: c.p.RoundTripper()}
			for i := range 20 {
				do(t, client, newRequest(t, c.base+"batch", "", batchBody(c.p, int64(worker*500+i*20), 20)))
				do(t, client, newRequest(t, c.base+"sale.payment.list", "", `{"filter":{"paid":"Y"}}`))
				c.p.Truth(c.p.ID(int64(i)))
				c.p.Stats()
				c.p.Violations()
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			c.p.Mutate(5, uint64(i))
			c.p.Adjust(func(o *Options) { o.Odd = i%2 == 0 })
			for range c.p.All() {
				break
			}
		}
	})
	wg.Wait()
}
