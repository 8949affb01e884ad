package bitrix

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"
)

// The rate gate's constants.
const (
	// travelSpread is how much later than another one a request may arrive that was
	// sent at the same time. The portal counts arrivals, the gate counts sends:
	// requests that were sent a token apart may arrive closer together, by rate ×
	// travelSpread tokens. That much of the burst is never used. It is more than the
	// handshake of a new connection takes. Only a first request that needs a handshake
	// can be that late, if all after it need none.
	travelSpread = 250 * time.Millisecond
	// slackShare bounds that slack to a share of the burst. The slack is time lost
	// once, at the start. For 125 requests at 2/s with a burst of 50, half a token is
	// 0.7 % of the least time.
	slackShare = 0.1
	// recoverySteps is how many requests raise the rate from zero to the full rate, by
	// equal steps. If another program uses the other half, the rate varies between 2/3
	// and 4/3 of what is left, and one request in recoverySteps/3 is refused: 0.75 %.
	recoverySteps = 400
	// slowestShare is the smallest share of the full rate that refusals can reduce it
	// to.
	slowestShare = 1.0 / 64
	// early is for how long after its start a program may be refused because of what an
	// earlier one has used: a burst of 50 is back after 25 s, one of 250 after 50 s.
	early = time.Minute
	// observed is the time over which a refused gate without a limit measures its own
	// rate.
	observed = 10 * time.Second
)

// rateGate passes requests as the portal's own counter would: burst at once, then rate
// per second, in the order in which they arrived. It is safe for concurrent use.
//
// The portal's counter rises by one per request, falls by Y per second, and may not
// exceed X. A token bucket of X tokens that fills by Y per second mirrors it. A client
// that uses every token at once finishes in (n-X)/Y, and no client can finish sooner.
type rateGate struct {
	log *slog.Logger

	mu     sync.Mutex
	full   float64 // the configured rate; 0: no limit
	burst  float64 // the configured burst
	rate   float64 // the current rate: full, or less after a refusal
	tokens float64
	at     time.Time // the time of tokens
	cutAt  time.Time // of the last refusal that lowered the rate
	since  time.Time // when the gate was made
	slowed bool
	limit  bool // a limit was configured
	passed []time.Time
	queue  []*passing
	timer  *time.Timer
	waited stopwatch
}

// passing is a request that waits for its token.
type passing struct{ ready chan struct{} }

// newRateGate returns a gate. A rate or a burst of 0 means no limit.
func newRateGate(rate, burst float64, log *slog.Logger) *rateGate {
	g := &rateGate{log: log, at: time.Now(), since: time.Now()}
	if rate > 0 && burst > 0 {
		g.limit = true
		g.full, g.rate, g.burst = rate, rate, burst
		g.tokens = g.room()
	}
	return g
}

// room returns how many tokens the bucket holds. While the rate is reduced, others use
// the portal too, and saved tokens would be theirs: one token, no burst.
func (g *rateGate) room() float64 {
	if g.slowed {
		return 1
	}
	slack := min(g.full*travelSpread.Seconds(), max(1, g.burst*slackShare))
	return max(1, g.burst-slack)
}

// wait waits until the caller may use a token, or returns ctx's cause.
func (g *rateGate) wait(ctx context.Context) error {
	g.mu.Lock()
	p := &passing{ready: make(chan struct{})}
	g.queue = append(g.queue, p)
	g.dispatch()
	if len(g.queue) > 0 {
		g.waited.start()
	}
	g.mu.Unlock()
	select {
	case <-p.ready:
		return nil
	default:
	}
	select {
	case <-p.ready:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, q := range g.queue {
		if q == p {
			g.queue = append(g.queue[:i], g.queue[i+1:]...)
			g.dispatch()
			return context.Cause(ctx)
		}
	}
	g.put() // the token arrived at the same moment
	return context.Cause(ctx)
}

// giveBack returns a token that was not used.
func (g *rateGate) giveBack() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put()
}

func (g *rateGate) put() {
	g.tokens = min(g.room(), g.tokens+1)
	g.dispatch()
}

// fill updates tokens to now.
func (g *rateGate) fill(now time.Time) {
	g.tokens = min(g.room(), g.tokens+now.Sub(g.at).Seconds()*g.rate)
	g.at = now
}

