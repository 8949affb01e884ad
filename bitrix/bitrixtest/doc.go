// Package bitrixtest is a fake Bitrix24 portal for tests, demonstrations and
// benchmarks: an http.Handler that answers the REST methods of which payments
// can be exported, with a portal's limits, rights, spellings and failures, and
// that is strict with its clients.
//
// # Overview
//
//	p := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: 10_000, Plan: bitrixtest.PlanStandard, Strict: t})
//	client := &http.Client{Transport: p.RoundTripper()}
//	hook := p.Webhook("https://acme.bitrix24.com")
//	… run what is to be tested against hook by client …
//	for payment := range p.All() { … compare with what came out … }
//
// RoundTripper reaches the portal in the caller's goroutine, without sockets, so
// it works in a testing/synctest bubble, where limits can be tested to the
// nanosecond. The Portal itself is a handler for httptest or any other server,
// plain or TLS. Options are plain data; Adjust changes them while the portal
// runs.
//
// # Data
//
// Payment number k is a pure function of the seed: nothing is stored, so a
// portal of five million payments is made at once and holds no memory for them.
// Ids ascend with gaps; which id has number k, and how many ids are below x, is
// arithmetic. Two payments share an order on average, and orders belong to deals
// (type 2), smart invoices (31) and smart processes (128, 142); one in eight is
// unbound. Four of five payments are paid, one of three names who took it; sums
// have none to four digits, some are nothing, negative or very large.
//
// Changes (Pay, Unpay, Reprice, Delete, Add, Touch, Rebind, DeleteOrder, Mutate
// and Options.Churn) lie over that, and only they take memory. What is true at
// any time is in Truth, All, From, Owner, Updated and Listed.
//
// # Requests
//
// Webhooks are called at /rest/USER/SECRET/METHOD, applications at /rest/METHOD
// with auth among the parameters, the authorization server at /oauth/token/.
// Parameters come as JSON, as a form or in a query, which is read as PHP does.
// A batch's commands can refer to earlier results, with what servers make of such
// references. Answers are written as PHP writes them: empty maps as [], maps with the
// keys 0, 1, 2, … as lists, non-ASCII as \uXXXX, sums as floats. Tests compare all this
// with a real PHP, on thousands of generated cases.
//
// A request passes, in this order: the address (Options.MovedTo), the scheme
// (RequireHTTPS), the portal's State, the rate limit, authorization; then each
// call its scope, the operating budget, and the rights to what it asks for.
//
// Data is read when a request arrives; then what its calls cost passes, if
// Options.TakeTime, then it is booked; then the latency passes. Only waiting for
// that time blocks, and a request's context ends it.
//
// # Faults
//
// Options.Faults say what goes wrong at which requests: a request or an answer
// is lost, cut, reset, late, endless, half, of another type, HTML, or an error;
// or single commands of a batch fail. A lost request was never handled, a lost
// answer was.
//
// # Strictness
//
// A client that breaks a rule is reported to Options.Strict and listed by
// Violations. The rules:
//
//   - at most 50 commands in a batch, none of them a batch, at least one
//   - no numeric keys in a batch
//   - no method that does not exist
//   - no field, order, filter or empty list that the portal would silently
//     ignore
//   - no plain HTTP where it is forbidden
//   - no secret in a query; the client secret never to the portal
//   - a User-Agent of the form name/version
//   - no second get of a payment after an answer with it was delivered whole,
//     unless it has changed since, or Options.AllowRegets, or ForgetGets
//   - no refresh of tokens before expired_token
//   - no more requests at once than Options.Concurrency
//   - no repeating after 64 refusals for the rate limit in a row
//   - bodies that say they are JSON must be
//
// That limits are kept is not a rule, since others may use up a portal's: look
// at Stats, which counts refusals, peaks and gets.
//
// # What it does not do
//
// It writes nothing but events: no method changes payments; tests do that with
// the Portal's methods. Lists are in order of id only, except
// crm.orderentity.list, which without an order comes by owner as in reality.
// Dates are whole seconds. An order has one owner.
package bitrixtest
