package bitrix

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"
	"time"
)

// readAnswers is the layer that tells an error from a result by the body: the
// HTTP status is not always telling, an older portal's 200 may carry an error.
// It also hands what the answer says about limits to the governor.
func readAnswers(g *governor, secret Secret, count *counters, next handler) handler {
	return func(ctx context.Context, x *exchange) (*answer, error) {
		a, err := next(ctx, x)
		var failed *Error
		if err == nil {
			failed = x.read(a, secret)
			if failed == nil {
				x.feedBack(g, a, count)
				return a, nil
			}
		} else if !errors.As(err, &failed) {
			return nil, err // ctx has ended
		}
		told := map[string]spent{}
		switch failed.Class() {
		case SlowDown:
			count.refused.Add(1)
			g.rate.refused(a.ticket.sent)
			told = nil
		case WaitBudget:
			count.overBudget.Add(1)
			told[x.method] = spent{refused: true}
		case SmallerBatch:
			g.sizes.tooMuch(x.needs, x.commands())
		}
		if a != nil { // else govern has settled
			g.settle(a.ticket, told)
		}
		return nil, failed
	}
}

// read decodes the answer, and gives the error that it is or has.
func (x *exchange) read(a *answer, secret Secret) (failed *Error) {
	var err error
	a.wire, err = decodeAnswer(a.body, x.keys)
	switch e := a.wire.err; {
	case err != nil:
		failed = x.unreadable(a, err, secret)
	case e != nil:
		failed = x.failure(oneLine(e.code, secret), oneLine(e.description, secret))
	case a.status >= 300:
		failed = x.failure(CodeBadAnswer, "neither a result nor an error")
	default:
		return nil
	}
	failed.Status = a.status
	return failed
}

// unreadable makes the error for an answer that is not what the portal writes.
func (x *exchange) unreadable(a *answer, err error, secret Secret) *Error {
	text := oneLine(err.Error(), secret)
	if start := a.body[:min(len(a.body), descriptionLimit)]; bytes.HasPrefix(bytes.TrimSpace(start), []byte("<")) {
		text = "HTML instead of JSON: " + oneLine(string(start), secret)
	}
	switch {
	case a.status == http.StatusTooManyRequests:
		return x.failure(CodeQueryLimit, text) // of a gate before the portal
	case a.status == http.StatusGatewayTimeout,
		a.status >= 500 && a.received.Sub(a.ticket.sent) >= slowFailure:
		return x.failure(CodeTimeout, text)
	}
	return x.failure(CodeBadAnswer, text)
}

// feedBack tells the governor what a good answer says about cost and counters.
func (x *exchange) feedBack(g *governor, a *answer, count *counters) {
	g.answered.Store(a.received.UnixNano())
	wall := a.received.Sub(a.ticket.sent).Seconds()
	if x.keys == nil {
		s := x.figures(a.wire.time, a)
		s.done = 1
		if s.known == 0 {
			s.known, s.cost = 1, wall // with the way there and back: not too little
		}
		g.settle(a.ticket, map[string]spent{x.method: s})
		return
	}
	told := map[string]spent{}
	outer := x.figures(a.wire.time, a)
	unanswered, tooMany := 0, false
	for i, c := range a.wire.commands {
		s := told[x.methods[i]]
		class := Class(0)
		if c.err != nil {
			r, _ := ruleFor(c.err.code, inCommand, a.status)
			class = r.class
		}
		switch one := x.figures(c.time, a); {
		case class == WaitBudget:
			s.refused = true
			count.overBudget.Add(1)
		case class == SlowDown:
			count.refused.Add(1)
			g.rate.refused(a.ticket.sent)
		case class == SmallerBatch:
			tooMany = true
		case c.result == nil && c.err == nil:
			unanswered++
		default:
			s.add(one)
		}
		told[x.methods[i]] = s
	}
	seconds := map[string]float64{}
	var sum float64
	for method, s := range told {
		seconds[method] = s.cost
		if s.known == 0 && s.done > 0 {
			// With the way there and back: for a budget rather too much, but
			// nothing to say how many commands fit a request.
			s.known, s.cost = s.done, wall*float64(s.done)/float64(len(x.methods))
			told[method] = s
		}
		sum += s.total(0)
	}
	outer.done, outer.known, outer.cost = 1, 1, max(outer.cost, sum)
	told[batchMethod] = outer
	g.settle(a.ticket, told)
	switch {
	case tooMany:
		g.sizes.tooMuch(x.needs, x.commands())
	case unanswered == 0:
		g.sizes.wentWell(x.needs, seconds)
	}
}

// add puts a command's figures to those of its method. Of the counters the
// highest is taken: they may be as of each command's end.
func (s *spent) add(one spent) {
	s.done++
	s.known += one.known
	s.cost += one.cost
	if one.counted && (!s.counted || one.operating > s.operating) {
		s.counted, s.operating = true, one.operating
	}
	if one.reset.After(s.reset) {
		s.reset = one.reset
	}
}

// figures reads one `time`.
func (x *exchange) figures(t wireTime, a *answer) spent {
	var s spent
	if cost := t.cost(); !math.IsNaN(cost) {
		s.cost, s.known = cost, 1
	}
	if t.operating >= 0 { // not NaN
		s.counted, s.operating = true, t.operating
	}
	if t.resetAt > 0 {
		s.reset = ourTime(t.resetAt, a)
	}
	return s
}

// ourTime turns an instant of the portal's clock into one of ours. The answer
// tells what that clock showed when the portal started, which was after we had
// sent, and when it finished, which was before we had received. The way from
// either makes the result late, never early; the shorter way is not known to be
// the better one, since not all portals' figures hold together.
func ourTime(portal float64, a *answer) time.Time {
	t := a.wire.time
	ahead := math.Inf(1)
	if t.finish > 0 { // not NaN
		ahead = t.finish - unixSeconds(a.received)
	}
	if t.start > 0 {
		ahead = min(ahead, t.start-unixSeconds(a.ticket.sent))
	}
	if math.IsInf(ahead, 1) {
		ahead = 0
		if !a.date.IsZero() {
			ahead = unixSeconds(a.date) - unixSeconds(a.received)
		}
	}
	return a.received.Add(time.Duration((portal - ahead - unixSeconds(a.received)) * float64(time.Second)))
}

// unixSeconds is exact to a quarter of a microsecond.
func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
