package bitrix_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
)

// These tests export a whole portal in virtual time, as the engine does: one goroutine
// lists, others fetch what was listed, 49 payments and the owners of their orders per
// request. The portal is the strict one of package bitrixtest.

var allPayments = bitrix.Listing{Method: "sale.payment.list", Items: "payments", IDField: "id", Select: []string{"id", "orderId"}}

// export is one run, and its result.
type export struct {
	client  *bitrix.Client
	workers int
	gets    map[string]bitrix.Result
	total   int64
	took    time.Duration
}

// run exports what follows after.
func (e *export) run(t *testing.T, ctx context.Context) {
	t.Helper()
	if e.workers == 0 {
		e.workers = 200
	}
	start := time.Now()
	e.gets = map[string]bitrix.Result{}
	chunks := make(chan []bitrix.Command, 64)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range e.workers {
		workers.Go(func() {
			for chunk := range chunks {
				results, err := e.client.Batch(ctx, chunk)
				if err != nil {
					t.Errorf("get %d payments from %s on: %v", len(chunk)-1, chunk[0].Key, err)
					continue
				}
				mu.Lock()
				for i, r := range results[:len(chunk)-1] {
					if _, twice := e.gets[chunk[i].Key]; twice {
						t.Errorf("%s was got twice", chunk[i].Key)
					}
					e.gets[chunk[i].Key] = r
				}
				if last := results[len(chunk)-1]; last.Err != nil {
					t.Errorf("owners: %v", last.Err)
				}
				mu.Unlock()
			}
		})
	}
	var chunk []bitrix.Command
	var orders []int64
	send := func() {
		if len(chunk) == 0 {
			return
		}
		chunks <- append(chunk, bitrix.Command{Key: "owners", Method: "crm.orderentity.list", Params: bitrix.Params{
			"filter": bitrix.Params{"@orderId": orders}, "order": bitrix.Params{"orderId": "asc"}, "start": -1,
		}})
		chunk, orders = nil, nil
	}
	for page, err := range e.client.Pages(ctx, allPayments, 0) {
		if err != nil {
			t.Error(err)
			break
		}
		e.total = max(e.total, page.Total)
		for _, id := range page.IDs {
			chunk = append(chunk, bitrix.Command{Key: fmt.Sprintf("p%d", id), Method: "crm.item.payment.get", Params: bitrix.Params{"id": id}})
			orders = append(orders, id)
			if len(chunk) == bitrix.MaxCommands-1 {
				send()
			}
		}
	}
	send()
	close(chunks)
	workers.Wait()
	e.took = time.Since(start)
}

// check compares the run with the portal's data.
func (e *export) check(t *testing.T, p *bitrixtest.Portal) {
	t.Helper()
	seen := 0
	for truth := range p.All() {
		seen++
		r, ok := e.gets[fmt.Sprintf("p%d", truth.ID)]
		switch {
		case !ok:
			t.Errorf("payment %d is missing", truth.ID)
		case truth.Refused != (r.Err != nil):
			t.Errorf("payment %d: refused %v, error %v", truth.ID, truth.Refused, r.Err)
		case r.Err == nil && !strings.Contains(string(r.Value), fmt.Sprint(truth.ID)):
			t.Errorf("payment %d: got %s", truth.ID, r.Value)
		}
		if t.Failed() && seen > 100 {
			break
		}
	}
	if len(e.gets) != seen {
		t.Errorf("got %d payments, want %d", len(e.gets), seen)
	}
	if v := p.Violations(); len(v) > 0 {
		t.Errorf("rules were broken: %v", v)
	}
}

// standardPlan returns the options of a portal with a standard plan and realistic
// times.
func standardPlan(payments int) bitrixtest.Options {
	return bitrixtest.Options{
		Seed: 7, Payments: payments, Plan: bitrixtest.PlanStandard, TakeTime: true,
		Latency: 80 * time.Millisecond, Jitter: 250 * time.Millisecond,
	}
}

var standardLimits = bitrix.Limits{Rate: 2, Burst: 50, Operating: 480 * time.Second, Window: 10 * time.Minute}

// newExport returns a portal and a client for it, in the test's bubble.
func newExport(t *testing.T, o bitrixtest.Options, opts bitrix.Options) (*bitrixtest.Portal, *export) {
	t.Helper()
	o.Strict = t
	p := bitrixtest.New(o)
	return p, &export{client: newClient(t, p, opts)}
}

