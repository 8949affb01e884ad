package bitrix

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// governor is the only place where a client waits for a portal's limits. It has three
// independent parts: the rate gate decides when a request may be sent, the budgets what
// it may contain, the sizes how much of it. It is safe for concurrent use.
type governor struct {
	limits  Limits
	rate    *rateGate
	budgets *budgets
	sizes   *sizes
	slots   chan struct{} // one for each request in flight
	large   chan struct{} // one for the answer that is read and is large
	flying  atomic.Int64
	// answered is when the last good answer arrived, in nanoseconds since 1970. took is
	// the mean time that a request takes, in nanoseconds.
	answered, took atomic.Int64
	// failing is why the portal does not answer; nil while it answers.
	failing atomic.Pointer[failure]
}

// failure is the error of attempts, and since when they fail.
type failure struct {
	cause error
	since time.Time
}

// fails records that an attempt has failed temporarily.
func (g *governor) fails(cause error) {
	since := time.Now()
	if f := g.failing.Load(); f != nil {
		since = f.since
	}
	g.failing.Store(&failure{cause, since})
}

func newGovernor(limits Limits, log *slog.Logger) *governor {
	limits = limits.withDefaults()
	return &governor{
		limits:  limits,
		rate:    newRateGate(limits.Rate*limits.Share, float64(limits.Burst)*limits.Share, log),
		budgets: newBudgets(limits.Operating, limits.Window, log),
		sizes:   newSizes(),
		slots:   make(chan struct{}, limits.Concurrency),
		large:   make(chan struct{}, 1),
	}
}

// ticket is the permission to send one request.
type ticket struct {
	needs  []need
	stakes []*stake
	sent   time.Time
	// start and finish are when the portal started and finished, by its clock, as far
	// as its answer shows; else zero.
	start, finish time.Time
}

// acquire waits until a request with these needs may be sent, and returns how long it
// waited. The caller must pass the ticket to leave, and then to settle.
//
// It waits for the budget first: a request that waits for a budget delays only requests
// that need the same one. Then it waits for a slot, which is short. The token is last,
// because it must be used at once.
func (g *governor) acquire(ctx context.Context, needs []need) (*ticket, time.Duration, error) {
	start := time.Now()
	for {
		t, err := g.try(ctx, needs)
		if t != nil || err != nil {
			return t, time.Since(start), err
		}
	}
}

// try waits for everything once. It returns neither a ticket nor an error if a budget
// was used up meanwhile.
func (g *governor) try(ctx context.Context, needs []need) (*ticket, error) {
	stakes, err := g.budgets.take(ctx, needs)
	if err != nil {
		return nil, err
	}
	select {
	case g.slots <- struct{}{}:
	case <-ctx.Done():
		g.budgets.end(&ticket{stakes: stakes}, nil)
		return nil, context.Cause(ctx)
	}
	if err := g.rate.wait(ctx); err != nil {
		<-g.slots
		g.budgets.end(&ticket{stakes: stakes}, nil)
		return nil, err
	}
	if !g.budgets.hold(stakes) {
		g.rate.giveBack()
		<-g.slots
		return nil, nil
	}
	g.flying.Add(1)
	return &ticket{needs: needs, stakes: stakes, sent: time.Now()}, nil
}

// leave frees the slot: the answer has arrived, or will not arrive.
func (g *governor) leave(t *ticket) {
	took := int64(time.Since(t.sent))
	if mean := g.took.Load(); mean > 0 {
		took = mean + int64(costWeight*float64(took-mean))
	}
	g.took.Store(took) // if two requests end at the same moment, one of them may be lost
	g.flying.Add(-1)
	<-g.slots
}

// settle records what the request has cost; see budgets.end.
func (g *governor) settle(t *ticket, told map[string]spent) {
	g.budgets.end(t, told)
}

// What a client may wait for; see Gauge.LimitedBy.
const (
	LimitedByRate      = "rate"
	LimitedByOperating = "operating"
	LimitedByLatency   = "latency"
	LimitedByNone      = "none"
)

// Gauge is the state of a client's limits at one moment, for a progress line.
type Gauge struct {
	// Tokens is how many of Burst requests can be sent at once. Rate tokens are added
	// per second. All are 0 without a rate limit.
	Tokens, Burst, Rate float64
	// Slowed reports whether Rate is below the configured one, because the portal has
	// refused a request.
	Slowed bool
	// Methods are the methods called so far, by name.
	Methods []MethodGauge
	// Window is how long used operating time counts.
	Window time.Duration
	// Answer is how long recent requests took; 0 before the first answer.
	Answer time.Duration
	// InFlight is how many requests are in flight. ForRate and ForOperating are how
	// many wait for each limit.
	InFlight, ForRate, ForOperating int
	// Failing is why the portal does not answer, and since when; nil while it answers.
	Failing      error
	FailingSince time.Time
	// LimitedBy is what the client waits for: "rate", "operating", "latency" (the
	// portal's answers), or "none".
	LimitedBy string
}

// Tightest returns the method that is nearest to its operating budget; the zero value
// if none has one.
func (g *Gauge) Tightest() (tight MethodGauge) {
	share := func(m *MethodGauge) float64 { return float64(m.Used) / float64(m.Budget) }
	for _, m := range g.Methods {
		if m.Budget > 0 && (tight.Budget == 0 || share(&m) > share(&tight)) {
			tight = m
		}
	}
	return tight
}

func (g *governor) gauge() Gauge {
	rate := g.rate.state()
	methods, queued := g.budgets.state()
	gauge := Gauge{
		Tokens: rate.tokens, Burst: rate.room, Rate: rate.rate, Slowed: rate.slowed,
		Methods: methods, InFlight: int(g.flying.Load()), ForRate: rate.queued, ForOperating: queued,
		Window: g.limits.Window, Answer: time.Duration(g.took.Load()),
	}
	if f := g.failing.Load(); f != nil {
		gauge.Failing, gauge.FailingSince = f.cause, f.since
	}
	switch {
	case gauge.ForRate > 0:
		gauge.LimitedBy = LimitedByRate
	case gauge.ForOperating > 0:
		gauge.LimitedBy = LimitedByOperating
	case gauge.InFlight > 0:
		gauge.LimitedBy = LimitedByLatency
	default:
		gauge.LimitedBy = LimitedByNone
	}
	return gauge
}

// waits returns how long at least one request waited for a token, and for a budget.
func (g *governor) waits() (rate, operating time.Duration) {
	return g.rate.waiting(), g.budgets.waiting()
}

func (g *governor) close() {
	g.rate.close()
	g.budgets.close()
}
