package bitrix

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// need is what a request uses of a method's budget.
type need struct {
	method   string
	commands int
}

// budgets delays requests that would exceed a method's operating budget. Methods have
// separate budgets: a request waits only for the budgets that it needs, and only behind
// requests that need one of the same. It is safe for concurrent use.
type budgets struct {
	log            *slog.Logger
	budget, window time.Duration

	mu       sync.Mutex
	accounts map[string]*account
	clock    clock
	queue    []*applicant
	timer    *time.Timer
	waited   stopwatch
}

// applicant is a request that waits for its methods' budgets.
type applicant struct {
	stakes  []*stake
	ready   chan struct{}
	granted bool
}

// stake is what a request in flight uses of one account.
type stake struct {
	account  *account
	method   string
	commands int
	parts    []*stake // of a batch, which costs what its commands cost
}

// estimate returns the expected cost of the stake.
func (s *stake) estimate() float64 {
	if s.parts == nil {
		return float64(s.commands) * s.account.each()
	}
	var sum float64
	for _, part := range s.parts {
		sum += part.estimate()
	}
	return sum
}

// newBudgets returns the budgets. A budget of 0 limits nothing until the portal refuses
// a method.
func newBudgets(budget, window time.Duration, log *slog.Logger) *budgets {
	return &budgets{log: log, budget: budget, window: window, accounts: map[string]*account{}}
}

// account returns the method's account. The caller holds b.mu.
func (b *budgets) account(method string) *account {
	a := b.accounts[method]
	if a == nil {
		a = &account{budget: b.budget, window: b.window, clock: &b.clock}
		b.accounts[method] = a
	}
	return a
}

// take waits until all the budgets have room for the needs, and returns what is then in
// flight. If ctx ends first, it returns ctx's cause. The caller must pass the result to
// end.
func (b *budgets) take(ctx context.Context, needs []need) ([]*stake, error) {
	p := &applicant{ready: make(chan struct{})}
	b.mu.Lock()
	var batch *stake
	for _, n := range needs {
		s := &stake{account: b.account(n.method), method: n.method, commands: n.commands}
		p.stakes = append(p.stakes, s)
		if n.method == MethodBatch {
			batch = s
		}
	}
	if batch != nil {
		for _, s := range p.stakes {
			if s != batch {
				batch.parts = append(batch.parts, s)
			}
		}
	}
	b.queue = append(b.queue, p)
	b.admit()
	if !p.granted {
		b.waited.start()
	}
	b.mu.Unlock()
	select {
	case <-p.ready:
		return p.stakes, nil
	default:
	}
	select {
	case <-p.ready:
		return p.stakes, nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.granted {
		for _, s := range p.stakes {
			s.account.end(time.Now(), time.Time{}, s, 0, 0)
		}
	} else {
		b.queue = slices.DeleteFunc(b.queue, func(q *applicant) bool { return q == p })
	}
	b.admit()
	return nil, context.Cause(ctx)
}

// admit admits all requests that may start, in their order, and sets the timer for the
// next time at which another one may.
func (b *budgets) admit() {
	now := time.Now()
	var again time.Time
	held := map[*account]bool{} // accounts that an earlier request waits for
	kept := b.queue[:0]
	for _, p := range b.queue {
		next, ok := p.tryStart(now, held)
		if ok {
			p.granted = true
			close(p.ready)
			continue
		}
		kept = append(kept, p)
		if !next.IsZero() && (again.IsZero() || next.Before(again)) {
			again = next
		}
	}
	clear(b.queue[len(kept):])
	b.queue = kept
	if len(b.queue) == 0 {
		b.waited.stop()
	}
	switch {
	case again.IsZero():
		if b.timer != nil {
			b.timer.Stop()
		}
	case b.timer == nil:
		b.timer = time.AfterFunc(again.Sub(now), b.tick)
	default:
		b.timer.Reset(again.Sub(now))
	}
}

// tryStart starts the request if all its accounts admit it. Otherwise, the accounts
// that do not are reserved before later requests: first come, first served.
func (p *applicant) tryStart(now time.Time, held map[*account]bool) (again time.Time, ok bool) {
	probes := make([]bool, len(p.stakes))
	ok = true
	for i, s := range p.stakes {
		if held[s.account] {
			ok = false
			continue
		}
		admitted, probe, next := s.account.admits(now, s.estimate())
		probes[i] = probe
		if admitted {
			continue
		}
		ok = false
		held[s.account] = true
		// All of its accounts must admit it, so the latest time decides.
		if next.After(again) {
			again = next
		}
	}
	if ok {
		for i, s := range p.stakes {
			s.account.start(now, s, probes[i])
		}
	}
	return again, ok
}

// tick runs in the timer's goroutine, which ends with it.
func (b *budgets) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.admit()
}