func newClient(t *testing.T, p *bitrixtest.Portal, opts bitrix.Options) *bitrix.Client {
	t.Helper()
	hook, err := bitrix.ParseWebhook(p.Webhook("https://acme.bitrix24.com"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Transport = p.RoundTripper()
	c := bitrix.New(hook, &opts)
	t.Cleanup(c.Close)
	return c
}

// TestLeastSpan: an export that is limited by the rate takes the time that the limit
// requires, (requests-burst)/rate, and the last answer, and 3 % more at most. No
// request is refused, however long each travels.
func TestLeastSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := newExport(t, standardPlan(5900), bitrix.Options{Limits: standardLimits})
		e.run(t, t.Context())
		e.check(t, p)
		s := p.Stats()
		least := time.Duration(float64(s.Requests-50) / 2 * float64(time.Second))
		last := 50*50*time.Millisecond + 330*time.Millisecond
		t.Logf("%d requests in %v, the limit says %v; most at once %d", s.Requests, e.took, least, s.AtOnce)
		if s.Requests < 120 || s.Refused != 0 || s.RefusedCommands != 0 {
			t.Errorf("%d requests, %d refused, %d commands refused", s.Requests, s.Refused, s.RefusedCommands)
		}
		if most := least + least*3/100 + last; e.took > most {
			t.Errorf("took %v, want at most %v", e.took, most)
		}
		if e.total != 5900 {
			t.Errorf("the portal counted %d", e.total)
		}
	})
}

// TestBudgetBinds: 24,000 gets cost 1,200 s, of which the portal allows 480 s in 10
// minutes: slightly more than two windows. Who is charged must make no difference.
func TestBudgetBinds(t *testing.T) {
	for _, charge := range []bitrixtest.Charge{bitrixtest.ChargeInner, bitrixtest.ChargeBatch} {
		for _, speed := range []float64{1, 60} {
			t.Run(fmt.Sprintf("%s, speed %v", charge, speed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := standardPlan(24_000)
					o.Charge, o.Speed = charge, speed
					limits := standardLimits
					limits.Rate *= speed
					limits.Operating = time.Duration(float64(limits.Operating) / speed)
					limits.Window = time.Duration(float64(limits.Window) / speed)
					p, e := newExport(t, o, bitrix.Options{Limits: limits})
					e.run(t, t.Context())
					e.check(t, p)
					s := p.Stats()
					minutes := e.took.Minutes() * speed
					t.Logf("%.2f minutes, %d requests, %d refused, %d commands refused, peaks %v, use %+v",
						minutes, s.Requests, s.Refused, s.RefusedCommands, s.OperatingPeak, e.client.Use())
					if s.Refused != 0 || s.RefusedCommands != 0 {
						t.Errorf("%d requests and %d commands were refused", s.Refused, s.RefusedCommands)
					}
					if minutes > 22 {
						t.Errorf("took %.2f minutes, want at most 22", minutes)
					}
					for method, peak := range s.OperatingPeak {
						if peak > limits.Operating {
							t.Errorf("%s was charged %v, want at most %v", method, peak, limits.Operating)
						}
					}
				})
			})
		}
	}
}

// TestBesideAnotherClient: a client that always uses half of the rate leaves us the
// other half, and fewer than 2 % of our requests are refused.
func TestBesideAnotherClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := standardPlan(30_000)
		o.Limits = bitrixtest.Limits{Operating: -1}
		p, e := newExport(t, o, bitrix.Options{Limits: bitrix.Limits{Rate: 2, Burst: 50}})
		other := newClient(t, p, bitrix.Options{Limits: bitrix.Limits{Rate: 1, Burst: 1}})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for ctx.Err() == nil {
					if _, err := other.Call(ctx, "profile", nil); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		e.run(t, t.Context())
		cancel()
		all.Wait()
		e.check(t, p)
		u := e.client.Use()
		share := 100 * float64(u.Refused) / float64(u.Requests)
		t.Logf("%d requests in %v, %d (%.2f %%) refused; the other one: %+v", u.Requests, e.took, u.Refused, share, other.Use())
		if share >= 2 {
			t.Errorf("%.2f %% refused, want under 2 %%", share)
		}
	})
}

