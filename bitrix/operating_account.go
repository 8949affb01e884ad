package bitrix

import (
	"math"
	"slices"
	"time"
)

// The operating budget's constants. All are relative to the budget and the window, so
// that a portal with a shorter window is treated like any other.
const (
	// baskets is how many equal parts a window has. The oldest expires as a whole.
	baskets = 10
	// marginShare of the budget is never used: costs vary, and the cost of requests in
	// flight is an estimate.
	marginShare = 0.01
	// firstCost is the assumed cost of a command before one was measured, as a share of
	// the budget: 0.048 s of 480 s.
	firstCost = 1.0 / 10000
	// costWeight is the weight of the newest request in the mean cost.
	costWeight = 0.25
	// resetGuard is how long after the announced reset requests continue, as a share of
	// the window: the announcement has whole seconds, and clocks drift.
	resetGuard = 1.0 / 1000
	// historyGrain is how precisely older own costs are stored, as a share of a basket.
	historyGrain = 0.1
	// constantShare of the budget is what our own requests must have cost before a
	// counter of 0 counts as no counter.
	constantShare = 0.1
	// leastTaught is the smallest share of the budget that refusals can reduce it to.
	leastTaught = 0.5
	// banShare of the window is how long the newest servers refuse a method that is
	// over its budget (300 s). Older ones refuse it until a basket expires.
	banShare = 0.5
	// taughtWindows is for how many windows a limit that refusals have taught is valid:
	// another program may have used up the rest.
	taughtWindows = 6
)

// account is the operating budget of one method, or of `batch`. It is not safe for
// concurrent use; budgets is.
//
// The portal's report is always a request behind. A report contains what was recorded
// before its request started, and perhaps some of what was recorded while it ran. The
// used time is therefore that report, minus the baskets that have expired since, plus the
// cost of our own requests that ended after that start, plus an estimate for those in
// flight. Portals charge the methods inside a batch, or `batch` itself. Each account
// follows its own reports. A request needs all the accounts that it may use, so the
// higher one decides, and neither counts anything twice.
type account struct {
	budget, window time.Duration
	clock          *clock // shared by the portal's accounts

	seen     bool    // an answer arrived
	counted  bool    // an answer had a counter
	reported float64 // seconds
	asOf     time.Time
	reset    time.Time // when the oldest basket expires, by the portal's clock; zero: not known
	taught   float64   // the limit that refusals have taught
	until    time.Time // until when taught is valid

	recent   []charge // own costs that ended after asOf, one by one
	history  []charge // older ones, in grains
	flying   []*stake // what is in flight
	mean     float64  // cost per command; 0: not measured yet
	blocked  time.Time
	refusals int // in a row
	probedAt time.Time
}

// charge is the cost of own requests, in seconds. They ended at at by our clock, and
// the portal recorded them at booked by its clock. For several requests these are the
// times of the last one.
type charge struct {
	at, booked time.Time
	cost       float64
}

func (a *account) basket() time.Duration { return a.window / baskets }

func (a *account) guard() time.Duration { return time.Duration(float64(a.window) * resetGuard) }

// limit returns how much may be used at now, in seconds. A portal without counters may
// have no budgets at all: nothing is limited until it refuses. Then the limit is what
// we had used by our own count.
func (a *account) limit(now time.Time) float64 {
	limit := math.Inf(1)
	if a.counted && a.budget > 0 {
		limit = a.budget.Seconds()
	}
	if now.Before(a.until) {
		limit = min(limit, a.taught)
	}
	return limit * (1 - marginShare)
}

// each returns the expected cost of a command.
func (a *account) each() float64 {
	if a.mean == 0 {
		return a.budget.Seconds() * firstCost
	}
	return a.mean
}

// flight returns the expected cost of everything in flight, by current knowledge, not
// by that at the start.
func (a *account) flight() (sum float64) {
	for _, s := range a.flying {
		sum += s.estimate()
	}
	return sum
}

// atOnce returns how many requests may be in flight before the first answer shows their
// cost, and what an earlier run has left in the baskets. The cloud aborts a request
// after 60 s, a basket's width, so they cannot cost more than the budget.
func (a *account) atOnce() int { return max(1, int(a.budget/a.basket())) }

// used returns what counts against the budget at now, including what is in flight.
func (a *account) used(now time.Time) float64 {
	out := a.window // every basket has certainly expired
	if a.counted {
		out += a.basket() // edge must still show that the report contained it
	}
	a.drop(func(c charge) bool { return now.Sub(c.at) >= out })
	edge := a.edge(now)
	var own, fallen, after float64
	for _, c := range a.history {
		own += c.cost
		if c.booked.Before(edge) {
			fallen += c.cost
		}
	}
	for _, c := range a.recent {
		if !c.booked.Before(edge) {
			after += c.cost
		}
	}
	if !a.counted {
		return own + after + a.flight()
	}
	if own > a.reported {
		// The portal does not record very small costs.
		fallen *= a.reported / own
	}
	reported := max(0, a.reported-fallen)
	if now.Sub(a.asOf) > a.window+a.basket() {
		reported = 0
	}
	return reported + after + a.flight()
}

