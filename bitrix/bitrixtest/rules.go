package bitrixtest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
)

// rules records the rules that clients break. It is safe for concurrent use.
type rules struct {
	mu       sync.Mutex
	list     []string
	inARow   atomic.Int64 // consecutive requests refused by the rate limit
	tellOnce atomic.Bool  // report inARow only once
}

// manyViolations bounds the list.
const manyViolations = 1000

// manyRefusals is how many consecutive refusals show a client that ignores the rate
// limit. A client does not have as many requests in flight.
const manyRefusals = 64

// Violations returns the rules that clients broke, in order, at most 1,000.
func (p *Portal) Violations() []string {
	p.rules.mu.Lock()
	defer p.rules.mu.Unlock()
	return append([]string(nil), p.rules.list...)
}

// broken records that an exchange breaks a rule. Its texts contain no secret.
func (r *rules) broken(x *exchange, format string, args ...any) {
	text := fmt.Sprintf("request %d: ", x.number) + fmt.Sprintf(format, args...)
	r.mu.Lock()
	full := len(r.list) >= manyViolations
	if !full {
		r.list = append(r.list, text)
	}
	r.mu.Unlock()
	if x.c.Strict != nil && !full {
		x.c.Strict.Errorf("bitrixtest: %s", text)
	}
}

// secrets are parameters that must not be in a query: servers and proxies write queries
// to their logs.
var secrets = []string{"auth", "access_token", "refresh_token", "client_secret", "code"}

// request checks a request before it is handled.
func (r *rules) request(x *exchange) {
	if x.in.query != "" {
		query := parseQuery(x.in.query)
		for _, name := range secrets {
			if v, ok := query.get(name); ok && v.text != "" {
				r.broken(x, "a secret in the query: %s", name)
			}
		}
	}
	if !isAgent(x.in.agent) {
		r.broken(x, "the User-Agent %q: must have the form name/version", x.in.agent)
	}
	if now := x.p.stats.underWay.Load(); x.c.Concurrency > 0 && now > int64(x.c.Concurrency) {
		r.broken(x, "%d requests at once: %d are allowed", now, x.c.Concurrency)
	}
}

// isAgent reports whether a User-Agent names its program. Go's own does not.
func isAgent(agent string) bool {
	product, _, _ := strings.Cut(agent, " ")
	name, version, ok := strings.Cut(product, "/")
	return ok && name != "" && version != "" && name != "Go-http-client"
}

// refused counts a request that was refused by the rate limit.
func (r *rules) refused(x *exchange) {
	if r.inARow.Add(1) >= manyRefusals && r.tellOnce.CompareAndSwap(false, true) {
		r.broken(x, "%d requests in a row were refused for their rate: the client takes no notice", manyRefusals)
	}
}

// accepted records a request that was accepted.
func (r *rules) accepted() {
	if r.inARow.Load() != 0 {
		r.inARow.Store(0)
	}
}
