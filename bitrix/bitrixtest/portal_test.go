package bitrixtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a Reporter that keeps all reports.
type recorder struct {
	mu   sync.Mutex
	list []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, fmt.Sprintf(format, args...))
}

// client calls a portal in process, as a well-behaved client does.
type client struct {
	t    *testing.T
	p    *Portal
	base string // the webhook
	http *http.Client
}

// open returns a portal and a client of it. A broken rule fails the test.
func open(t *testing.T, o Options) *client {
	t.Helper()
	if o.Strict == nil {
		o.Strict = t
	}
	p := New(o)
	return &client{t, p, p.Webhook("https://acme.example"), &http.Client{Transport: p.RoundTripper()}}
}

// reply is a portal's answer, decoded loosely.
type reply struct {
	status int
	raw    string
	Result json.RawMessage
	Error  any
	Text   string `json:"error_description"`
	Total  *int64
	Next   *int64
	Time   timeObject
}

type timeObject struct {
	Start, Finish, Duration, Processing float64
	DateStart                           string `json:"date_start"`
	Operating                           *float64
	Reset                               *int64 `json:"operating_reset_at"`
}

// batchReply is the result of a batch, keyed results decoded no further.
type batchReply struct {
	Result  map[string]json.RawMessage
	Errors  map[string]struct{ Error, Error_description any }
	Totals  map[string]int64
	Nexts   map[string]int64
	Times   map[string]timeObject
	status  int
	Time    timeObject
	listed  []string // names of the maps that were sent as lists
	failure reply
}

// send posts a body and returns the status and the whole answer.
func (c *client) send(ctx context.Context, url, body string) (int, []byte, error) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "bitrixtest/1.0")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, data, err
}

// call calls a method with parameters in JSON.
func (c *client) call(method, params string) reply {
	c.t.Helper()
	status, data, err := c.send(c.t.Context(), c.base+method, params)
	if err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	r := reply{status: status, raw: string(data)}
	if err := json.Unmarshal(data, &r); err != nil {
		c.t.Fatalf("%s: %v in %s", method, err, data)
	}
	return r
}

// result calls a method, decodes its result into v, and fails on an error.
func (c *client) result(method, params string, v any) reply {
	c.t.Helper()
	r := c.call(method, params)
	if r.status != 200 || r.Error != nil {
		c.t.Fatalf("%s %s: status %d: %s", method, params, r.status, r.raw)
	}
	if err := json.Unmarshal(r.Result, v); err != nil {
		c.t.Fatalf("%s: %v in %s", method, err, r.Result)
	}
	return r
}

// batch sends commands, given as key, command, key, command, …
func (c *client) batch(commands ...string) batchReply {
	c.t.Helper()
	var b strings.Builder
	for i := 0; i < len(commands); i += 2 {
		key, _ := json.Marshal(commands[i])
		command, _ := json.Marshal(commands[i+1])
		fmt.Fprintf(&b, ",%s:%s", key, command)
	}
	return c.batchBody(`{"halt":0,"cmd":{` + strings.TrimPrefix(b.String(), ",") + `}}`)
}

func (c *client) batchBody(body string) batchReply {
	c.t.Helper()
	r := c.call("batch", body)
	out := batchReply{status: r.status, Time: r.Time, failure: r}
	if r.status != 200 {
		return out
	}
	var maps map[string]json.RawMessage
	if err := json.Unmarshal(r.Result, &maps); err != nil {
		c.t.Fatalf("batch: %v in %s", err, r.raw)
	}
	for name, v := range map[string]any{
		"result": &out.Result, "result_error": &out.Errors, "result_total": &out.Totals,
		"result_next": &out.Nexts, "result_time": &out.Times,
	} {
		raw := maps[name]
		if string(raw) == "[]" {
			continue
		}
		if len(raw) > 0 && raw[0] == '[' {
			out.listed = append(out.listed, name)
			continue
		}
		if err := json.Unmarshal(raw, v); err != nil {
			c.t.Fatalf("batch: %s: %v in %s", name, err, raw)
		}
	}
	return out
}

// nine is the result of crm.item.payment.get in plain spelling.
type nine struct {
	ID            int64
	AccountNumber string
	Paid          string
	DatePaid      *string
	EmpPaidID     *int64
	PaySystemID   int64
	Sum           json.Number
	Currency      string
	PaySystemName string
}