// least returns what counts against the budget at now if no other program uses the
// portal. used returns more if a report has counted requests that ended after its own
// request was sent: they are in it twice.
func (a *account) least(now time.Time) (sum float64) {
	for _, f := range a.falls(now) {
		sum += f.Used.Seconds()
	}
	return sum
}

// resets returns when the announced reset has certainly passed, by our clock.
func (a *account) resets() time.Time { return a.clock.ours(a.reset).Add(a.guard()) }

// edge returns the time of the portal's clock before which everything recorded has
// expired since the last report. It is zero while the announced reset has not passed.
func (a *account) edge(now time.Time) time.Time {
	from := a.resets()
	if a.reset.IsZero() || now.Before(from) {
		return time.Time{}
	}
	gone := now.Sub(from)/a.basket() + 1
	return a.reset.Add(-a.window + gone*a.basket())
}

// falls returns what counts at now, by when each part of it expires. It assumes that
// what the portal has reported beyond our own costs expires first. The sum may be less
// than used, which counts twice what answers in flight may have counted.
func (a *account) falls(now time.Time) []Fall {
	others := a.used(now) - a.flight()
	if a.reset.IsZero() {
		return []Fall{{At: now.Add(a.window), Used: seconds(others + a.flight())}}
	}
	parts := make(map[int64]float64) // by number of basket, from the one that expires at the reset
	book := func(booked time.Time, cost float64) {
		if !booked.Before(a.edge(now)) {
			parts[int64(booked.Sub(a.reset.Add(-a.window))/a.basket())] += cost
			others -= cost
		}
	}
	var own float64
	for _, c := range a.history {
		own += c.cost
	}
	for _, c := range a.history {
		book(c.booked, c.cost*min(1, a.reported/own)) // see used
	}
	for _, c := range a.recent {
		book(c.booked, c.cost)
		others -= c.cost // used has it twice: as reported, and as our own
	}
	book(a.clock.theirs(now), a.flight())
	others += a.flight()
	first := a.resets()
	if others > 0 {
		oldest := int64(0)
		if !now.Before(first) {
			oldest = int64(now.Sub(first)/a.basket()) + 1
		}
		parts[oldest] += others
	}
	falls := make([]Fall, 0, len(parts))
	for n, cost := range parts {
		falls = append(falls, Fall{At: first.Add(time.Duration(n) * a.basket()), Used: seconds(cost)})
	}
	slices.SortFunc(falls, func(x, y Fall) int { return x.At.Compare(y.At) })
	return falls
}

// drop removes the oldest charges for which out returns true.
func (a *account) drop(out func(charge) bool) {
	for len(a.history) > 0 && out(a.history[0]) {
		a.history = a.history[1:]
	}
	for len(a.recent) > 0 && out(a.recent[0]) {
		a.recent = a.recent[1:]
	}
}

// boundary returns the newest time up to now at which a basket expired, or may have
// expired, since the last report (zero: none), and the next such time.
func (a *account) boundary(now time.Time) (last, next time.Time) {
	from := a.resets()
	if a.reset.IsZero() {
		// Nothing was announced: any tenth of the window may be the edge.
		from = a.asOf.Add(a.basket())
	}
	if now.Before(from) {
		return time.Time{}, from
	}
	last = from.Add(now.Sub(from) / a.basket() * a.basket())
	return last, last.Add(a.basket())
}

// admits reports whether a request with this cost may start at now. If not, again is
// when to look again (zero: when something in flight has ended). probe is true if it
// may start because only the portal knows whether it fits.
func (a *account) admits(now time.Time, cost float64) (ok, probe bool, again time.Time) {
	limit := a.limit(now)
	switch {
	case now.Before(a.blocked):
		return false, false, a.blocked
	case !a.seen && a.budget > 0:
		return len(a.flying) < a.atOnce(), false, time.Time{}
	case math.IsInf(limit, 1) || !a.seen:
		return true, false, time.Time{}
	}
	if len(a.flying) == 0 {
		// A request that alone costs more than the budget must start at some time, but
		// alone. Otherwise overdrawn would revoke repeatedly what is admitted here.
		cost = min(cost, limit/2)
	}
	if a.used(now)+cost <= limit {
		return true, false, time.Time{}
	}
	if !a.counted {
		// By our own count, the oldest entry expires next. If we had counted little
		// when the portal refused, entries of other programs expire.
		if len(a.flying) == 0 && a.until.Sub(now) <= a.window {
			return true, true, time.Time{}
		}
		again = a.until
		if len(a.history) > 0 {
			again = a.history[0].at.Add(a.window)
		}
		return false, false, again
	}
	last, next := a.boundary(now)
	if len(a.flying) == 0 && last.After(a.asOf) && last.After(a.probedAt) {
		// A basket has expired, with too little in it by our count. But other programs,
		// or an earlier run, may have used more of it.
		return true, true, time.Time{}
	}
	if len(a.flying) == 0 && a.least(now)+cost <= limit {
		// There may be room, and the next report will show it.
		return true, true, time.Time{}
	}
	return false, false, next
}

