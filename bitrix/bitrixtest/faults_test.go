package bitrixtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// outcome is what a client sees of a request.
type outcome struct {
	status int
	body   []byte // at most seenAtMost
	err    error  // of the request or of reading its answer
	inBody bool   // the error came in the body
	more   bool   // the body was longer
}

const seenAtMost = 1 << 20

func observe(t *testing.T, c *http.Client, url, body string) outcome {
	t.Helper()
	resp, err := c.Do(newRequest(t, url, "application/json", body))
	if err != nil {
		return outcome{err: err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, seenAtMost))
	return outcome{resp.StatusCode, data, err, err != nil, len(data) == seenAtMost}
}

// Each fault as a client sees it, in process and over sockets, plain and TLS. The
// errors of sockets have other texts, but are of the same kind.
func TestFaults(t *testing.T) {
	valid := func(o outcome) bool { return json.Valid(o.body) }
	tests := []struct {
		fault   Fault
		handled bool // the payment counts as fetched
		ok      func(o outcome) bool
	}{
		{Fault{Kind: FaultLostRequest}, false, func(o outcome) bool { return errors.Is(o.err, io.EOF) && !o.inBody }},
		{Fault{Kind: FaultLostAnswer}, true, func(o outcome) bool { return errors.Is(o.err, io.EOF) && !o.inBody }},
		{Fault{Kind: FaultTruncated}, true, func(o outcome) bool { return errors.Is(o.err, io.ErrUnexpectedEOF) && o.inBody && len(o.body) > 0 }},
		// A socket may drop what it received before the reset.
		{Fault{Kind: FaultReset}, true, func(o outcome) bool { return errors.Is(o.err, syscall.ECONNRESET) }},
		{Fault{Kind: FaultHalfJSON}, true, func(o outcome) bool { return o.err == nil && o.status == 200 && !valid(o) && o.body[0] == '{' }},
		{Fault{Kind: FaultHTML}, false, func(o outcome) bool { return o.status == 502 && strings.HasPrefix(string(o.body), "<html>") }},
		{Fault{Kind: FaultHTML, Status: 200}, false, func(o outcome) bool { return o.status == 200 && strings.Contains(string(o.body), "200 OK") }},
		{Fault{Kind: FaultHTML, Status: 504}, false, func(o outcome) bool { return o.status == 504 }},
		{Fault{Kind: FaultEndless}, false, func(o outcome) bool { return o.status == 200 && o.more }},
		{Fault{Kind: FaultBomb}, false, func(o outcome) bool { return o.status == 200 && o.more }},
		{Fault{Kind: FaultError}, false, func(o outcome) bool {
			return o.status == 500 && strings.Contains(string(o.body), `"INTERNAL_SERVER_ERROR"`)
		}},
		{Fault{Kind: FaultError, Code: "expired_token"}, false, func(o outcome) bool { return o.status == 401 && valid(o) }},
		{Fault{Kind: FaultError, Code: "0", Status: 400, Description: "x"}, false, func(o outcome) bool {
			return o.status == 400 && string(o.body) == `{"error":0,"error_description":"x"}`
		}},
		{Fault{Kind: FaultCommand, Code: "OPERATION_TIME_LIMIT"}, false, func(o outcome) bool { return o.status == 429 && valid(o) }},
		{Fault{Kind: FaultWrongType}, true, func(o outcome) bool {
			return o.status == 200 && valid(o) && !strings.Contains(string(o.body), "accountNumber")
		}},
		{Fault{Kind: FaultSlow, Delay: time.Millisecond}, true, func(o outcome) bool { return o.status == 200 && valid(o) && o.err == nil }},
	}
	for _, transport := range []string{"in process", "socket", "TLS"} {
		for _, test := range tests {
			t.Run(fmt.Sprint(transport, " ", test.fault.Kind, test.fault.Code, test.fault.Status), func(t *testing.T) {
				test.fault.At = []int{1}
				p := New(Options{Seed: 1, Payments: 10, Faults: []Fault{test.fault}, Strict: t})
				c, base := &http.Client{Transport: p.RoundTripper()}, "https://in.process"
				if transport != "in process" {
					server := httptest.NewUnstartedServer(p)
					if server.Start(); transport == "TLS" {
						server.Close()
						server = httptest.NewTLSServer(p)
					}
					defer server.Close()
					c, base = server.Client(), server.URL
				}
				url, body := p.Webhook(base)+"crm.item.payment.get", fmt.Sprintf(`{"id":%d}`, p.ID(3))
				o := observe(t, c, url, body)
				if !test.ok(o) {
					t.Errorf("status %d, error %v, body %.200q", o.status, o.err, o.body)
				}
				if handled := p.Stats().GetsMax == 1; handled != test.handled {
					t.Errorf("handled %t, want %t", handled, test.handled)
				}
				// Whatever failed, another attempt is allowed and succeeds.
				if test.fault.Kind == FaultSlow {
					return
				}
				if o := observe(t, c, url, body); o.status != 200 || o.err != nil || !valid(o) {
					t.Errorf("the second try: status %d, error %v, body %.200q", o.status, o.err, o.body)
				}
				if st := p.Stats(); st.Requests != 2 || st.Faults != 1 {
					t.Errorf("stats %+v, want two requests and one fault", st)
				}
			})
		}
	}
}

