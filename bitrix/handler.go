package bitrix

import (
	"context"
	"time"
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

	// For a batch: the places of the commands by their keys, and their methods.
	keys    map[string]int
	methods []string

	url      string        // where this attempt goes, secret included
	attempts int           // sent so far
	waited   time.Duration // for limits, over all attempts
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
	return &Error{Code: code, Description: description, Method: x.method, where: x.where}
}
