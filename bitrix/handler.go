package bitrix

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// handler is a layer of a call: it does its part and leaves the rest to the
// layer below.
type handler func(ctx context.Context, x *exchange) (*answer, error)

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
