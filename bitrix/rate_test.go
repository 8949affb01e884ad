package bitrix

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

// counter is the portal's side of the rate limit, as documented.
type counter struct {
	mu           sync.Mutex
	rate, burst  float64
	level        float64
	at           time.Time
	taken, tried int
}

func (c *counter) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.level = max(0, c.level-now.Sub(c.at).Seconds()*c.rate)
	c.at = now
	c.tried++
	if c.level+1 > c.burst+1e-9 {
		return false
	}
	c.level++
	c.taken++
	return true
}

// after waits in virtual time.
func after(d time.Duration) { <-time.After(d) }

// TestRateInstants: the burst is sent at once, then each token when it exists.
func TestRateInstants(t *testing.T) {
	for _, tt := range []struct {
		name        string
		rate, burst float64
		n           int
		last        time.Duration // when the n-th request may be sent
	}{
		{"all of the burst but the slack", 2, 50, 49, 0},
		{"one more", 2, 50, 50, 250 * time.Millisecond},
		{"125 at a standard plan", 2, 50, 125, 37750 * time.Millisecond},
		{"enterprise", 5, 250, 249, 50 * time.Millisecond},
		{"a burst of one", 4, 1, 3, 500 * time.Millisecond},
		{"in fast motion", 120, 50, 165, time.Second},
		{"a third a second", 1. / 3, 2, 3, 3250 * time.Millisecond},
		{"no limit", 0, 0, 10000, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRateGate(tt.rate, tt.burst, quiet)
				defer g.close()
				start := time.Now()
				for range tt.n {
					if err := g.wait(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(start); took.Round(time.Microsecond) != tt.last {
					t.Errorf("the request %d went after %v, want %v", tt.n, took, tt.last)
				}
			})
		})
	}
}

// TestRateIsTheLeast: no sequence of requests can finish sooner than in
// (requests-burst)/rate. Ours takes at most 1.03 of that.
func TestRateIsTheLeast(t *testing.T) {
	for _, tt := range []struct {
		rate, burst float64
		n           int
	}{{2, 50, 125}, {5, 250, 500}, {120, 50, 500}, {300, 250, 2000}} {
		synctest.Test(t, func(t *testing.T) {
			g := newRateGate(tt.rate, tt.burst, quiet)
			defer g.close()
			start := time.Now()
			for range tt.n {
				if err := g.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			least := (float64(tt.n) - tt.burst) / tt.rate
			if took := time.Since(start).Seconds(); took < least || took > 1.03*least {
				t.Errorf("%d requests at %v/s, burst %v: %v s, want %v s to 1.03 of that", tt.n, tt.rate, tt.burst, took, least)
			}
		})
	}
}

// TestNoRefusalsHoweverRequestsTravel sends at full speed to a portal that no other
// client uses. Travel times differ by up to a quarter of a second.
func TestNoRefusalsHoweverRequestsTravel(t *testing.T) {
	for _, tt := range []struct {
		name        string
		rate, burst float64
		spread      time.Duration
	}{
		{"standard", 2, 50, 249 * time.Millisecond},
		{"enterprise", 5, 250, 249 * time.Millisecond},
		{"in fast motion", 120, 50, 41 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRateGate(tt.rate, tt.burst, quiet)
				defer g.close()
				c := &counter{rate: tt.rate, burst: tt.burst, at: time.Now()}
				var under sync.WaitGroup
				for i := range 2000 {
					if i%700 == 699 {
						after(time.Minute) // the bucket fills again
					}
					if err := g.wait(t.Context()); err != nil {
						t.Fatal(err)
					}
					// The slowest first, the quickest after it: the worst case.
					travel := tt.spread - time.Duration(i%7)*tt.spread/6
					under.Go(func() {
						after(travel)
						if !c.take() {
							t.Errorf("request %d was refused", i)
						}
					})
				}
				under.Wait()
			})
		})
	}
}

func TestRateIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRateGate(1, 1, quiet)
		defer g.close()
		var mu sync.Mutex
		var order []int
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if err := g.wait(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
			synctest.Wait() // the i-th is in the queue before the next one
		}
		if s := g.state(); s.queued != 19 {
			t.Errorf("%d wait, want 19", s.queued)
		}
		all.Wait()
		if !slices.IsSorted(order) {
			t.Errorf("order %v", order)
		}
		if w := g.waiting(); w != 19*time.Second {
			t.Errorf("waited %v, want 19s: the time during which anybody did", w)
		}
	})
}

func TestCancelledWaitCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRateGate(1, 1, quiet)
		defer g.close()
		if err := g.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		var first, second error
		var all sync.WaitGroup
		start := time.Now()
		all.Go(func() { first = g.wait(ctx) })
		synctest.Wait()
		all.Go(func() { second = g.wait(t.Context()) })
		synctest.Wait()
		cancel(gone)
		all.Wait()
		if first != gone || second != nil || time.Since(start) != time.Second {
			t.Errorf("errors %v and %v after %v; want the cause, none, and one second", first, second, time.Since(start))
		}
	})
}

// TestRefusalSlowsDown: requests that were in flight together slow the gate down once,
// and the rate returns by equal steps.
func TestRefusalSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		g := newRateGate(2, 50, slog.New(slog.NewTextHandler(&lines, nil)))
		defer g.close()
		for range 49 {
			if err := g.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sent := time.Now()
		after(100 * time.Millisecond)
		for range 10 {
			g.refused(sent)
		}
		if s := g.state(); s.rate != 1 || !s.slowed || s.tokens != 0 || s.room != 1 {
			t.Errorf("after a refusal: %+v", s)
		}
		after(time.Minute) // no tokens are saved while the rate is reduced
		start := time.Now()
		for range 201 {
			if err := g.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// From 1/s to 2/s in 200 steps of 1/200: the sum of 1/(1+i/200).
		want := 0.0
		for i := 1; i <= 200; i++ {
			want += 1 / min(2, 1+float64(i)/200)
		}
		if took := time.Since(start).Seconds(); math.Abs(took-want) > 0.001 {
			t.Errorf("201 requests took %v s, want %v", took, want)
		}
		if s := g.state(); s.slowed || s.rate != 2 || s.room != 49.5 {
			t.Errorf("after recovery: %+v", s)
		}
		if n := strings.Count(lines.String(), "\n"); n != 2 {
			t.Errorf("%d log lines, want one for each turn:\n%s", n, &lines)
		}
	})
}

// A refusal in the first minute can be because of a run just before this one; a later
// refusal cannot.
func TestRefusalNamesWhoElse(t *testing.T) {
	for age, wants := range map[time.Duration]bool{time.Second: true, 2 * early: false} {
		synctest.Test(t, func(t *testing.T) {
			var lines strings.Builder
			g := newRateGate(2, 50, slog.New(slog.NewTextHandler(&lines, nil)))
			defer g.close()
			after(age)
			if err := g.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.refused(time.Now())
			if got := strings.Contains(lines.String(), "or a run ended just before this one"); got != wants || !strings.Contains(lines.String(), "level=WARN") {
				t.Errorf("refused after %s:\n%s", age, &lines)
			}
		})
	}
}

func TestSlowestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRateGate(64, 50, quiet)
		defer g.close()
		for range 100 {
			g.refused(time.Now())
			after(time.Millisecond)
		}
		if s := g.state(); s.rate != 1 {
			t.Errorf("rate %v, want 1: a 64th", s.rate)
		}
	})
}

