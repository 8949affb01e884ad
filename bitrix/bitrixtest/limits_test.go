package bitrixtest

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// A burst is accepted at once, then a request exactly each 1/Y seconds. A refused
// request does not count.
func TestRateToTheInstant(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		burst   int
		step    time.Duration
	}{
		{"standard", Options{Plan: PlanStandard}, 50, 500 * time.Millisecond},
		{"enterprise", Options{Plan: PlanEnterprise}, 250, 200 * time.Millisecond},
		{"sixty times faster", Options{Plan: PlanStandard, Speed: 60}, 50, 8333333 * time.Nanosecond},
		{"own limits", Options{Limits: Limits{Rate: 10, Burst: 3}}, 3, 100 * time.Millisecond},
		{"a third a second", Options{Limits: Limits{Rate: 1.0 / 3, Burst: 1}}, 1, 3 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, test.options)
				ask := func(want int) {
					t.Helper()
					if r := c.call("server.time", ""); r.status != want || want == 503 && r.Error != "QUERY_LIMIT_EXCEEDED" {
						t.Fatalf("after %v: %d %s, want %d", time.Since(c.p.Stats().First), r.status, r.raw, want)
					}
				}
				for range test.burst {
					ask(200)
				}
				ask(503)
				ask(503)
				for range 5 {
					<-time.After(test.step - 2*time.Microsecond)
					ask(503)
					<-time.After(2 * time.Microsecond)
					ask(200)
					ask(503)
				}
				<-time.After(3 * time.Duration(test.burst) * test.step) // it falls to 0, not below
				for range test.burst {
					ask(200)
				}
				ask(503)
				st := c.p.Stats()
				if st.Refused != 13 || math.Abs(st.RatePeak-float64(test.burst)) > 0.001 {
					t.Errorf("refused %d, peak %v, want 13, %d", st.Refused, st.RatePeak, test.burst)
				}
			})
		})
	}
}

// The budget of a method: a request's cost shows in the next report. Calls over the
// budget are refused, alone and in a batch, until the oldest basket expires.
func TestOperatingToTheInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Seed: 1, Payments: 100, AllowRegets: true, Limits: Limits{Operating: 10 * time.Second},
			Costs: map[string]time.Duration{"crm.item.payment.get": 2 * time.Second}})
		start := time.Now()
		get := fmt.Sprintf(`{"id":%d}`, c.p.ID(0))
		<-time.After(30 * time.Second)
		for n := range 6 { // 0, 2, 4, 6, 8, 10 s: the sixth is not over the budget yet
			r := c.call("crm.item.payment.get", get)
			if r.status != 200 || *r.Time.Operating != float64(2*n) {
				t.Fatalf("call %d: %s", n, r.raw)
			}
			if want := start.Add(10 * time.Minute).Unix(); *r.Time.Reset != want {
				t.Fatalf("call %d: reset at %d, want %d, when the first minute falls out", n, *r.Time.Reset, want)
			}
			if n == 2 { // the rest is in the next basket
				<-time.After(31 * time.Second)
			}
		}
		if r := c.call("crm.item.payment.get", get); r.status != 429 || r.Error != "OPERATION_TIME_LIMIT" {
			t.Fatalf("over the budget: %s", r.raw)
		}
		b := c.batch("g", "crm.item.payment.get?id=1", "t", "server.time")
		if b.status != 200 || b.Errors["g"].Error != "OPERATION_TIME_LIMIT" || b.Result["t"] == nil {
			t.Fatalf("over the budget in a batch: %s", b.failure.raw)
		}
		if *b.Times["t"].Operating != 0 {
			t.Errorf("another method's figure is %v", *b.Times["t"].Operating)
		}
		<-time.After(time.Until(start.Add(10*time.Minute - time.Nanosecond)))
		if r := c.call("crm.item.payment.get", get); r.status != 429 {
			t.Fatalf("a nanosecond early: %s", r.raw)
		}
		<-time.After(time.Nanosecond)
		r := c.call("crm.item.payment.get", get) // 12 - 6: later baskets remain
		if r.status != 200 || *r.Time.Operating != 6 || *r.Time.Reset != start.Add(11*time.Minute).Unix() {
			t.Fatalf("when the first basket fell out: %s", r.raw)
		}
		st := c.p.Stats()
		if st.RefusedCommands != 3 || st.OperatingPeak["crm.item.payment.get"] != 12*time.Second || st.Operating["crm.item.payment.get"] != 14*time.Second {
			t.Errorf("stats %+v", st)
		}
	})
}

