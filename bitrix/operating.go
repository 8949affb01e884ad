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

// need is what a request asks of a method's budget.
type need struct {
	method   string
	commands int
}

// budgets holds requests back that would overdraw a method's operating budget.
// Methods are budgeted apart: a request waits for those only that it needs,
// behind those only that need one of the same. It is safe for concurrent use.
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

// stake is what a request under way has in flight on one account.
type stake struct {
	account  *account
	method   string
	commands int
	parts    []*stake // of a batch: what it costs is what its commands cost
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

// newBudgets makes the gate. A budget of 0 limits nothing until the portal
// itself refuses a method.
func newBudgets(budget, window time.Duration, log *slog.Logger) *budgets {
	return &budgets{log: log, budget: budget, window: window, accounts: map[string]*account{}}
}

// account returns the method's account. b.mu is held.
func (b *budgets) account(method string) *account {
	a := b.accounts[method]
	if a == nil {
		a = &account{budget: b.budget, window: b.window, clock: &b.clock}
		b.accounts[method] = a
	}
	return a
}

// take returns once all the budgets have room for the needs, and what is then
// in flight on them; or ctx's cause. What it returns must come back by end.
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

// admit lets everyone go who may, in their order, and sets the timer for the
// next instant at which another one may.
func (b *budgets) admit() {
	now := time.Now()
	var again time.Time
	held := map[*account]bool{} // somebody waits for these
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

// tryStart starts the request if all its accounts admit it. If not, those that do not
// are compared with later requests: who came first goes first.
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
		// All of its accounts must admit it, so the latest counts.
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

// hold reports whether the stakes still may be sent: since they were granted,
// the portal may have refused a method, or reported more than was expected. If
// not, they are given back.
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
	done      int       // commands that the portal worked on
	known     int       // those of them that cost is for
	cost      float64   // seconds
	counted   bool      // there was a counter
	operating float64   // and this is it
	reset     time.Time // on the portal's clock; zero: not known
	refused   bool      // some of its commands, for want of budget
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

// end returns what take reserved, and books what the answer to its request reported.
// For a method that reported does not have, the estimate counts as its cost; if reported is
// nil, the portal did nothing.
func (b *budgets) end(r *ticket, reported map[string]spent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.clock.observe(r.sent, r.start, r.finish, now)
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
				s.account.taught = max(s.account.taught, t.operating) // so much is allowed
			}
		}
		s.account.end(now, booked, s, t.total(s.estimate()), t.done)
		if t.refused && s.account.exhausted(now) {
			b.log.Info("the portal refuses a method for want of operating budget", "method", s.method, "until", s.account.blocked.UTC())
		}
	}
	b.admit()
}

// MethodGauge is a method's operating budget at an instant.
type MethodGauge struct {
	Method string
	// Used is what counts against Budget, requests in flight included.
	Used, Budget time.Duration
	// Limit is the part of Budget that the client uses: a little less, and less
	// still after a refusal. 0 while nothing limits the method.
	Limit time.Duration
	// Falls are the parts of Used, by when each is free again; ascending.
	Falls []Fall
	// Reported is the portal's counter as it last sent it. Counted: it has sent one;
	// else nothing but a refusal limits the method.
	Reported time.Duration
	Counted  bool
	// Cost is what one command has cost of late; 0 before the first answer.
	Cost time.Duration
	// ResetAt is when the oldest basket falls out, on our clock; zero if the portal has
	// not sent it.
	ResetAt time.Time
	// Blocked: the portal has refused the method, and ResetAt has not come.
	Blocked bool
}

// Fall is used operating time that no longer counts from At on, by our clock.
type Fall struct {
	At   time.Time
	Used time.Duration
}

// state returns the accounts in the order of their names, and how many wait.
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

// close stops the timer. Waiting requests keep waiting for their contexts.
func (b *budgets) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