func TestWebhookAddress(t *testing.T) {
	p := New(Options{Seed: 3})
	for _, base := range []string{"https://acme.bitrix24.com", "https://acme.bitrix24.com/"} {
		got := p.Webhook(base)
		if !strings.HasPrefix(got, "https://acme.bitrix24.com/rest/1/") || !strings.HasSuffix(got, "/") || strings.Count(got, "/") != 6 {
			t.Errorf("Webhook(%q) = %q", base, got)
		}
	}
	if got, want := New(Options{User: 7, Secret: "s3"}).Webhook("http://h"), "http://h/rest/7/s3/"; got != want {
		t.Errorf("Webhook = %q, want %q", got, want)
	}
	if p.Webhook("x") == New(Options{Seed: 4}).Webhook("x") {
		t.Error("two seeds have one secret")
	}
}

func TestNewRefusesInvalidOptions(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"payments", Options{Payments: -1}, "Payments: -1"},
		{"gap", Options{Gap: 5000}, "Gap: 5000"},
		{"plan", Options{Plan: "gold"}, `Plan: "gold"`},
		{"charge", Options{Charge: "me"}, `Charge: "me"`},
		{"state", Options{State: "odd"}, `State: "odd"`},
		{"unresolved", Options{Unresolved: "x"}, `Unresolved: "x"`},
		{"speed", Options{Speed: -1}, "Speed: -1"},
		{"cost", Options{Costs: map[string]time.Duration{"no.such": 1}}, `Costs: "no.such"`},
		{"not in batch", Options{NotInBatch: []string{"no.such"}}, `NotInBatch: "no.such"`},
		{"share", Options{Refuse: 1.5}, "Refuse: 1.5"},
		{"moved", Options{MovedTo: "/x"}, `MovedTo: "/x"`},
		{"fault kind", Options{Faults: []Fault{{Kind: "bang"}}}, `Faults[0]: kind: "bang"`},
		{"fault ids", Options{Faults: []Fault{{Kind: FaultReset, IDs: []int64{1}}}}, "Faults[0]: places and ids"},
		{"fault share", Options{Faults: []Fault{{Kind: FaultReset, Share: 2}}}, "Faults[0]: share: 2"},
		{"fault status", Options{Faults: []Fault{{Kind: FaultHTML, Status: 99}}}, "Faults[0]: status: 99"},
		{"fault times", Options{Faults: []Fault{{}, {Kind: FaultHTML, Times: -1}}}, "Faults[1]: every, times and delay"},
		{"two", Options{Payments: -1, Offset: 1e15}, "Offset:"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.options.Validate()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Validate: %v, want %q in it", err, test.want)
			}
			defer func() {
				if recover() == nil {
					t.Error("New did not panic")
				}
			}()
			New(test.options)
		})
	}
	if err := (&Options{}).Validate(); err != nil {
		t.Errorf("Validate of the zero options: %v", err)
	}
}

func TestAdjust(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 100, Gap: -1, Faults: []Fault{{Kind: FaultError, Times: 1}}})
	before, _ := c.p.Truth(50)
	if r := c.call("profile", ""); r.status != 500 {
		t.Fatalf("status %d, want the fault's 500", r.status)
	}
	c.p.Adjust(func(o *Options) { o.State, o.Seed, o.Payments = StateBlocked, 99, 5 })
	if r := c.call("profile", ""); r.status != 503 || r.Error != "OVERLOAD_LIMIT" {
		t.Fatalf("blocked: %s", r.raw)
	}
	c.p.Adjust(func(o *Options) { o.State = StateOpen })
	if r := c.call("profile", ""); r.status != 200 {
		t.Fatalf("open again: %s", r.raw)
	}
	if after, _ := c.p.Truth(50); after != before || c.p.Count() != 100 {
		t.Errorf("the data changed: %+v, was %+v", after, before)
	}
	c.p.Adjust(func(o *Options) { o.Faults = []Fault{{Kind: FaultError, Times: 1, Code: "X"}} })
	if r := c.call("profile", ""); r.Error != "X" {
		t.Errorf("a new fault: %s", r.raw)
	}
}
