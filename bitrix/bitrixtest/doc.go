// Package bitrixtest is a fake Bitrix24 portal for tests, demonstrations and
// benchmarks: an http.Handler that implements the REST methods from which payments can
// be exported, with a portal's limits, rights, spellings and failures. It is strict
// with its clients.
//
// # Overview
//
//	p := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: 10_000, Plan: bitrixtest.PlanStandard, Strict: t})
//	client := &http.Client{Transport: p.RoundTripper()}
//	hook := p.Webhook("https://acme.bitrix24.com")
//	… run what is to be tested against hook by client …
//	for payment := range p.All() { … compare with what came out … }
//
// RoundTripper calls the portal in the caller's goroutine, without sockets. It
// therefore works in a testing/synctest bubble, where limits can be tested to the
// nanosecond. The Portal itself is a handler for httptest or any other server, plain or
// TLS. Options are plain data; Adjust changes them while the portal runs.
//
// # Data
//
// Payment number k is a pure function of the seed. Nothing is stored, so a portal of
// five million payments is created at once and needs no memory for them. Ids ascend
// with gaps; the id of number k, and the number of ids below x, are computed. An order
// has two payments on average. Orders belong to deals (type 2), smart invoices (31) and
// smart processes (128, 142); one in eight has no owner. Four of five payments are
// paid, and one of three payments names the user who took it. Sums have none to four
// digits; some are zero, negative or very large.
//
// Changes (Pay, Unpay, Reprice, Delete, Add, Touch, Rebind, DeleteOrder, Mutate and
// Options.Churn) are stored separately, and only they need memory. Truth, All, From,
// Owner, Updated and Listed return the current data.
//
// # Requests
//
// Webhooks are called at /rest/USER/SECRET/METHOD, applications at /rest/METHOD with
// auth among the parameters, the authorization server at /oauth/token/. Parameters are
// JSON, a form or a query, which is parsed as PHP does. A batch's commands can refer to
// earlier results, which resolve as on servers. Answers are written as PHP writes them:
// empty maps as [], maps with the keys 0, 1, 2, … as lists, non-ASCII as \uXXXX, sums
// as floats. Tests compare all this with a real PHP, on thousands of generated cases.
//
// A request is checked in this order: the address (Options.MovedTo), the scheme
// (RequireHTTPS), the portal's State, the rate limit, authorization. Then each call is
// checked: its scope, the operating budget, and the rights to what it reads.
//
// Data is read when a request arrives. Then the cost of its calls passes, if
// Options.TakeTime is set. Then the cost is recorded, and the latency passes. Only
// waits for these times block, and a request's context ends them.
//
// # Faults
//
// Options.Faults define what fails at which requests: a request or an answer is lost,
// cut, reset, late, endless, half, of another type, HTML, or an error, or single
// commands of a batch fail. If a request is lost, it was never handled; if an answer is
// lost, the request was handled.
//
// # Strictness
//
// If a client breaks a rule, the portal reports it to Options.Strict and lists it in
// Violations. The rules:
//
//   - a batch has at least one and at most 50 commands, none of them a batch
//   - no numeric keys in a batch
//   - no method that does not exist
//   - no field, order, filter or empty list that the portal would silently ignore
//   - no plain HTTP if it is forbidden
//   - no secret in a query; the client secret never to the portal
//   - a User-Agent of the form name/version
//   - no second get of a payment after an answer with it was delivered completely,
//     unless it has changed since, or Options.AllowRegets is set, or ForgetGets was called
//   - no refresh of tokens before expired_token
//   - no more concurrent requests than Options.Concurrency
//   - no retry after 64 consecutive refusals because of the rate limit
//   - a body with the type JSON must be JSON
//
// No rule requires that limits are kept, because other programs may use up a portal's
// limits. Stats counts refusals, peaks and gets.
//
// # What it does not do
//
// Clients can write only events: no method changes payments, but tests do with the
// Portal's methods. Lists are only in order of id, except crm.orderentity.list, which
// without an order is sorted by owner as in reality. Dates are whole seconds. An order
// has one owner.
package bitrixtest
