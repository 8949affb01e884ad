package bitrix

import (
	"log/slog"
	"time"
)

// Limiter holds a portal's limits for all clients of that portal in a process: the
// portal counts requests by source address, whoever sends them. It is safe for
// concurrent use.
type Limiter struct{ governor *governor }

// NewLimiter returns a Limiter that starts where used, the state of an earlier
// one, has left off. A nil used means that nothing was used. log may be nil. The
// caller calls Close once the clients are closed.
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

// LimitState is what was used of a portal's limits at an instant. It is stored as
// JSON, so that the next process does not run into what this one has used. There is
// no secret in it.
type LimitState struct {
	// At is the instant, by this machine's clock.
	At time.Time `json:"at"`
	// Requests is how high the portal's counter of requests stands.
	Requests float64 `json:"requests"`
	// Methods are the operating budgets, by the method's name.
	Methods map[string]MethodState `json:"methods,omitempty"`
}

// MethodState is what was used of a method's operating budget. Times are by this
// machine's clock, costs are in seconds.
type MethodState struct {
	// Counted reports whether the portal sends its counter. Its last value is Reported.
	Counted  bool    `json:"counted,omitempty"`
	Reported float64 `json:"reported,omitempty"`
	// ResetAt is the time at which the oldest basket falls out, if the portal has sent
	// it.
	ResetAt *time.Time `json:"reset_at,omitempty"`
	// Cost is what a command costs.
	Cost float64 `json:"cost,omitempty"`
	// Spent is what our own requests have cost in the window before.
	Spent []Charge `json:"spent,omitempty"`
}

// Charge is what requests that ended at At have cost, in seconds.
type Charge struct {
	At   time.Time `json:"at"`
	Cost float64   `json:"cost"`
}

// BurstUsed returns the state of a portal whose whole burst was used just now, by
// somebody of whom nothing else is known.
func BurstUsed(limits Limits) *LimitState {
	return &LimitState{At: time.Now(), Requests: float64(limits.withDefaults().Burst)}
}

func (g *governor) save() LimitState {
	s := LimitState{At: time.Now().Round(0), Requests: g.rate.used()}
	s.Methods = g.budgets.save(s.At)
	return s
}

func (g *governor) restore(s *LimitState) {
	// A clock that was set back since makes what was used as of now.
	now := time.Now()
	at := s.At
	if at.After(now) {
		at = now
	}
	g.rate.restore(s.Requests, at)
	g.budgets.restore(s.Methods, at, now)
}

// used returns how high the portal's counter stands by our books.
func (g *rateGate) used() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.full == 0 {
		return float64(len(g.passed))
	}
	g.fill(time.Now())
	return max(0, g.burst-g.tokens)
}

// restore makes the bucket what it is now if the counter stood at used at an
// earlier instant.
func (g *rateGate) restore(used float64, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.limit {
		return
	}
	now := time.Now()
	g.tokens = min(g.room(), g.burst-max(0, used-now.Sub(at).Seconds()*g.full))
	g.at = now
}

// save returns the accounts for which an answer has sent a counter.
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

// restore opens the accounts of an earlier state. Of what has fallen out of the
// window since, nothing counts.
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
