package bitrix

import (
	"log/slog"
	"time"
)

// Limiter holds a portal's limits for all clients of that portal in a process: the
// portal counts the requests of a source address together. It is safe for concurrent
// use.
type Limiter struct{ governor *governor }

// NewLimiter returns a Limiter that continues from used, the state of an earlier one. A
// nil used means that nothing was used. log may be nil. The caller must call Close
// after it has closed the clients.
func NewLimiter(limits Limits, used *LimitState, log *slog.Logger) *Limiter {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	g := newGovernor(limits, log)
	if used != nil {
		g.restore(used)
	}
	return &Limiter{g}
}

// Close stops the Limiter's timers.
func (l *Limiter) Close() { l.governor.close() }

// State returns what is used of the limits now.
func (l *Limiter) State() LimitState { return l.governor.save() }

// LimitState is what was used of a portal's limits at one moment. It is stored as JSON,
// so that the next process does not exceed the limits that this one has used. It
// contains no secret.
type LimitState struct {
	// At is the moment, by this machine's clock.
	At time.Time `json:"at"`
	// Requests is the value of the portal's counter of requests.
	Requests float64 `json:"requests"`
	// Methods are the operating budgets, by the method's name.
	Methods map[string]MethodState `json:"methods,omitempty"`
}

// MethodState is what was used of a method's operating budget. Times are by this
// machine's clock, costs are in seconds.
type MethodState struct {
	// Counted reports whether the portal sends its counter. Reported is its last value.
	Counted  bool    `json:"counted,omitempty"`
	Reported float64 `json:"reported,omitempty"`
	// ResetAt is when the oldest basket expires, if the portal has sent that.
	ResetAt *time.Time `json:"reset_at,omitempty"`
	// Cost is the cost of a command.
	Cost float64 `json:"cost,omitempty"`
	// Spent is the cost of our own requests in the preceding window.
	Spent []Charge `json:"spent,omitempty"`
}

// Charge is the cost of requests that ended at At, in seconds.
type Charge struct {
	At   time.Time `json:"at"`
	Cost float64   `json:"cost"`
}

// BurstUsed returns the state of a portal whose whole burst was used just now by
// another program.
func BurstUsed(limits Limits) *LimitState {
	return &LimitState{At: time.Now(), Requests: float64(limits.withDefaults().Burst)}
}

func (g *governor) save() LimitState {
	s := LimitState{At: time.Now().Round(0), Requests: g.rate.used()}
	s.Methods = g.budgets.save(s.At)
	return s
}

func (g *governor) restore(s *LimitState) {
	// If the clock was set back since, the state counts as of now.
	now := time.Now()
	at := s.At
	if at.After(now) {
		at = now
	}
	g.rate.restore(s.Requests, at)
	g.budgets.restore(s.Methods, at, now)
}

// used returns the value of the portal's counter by our own count.
func (g *rateGate) used() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.full == 0 {
		return float64(len(g.passed))
	}
	g.fill(time.Now())
	return max(0, g.burst-g.tokens)
}

// restore fills the bucket as if the counter had the value used at an earlier moment. used
// may be of another process with a larger burst, or without a limit. But no counter is above
// the portal's burst, so requests that are a token apart are not refused, and an empty bucket
// is the least.
func (g *rateGate) restore(used float64, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.limit {
		return
	}
	now := time.Now()
	g.tokens = max(0, min(g.room(), g.burst-max(0, used-now.Sub(at).Seconds()*g.full)))
	g.at = now
}

// save returns the accounts whose counter an answer has sent.
func (b *budgets) save(now time.Time) map[string]MethodState {
	b.mu.Lock()
	defer b.mu.Unlock()
	methods := make(map[string]MethodState)
	for name, a := range b.accounts {
		if !a.seen {
			continue
		}
		m := MethodState{Counted: a.counted, Cost: a.mean}
		if a.counted {
			m.Reported = a.used(now) - a.flight()
			if !a.reset.IsZero() {
				reset := b.clock.ours(a.reset).Round(0)
				m.ResetAt = &reset
			}
		} else {
			for _, c := range append(a.history[:len(a.history):len(a.history)], a.recent...) {
				if now.Sub(c.at) < a.window {
					m.Spent = append(m.Spent, Charge{c.at.Round(0), c.cost})
				}
			}
		}
		methods[name] = m
	}
	return methods
}

// restore opens the accounts of an earlier state. What has expired from the window
// since does not count.
func (b *budgets) restore(methods map[string]MethodState, at, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, m := range methods {
		if now.Sub(at) >= b.window+b.window/baskets {
			continue
		}
		a := b.account(name)
		a.mean, a.asOf = max(0, m.Cost), at
		if m.Counted && m.Reported >= 0 {
			a.seen, a.counted, a.reported = true, true, m.Reported
			if m.ResetAt != nil {
				a.reset = *m.ResetAt
			}
		}
		for _, c := range m.Spent {
			if c.Cost > 0 && now.Sub(c.At) < b.window {
				a.history = append(a.history, charge{at: c.At, booked: c.At, cost: c.Cost})
			}
		}
	}
}

// adopt converts the times of the portal's clock that were recorded by ours, before the
// first answer showed how the two differ. The restored state of an earlier process has
// such times.
func (a *account) adopt(c *clock) {
	if !a.reset.IsZero() {
		a.reset = c.theirs(a.reset)
	}
	for _, charges := range [][]charge{a.history, a.recent} {
		for i := range charges {
			charges[i].booked = c.theirs(charges[i].booked)
		}
	}
}