// Calls of at most 0.1 s are free when sent singly, not when summed in a batch.
func TestOperatingFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Seed: 1, Payments: 100, AllowRegets: true, Limits: Limits{Operating: 480 * time.Second}})
		get := fmt.Sprintf("id=%d", c.p.ID(0))
		for range 20 {
			c.call("crm.item.payment.get", fmt.Sprintf(`{"id":%d}`, c.p.ID(0)))
		}
		if spent := c.p.Stats().Operating; len(spent) != 0 {
			t.Fatalf("single calls of 50 ms cost %v", spent)
		}
		c.batch("a", "crm.item.payment.get?"+get, "b", "crm.item.payment.get?"+get)
		if spent := c.p.Stats().Operating; len(spent) != 0 {
			t.Fatalf("just 0.1 s costs %v", spent)
		}
		c.batch("a", "crm.item.payment.get?"+get, "b", "crm.item.payment.get?"+get, "c", "crm.item.payment.get?"+get)
		if spent := c.p.Stats().Operating["crm.item.payment.get"]; spent != 150*time.Millisecond {
			t.Fatalf("0.15 s cost %v", spent)
		}
	})
}

// Both ways to charge a batch, and none.
func TestWhoPaysForABatch(t *testing.T) {
	for _, test := range []struct {
		charge       Charge
		method       string
		inner, outer float64 // figures in the third batch
	}{
		{ChargeInner, "crm.item.payment.get", 4, 0},
		{ChargeBatch, "batch", 6, 6},
		{ChargeNone, "", 0, 0},
	} {
		t.Run(string(test.charge), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, Options{Seed: 1, Payments: 100, AllowRegets: true, Charge: test.charge, Limits: Limits{Operating: 8 * time.Second},
					Costs: map[string]time.Duration{"crm.item.payment.get": time.Second, "sale.payment.list": time.Second}})
				id := c.p.ID(0)
				commands := []string{"a", fmt.Sprintf("crm.item.payment.get?id=%d", id), "b", fmt.Sprintf("crm.item.payment.get?id=%d", id), "c", "sale.payment.list?start=-1"}
				c.batch(commands...)
				c.batch(commands...)
				b := c.batch(commands...)
				for key, want := range map[string]float64{"a": test.inner, "b": test.inner} {
					if got := *b.Times[key].Operating; got != want {
						t.Errorf("%s: operating %v, want %v", key, got, want)
					}
				}
				if got := *b.Time.Operating; got != test.outer {
					t.Errorf("the batch's operating %v, want %v", got, test.outer)
				}
				if test.charge == ChargeBatch && *b.Times["c"].Operating != test.inner {
					t.Errorf("another method's figure %v, want the same one", *b.Times["c"].Operating)
				}
				c.batch(commands...)
				c.batch(commands...)
				b = c.batch(commands...)
				single := c.call("crm.item.payment.get", fmt.Sprintf(`{"id":%d}`, id))
				switch test.charge {
				case ChargeInner: // 10 s of gets, 5 s of lists
					if b.Errors["a"].Error != "OPERATION_TIME_LIMIT" || b.Result["c"] == nil || single.status != 429 {
						t.Errorf("over the budget: %s; alone: %s", b.failure.raw, single.raw)
					}
				case ChargeBatch: // 15 s of batches; a method alone has its own budget
					if b.status != 429 || b.failure.Error != "OPERATION_TIME_LIMIT" || single.status != 200 || *single.Time.Operating != 0 {
						t.Errorf("over the budget: %d %s; alone: %s", b.status, b.failure.raw, single.raw)
					}
				case ChargeNone:
					if len(b.Errors) != 0 || single.status != 200 || len(c.p.Stats().Operating) != 0 {
						t.Errorf("nobody pays: %s; alone: %s", b.failure.raw, single.raw)
					}
				}
			})
		})
	}
}

// Speed divides windows, budgets and costs equally.
func TestOperatingInFastMotion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Seed: 1, Payments: 10, AllowRegets: true, Plan: PlanStandard, Speed: 60, Limits: Limits{Rate: -1},
			Costs: map[string]time.Duration{"crm.item.payment.get": 60 * time.Second}})
		start := time.Now()
		get := fmt.Sprintf(`{"id":%d}`, c.p.ID(0))
		for n := range 9 { // of a minute each, in a budget of eight
			if r := c.call("crm.item.payment.get", get); r.status != 200 || *r.Time.Operating != float64(n) || *r.Time.Reset != start.Unix()+10 {
				t.Fatalf("call %d: %s", n, r.raw)
			}
		}
		if r := c.call("crm.item.payment.get", get); r.status != 429 {
			t.Fatalf("over the budget: %s", r.raw)
		}
		<-time.After(10 * time.Second)
		if r := c.call("crm.item.payment.get", get); r.status != 200 || *r.Time.Operating != 0 {
			t.Fatalf("ten seconds later: %s", r.raw)
		}
	})
}