// hold reports whether the stakes may still be sent: since they were granted, the
// portal may have refused a method, or reported more than expected. If not, it releases
// them.
func (b *budgets) hold(stakes []*stake) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, s := range stakes {
		if s.account.overdrawn(now) {
			for _, s := range stakes {
				s.account.end(now, time.Time{}, s, 0, 0)
			}
			b.admit()
			return false
		}
	}
	return true
}

// spent is what an answer reports about one method.
type spent struct {
	done      int       // commands that the portal executed
	known     int       // commands whose cost is known
	cost      float64   // seconds
	counted   bool      // the answer has a counter
	operating float64   // the counter
	reset     time.Time // by the portal's clock; zero: not known
	refused   bool      // some of its commands were refused because of the budget
}

// total returns the cost of all the commands, as far as known.
func (s spent) total(estimate float64) float64 {
	switch {
	case s.known > 0:
		return s.cost * float64(max(s.done, s.known)) / float64(s.known)
	case s.done > 0:
		return estimate
	}
	return 0
}

// end releases what take reserved, and records what the answer to its request reported.
// For a method that reported lacks, the estimate counts as its cost. If reported is
// nil, the portal did nothing.
func (b *budgets) end(r *ticket, reported map[string]spent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	unknown := b.clock.at.IsZero()
	b.clock.observe(r.sent, r.start, r.finish, now)
	if unknown && !b.clock.at.IsZero() {
		for _, a := range b.accounts {
			a.adopt(&b.clock)
		}
	}
	booked := r.finish
	if r.start.After(booked) {
		booked = r.start
	}
	if booked.IsZero() {
		booked = b.clock.theirs(now)
	}
	for _, s := range r.stakes {
		t, ok := reported[s.method]
		if !ok {
			cost := 0.0
			if reported != nil {
				cost = s.estimate()
			}
			s.account.end(now, booked, s, cost, 0)
			continue
		}
		if t.done > 0 {
			s.account.seen = true
			if !t.refused {
				s.account.refusals = 0
			}
		}
		if far := booked.Add(b.window + b.window/baskets); t.reset.After(far) {
			t.reset = booked.Add(b.window) // no basket is younger than now
		}
		if t.counted {
			s.account.report(t.operating, t.reset, r.sent)
			if !t.refused {
				s.account.taught = max(s.account.taught, t.operating) // the portal allows at least this much
			}
		}
		s.account.end(now, booked, s, t.total(s.estimate()), t.done)
		if t.refused && s.account.exhausted(now) {
			b.log.Info("the portal refuses a method because its operating budget is used up", "method", s.method, "until", s.account.blocked.UTC())
		}
	}
	b.admit()
}

// MethodGauge is a method's operating budget at one moment.
type MethodGauge struct {
	Method string
	// Used is what counts against Budget, including requests in flight.
	Used, Budget time.Duration
	// Limit is the part of Budget that the client uses: slightly less, and still less
	// after a refusal. It is 0 while nothing limits the method.
	Limit time.Duration
	// Falls are the parts of Used by when they expire, in ascending order.
	Falls []Fall
	// Reported is the portal's counter as last sent. Counted reports whether it has
	// sent one. Otherwise only a refusal limits the method.
	Reported time.Duration
	Counted  bool
	// Cost is the recent cost of one command; 0 before the first answer.
	Cost time.Duration
	// ResetAt is when the oldest basket expires, by our clock; zero if the portal has
	// not sent that.
	ResetAt time.Time
	// Blocked reports whether the portal has refused the method and ResetAt has not
	// passed.
	Blocked bool
}

// Fall is used operating time that counts until At, by our clock.
type Fall struct {
	At   time.Time
	Used time.Duration
}

// state returns the accounts in the order of their names, and how many requests wait.
func (b *budgets) state() (methods []MethodGauge, queued int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for method, a := range b.accounts {
		g := MethodGauge{Method: method, Budget: a.budget, Blocked: now.Before(a.blocked)}
		if !a.reset.IsZero() {
			g.ResetAt = b.clock.ours(a.reset)
		}
		g.Counted, g.Cost = a.counted, seconds(a.mean)
		if a.counted {
			g.Used = seconds(a.used(now))
			g.Reported = seconds(a.reported)
			g.Falls = a.falls(now)
		}
		if limit := a.limit(now); !math.IsInf(limit, 1) {
			g.Limit = seconds(limit)
		}
		if g.Blocked {
			g.ResetAt = a.blocked
		}
		methods = append(methods, g)
	}
	slices.SortFunc(methods, func(x, y MethodGauge) int { return strings.Compare(x.Method, y.Method) })
	return methods, len(b.queue)
}

func (b *budgets) waiting() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waited.total()
}

// close stops the timer. Waiting requests wait until their contexts end.
func (b *budgets) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