// TestPortalsOfAllKinds: an export has every payment of any kind of portal once.
func TestPortalsOfAllKinds(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*bitrixtest.Options)
		opts bitrix.Options
	}{
		{"a plain one", func(*bitrixtest.Options) {}, bitrix.Options{}},
		{"without limits", func(o *bitrixtest.Options) { o.Plan = bitrixtest.PlanUnlimited }, bitrix.Options{}},
		{"odd spellings", func(o *bitrixtest.Options) { o.Odd = true }, bitrix.Options{}},
		{"references that become empty", func(o *bitrixtest.Options) { o.Unresolved = bitrixtest.UnresolvedEmpty }, bitrix.Options{}},
		{"some are refused", func(o *bitrixtest.Options) { o.Refuse = 0.02 }, bitrix.Options{}},
		{"no counters", func(o *bitrixtest.Options) { o.NoCounters = true }, bitrix.Options{}},
		{"errors with status 200", func(o *bitrixtest.Options) { o.Errors200, o.Refuse = true, 0.02 }, bitrix.Options{}},
		{"renamed", func(o *bitrixtest.Options) { o.MovedTo = "https://newname.bitrix24.com" }, bitrix.Options{}},
		{"gets are not to be batched", func(o *bitrixtest.Options) { o.NotInBatch = []string{"crm.item.payment.get"} }, bitrix.Options{}},
		{"and the whole batch is refused", func(o *bitrixtest.Options) {
			o.NotInBatch, o.RefuseWholeBatch = []string{"crm.item.payment.get"}, true
		}, bitrix.Options{}},
		{"lists are not to be batched", func(o *bitrixtest.Options) { o.NotInBatch = []string{"sale.payment.list"} }, bitrix.Options{}},
		{"never in batches", func(o *bitrixtest.Options) {}, bitrix.Options{BatchNever: true}},
		{"slow gets: a second each", func(o *bitrixtest.Options) {
			o.Costs = map[string]time.Duration{"crm.item.payment.get": time.Second}
		}, bitrix.Options{}},
		{"gets so slow that a full batch is cut", func(o *bitrixtest.Options) {
			o.Plan, o.Costs = bitrixtest.PlanUnlimited, map[string]time.Duration{"crm.item.payment.get": 2 * time.Second}
		}, bitrix.Options{}},
		{"costs that vary", func(o *bitrixtest.Options) { o.CostJitter = 0.5 }, bitrix.Options{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := standardPlan(1500)
				tt.set(&o)
				opts := tt.opts
				opts.Limits = standardLimits
				if o.Plan == bitrixtest.PlanUnlimited {
					opts.Limits = bitrix.Limits{}
				}
				o.AllowRegets = true // what was cut is requested again
				p, e := newExport(t, o, opts)
				e.run(t, t.Context())
				e.check(t, p)
				s := p.Stats()
				t.Logf("%v, %d requests, commands %v, peaks %v", e.took, s.Requests, s.Commands, s.OperatingPeak)
				for method, peak := range s.OperatingPeak {
					if peak > 480*time.Second && o.Plan == bitrixtest.PlanStandard {
						t.Errorf("%s was charged %v", method, peak)
					}
				}
				if s.Refused > 0 || s.RefusedCommands > 0 {
					t.Errorf("%d requests and %d commands were refused", s.Refused, s.RefusedCommands)
				}
			})
		})
	}
}

// TestFaults: whatever fails on the way, nothing is lost or duplicated.
func TestFaults(t *testing.T) {
	kinds := []bitrixtest.FaultKind{
		bitrixtest.FaultLostRequest, bitrixtest.FaultLostAnswer, bitrixtest.FaultTruncated, bitrixtest.FaultReset, bitrixtest.FaultHalfJSON,
		bitrixtest.FaultWrongType, bitrixtest.FaultHTML, bitrixtest.FaultError, bitrixtest.FaultSlow,
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := standardPlan(3000)
				o.Faults = []bitrixtest.Fault{{Kind: kind, Every: 5, Code: "INTERNAL_SERVER_ERROR", Delay: 20 * time.Second}}
				o.AllowRegets = true
				p, e := newExport(t, o, bitrix.Options{Limits: standardLimits})
				e.run(t, t.Context())
				e.check(t, p)
				if s := p.Stats(); s.Faults == 0 || s.Refused > 0 {
					t.Errorf("%d faults, %d refused", s.Faults, s.Refused)
				}
			})
		})
	}
}

// The error of an optional command is its result. It ends nothing, in a batch of which
// other commands are retried, and if its method cannot be batched.
func TestOptionalCommands(t *testing.T) {
	for _, single := range [][]string{nil, {"crm.item.payment.get"}} {
		portal := bitrixtest.New(bitrixtest.Options{Payments: 60, NotInBatch: single, Strict: t})
		hook, err := bitrix.ParseWebhook(portal.Webhook("https://acme.bitrix24.com"))
		if err != nil {
			t.Fatal(err)
		}
		client := bitrix.New(hook, &bitrix.Options{Transport: portal.RoundTripper()})
		defer client.Close()
		list := bitrix.Command{Key: "list", Method: "sale.payment.list", Params: bitrix.Params{"select": []string{"id"}, "order": bitrix.Params{"id": "asc"}, "start": -1}}
		get := func(key, id string) bitrix.Command {
			return bitrix.Command{Key: key, Method: "crm.item.payment.get", Optional: true, Params: bitrix.Params{"id": id}}
		}
		results, err := client.Batch(t.Context(), []bitrix.Command{
			list, get("there", "$result[list][payments][3][id]"), get("beyond", "$result[list][payments][70][id]"), get("nobody", "7777777"),
		})
		if err != nil {
			t.Fatal(err)
		}
		if there := results[1]; (there.Err == nil) != (single == nil) {
			t.Errorf("not in a batch: %v: a payment that is there: %v", single, there.Err)
		}
		for _, res := range results[2:] {
			if res.Err == nil {
				t.Errorf("not in a batch: %v: got %s", single, res.Value)
			}
		}
	}
}