func TestWhenFaultsComeUp(t *testing.T) {
	tests := []struct {
		name  string
		fault Fault
		want  string // 12 requests, x for those with the fault
	}{
		{"always", Fault{}, "xxxxxxxxxxxx"},
		{"at", Fault{At: []int{2, 5}}, ".x..x......."},
		{"from to", Fault{From: 4, To: 6}, "...xxx......"},
		{"from", Fault{From: 11}, "..........xx"},
		{"every", Fault{Every: 4}, "...x...x...x"},
		{"every from", Fault{Every: 4, From: 5}, ".......x...x"},
		{"times", Fault{Times: 3}, "xxx........."},
		{"method", Fault{Method: "scope"}, "............"},
		{"its method", Fault{Method: "profile", Times: 1}, "x..........."},
		{"share of none", Fault{Share: 1e-12}, "............"},
		{"share of all", Fault{Share: 1}, "xxxxxxxxxxxx"},
	}
	for _, test := range tests {
		test.fault.Kind = FaultError
		c := open(t, Options{Faults: []Fault{test.fault}})
		got := ""
		for range 12 {
			if c.call("profile", "").status == 500 {
				got += "x"
			} else {
				got += "."
			}
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	// A share is seeded, and close to its value.
	count := func(seed uint64) (n int, which string) {
		c := open(t, Options{Seed: seed, Faults: []Fault{{Kind: FaultError, Share: 0.2}}})
		for i := range 500 {
			if c.call("profile", "").status == 500 {
				n, which = n+1, which+fmt.Sprint(i, " ")
			}
		}
		return n, which
	}
	n, which := count(1)
	if _, again := count(1); again != which {
		t.Error("equal seeds fail at other requests")
	}
	if _, other := count(2); other == which || n < 70 || n > 130 {
		t.Errorf("%d of 500 failed, and with another seed the same ones: %t", n, other == which)
	}
}

// If two faults match a request, the first one is used.
func TestFirstFaultWins(t *testing.T) {
	c := open(t, Options{Faults: []Fault{{Kind: FaultError, Code: "A", At: []int{2}}, {Kind: FaultError, Code: "B"}}})
	if a, b := c.call("profile", ""), c.call("profile", ""); a.Error != "B" || b.Error != "A" {
		t.Errorf("%s, then %s", a.raw, b.raw)
	}
}

func TestCommandFaults(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 100})
	ids := []int64{c.p.ID(0), c.p.ID(1), c.p.ID(2), c.p.ID(3)}
	commands := func() (list []string) {
		for _, id := range ids {
			list = append(list, fmt.Sprintf("p%d", id), fmt.Sprintf("crm.item.payment.get?id=%d", id))
		}
		return append(list, "list", "sale.payment.list?start=-1")
	}
	key := func(n int) string { return fmt.Sprintf("p%d", ids[n]) }
	for _, test := range []struct {
		name  string
		fault Fault
		want  []string
	}{
		{"by place", Fault{Places: []int{1, 4}}, []string{key(1), "list"}},
		{"by id", Fault{IDs: ids[2:3]}, []string{key(2)}},
		{"by method", Fault{Method: "sale.payment.list"}, []string{"list"}},
		{"by number", Fault{Times: 2}, []string{key(0), key(1)}},
		{"all", Fault{}, []string{key(0), key(1), key(2), key(3), "list"}},
		{"of another request", Fault{From: 1000}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.p.ForgetGets()
			test.fault.Kind, test.fault.Code = FaultCommand, "ERROR_UNEXPECTED_ANSWER"
			c.p.Adjust(func(o *Options) { o.Faults = []Fault{test.fault} })
			b := c.batch(commands()...)
			if len(b.Errors) != len(test.want) || len(b.Result) != 5-len(test.want) {
				t.Fatalf("errors %v, want %v", b.Errors, test.want)
			}
			for _, key := range test.want {
				if b.Errors[key].Error != "ERROR_UNEXPECTED_ANSWER" {
					t.Errorf("%s: %v", key, b.Errors[key])
				}
			}
		})
	}
	t.Run("by share, so that another try can fare better", func(t *testing.T) {
		c.p.ForgetGets()
		c.p.Adjust(func(o *Options) { o.Faults = []Fault{{Kind: FaultCommand, Share: 0.5}} })
		left := commands()[:8]
		for try := 0; len(left) > 0; try++ {
			if try == 50 {
				t.Fatal("some commands never succeed")
			}
			b := c.batch(left...)
			var again []string
			for i := 0; i < len(left); i += 2 {
				if _, failed := b.Errors[left[i]]; failed {
					again = append(again, left[i], left[i+1])
				}
			}
			left = again
		}
		if st := c.p.Stats(); st.GetsMax != 1 {
			t.Errorf("a payment was got %d times: those that failed count", st.GetsMax)
		}
	})
}

func TestSlowFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Speed: 10, Faults: []Fault{{Kind: FaultSlow, At: []int{1}}, {Kind: FaultSlow, Delay: 5 * time.Second}}})
		start := time.Now()
		c.call("profile", "")
		if took := time.Since(start); took != time.Minute {
			t.Errorf("the default delay is %v, want a minute", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if _, _, err := c.send(ctx, c.base+"profile", ""); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("with a deadline of a second: %v after %v", err, time.Since(start))
		}
	})
}
