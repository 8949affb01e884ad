package bitrix

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"time"
)

// readAnswers is the layer that distinguishes an error from a result by the body: the
// HTTP status is not always meaningful, because an older portal's 200 may contain an
// error. It also passes to the governor what the answer reports about limits.
func readAnswers(g *governor, secrets redactor, count *counters, next handler) handler {
	return func(ctx context.Context, x *exchange) (*answer, error) {
		a, err := next(ctx, x)
		if a != nil {
			defer a.free()
		}
		failed := errorOf(ctx, err)
		if err == nil {
			failed = x.read(a, secrets)
			if failed == nil {
				x.feedBack(g, a, count)
				return a, nil
			}
		} else if failed == nil {
			return nil, err
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
			if !failed.BadEncoding() { // otherwise other batches fit as before
				g.sizes.tooMuch(x.needs, x.commands(), failed.size)
			}
		case Retry, CallSingly, Refresh, Reject, Stop: // no limit was reached
		}
		if a != nil { // otherwise govern has settled it
			g.settle(a.ticket, told)
		}
		return nil, failed
	}
}

// read decodes the answer, and returns its error, if any.
func (x *exchange) read(a *answer, secrets redactor) (failed *Error) {
	var err error
	a.wire, err = decodeAround(a.body, x.batch)
	switch e := a.wire.err; {
	case err != nil:
		failed = x.unreadable(a, err, secrets)
	case e != nil:
		failed = x.failure(oneLine(e.code, secrets), oneLine(e.description, secrets))
	case a.status >= 300:
		failed = x.failure(CodeBadAnswer, "neither a result nor an error")
	default:
		if e := x.lacksLists(a); e != nil {
			failed = x.failure(e.code, e.description)
			break
		}
		return nil
	}
	failed.Status = a.status
	return failed
}

// lacksLists checks that the answers of list methods contain their lists. It returns
// the error of a single call, and sets the error of each command without a list.
func (x *exchange) lacksLists(a *answer) *wireError {
	if x.batch == nil {
		return lacksList(x.method, a.wire.result)
	}
	for i := range a.wire.commands {
		if c := &a.wire.commands[i]; c.err == nil {
			c.err = lacksList(x.batch[i].Method, c.result)
		}
	}
	return nil
}

// longestPage is how many bytes of a page are searched for secrets.
const longestPage = 64 << 10

// unreadable returns the error for an answer that a portal does not write.
func (x *exchange) unreadable(a *answer, err error, secrets redactor) *Error {
	text := oneLine(err.Error(), secrets)
	if start := a.body[:min(len(a.body), descriptionLimit)]; bytes.HasPrefix(bytes.TrimSpace(start), []byte("<")) {
		// The text ends before what could be a part of an answer: no payment may get
		// into a log. It is cut after the secrets are removed: the part of one that is
		// left before a cut would not be found.
		page, _, _ := bytes.Cut(a.body[:min(len(a.body), longestPage)], []byte("{"))
		shown := secrets.redact(string(page))
		text = "HTML instead of JSON: " + oneLine(shown[:min(len(shown), descriptionLimit)], secrets)
	}
	switch {
	case a.status == http.StatusTooManyRequests:
		return x.failure(CodeQueryLimit, text) // from a gate in front of the portal
	case a.status == http.StatusGatewayTimeout,
		a.status >= 500 && a.received.Sub(a.ticket.sent) >= slowFailure:
		return x.failure(CodeTimeout, text)
	}
	return x.failure(CodeBadAnswer, text)
}

// feedBack passes the cost and the counters of a good answer to the governor.
func (x *exchange) feedBack(g *governor, a *answer, count *counters) {
	g.answered.Store(a.received.UnixNano())
	g.failing.Store(nil)
	a.ticket.start, a.ticket.finish = unixTime(a.wire.time.start), unixTime(a.wire.time.finish)
	if t := a.ticket; t.start.IsZero() && t.finish.IsZero() && !a.date.IsZero() {
		t.start, t.finish = a.date.Add(time.Second), a.date // it is truncated to the second
	}
	wall := a.received.Sub(a.ticket.sent).Seconds()
	if x.batch == nil {
		s := spentOn(a.wire.time)
		s.done = 1
		if s.known == 0 {
			s.known, s.cost = 1, wall // includes the travel time, so it is not too low
		}
		g.settle(a.ticket, map[string]spent{x.method: s})
		return
	}
	told := map[string]spent{}
	outer := spentOn(a.wire.time)
	unanswered, tooMany := 0, false
	bytes, filled := map[string]int{}, map[string]int{}
	for i := 0; i < len(x.batch); {
		// The commands of one method usually follow each other.
		method := x.batch[i].Method
		s, size, full := told[method], 0, 0
		for ; i < len(x.batch) && x.batch[i].Method == method; i++ {
			c := &a.wire.commands[i]
			class := Class(0)
			if c.err != nil {
				r, _ := ruleFor(c.err.code, inCommand, a.status)
				class = r.class
			}
			switch {
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
				s.add(spentOn(c.time))
			}
			if c.page == nil && c.result != nil || c.page != nil && len(c.page.ids) > 0 {
				size, full = size+len(c.result), full+1
			}
		}
		told[method], bytes[method], filled[method] = s, bytes[method]+size, filled[method]+full
	}
	g.sizes.received(bytes, filled)
	seconds := map[string]float64{}
	var sum float64
	for method, s := range told {
		seconds[method] = s.cost
		if s.known == 0 && s.done > 0 {
			// It includes the travel time: for a budget this is rather too much, but it
			// does not show how many commands fit into a request.
			s.known, s.cost = s.done, wall*float64(s.done)/float64(len(x.batch))
			told[method] = s
		}
		sum += s.total(0)
	}
	outer.done, outer.known, outer.cost = 1, 1, max(outer.cost, sum)
	told[MethodBatch] = outer
	g.settle(a.ticket, told)
	switch {
	case tooMany:
		g.sizes.tooMuch(x.needs, x.commands(), 0)
	case unanswered == 0:
		g.sizes.wentWell(x.needs, seconds)
	}
}

// add adds a command's figures to those of its method. It keeps the highest counter,
// because counters may be as of each command's end.
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

// spentOn converts one `time`.
func spentOn(t wireTime) spent {
	var s spent
	if cost := t.cost(); !math.IsNaN(cost) {
		s.cost, s.known = cost, 1
	}
	if t.operating >= 0 { // false for NaN
		s.counted, s.operating = true, t.operating
	}
	s.reset = unixTime(t.resetAt)
	return s
}

// unixTime converts seconds since 1970; it returns zero for NaN and the like.
func unixTime(seconds float64) time.Time {
	if !(seconds > 0 && seconds < 1e11) {
		return time.Time{}
	}
	return time.UnixMicro(int64(seconds * 1e6))
}
