package bitrix

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLimitsDefaults(t *testing.T) {
	for _, tt := range []struct {
		name     string
		in, want Limits
	}{
		{"none", Limits{}, Limits{Window: 10 * time.Minute, Share: 1, Concurrency: 16}},
		{"standard", Limits{Rate: 2, Burst: 50, Operating: time.Minute}, Limits{Rate: 2, Burst: 50, Operating: time.Minute, Window: 10 * time.Minute, Share: 1, Concurrency: 64}},
		{"all given", Limits{1, 2, 3, time.Second, 0.5, 6}, Limits{1, 2, 3, time.Second, 0.5, 6}},
		{"a window without parts", Limits{Window: 4}, Limits{Window: 10 * time.Minute, Share: 1, Concurrency: 16}},
		{"no burst is no limit", Limits{Rate: 2}, Limits{Window: 10 * time.Minute, Share: 1, Concurrency: 16}},
		{"no rate is no limit", Limits{Burst: 50}, Limits{Window: 10 * time.Minute, Share: 1, Concurrency: 16}},
		{"nonsense", Limits{math.NaN(), 50, -1, -1, math.NaN(), -1}, Limits{Window: 10 * time.Minute, Share: 1, Concurrency: 16}},
		{"more nonsense", Limits{math.Inf(1), -1, 0, 0, 1.5, 0}, Limits{Window: 10 * time.Minute, Share: 1, Concurrency: 16}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tt.in.withDefaults()); d != "" {
				t.Errorf("want -, got +:\n%s", d)
			}
		})
	}
}

func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, says(`{"result":1}`), Options{Limits: Limits{Rate: 2, Burst: 50, Share: 0.5}})
		if g := c.Gauge(); g.Rate != 1 || g.Burst != 24.75 || g.Tokens != 24.75 {
			t.Errorf("gauge %+v, want half of the rate and of the burst, less a quarter of a second", g)
		}
		if c.Concurrency() != 64 {
			t.Errorf("concurrency %d", c.Concurrency())
		}
	})
}

// TestGaugeNamesWhatBinds checks the states of a client.
func TestGaugeNamesWhatBinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor(Limits{Rate: 1, Burst: 2, Operating: 100 * time.Second, Window: 100 * time.Second}, quiet)
		defer g.close()
		binds := func(want string) {
			t.Helper()
			if got := g.gauge(); got.LimitedBy != want {
				t.Errorf("%q binds, want %q: %+v", got.LimitedBy, want, got)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		needs := []need{{"get", 1}}
		binds("none")
		first, waited, err := g.acquire(ctx, needs)
		if err != nil || waited != 0 {
			t.Fatal(waited, err)
		}
		binds("latency")
		var all sync.WaitGroup
		all.Go(func() {
			if _, _, err := g.acquire(ctx, needs); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
		synctest.Wait()
		binds("rate")
		cancel()
		all.Wait()
		binds("latency")
		g.leave(first)
		g.settle(first, map[string]spent{"get": counted(1, 1, 99, time.Now().Add(time.Minute))})
		binds("none")
		ctx, cancel = context.WithCancel(t.Context())
		all.Go(func() {
			if _, waited, err := g.acquire(ctx, needs); !errors.Is(err, context.Canceled) || waited != time.Second {
				t.Errorf("error %v after %v", err, waited)
			}
		})
		synctest.Wait()
		binds("operating")
		after(time.Second)
		cancel()
		all.Wait()
		binds("none")
		if rate, operating := g.waits(); rate != 0 || operating != time.Second {
			t.Errorf("waited %v for the rate, %v for budgets", rate, operating)
		}
	})
}

// TestCeiling: there are no more concurrent requests than the limits allow. A request
// that ends its wait leaves nothing behind.
func TestCeiling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor(Limits{Concurrency: 1, Operating: time.Second}, quiet)
		defer g.close()
		needs := []need{{"get", 1}, {MethodBatch, 1}}
		first, _, err := g.acquire(t.Context(), needs)
		if err != nil {
			t.Fatal(err)
		}
		g.settle(first, map[string]spent{"get": {done: 1, known: 1, cost: 0.001}, MethodBatch: {done: 1, known: 1, cost: 0.001}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, waited, err := g.acquire(ctx, needs); !errors.Is(err, context.DeadlineExceeded) || waited != time.Minute {
			t.Errorf("error %v after %v", err, waited)
		}
		if n := len(g.budgets.account("get").flying) + len(g.budgets.account(MethodBatch).flying); n != 0 {
			t.Errorf("%d stakes are left", n)
		}
		g.leave(first)
		if _, waited, err := g.acquire(t.Context(), needs); err != nil || waited != 0 {
			t.Errorf("error %v after %v", err, waited)
		}
	})
}

// TestGrantedButUsedUp: a request that has its budget, and waits for its token, is not
// sent if its method was refused meanwhile.
func TestGrantedButUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor(Limits{Rate: 1, Burst: 1, Operating: 100 * time.Second, Window: 100 * time.Second}, quiet)
		defer g.close()
		needs := []need{{"get", 1}}
		first, _, err := g.acquire(t.Context(), needs)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() {
			second, waited, err := g.acquire(t.Context(), needs)
			if err != nil || waited != 50*time.Second+100*time.Millisecond {
				t.Errorf("went on after %v, error %v; want half of the window", waited, err)
			}
			g.leave(second)
		})
		synctest.Wait()
		g.leave(first)
		g.settle(first, map[string]spent{"get": {refused: true}})
		all.Go(func() {
			// Another request uses the returned token at once.
			if _, waited, err := g.acquire(t.Context(), []need{{"list", 1}}); err != nil || waited != time.Second {
				t.Errorf("another method went on after %v, error %v", waited, err)
			}
		})
		all.Wait()
	})
}

func TestErrorsAndClassesInLogs(t *testing.T) {
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, nil))
	log.Info("x", "e", &Error{Code: "C", Description: "d", Status: 400, Method: "m"}, "class", Retry, "none", Class(0))
	for _, want := range []string{"e.method=m e.code=C e.text=d e.status=400", "class=Retry", "none=Class(0)"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("log %q, want %q in it", b.String(), want)
		}
	}
}
