package bitrix

import (
	"math"
	"slices"
	"time"
)

// The operating budget's constants, all relative to the budget and the window,
// so that a portal in fast motion is treated like any other.
const (
	// baskets is how many equal parts a window has. The oldest falls out whole.
	baskets = 10
	// marginShare of the budget is never used: costs vary, and what is in
	// flight is an estimate.
	marginShare = 0.01
	// firstCost is what a command is taken to cost before one was seen, as a
	// share of the budget: 0.048 s of 480 s.
	firstCost = 1.0 / 10000
	// costWeight is the weight of the newest request in the mean cost.
	costWeight = 0.25
	// resetGuard is how much after the announced reset we continue, as a share of the
	// window: the announcement has whole seconds, and clocks drift.
	resetGuard = 1.0 / 1000
	// historyGrain is how finely older own costs are kept, as a share of a
	// basket.
	historyGrain = 0.1
	// constantShare of the budget is what our own requests must have cost before a
	// counter of 0 is no counter.
	constantShare = 0.1
	// leastTaught is the least share of the budget that refusals can make of it.
	leastTaught = 0.5
	// banShare of the window is how long the newest servers refuse a method that is over
	// its budget (300 s). Older ones refuse it until a basket falls out.
	banShare = 0.5
	// taughtWindows is for how many windows a limit holds that refusals have
	// taught: it may have been somebody else who had used up the rest.
	taughtWindows = 6
)

// account is the operating budget of one method, or of `batch`. It is not safe for
// concurrent use; budgets is.
//
// The portal's report is always a request behind: a report holds what was booked before
// the request that carries it started, and perhaps some of what was booked while it
// ran. So what is used is that report, minus the baskets that have fallen out since,
// plus what our own requests have cost that ended after that start, plus an estimate
// for those in flight. Whether the portal charges the methods inside a batch or `batch`
// itself, each account follows its own reports; a request needs all the accounts that
// it may touch, so the higher one decides, and nothing is counted twice in either.
type account struct {
	budget, window time.Duration
	clock          *clock // shared by the portal's accounts

	seen     bool    // an answer came
	counted  bool    // an answer had a counter
	reported float64 // seconds
	asOf     time.Time
	reset    time.Time // when the oldest basket falls out, on the portal's clock; zero: not known
	taught   float64   // the limit that refusals have taught
	until    time.Time // and until when it holds

	recent   []charge // own costs that ended after asOf, each one
	history  []charge // older ones, in grains
	flying   []*stake // what is under way
	mean     float64  // cost a command; 0: not seen yet
	blocked  time.Time
	refusals int // in a row
	probedAt time.Time
}

// charge is what own requests have cost, in seconds. It ended at our at, and
// was booked by the portal at its own booked; of several requests, the last.
type charge struct {
	at, booked time.Time
	cost       float64
}

func (a *account) basket() time.Duration { return a.window / baskets }

func (a *account) guard() time.Duration { return time.Duration(float64(a.window) * resetGuard) }

// limit is how much may be used at now, in seconds. A portal without counters
// may have no budgets at all: it limits nothing until it refuses, and then by
// what our own books had at the time.
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

// flight returns the expected cost of everything in flight, by what is known now, not
// by what was known when it started.
func (a *account) flight() (sum float64) {
	for _, s := range a.flying {
		sum += s.estimate()
	}
	return sum
}

// atOnce is how many requests may be under way before the first answer shows what they
// cost, and what an earlier run has left in the baskets. The cloud cuts a request after
// 60 s, a basket's width, so they cannot cost more than the budget.
func (a *account) atOnce() int { return max(1, int(a.budget/a.basket())) }

// used returns what counts against the budget at now, including what is in flight.
func (a *account) used(now time.Time) float64 {
	out := a.window // of every basket, for sure
	if a.counted {
		out += a.basket() // edge still has to show that it was in the report
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
		// The portal does not book what costs too little.
		fallen *= a.reported / own
	}
	reported := max(0, a.reported-fallen)
	if now.Sub(a.asOf) > a.window+a.basket() {
		reported = 0
	}
	return reported + after + a.flight()
}

// least returns what counts against the budget at now if no other program uses the
// portal. used is more if a report has counted requests that ended after its own was
// sent: they are in it twice.
func (a *account) least(now time.Time) (sum float64) {
	for _, f := range a.falls(now) {
		sum += f.Used.Seconds()
	}
	return sum
}

// resets is when the announced reset has come for sure, on our clock.
func (a *account) resets() time.Time { return a.clock.ours(a.reset).Add(a.guard()) }

// edge is the instant of the portal's clock before which everything booked has
// fallen out since the last report: zero while the announced reset has not come.
func (a *account) edge(now time.Time) time.Time {
	from := a.resets()
	if a.reset.IsZero() || now.Before(from) {
		return time.Time{}
	}
	gone := now.Sub(from)/a.basket() + 1
	return a.reset.Add(-a.window + gone*a.basket())
}

