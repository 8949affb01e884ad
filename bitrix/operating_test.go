package bitrix

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// books is the portal's side of operating budgets, as documented and read in its
// source: ten baskets; costs above a floor are recorded at a request's end, and checked
// at each command's start.
type books struct {
	mu     sync.Mutex
	window time.Duration
	floor  float64
	by     map[string]map[int64]float64
	phase  time.Duration // of the baskets' edges
	peak   float64
}

func (b *books) used(method string) (sum float64, reset time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	width := int64(b.window / baskets)
	now := (time.Now().UnixNano() + int64(b.phase)) / width
	oldest := now
	for n, s := range b.by[method] {
		if n > now-baskets {
			sum += s
			oldest = min(oldest, n)
		}
	}
	b.peak = max(b.peak, sum)
	return sum, time.Unix(0, (oldest+baskets)*width-int64(b.phase))
}

func (b *books) add(method string, cost float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cost <= b.floor {
		return
	}
	if b.by == nil {
		b.by = map[string]map[int64]float64{}
	}
	if b.by[method] == nil {
		b.by[method] = map[int64]float64{}
	}
	b.by[method][(time.Now().UnixNano()+int64(b.phase))/int64(b.window/baskets)] += cost
}

// budgetRun sends requests of gets against books.
type budgetRun struct {
	limits    Limits
	requests  int
	gets      int // per request
	cost      time.Duration
	batch     bool          // charge `batch`, not the methods
	late      bool          // counters are as of the answer, not of the start
	silent    bool          // no counters
	travel    time.Duration // to the portal, and back
	before    float64       // share of the budget that an earlier run has used
	trueShare float64       // share of the budget that the portal really allows
	booked    *books
}

// do returns how long it took and how many commands were refused.
func (r budgetRun) do(t *testing.T) (took time.Duration, refused int) {
	t.Helper()
	g := newGovernor(r.limits, quiet)
	defer g.close()
	b := r.booked
	b.window, b.floor, b.phase = r.limits.Window, r.limits.Window.Seconds()/6000, r.limits.Window/37
	budget := r.limits.Operating.Seconds()
	if r.trueShare > 0 {
		budget *= r.trueShare
	}
	payer := "get"
	if r.batch {
		payer = MethodBatch
	}
	if r.before > 0 {
		b.add(payer, budget*r.before)
		after(r.limits.Window / 4)
	}
	needs := []need{{"get", r.gets}, {MethodBatch, r.gets}}
	todo := make(chan int, r.requests)
	for range r.requests {
		todo <- r.gets
	}
	var mu sync.Mutex
	var workers sync.WaitGroup
	start := time.Now()
	left := r.requests
	for range g.limits.Concurrency {
		workers.Go(func() {
			for n := range todo {
				needs := needs
				if n != r.gets {
					needs = []need{{"get", n}, {MethodBatch, n}}
				}
				ticket, _, err := g.acquire(context.Background(), needs)
				if err != nil {
					t.Error(err)
					return
				}
				after(r.travel)
				ticket.start = time.Now()
				used, reset := b.used(payer)
				done, sum := 0, 0.0
				for range n {
					if now, _ := b.used(payer); now >= budget {
						break
					}
					after(r.cost)
					done++
					sum += r.cost.Seconds()
				}
				if r.late {
					used, reset = b.used(payer)
				}
				b.add(payer, sum)
				ticket.finish = time.Now()
				after(r.travel)
				g.leave(ticket)
				s := spent{done: done, known: done, cost: sum, refused: done < n}
				outer := spent{done: 1, known: 1, cost: sum}
				if !r.silent {
					s.counted, s.operating, s.reset = true, used, reset
					outer.counted = true
					if r.batch {
						outer.operating, outer.reset = used, reset
					}
				}
				g.settle(ticket, map[string]spent{"get": s, MethodBatch: outer})
				mu.Lock()
				refused += n - done
				if done < n {
					todo <- n - done
				} else if left--; left == 0 {
					close(todo)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return time.Since(start), refused
}

var standard = Limits{Rate: 2, Burst: 50, Operating: 480 * time.Second, Window: 10 * time.Minute}

func fast(speed int) Limits {
	d := time.Duration(speed)
	return Limits{Rate: 2 * float64(speed), Burst: 50, Operating: 480 * time.Second / d, Window: 10 * time.Minute / d}
}

// TestBudgetIsUsedUpAndKept sends 24,000 gets at 0.05 s: 1,200 s of operating time, of
// which 480 s are allowed in 600 s. At best 480 s are used before the first time at
// which a basket of the first minute expires, 480 s before the second, and the rest
// after it: slightly more than 20 minutes. Even if the portal hides its figures, or
// they differ from its limit, it may refuse no more than 240 commands, 1 %.
func TestBudgetIsUsedUpAndKept(t *testing.T) {
	for _, tt := range []struct {
		name    string
		run     budgetRun
		most    float64 // minutes by the portal's clock
		refused int     // commands of 24,010
	}{
		{"methods pay", budgetRun{limits: standard}, 20.3, 0},
		{"batch pays", budgetRun{limits: standard, batch: true}, 20.3, 0},
		{"methods pay, counters as of the answer", budgetRun{limits: standard, late: true}, 20.6, 0},
		{"batch pays, counters as of the answer", budgetRun{limits: standard, late: true, batch: true}, 20.6, 0},
		{"no counters: by our own books", budgetRun{limits: standard, silent: true}, 20.8, 240},
		{"after a run that used it up", budgetRun{limits: standard, before: 0.95}, 27.8, 0},
		{"420 s where we expect 480", budgetRun{limits: standard, trueShare: 420. / 480}, 20.9, 240},
		{"in fast motion", budgetRun{limits: fast(60)}, 20.4, 0},
		{"in fast motion, batch pays", budgetRun{limits: fast(60), batch: true}, 20.4, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := tt.run
				speed := 10 * time.Minute / r.limits.Window
				r.requests, r.gets = 490, 49
				r.booked = &books{}
				r.cost = 50 * time.Millisecond / speed
				r.travel = 60 * time.Millisecond / speed
				took, refused := r.do(t)
				minutes := (took * speed).Minutes()
				t.Logf("%.2f minutes, %d commands refused", minutes, refused)
				if minutes > tt.most {
					t.Errorf("took %.2f minutes, want at most %v", minutes, tt.most)
				}
				if refused > tt.refused {
					t.Errorf("%d commands refused, want at most %d", refused, tt.refused)
				}
				if budget := r.limits.Operating.Seconds(); tt.refused == 0 && r.booked.peak > budget {
					t.Errorf("%.1f s in the portal's baskets, want at most %v", r.booked.peak, budget)
				}
			})
		})
	}
}

// budgetCase uses budgets directly.
type budgetCase struct {
	*budgets
	t *testing.T
}

func newBudgetCase(t *testing.T, budget, window time.Duration) budgetCase {
	b := newBudgets(budget, window, quiet)
	t.Cleanup(b.close)
	return budgetCase{b, t}
}

// begin takes a request's stakes. It fails the test if that has to wait.
func (b budgetCase) begin(needs ...need) []*stake {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Nanosecond)
	defer cancel()
	s, err := b.take(ctx, needs)
	if err != nil {
		b.t.Fatalf("%v has to wait", needs)
	}
	return s
}

// waits fails the test if a request may start at once.
func (b budgetCase) waits(needs ...need) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Nanosecond)
	defer cancel()
	if s, err := b.take(ctx, needs); err == nil {
		b.end(&ticket{stakes: s}, nil)
		b.t.Fatalf("%v does not wait", needs)
	}
}

