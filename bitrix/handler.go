package bitrix

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// handler is a layer of a call. It does its part and passes the call to the layer
// below.
type handler func(ctx context.Context, x *exchange) (*answer, error)

// layers assembles the layers of a call, from the innermost to the outermost. Each is a
// file of its own. Above them are the decoders of results: Call, Batch and Pages.
func (c *Client) layers(transport http.RoundTripper, agent string) handler {
	// HTTP: one POST; reads its answer up to a limit.
	h := sendHTTP(transport, c.secrets, agent, c.governor.large, &c.counters)
	// Redirect: repeats the POST at the new address of a renamed portal. It is below
	// the limits, because a redirect is not the portal's work.
	h = follow(newEndpoint(c.access, c.secrets), c.log, h)
	// Govern: waits for the limits. It is below the retries, so that each attempt uses
	// a token and no pause holds a slot.
	h = govern(c.governor, &c.counters, h)
	// Answer: separates errors from results, and reports both to the governor.
	h = readAnswers(c.governor, c.secrets, &c.counters, h)
	// Log: one line per attempt, at level debug.
	h = logAttempts(c.log, h)
	if c.tokens != nil {
		// Authorize: adds an application's token, and repeats the request with the next
		// token. It is above the limits, so that the repeated request uses a token of
		// theirs too.
		h = authorize(c.tokens, &c.counters, h)
	}
	// Retry: retries temporary errors, by their class.
	h = retry(c.patience, c.governor, &c.counters, h)
	// Denied: finds out whether a refusal means this method or all of REST. It calls
	// another method, which is retried like any other.
	return explainDenied(h)
}

// exchange is one call on its way through the layers, and what they record about it. It
// belongs to one goroutine.
type exchange struct {
	method string
	body   []byte
	needs  []need
	where  place
	counts bool // a single call that makes the portal count

	batch []Command // of a batch, with unique keys

	app      bool          // called by an application
	token    Secret        // used by this attempt, "" for a webhook
	url      string        // address of this attempt, secret included
	attempts int           // sent so far
	waited   time.Duration // for limits, over all attempts
}

// payload returns the body of this attempt. It contains the application's token as a
// parameter, because access logs do not contain bodies.
func (x *exchange) payload() []byte {
	if x.token == "" {
		return x.body
	}
	b := make([]byte, 0, len(x.body)+len(x.token)+12)
	b = append(b, `{"auth":`...)
	b, _ = jsontext.AppendQuote(b, x.token.Reveal()) // decodePair has checked that it is ASCII
	if rest := x.body[1:]; rest[0] != '}' {
		b = append(b, ',')
	}
	return append(b, x.body[1:]...)
}

// mostBytes returns how many bytes the answer may have.
func (x *exchange) mostBytes() int64 {
	if x.commands() > 1 {
		return maxBatchAnswer
	}
	return maxAnswer
}

// commands returns how many commands the exchange contains.
func (x *exchange) commands() int { return max(1, len(x.batch)) }

// answer is the portal's answer to one attempt.
type answer struct {
	status   int
	location string    // of a redirect, else ""
	date     time.Time // of the HTTP header, zero if absent
	body     []byte
	received time.Time // when the answer was complete, on our clock
	ticket   *ticket
	large    chan struct{} // see sendHTTP; nil unless the answer is large
	wire     wireAnswer
}

// failure returns an Error with a code of this package.
func (x *exchange) failure(code, description string) *Error {
	return &Error{Code: code, Description: description, Method: x.method, where: x.where, app: x.app}
}
