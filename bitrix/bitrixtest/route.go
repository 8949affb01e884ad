package bitrixtest

import (
	"net/http"
	"strings"
	"time"
)

// route finds out which method a request calls, and answers it. It checks in the order
// of a portal: address, scheme, state, rate, authorization, method.
func (x *exchange) route() *answer {
	in, c := x.in, x.c
	if isTokenPath(in.path) {
		return x.oauthToken() // the portal's options do not affect the authorization server
	}
	if c.host != "" && !strings.EqualFold(in.host, c.host) {
		location := strings.TrimSuffix(c.MovedTo, "/") + in.path
		if in.query != "" {
			location += "?" + in.query
		}
		return &answer{status: http.StatusFound, content: "text/html", location: location, whole: true}
	}
	switch {
	case strings.TrimSuffix(in.path, "/") == "/oauth/authorize":
		return x.oauthAuthorize()
	case !strings.HasPrefix(in.path, "/rest/"):
		return htmlAnswer(http.StatusNotFound)
	case c.RequireHTTPS && !in.secure:
		x.p.rules.broken(x, "a request came by plain HTTP")
		return x.fail(errHTTPS)
	}
	switch c.State {
	case StateNoPlan:
		return x.fail(errNoPlan)
	case StateBlocked:
		return x.fail(errOverload)
	case StateClosed:
		return x.fail(errClosed)
	case StateDeleted:
		return x.fail(errDeleted)
	case StateDismissed:
		return x.fail(errDismissed)
	case StateLapsed:
		return x.fail(errLapsed)
	case StateRemoved:
		return x.fail(errRemoved)
	case StateNoServer:
		return x.fail(errNoServer)
	case StateOpen:
	case StateNoUser, StateNoRight: // after the authorization
	}
	if !x.p.rate.take(in.source, x.now, c.drain, c.capacity) {
		x.p.stats.refused.Add(1)
		x.p.rules.refused(x)
		return x.fail(errTooMany)
	}
	x.p.rules.accepted()
	x.args = x.params()
	if err := x.authorize(); err != nil {
		return x.fail(err)
	}
	switch c.State {
	case StateNoUser:
		return x.fail(errNoUser)
	case StateNoRight:
		return x.fail(errNoRight)
	case StateOpen:
	case StateNoPlan, StateBlocked, StateClosed, StateDeleted, StateDismissed, StateLapsed, StateRemoved, StateNoServer: // failed above
	}
	name := methodOf(in.path)
	number, ok := methodNumbers[name]
	if !ok {
		x.p.rules.broken(x, "no such method: %q", name)
		return x.fail(errNoMethod)
	}
	var a *answer
	if number == methodBatch {
		a = x.batch()
	} else {
		a = x.single(number)
	}
	if x.garbled {
		return x.fail(errEncoding)
	}
	return a
}

// params returns the request's parameters: those of the body over those of the query.
func (x *exchange) params() value {
	in := x.in
	all := parseQuery(in.query)
	if in.body == "" {
		return all
	}
	var body value
	if strings.Contains(in.content, "json") || in.body[0] == '{' || in.body[0] == '[' {
		var err error
		if body, err = parseJSON(in.body); err != nil {
			x.p.rules.broken(x, "the body is not JSON")
		}
	} else {
		body = parseQuery(in.body)
	}
	if len(all.items) == 0 {
		return body
	}
	for i := range body.items {
		*all.set(body.items[i].key) = body.items[i].value
	}
	return all
}

// authorize authenticates a request: a webhook's by its path, an application's by its
// token.
func (x *exchange) authorize() *apiError {
	path := strings.Trim(strings.TrimPrefix(x.in.path, "/rest/"), "/")
	if _, ok := x.args.get("client_secret"); ok {
		x.p.rules.broken(x, "the portal was sent the application's client secret")
	}
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		if path[:i] != x.c.webhook {
			return errNoAuth
		}
		x.credential = "webhook"
		return nil
	}
	token := x.args.param("auth")
	if token.text == "" {
		token = x.args.param("access_token")
	}
	x.credential, x.app = "application", true
	return x.p.tokens.check(x.c, token.text, x.now)
}

// single answers the call of one method.
func (x *exchange) single(method int) *answer {
	c := call{x: x, method: method, args: &x.args, total: -1, next: -1}
	c.out = append(make([]byte, 0, 1024), `{"result":`...)
	if err := c.run(); err != nil {
		a := x.fail(err)
		a.settled = x.settled // a refusal also settles it
		return a
	}
	b := c.out
	if c.next >= 0 {
		b = appendNumber(append(b, `,"next":`...), c.next)
	}
	if c.total >= 0 {
		b = appendNumber(append(b, `,"total":`...), c.total)
	}
	b = x.clock.finish(b, x.spent(), x.spending(method))
	return &answer{status: 200, content: jsonType, body: b, settled: x.settled, whole: true}
}

// spending returns the operating time of a method. It is read once per exchange, and
// what the exchange spends is recorded at its end.
func (x *exchange) spending(method int) *spending {
	sp := x.budgets[method]
	if sp == nil {
		sp = new(spending)
		sp.used, sp.reset = x.p.operating.used(account{x.credential, method}, x.now, x.c.basket)
		x.budgets[method] = sp
	}
	return sp
}

// overBudget reports whether a method may not be called.
func (x *exchange) overBudget(method int) bool {
	if x.c.budget <= 0 {
		return false
	}
	over := x.spending(method).used > x.c.budget
	if ban := x.c.faster(x.c.Server.Ban); ban > 0 {
		over = x.p.operating.banned(account{x.credential, method}, x.now, ban, over)
		x.spending(method).banned = over
	}
	return over
}

// charge adds a call of a method to the exchange's cost.
func (x *exchange) charge(method int) {
	x.commands++
	x.spending(method).spent += x.c.cost(method, uint64(x.number)<<6+x.commands)
}

// spent returns what all calls of the exchange cost.
func (x *exchange) spent() time.Duration {
	var sum time.Duration
	for _, sp := range x.budgets {
		if sp != nil {
			sum += sp.spent
		}
	}
	return sum
}

// book records what the exchange has spent, by method or for the batch.
func (x *exchange) book() {
	c := x.c
	for method, sp := range x.budgets {
		if sp != nil && sp.banned {
			x.p.operating.refused(account{x.credential, method}, time.Now())
		}
	}
	if c.Charge == ChargeNone {
		return
	}
	add := func(method int, spent time.Duration) {
		if c.Server.Weight > 0 {
			spent = time.Duration(float64(spent) * c.Server.Weight)
		}
		if spent > c.floor {
			x.p.operating.add(account{x.credential, method}, time.Now(), c.basket, spent)
		}
	}
	if x.budgets[methodBatch] != nil && c.Charge == ChargeBatch {
		add(methodBatch, x.spent())
		return
	}
	for method, sp := range x.budgets {
		if sp != nil {
			add(method, sp.spent)
		}
	}
}
