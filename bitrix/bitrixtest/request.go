package bitrixtest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// request is an HTTP request, from a network or a RoundTripper.
type request struct {
	secure  bool // by TLS
	host    string
	path    string
	query   string
	content string // type of the body
	body    string
	agent   string
	source  string // address, without port
	gzip    bool   // the client accepts it
}

// answer is the portal's answer to a request, and how it is delivered.
type answer struct {
	status   int
	content  string
	location string
	body     []byte
	cut      cut

	settled []int64 // payments that a get returned, or refused finally
	whole   bool    // no fault has changed it
}

// cut is how the delivery of an answer fails.
type cut uint8

const (
	cutNot     cut = iota
	cutBefore      // nothing is sent
	cutShort       // half is sent, then the connection ends
	cutReset       // half is sent, then the connection is reset
	cutEndless     // it never ends
	cutBomb        // it unpacks to an endless size
)

// exchange is one request with its answer, as the portal handles it.
type exchange struct {
	p      *Portal
	c      *config
	in     *request
	number int64
	now    time.Time

	credential string
	app        bool // the credential is the application's
	args       value
	clock      stamp
	budgets    [methodCount]*spending
	commands   uint64 // calls so far, for seeded costs
	settled    []int64
	pause      time.Duration // added by a fault
	garbled    bool          // the answer has a text that cannot be encoded
}

// spending is the operating time of a method, as an exchange knows it.
type spending struct {
	used  time.Duration // before this request
	reset time.Time
	spent time.Duration // by this request
	// banned is whether the answer shows that the method is banned.
	banned bool
}

// serve handles a request and waits for the time that it takes. It returns nil if ctx
// ended first; the request may have been handled nevertheless. The caller must report
// the outcome to close.
func (p *Portal) serve(ctx context.Context, in *request) (*exchange, *answer) {
	x := &exchange{p: p, c: p.config(), in: in, now: time.Now()}
	x.number = p.stats.begin(x.now, len(in.body))
	x.clock = newStamp(x.now, x.c)
	p.rules.request(x)

	method := methodOf(in.path)
	if isTokenPath(in.path) {
		method = TokenMethod
	}
	fault := p.faults.atRequest(x.c, x.number, method)
	a := x.cutOff(fault)
	if a == nil {
		a = x.route()
		x.spoil(a, fault)
	}
	if !x.wait(ctx) {
		return x, nil
	}
	if x.c.TakeTime && x.spent() > x.c.longest {
		a = htmlAnswer(http.StatusGatewayTimeout)
	}
	return x, a
}

// cutOff returns the answer of a fault that prevents a request from being handled.
func (x *exchange) cutOff(f *Fault) *answer {
	if f == nil {
		return nil
	}
	switch f.Kind {
	case FaultLostRequest:
		return &answer{cut: cutBefore}
	case FaultHTML:
		status := f.Status
		fill(&status, http.StatusBadGateway)
		return htmlAnswer(status)
	case FaultError:
		e := f.error()
		if e.code == errTokenExpired.code {
			x.args = x.params()
			x.tellExpired()
		}
		return x.fail(e)
	case FaultEndless:
		return &answer{status: 200, content: jsonType, cut: cutEndless}
	case FaultBomb:
		return &answer{status: 200, content: jsonType, cut: cutBomb}
	case FaultLostAnswer, FaultTruncated, FaultReset, FaultHalfJSON, FaultSlow, FaultWrongType, FaultLarge,
		FaultBOM, FaultComment, FaultWarning: // see spoil
	case FaultCommand, FaultResult: // of one command
	}
	return nil
}

// spoil applies a fault to an answer.
func (x *exchange) spoil(a *answer, f *Fault) {
	a.whole = f == nil
	if f == nil {
		return
	}
	switch f.Kind {
	case FaultLostAnswer:
		a.cut = cutBefore
	case FaultTruncated:
		a.cut = cutShort
	case FaultReset:
		a.cut = cutReset
	case FaultHalfJSON:
		a.body = a.body[:len(a.body)/2]
	case FaultWrongType:
		result := wrongResults[x.c.wrong.roll(uint64(x.number))%uint64(len(wrongResults))]
		a.status, a.body = 200, x.clock.finish([]byte(`{"result":`+result), 0, nil)
	case FaultBOM, FaultComment, FaultWarning:
		text := around[f.Kind]
		a.whole = true
		a.body = []byte(text[0] + string(a.body) + text[1])
	case FaultLarge:
		a.whole = true
		size := f.Size
		fill(&size, 200_000_000)
		if n := size - len(a.body); n > 0 {
			a.body = append(a.body, bytes.Repeat([]byte{' '}, n)...)
		}
	case FaultSlow:
		a.whole = true
		x.pause = f.Delay
		fill(&x.pause, time.Minute)
	case FaultLostRequest, FaultHTML, FaultEndless, FaultBomb, FaultError: // see cutOff
	case FaultCommand, FaultResult: // of one command
	}
}

// wait waits for the time that the request takes, records what it spent, and waits for
// the latency. It returns false if ctx ended first.
func (x *exchange) wait(ctx context.Context) bool {
	alive := true
	if x.c.TakeTime {
		alive = sleep(ctx, min(x.spent(), x.c.longest))
	}
	x.book()
	return alive && sleep(ctx, x.c.delay(uint64(x.number))+x.pause)
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// close ends a request. arrived reports whether the whole answer was sent.
func (x *exchange) close(a *answer, arrived bool) {
	if a != nil && arrived && a.whole && len(a.settled) > 0 {
		x.p.gets.settle(a.settled)
	}
	sent := 0
	if a != nil {
		sent = len(a.body)
	}
	x.p.stats.end(time.Now(), sent)
	if ch := x.c.Churn; ch.Every > 0 && x.number%int64(ch.Every) == 0 && (ch.Times == 0 || x.number/int64(ch.Every) <= int64(ch.Times)) {
		x.p.Mutate(ch.Count, ch.Seed+uint64(x.number))
	}
}

const jsonType = "application/json; charset=utf-8"

func htmlAnswer(status int) *answer {
	return &answer{
		status:  status,
		content: "text/html",
		body:    fmt.Appendf(nil, htmlPage, status, http.StatusText(status)),
	}
}

// fail returns the answer of a request that ends in an error.
func (x *exchange) fail(e *apiError) *answer {
	status := e.status
	if x.c.Errors200 {
		status = 200
	}
	return &answer{status: status, content: jsonType, body: e.appendTo(nil), whole: true}
}

// methodOf returns the method that a path names, or "".
func methodOf(path string) string {
	path, ok := strings.CutPrefix(path, "/rest/")
	if !ok {
		return ""
	}
	path = strings.TrimSuffix(path, "/")
	name := strings.ToLower(path[strings.LastIndexByte(path, '/')+1:])
	return strings.TrimSuffix(name, ".json")
}
