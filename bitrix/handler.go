package bitrix

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// handler is a layer of a call: it does its part and leaves the rest to the
// layer below.
type handler func(ctx context.Context, x *exchange) (*answer, error)

// layers assembles the layers of a call, from the innermost to the outermost. Each
// is a file of its own. What decodes results stands above them: Call, Batch and Pages.
func (c *Client) layers(transport http.RoundTripper, agent string) handler {
	// HTTP: one POST, its answer read to a bounded end.
	h := sendHTTP(transport, c.secrets, agent, &c.counters)
	// Redirect: repeats the POST where a renamed portal is now. Below the limits,
	// because a redirect is not the portal's work.
	h = follow(newEndpoint(c.access, c.secrets), c.log, h)
	// Govern: waits for the limits. Below the retries, so that each attempt pays
	// for itself and no pause holds a place.
	h = govern(c.governor, &c.counters, h)
	// Answer: separates errors from results, and reports both to the governor.
	h = readAnswers(c.governor, c.secrets, &c.counters, h)
	// Log: one line an attempt, at level debug.
	h = logAttempts(c.log, h)
	if c.tokens != nil {
		// Authorize: puts an application's token in, and repeats with the next
		// token. Above the limits, so that the repeated request pays for itself too.
		h = authorize(c.tokens, &c.counters, h)
	}
	// Retry: repeats what may pass, by the class of the error.
	h = retry(c.patience, c.governor, &c.counters, h)
	// Denied: finds out whether a refusal means this method or all of REST. It
	// asks another method, which is retried like any other.
	return explainDenied(h)
}

// exchange is one call on its way down the layers, and what they note about it.
// It belongs to one goroutine.
type exchange struct {
	method string
	body   []byte
	needs  []need
	where  place
	counts bool // a single call that has the portal count

	// For a batch: the places of the commands by their keys, and their methods.
	keys    map[string]int
	methods []string

	app      bool          // called by an application
	token    Secret        // of this attempt, "" for a webhook's
	url      string        // where this attempt goes, secret included
	attempts int           // sent so far
	waited   time.Duration // for limits, over all attempts
}

// payload is the body of this attempt: with the application's token among the
// parameters, which is where it is in nobody's access log.
func (x *exchange) payload() []byte {
	if x.token == "" {
		return x.body
	}
	b := make([]byte, 0, len(x.body)+len(x.token)+12)
	b = append(b, `{"auth":`...)
	b, _ = jsontext.AppendQuote(b, x.token.Reveal()) // decodePair has seen that it is ASCII
	if rest := x.body[1:]; rest[0] != '}' {
		b = append(b, ',')
	}
	return append(b, x.body[1:]...)
}

// commands is how many commands the exchange asks for.
func (x *exchange) commands() int { return max(1, len(x.methods)) }

// answer is the portal's answer to one attempt.
type answer struct {
	status   int
	location string    // of a redirect, else ""
	date     time.Time // of the HTTP header, zero if absent
	body     []byte
	received time.Time // when the answer was complete, on our clock
	ticket   *ticket
	wire     wireAnswer
}

// failure makes an Error of this package's own kind.
func (x *exchange) failure(code, description string) *Error {
	return &Error{Code: code, Description: description, Method: x.method, where: x.where, app: x.app}
}