// TestSecondClient: another client always uses half of the rate, and insists on it.
// Fewer than 2 % of our requests are refused, and we get the rest.
func TestSecondClient(t *testing.T) {
	for _, tt := range []struct {
		name        string
		rate, burst float64
	}{
		{"standard", 2, 50}, {"enterprise", 5, 250}, {"in fast motion", 120, 50},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRateGate(tt.rate, tt.burst, quiet)
				defer g.close()
				c := &counter{rate: tt.rate, burst: tt.burst, at: time.Now()}
				ctx, cancel := context.WithCancel(t.Context())
				var other, ours sync.WaitGroup
				other.Go(func() {
					owed := 0.0
					tick := time.NewTicker(time.Duration(float64(time.Second) / tt.rate / 20))
					defer tick.Stop()
					for {
						select {
						case <-tick.C:
							for owed += 1. / 40; owed >= 1 && c.take(); owed-- {
							}
						case <-ctx.Done():
							return
						}
					}
				})
				const requests = 3000
				refused := 0
				var mu sync.Mutex
				start := time.Now()
				slots := make(chan struct{}, 64)
				for i := range requests {
					slots <- struct{}{}
					ours.Go(func() {
						defer func() { <-slots }()
						for {
							if err := g.wait(ctx); err != nil {
								t.Error(err)
								return
							}
							sent := time.Now()
							after(time.Duration(float64(i%10) / 10 / tt.rate * float64(time.Second)))
							if c.take() {
								return
							}
							mu.Lock()
							refused++
							mu.Unlock()
							g.refused(sent)
						}
					})
				}
				ours.Wait()
				cancel()
				other.Wait()
				took := time.Since(start).Seconds()
				least := (requests - tt.burst) / (tt.rate / 2)
				t.Logf("%d of %d refused, %.0f s, with half the rate at least %.0f s", refused, requests, took, least)
				if share := float64(refused) / float64(requests+refused); share >= 0.02 {
					t.Errorf("%.2f %% refused, want under 2 %%", 100*share)
				}
				if took > 1.1*least {
					t.Errorf("%.0f s, want at most 1.1 of %.0f s", took, least)
				}
			})
		})
	}
}

// TestUnlimitedThatIsNot: a portal that was configured without a limit refuses. The
// gate finds a limit that works, and removes it once it is not needed.
func TestUnlimitedThatIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRateGate(0, 0, quiet)
		defer g.close()
		c := &counter{rate: 10, burst: 20, at: time.Now()}
		refused := 0
		for range 2000 {
			for {
				if err := g.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				sent := time.Now()
				after(20 * time.Millisecond) // one after another: 50 per second
				if c.take() {
					break
				}
				refused++
				g.refused(sent)
			}
		}
		t.Logf("%d refused", refused)
		if refused > 2000/20 {
			t.Errorf("%d of 2000 refused", refused)
		}
		after(time.Hour)
		for range 1000 {
			if err := g.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s := g.state(); s.slowed || s.rate != 0 {
			t.Errorf("still limited: %+v", s)
		}
	})
}

// TestCancelledAtTheInstantOfTheToken: no token is lost, whichever event is first.
func TestCancelledAtTheInstantOfTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled := 0
		for range 64 {
			g := newRateGate(1, 1, quiet)
			if err := g.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := g.wait(ctx)
			cancel()
			want := time.Second
			if err != nil {
				want = 0
				cancelled++
			}
			start := time.Now()
			if err := g.wait(t.Context()); err != nil || time.Since(start) != want {
				t.Fatalf("the next token came after %v, want %v; error %v", time.Since(start), want, err)
			}
			g.close()
		}
		t.Logf("%d of 64 were cancelled", cancelled)
	})
}

// TestEndOfALimitThatWasFound: when the gate removes a limit that it had found, it passes
// all waiting requests at once. No timer has to follow, because the rate is 0 then.
func TestEndOfALimitThatWasFound(t *testing.T) {
	g := newRateGate(0, 0, quiet)
	defer g.close()
	g.full, g.rate, g.slowed, g.tokens, g.at = 10, 10, true, 1, time.Now()
	waiting := []*passing{{make(chan struct{})}, {make(chan struct{})}, {make(chan struct{})}}
	g.queue = slices.Clone(waiting)
	g.mu.Lock()
	g.dispatch()
	g.mu.Unlock()
	if len(g.queue) > 0 || g.timer != nil {
		t.Errorf("%d requests wait for the timer of a gate without a limit", len(g.queue))
	}
}