// overdrawn reports whether one of the requests that count as in flight should not be
// sent.
func (a *account) overdrawn(now time.Time) bool {
	if now.Before(a.blocked) {
		return true
	}
	// A single request may be a probe, or cost more than the budget. A rounding error
	// against the sum of admits, which adds in another order, must not matter.
	return a.seen && len(a.flying) > 1 && a.used(now) > a.limit(now)*(1+1e-9)
}

// start records a request in flight.
func (a *account) start(now time.Time, s *stake, probe bool) {
	a.flying = append(a.flying, s)
	if probe {
		a.probedAt = now
	}
}

// end records the end of a request that cost this much, for n commands; n is 0 if that
// is not known. booked is when, by the portal's clock.
func (a *account) end(now, booked time.Time, s *stake, cost float64, n int) {
	if i := slices.Index(a.flying, s); i >= 0 {
		a.flying = slices.Delete(a.flying, i, i+1)
	}
	if n > 0 && cost > 0 {
		if each := cost / float64(n); a.mean == 0 {
			a.mean = each
		} else {
			a.mean += costWeight * (each - a.mean)
		}
	}
	if cost > 0 {
		a.recent = append(a.recent, charge{now, booked, cost})
		if !a.counted {
			a.settle(now)
		}
	}
}

// report records the counter of an answer to a request that was sent at sent. reset is
// when the oldest basket expires, by the portal's clock.
func (a *account) report(used float64, reset, sent time.Time) {
	if sent.Before(a.asOf) {
		a.counted = a.counted || used > 0
		return // the answer to a later request came first
	}
	a.counted = used > 0 || a.spentBefore(sent) < constantShare*a.budget.Seconds()
	if !a.counted {
		return // a constant, as self-hosted portals send
	}
	a.reported, a.reset = used, reset
	a.settle(sent)
	if !reset.IsZero() {
		// The report does not contain what expired with earlier baskets.
		a.drop(func(c charge) bool { return c.booked.Before(reset.Add(-a.window)) })
	}
}

// spentBefore returns the cost of our own requests that ended before sent.
func (a *account) spentBefore(sent time.Time) (sum float64) {
	for _, charges := range [][]charge{a.history, a.recent} {
		for _, c := range charges {
			if !c.at.After(sent) {
				sum += c.cost
			}
		}
	}
	return sum
}

// settle sets asOf to the time of the last report. What ended before it becomes
// history.
func (a *account) settle(asOf time.Time) {
	a.asOf = asOf
	slices.SortFunc(a.recent, func(x, y charge) int { return x.at.Compare(y.at) })
	n := 0
	for ; n < len(a.recent) && !a.recent[n].at.After(asOf); n++ {
		c := a.recent[n]
		if last := len(a.history) - 1; last >= 0 && a.grain(c) == a.grain(a.history[last]) {
			c.cost += a.history[last].cost
			a.history[last] = c
		} else {
			a.history = append(a.history, c)
		}
	}
	a.recent = append(a.recent[:0], a.recent[n:]...)
}

// grain returns the number of the part of a basket in which a charge was recorded. The
// known edges of baskets are also edges of grains.
func (a *account) grain(c charge) int64 {
	width := time.Duration(float64(a.basket()) * historyGrain)
	phase := time.Duration(0)
	if !a.reset.IsZero() {
		phase = time.Duration(a.reset.UnixNano() % int64(a.basket()))
	}
	return (c.booked.UnixNano() - int64(phase)) / int64(width)
}

// exhausted records that the portal refused the method at now. Whatever our own count
// is, the budget is used up until a basket expires. It reports whether that is new:
// requests that were in flight together may all be refused.
func (a *account) exhausted(now time.Time) bool {
	if now.Before(a.blocked) {
		return false
	}
	own, budget := a.used(now)-a.flight(), a.budget.Seconds()
	// A refusal may be a ban, which another call would start again. The ban must end before
	// the next call. Where there are no bans, the baskets that expire meanwhile leave more
	// room to the calls after it.
	before, least := a.refusals, time.Duration(float64(a.window)*banShare)+a.guard()
	a.refusals++
	if a.counted {
		a.blocked = now.Add(least)
		switch reset := a.resets(); {
		case a.reset.IsZero() || !reset.After(now):
			a.reset = time.Time{}
		case reset.After(a.blocked):
			a.blocked = reset
		}
		a.taught = max(own, budget*leastTaught)
		if budget > 0 {
			a.taught = min(a.taught, budget)
		}
		a.until = now.Add(taughtWindows * a.window)
		a.reported = a.taught
		a.settle(now)
		return true
	}
	a.blocked = now.Add(max(min(a.basket()<<min(before, baskets), a.window), least))
	// Our count agrees with the portal's if it contained most of the budget, or as much
	// as the last time. If not, another program or an earlier run had used it up. That
	// has expired at the end of a window.
	holds := time.Duration(1)
	if own >= max(budget, a.taught)*leastTaught && (budget > 0 || a.taught > 0) {
		holds = taughtWindows
	}
	a.taught, a.until = own, now.Add(holds*a.window)
	return true
}