// nearlyOne tolerates the rounding of a sum of floats.
const nearlyOne = 1 - 1e-9

// dispatch distributes the available tokens and sets the timer for the next one.
func (g *rateGate) dispatch() {
	now := time.Now()
	g.fill(now)
	// recover can end a limit that was found: then all requests pass, and tokens has no
	// meaning.
	for len(g.queue) > 0 && (g.full == 0 || g.tokens >= nearlyOne) {
		g.tokens--
		g.pass(now)
		g.recover()
	}
	if len(g.queue) == 0 {
		g.waited.stop()
		if g.timer != nil {
			g.timer.Stop()
		}
		return
	}
	next := time.Duration(math.Ceil((1 - g.tokens) / g.rate * float64(time.Second)))
	if g.timer == nil {
		g.timer = time.AfterFunc(next, g.tick)
	} else {
		g.timer.Reset(next)
	}
}

// tick runs in the timer's goroutine, which ends with it.
func (g *rateGate) tick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.dispatch()
}

// pass admits the first request of the queue.
func (g *rateGate) pass(now time.Time) {
	close(g.queue[0].ready)
	g.queue[0] = nil
	g.queue = g.queue[1:]
	if !g.limit {
		g.passed = append(g.passed, now)
		for now.Sub(g.passed[0]) > observed {
			g.passed = g.passed[1:]
		}
	}
}

// recover raises the rate by a step, up to the full rate.
func (g *rateGate) recover() {
	if !g.slowed {
		return
	}
	g.rate = min(g.full, g.rate+g.full/recoverySteps)
	if g.rate < g.full {
		return
	}
	g.slowed = false
	g.log.Info("back to the full request rate", "rate", g.full)
	if !g.limit {
		g.full, g.rate = 0, 0 // no limit was configured: find out whether there is one
	}
}

// refused records that the portal refused a request that was sent at sent. The portal
// counts more requests than we do, so others use it too. refused empties the bucket and
// halves the rate, once for all the requests that were in flight then.
func (g *rateGate) refused(sent time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if !sent.After(g.cutAt) && !g.cutAt.IsZero() {
		return
	}
	if g.full == 0 {
		// A portal that was configured without a limit has one: start with its observed
		// rate.
		since := max(1, now.Sub(g.passed[0]).Seconds())
		g.full = max(1, float64(len(g.passed))/since)
		g.rate = g.full
		g.at = now
	}
	g.fill(now)
	g.cutAt = now
	g.tokens = 0
	g.rate = max(g.rate/2, g.full*slowestShare)
	if !g.slowed {
		g.slowed = true
		who := "other programs use it too"
		if now.Sub(g.since) < early {
			who = "another program uses it too, or a run ended just before this one"
		}
		g.log.Warn("the portal refused a request: "+who+"; slowing down", "rate", g.rate, "full_rate", g.full)
	}
	g.dispatch()
}

// rateState is the gate's part of a Gauge.
type rateState struct {
	tokens, room, rate float64
	slowed             bool
	queued             int
}

func (g *rateGate) state() rateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := rateState{slowed: g.slowed, queued: len(g.queue)}
	if g.full > 0 {
		g.fill(time.Now())
		s.tokens, s.room, s.rate = g.tokens, g.room(), g.rate
	}
	return s
}

func (g *rateGate) waiting() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waited.total()
}

// close stops the timer. Waiting requests wait until their contexts end.
func (g *rateGate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.timer != nil {
		g.timer.Stop()
	}
}

// stopwatch measures the time during which at least one request waited: the share of a
// run that a limit has cost. The sum over all waiting requests would not show that.
type stopwatch struct {
	sum  time.Duration
	from time.Time
}

func (w *stopwatch) start() {
	if w.from.IsZero() {
		w.from = time.Now()
	}
}

func (w *stopwatch) stop() {
	if !w.from.IsZero() {
		w.sum += time.Since(w.from)
		w.from = time.Time{}
	}
}

func (w *stopwatch) total() time.Duration {
	if w.from.IsZero() {
		return w.sum
	}
	return w.sum + time.Since(w.from)
}