// Calls of a batch take the time of their cost one after another, including failed
// ones.
func TestTimesOfCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Seed: 1, Payments: 10})
		b := c.batch("a", "profile", "b", "crm.item.payment.get?id=99999", "c", "sale.payment.list?start=-1", "d", "profile")
		start := float64(time.Now().Unix())
		for key, want := range map[string][2]float64{"a": {0, 0.001}, "c": {0.051, 0.141}, "d": {0.141, 0.142}} {
			got := b.Times[key]
			if math.Abs(got.Start-start-want[0]) > 1e-6 || math.Abs(got.Finish-start-want[1]) > 1e-6 || math.Abs(got.Duration-(want[1]-want[0])) > 1e-6 {
				t.Errorf("%s: %+v, want from %v to %v", key, got, want[0], want[1])
			}
		}
		if len(b.Times) != 3 || math.Abs(b.Time.Duration-0.142) > 1e-6 {
			t.Errorf("%d times, the batch's %+v", len(b.Times), b.Time)
		}
	})
}

func TestNoCounters(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 10, NoCounters: true})
	r := c.call("crm.item.payment.get", fmt.Sprintf(`{"id":%d}`, c.p.ID(0)))
	b := c.batch("a", "profile")
	if r.Time.Operating != nil || r.Time.Reset != nil || b.Time.Operating != nil || b.Times["a"].Operating != nil || b.Times["a"].Start == 0 {
		t.Errorf("counters are there: %s, %s", r.raw, b.failure.raw)
	}
}

// A request takes its latency and, if TakeTime is set, the time of its calls. Its
// context ends it early. A request that takes longer than 60 s ends with an error.
func TestHowLongRequestsTake(t *testing.T) {
	tests := []struct {
		name     string
		options  Options
		commands int
		want     time.Duration
		status   int
	}{
		{"nothing", Options{}, 3, 0, 200},
		{"latency", Options{Latency: 150 * time.Millisecond}, 3, 150 * time.Millisecond, 200},
		{"calls", Options{TakeTime: true}, 3, 150 * time.Millisecond, 200},
		{"both, in fast motion", Options{TakeTime: true, Latency: 100 * time.Millisecond, Speed: 10}, 3, 25 * time.Millisecond, 200},
		{"too long", Options{TakeTime: true, Costs: map[string]time.Duration{"crm.item.payment.get": 2 * time.Second}}, 40, time.Minute, 504},
		{"too long in fast motion", Options{TakeTime: true, Speed: 6, Costs: map[string]time.Duration{"crm.item.payment.get": 2 * time.Second}}, 40, 10 * time.Second, 504},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.options.Payments = 100
				c := open(t, test.options)
				body := batchBody(c.p, 0, test.commands)
				start := time.Now()
				status, _, err := c.send(t.Context(), c.base+"batch", body)
				if took := time.Since(start); err != nil || status != test.status || took != test.want {
					t.Errorf("status %d, %v, after %v; want %d after %v", status, err, took, test.status, test.want)
				}
			})
		})
	}
	t.Run("jitter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := open(t, Options{Seed: 3, Latency: time.Second, Jitter: time.Second})
			var most, least time.Duration = 0, time.Hour
			for range 100 {
				start := time.Now()
				c.call("profile", "")
				most, least = max(most, time.Since(start)), min(least, time.Since(start))
			}
			if least < time.Second || least > 1100*time.Millisecond || most > 2*time.Second || most < 1900*time.Millisecond {
				t.Errorf("from %v to %v, want 1 s to 2 s", least, most)
			}
		})
	})
}

// Costs vary by seed, around their configured values.
func TestCostJitter(t *testing.T) {
	c := newConfig(Options{Seed: 3, CostJitter: 0.2})
	var sum, most, least time.Duration = 0, 0, time.Hour
	for n := range uint64(1000) {
		cost := c.cost(methodPaymentGet, n)
		sum, most, least = sum+cost, max(most, cost), min(least, cost)
	}
	if mean := sum / 1000; mean < 49*time.Millisecond || mean > 51*time.Millisecond || least < 40*time.Millisecond || most > 60*time.Millisecond || most-least < 15*time.Millisecond {
		t.Errorf("from %v to %v, on average %v; want 40 to 60 ms", least, most, mean)
	}
}

// Each source address has a counter of its own.
func TestRateBySource(t *testing.T) {
	var l rateLimit
	now := time.Unix(1e9, 0)
	for n := range 3 * manySources {
		source := fmt.Sprint(n)
		now = now.Add(time.Second)
		for request, want := range []bool{true, true, false} {
			if got := l.take(source, now, time.Second, 2*time.Second); got != want {
				t.Fatalf("source %d, request %d: taken %v, want %v", n, request, got, want)
			}
		}
	}
	if len(l.sources) > manySources+1 {
		t.Errorf("%d counters are kept", len(l.sources))
	}
}

func TestZeroCounters(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 10, ZeroCounters: true, AllowRegets: true})
	for range 3 {
		r := c.call("crm.item.payment.get", fmt.Sprintf(`{"id":%d}`, c.p.ID(0)))
		if r.Time.Operating == nil || *r.Time.Operating != 0 || r.Time.Reset != nil {
			t.Errorf("want a counter of 0: %s", r.raw)
		}
	}
}