// finish ends a request that began now, with one method's figures.
func (b budgetCase) finish(s []*stake, method string, sp spent) {
	b.end(&ticket{stakes: s, sent: time.Now()}, map[string]spent{method: sp})
}

func counted(n int, cost, operating float64, reset time.Time) spent {
	return spent{done: n, known: n, cost: cost, counted: true, operating: operating, reset: reset}
}

// TestBudgetInstants: a budget of 100 s in 100 s is used up to the margin, and what the
// oldest basket frees is used at once.
func TestBudgetInstants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetCase(t, 100*time.Second, 100*time.Second)
		start := time.Now()
		guard := 100 * time.Millisecond
		one := need{"get", 1}
		reset := start.Add(100 * time.Second)
		b.finish(b.begin(one), "get", counted(1, 30, 0, reset)) // at 0 s: 30 s
		after(15 * time.Second)
		b.finish(b.begin(one), "get", counted(1, 30, 30, reset)) // at 15 s: 60 s
		after(10 * time.Second)
		b.finish(b.begin(one), "get", counted(1, 30, 60, reset)) // at 25 s: 90 s
		b.waits(one)
		for _, at := range []time.Duration{100 * time.Second, 110 * time.Second, 120 * time.Second} {
			// The baskets of the first, second and third ten seconds expire, each with
			// 30 s in it.
			s, err := b.take(t.Context(), []need{one})
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Since(start); got != at+guard {
				t.Errorf("went on at %v, want %v", got, at+guard)
			}
			b.finish(s, "get", counted(1, 30, 60, start.Add(at+10*time.Second)))
		}
		methods, _ := b.state()
		if len(methods) != 1 || methods[0].Used != 90*time.Second || methods[0].Budget != 100*time.Second {
			t.Errorf("state %+v", methods)
		}
		if w := b.waiting(); w < 95*time.Second || w > 96*time.Second {
			t.Errorf("waited %v, want a bit over 95s", w)
		}
	})
}

