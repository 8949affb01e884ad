package bitrix

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Options configures a Client. The zero value, or nil, is usable.
type Options struct {
	// Transport sends the requests. nil: the client makes its own, with suitable
	// timeouts and connections. Close closes it.
	Transport http.RoundTripper
	// Limits are what the portal allows. Zero: no limits except its own refusals.
	Limits Limits
	// Limiter, if not nil, replaces Limits. The caller must close it. nil: the client
	// makes one from Limits.
	Limiter *Limiter
	// Patience is how long a call is retried during a temporary problem, since its last
	// success. Waits for limits do not count. 0: 30 minutes.
	Patience time.Duration
	// BatchNever sends each command as a separate call.
	BatchNever bool
	// Log receives messages for people; nil: no log. It never receives secrets.
	Log *slog.Logger
	// UserAgent has the form name/version. "": b24export/0.
	UserAgent string
}

// Client calls the methods of one portal, under its limits. All calls to a portal from
// one source address should use the same Client, because the portal counts them
// together. It is safe for concurrent use.
type Client struct {
	access     Access
	secrets    redactor
	tokens     *tokens // nil for a webhook
	log        *slog.Logger
	patience   time.Duration
	batchNever bool
	transport  *http.Transport // nil if the caller provided one
	governor   *governor
	shared     bool // the caller closes the governor
	counters   counters
	do         handler

	mu     sync.Mutex
	singly map[string]bool // methods that the portal does not accept in a batch
}

// New returns a client for the portal of a webhook, which ParseWebhook must have
// returned, or of an application. The caller must call Close.
func New(access Access, opts *Options) *Client {
	hook, isHook := access.(Webhook)
	if access == nil || isHook && hook.secret == nil {
		panic("bitrix: New with the zero Webhook")
	}
	if opts == nil {
		opts = &Options{}
	}
	c := &Client{
		access: access, log: opts.Log, patience: opts.Patience, batchNever: opts.BatchNever,
		singly: map[string]bool{},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.patience <= 0 {
		c.patience = defaultPatience
	}
	agent := opts.UserAgent
	if agent == "" {
		agent = "b24export/0"
	}
	if c.shared = opts.Limiter != nil; c.shared {
		c.governor = opts.Limiter.governor
	} else {
		c.governor = newGovernor(opts.Limits, c.log)
	}
	transport := opts.Transport
	if transport == nil {
		c.transport = newTransport(c.governor.limits.Concurrency)
		transport = c.transport
	}

	if isHook {
		c.secrets = hook.secret // the pointer: see Secret
	} else {
		o := *opts
		o.Log, o.Patience, o.UserAgent = c.log, c.patience, agent
		c.tokens = newTokens(access.(*Application), &o, transport)
		c.secrets = c.tokens
	}
	c.do = c.layers(transport, agent)
	return c
}

// Close closes idle connections. It does not interrupt calls in flight. The contexts of
// calls that wait for a limit should be cancelled before.
func (c *Client) Close() {
	if !c.shared {
		c.governor.close()
	}
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

// Concurrency returns how many requests the client sends concurrently. More callers
// than that only wait for each other.
func (c *Client) Concurrency() int { return c.governor.limits.Concurrency }

// RequestSize returns how many commands of a method fit into a request now, at least 1.
func (c *Client) RequestSize(method string) int {
	if c.isSingle(method) {
		return 1
	}
	return c.governor.sizes.limit(method)
}

// Result is the portal's answer to one command.
type Result struct {
	// Value is the raw JSON of the result. It is a part of the whole answer, which it
	// keeps in memory. It must not be modified.
	Value []byte
	// Err is why there is no Value. Its class is Reject.
	Err *Error
	// Total and Next are the members of a list's answer, -1 if absent.
	Total, Next int64
	// Attempts is how often the command was sent.
	Attempts int
	// At is when the answer was complete.
	At time.Time

	page *wirePage // of a command with a Listing in a batch
}

// Call calls one method. It retries as its errors' classes require. An error of the
// portal is an *Error, perhaps wrapped together with ErrPatience. Result.Err is not
// used.
func (c *Client) Call(ctx context.Context, method string, params Params) (Result, error) {
	if err := checkMethod(method); err != nil {
		return Result{}, err
	}
	if params == nil {
		params = Params{}
	}
	body, err := appendJSON(nil, params, 0)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", method, err)
	}
	x := &exchange{method: method, body: body, needs: []need{{method, 1}}, where: inCall}
	a, err := c.do(ctx, x)
	if err != nil {
		return Result{Total: -1, Next: -1, Attempts: x.attempts}, err
	}
	c.counters.commands.Add(1)
	return Result{Value: a.wire.result, Total: a.wire.total, Next: a.wire.next, Attempts: x.attempts, At: a.received}, nil
}

// checkMethod returns an error if method is not a valid name, before it becomes part of
// an address.
func checkMethod(method string) error {
	if !consistsOf(method, letters+digits+"._-") {
		return fmt.Errorf("method %q: want letters, digits and dots", method)
	}
	return nil
}

// isSingle reports whether a method must be called outside a batch.
func (c *Client) isSingle(method string) bool {
	if c.batchNever {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.singly[method]
}

// callSingly records that the portal does not accept a method in a batch.
func (c *Client) callSingly(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.singly[method] {
		c.singly[method] = true
		c.log.Info("the portal does not accept a method in a batch: it is called alone from now on", "method", method)
	}
}