// falls returns what counts at now, by when each part of it falls out. What the
// portal has reported beyond our own costs is taken to fall out first. The sum may
// be less than used, which counts twice what answers on the way may have counted.
func (a *account) falls(now time.Time) []Fall {
	others := a.used(now) - a.flight()
	if a.reset.IsZero() {
		return []Fall{{At: now.Add(a.window), Used: seconds(others + a.flight())}}
	}
	parts := make(map[int64]float64) // by number of basket, from the one that is to fall at the reset
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
		others -= c.cost // used has it once as reported, and once for sure
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

// drop takes the oldest charges out of the books.
func (a *account) drop(out func(charge) bool) {
	for len(a.history) > 0 && out(a.history[0]) {
		a.history = a.history[1:]
	}
	for len(a.recent) > 0 && out(a.recent[0]) {
		a.recent = a.recent[1:]
	}
}

// boundary is the newest instant up to now at which a basket fell out, or may
// have fallen out, since the last report (zero: none), and the next one.
func (a *account) boundary(now time.Time) (last, next time.Time) {
	from := a.resets()
	if a.reset.IsZero() {
		// Nothing was announced: each tenth of the window is as good as any.
		from = a.asOf.Add(a.basket())
	}
	if now.Before(from) {
		return time.Time{}, from
	}
	last = from.Add(now.Sub(from) / a.basket() * a.basket())
	return last, last.Add(a.basket())
}

// admits reports whether a request that needs cost may start at now, and if not, when
// to look again (zero: when something in flight has ended). probe is true if it may
// start because only the portal knows.
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
		// A request that alone is dearer than the budget has to start some time;
		// but by itself, or overdrawn would take back what is granted here, again
		// and again.
		cost = min(cost, limit/2)
	}
	if a.used(now)+cost <= limit {
		return true, false, time.Time{}
	}
	if !a.counted {
		// By our own books, the oldest entry is the next to fall out. If they
		// had little in them when the portal refused, others' entries do.
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
		// A basket has fallen out, by our books with too little in it. But
		// they do not know what others, or an earlier run, had put there.
		return true, true, time.Time{}
	}
	if len(a.flying) == 0 && a.least(now)+cost <= limit {
		// There may be room, and the next report will show it.
		return true, true, time.Time{}
	}
	return false, false, next
}

// overdrawn reports whether one of the requests that count as under way should
// not be sent after all.
func (a *account) overdrawn(now time.Time) bool {
	if now.Before(a.blocked) {
		return true
	}
	// The only one may be a probe, or dearer than the budget. What admits added up
	// in another order must not fail by a rounding.
	return a.seen && len(a.flying) > 1 && a.used(now) > a.limit(now)*(1+1e-9)
}

// start notes a request under way.
func (a *account) start(now time.Time, s *stake, probe bool) {
	a.flying = append(a.flying, s)
	if probe {
		a.probedAt = now
	}
}

// end notes that a request is over that did cost as much, for n commands; 0 if
// it is not known for how many. booked is when, on the portal's clock.
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

// report takes over a counter of an answer to a request that was sent at sent,
// and when the oldest basket falls out, on the portal's clock.
func (a *account) report(used float64, reset, sent time.Time) {
	if sent.Before(a.asOf) {
		a.counted = true
		return // overtaken by the answer to a later request
	}
	a.counted = used > 0 || a.spentBefore(sent) < constantShare*a.budget.Seconds()
	if !a.counted {
		return // a constant, as self-hosted portals send
	}
	a.reported, a.reset = used, reset
	a.settle(sent)
	if !reset.IsZero() {
		// What fell out with earlier baskets is not in the report.
		a.drop(func(c charge) bool { return c.booked.Before(reset.Add(-a.window)) })
	}
}

// spentBefore returns what our own requests have cost that ended before sent.
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

// settle makes asOf the instant of the last report: what ended before is
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

// grain numbers the part of a basket that a charge was booked in. The baskets'
// edges, as far as they are known, are grains' edges too.
func (a *account) grain(c charge) int64 {
	width := time.Duration(float64(a.basket()) * historyGrain)
	phase := time.Duration(0)
	if !a.reset.IsZero() {
		phase = time.Duration(a.reset.UnixNano() % int64(a.basket()))
	}
	return (c.booked.UnixNano() - int64(phase)) / int64(width)
}

// exhausted notes that the portal refused the method at now: whatever the books
// say, the budget is used up until a basket falls out. It reports whether that
// is news: requests that were under way may be refused together.
func (a *account) exhausted(now time.Time) bool {
	if now.Before(a.blocked) {
		return false
	}
	own, budget := a.used(now)-a.flight(), a.budget.Seconds()
	// A second refusal in a row may be a ban, which another call would begin again: it
	// must end before the next one.
	before, least := a.refusals, time.Duration(0)
	a.refusals++
	if before > 0 {
		least = time.Duration(float64(a.window)*banShare) + a.guard()
	}
	if a.counted {
		a.blocked = now.Add(max(a.basket(), least))
		switch reset := a.resets(); {
		case a.reset.IsZero() || !reset.After(now):
			a.reset = time.Time{}
		case least == 0 || reset.After(a.blocked):
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
	// Our books agree with the portal's if they had most of the budget in them,
	// or as much as the last time. If not, somebody else had used it up, or an
	// earlier run of ours: by the end of a window that is over.
	holds := time.Duration(1)
	if own >= max(budget, a.taught)*leastTaught && (budget > 0 || a.taught > 0) {
		holds = taughtWindows
	}
	a.taught, a.until = own, now.Add(holds*a.window)
	return true
}