// TestMethodsAreBudgetedApart: a list waits neither for get's budget nor for requests
// that do. A request that needs both waits for both.
func TestMethodsAreBudgetedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetCase(t, 100*time.Second, 100*time.Second)
		get, list, batch := need{"get", 1}, need{"list", 1}, need{MethodBatch, 1}
		reset := time.Now().Add(100 * time.Second)
		b.finish(b.begin(get, batch), "get", counted(1, 30, 99, reset))
		b.finish(b.begin(list, batch), "list", counted(1, 1, 0, reset))
		ctx, cancel := context.WithCancel(t.Context())
		var waiter sync.WaitGroup
		waiter.Go(func() { b.take(ctx, []need{get, list, batch}) })
		synctest.Wait()
		b.finish(b.begin(list, batch), "list", counted(1, 1, 1, reset))
		b.waits(get)
		b.waits(get, list)
		if _, queued := b.state(); queued != 1 {
			t.Errorf("%d wait, want 1", queued)
		}
		cancel()
		waiter.Wait()
		if _, queued := b.state(); queued != 0 {
			t.Errorf("%d wait after the end, want none", queued)
		}
	})
}

// TestFirstAnswerIsAwaited: only the first answer shows what an earlier run has left in
// the baskets.
func TestFirstAnswerIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetCase(t, 480*time.Second, 10*time.Minute)
		many := need{"get", 49}
		var begun [][]*stake
		for range 8 { // a minute each, at worst
			begun = append(begun, b.begin(many))
		}
		b.waits(many)
		b.finish(begun[0], "get", counted(49, 2.45, 100, time.Now().Add(time.Minute)))
		b.begin(many)
	})
}

func TestDearerThanTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudgetCase(t, 10*time.Second, 100*time.Second)
		reset := time.Now().Add(100 * time.Second)
		b.finish(b.begin(need{"get", 1}), "get", counted(1, 8, 0, reset))
		start := time.Now()
		s, err := b.take(t.Context(), []need{{"get", 10}}) // 80 s, by the mean
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 100*time.Second+100*time.Millisecond {
			t.Errorf("started after %v, want when the baskets are empty", took)
		}
		if !b.hold(s) {
			t.Error("taken back: it could never be sent")
		}
	})
}

// TestDearOneWaitsForTheCheapOne: a request that costs more than the whole budget is
// admitted only alone. If it were granted beside another one, the grant would be revoked
// and repeated without end.
func TestDearOneWaitsForTheCheapOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGovernor(Limits{Operating: time.Second, Window: 10 * time.Second}, quiet)
		defer g.close()
		send := func(commands int) *ticket {
			t.Helper()
			k, _, err := g.acquire(t.Context(), []need{{"get", commands}})
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		end := func(k *ticket, commands int) {
			g.leave(k)
			g.settle(k, map[string]spent{"get": {done: commands, known: commands, cost: 0.03 * float64(commands), counted: true}})
		}
		end(send(1), 1) // shows the cost of a command
		cheap := send(1)
		start := time.Now()
		time.AfterFunc(3*time.Second, func() { end(cheap, 1) })
		dear := send(49)
		if took := time.Since(start); took < 3*time.Second {
			t.Errorf("the dear one started after %s, beside the cheap one", took)
		}
		end(dear, 49)
	})
}

func TestRefusedMethodIsBlocked(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first spent
		want  time.Duration
	}{
		{"announced before a ban ends", counted(1, 1, 5, time.Time{}.Add(40*time.Second)), 50*time.Second + 100*time.Millisecond},
		{"announced", counted(1, 1, 5, time.Time{}.Add(70*time.Second)), 70*time.Second + 100*time.Millisecond},
		{"announced beyond the window", counted(1, 1, 5, time.Time{}.Add(24*time.Hour)), 100*time.Second + 100*time.Millisecond},
		{"not announced", counted(1, 1, 5, time.Time{}), 50*time.Second + 100*time.Millisecond},
		{"no counters", spent{done: 1, known: 1, cost: 1}, 50*time.Second + 100*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBudgetCase(t, 100*time.Second, 100*time.Second)
				start := time.Now()
				if !tt.first.reset.IsZero() {
					tt.first.reset = start.Add(tt.first.reset.Sub(time.Time{}))
				}
				one := need{"get", 1}
				b.finish(b.begin(one), "get", tt.first)
				waiting := b.begin(one)
				b.finish(b.begin(one), "get", spent{refused: true})
				if b.hold(waiting) {
					t.Error("what was granted before is sent all the same")
				}
				methods, _ := b.state()
				if !methods[0].Blocked {
					t.Errorf("state %+v", methods)
				}
				s, err := b.take(t.Context(), []need{one})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != tt.want {
					t.Errorf("went on after %v, want %v", took, tt.want)
				}
				b.waits(one) // a probe, alone
				b.finish(s, "get", tt.first)
			})
		})
	}
}

// TestNoBudgetNoLimit: without a budget, and on portals without counters, only refusals
// limit.
func TestNoBudgetNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, budget := range []time.Duration{0, 100 * time.Second} {
			b := newBudgetCase(t, budget, 100*time.Second)
			for range 100 {
				b.finish(b.begin(need{"get", 50}), "get", spent{done: 50, known: 50, cost: 50})
			}
			for range 100 {
				b.begin(need{"get", 50})
			}
		}
		b := newBudgetCase(t, 0, 100*time.Second)
		b.finish(b.begin(need{"get", 1}), "get", counted(1, 1, 1000, time.Now().Add(time.Minute)))
		b.begin(need{"get", 1})
		b.begin(need{"get", 1})
	})
}
