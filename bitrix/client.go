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
	// Transport sends the requests. nil: one made for this client, with timeouts
	// and connections to suit, that Close closes.
	Transport http.RoundTripper
	// Limits are what the portal allows. Zero: no limits but its own refusals.
	Limits Limits
	// Limiter, if given, has the limits instead of Limits. It stays the caller's to
	// close. nil: the client makes one of Limits.
	Limiter *Limiter
	// Patience is how long a call continues against something temporary, since its last
	// success; waits for limits do not count. 0: 30 minutes.
	Patience time.Duration
	// BatchNever sends each command as a call of its own.
	BatchNever bool
	// Log gets what a person may want to know; nil: nowhere. Secrets never.
	Log *slog.Logger
	// UserAgent has the form name/version. "": b24export/0.
	UserAgent string
}

// Client calls the methods of one portal, under its limits. All the calls to a
// portal from one source address should go through one Client: the portal
// counts them together. It is safe for concurrent use.
type Client struct {
	access     Access
	secrets    redactor
	tokens     *tokens // nil for a webhook
	log        *slog.Logger
	patience   time.Duration
	batchNever bool
	transport  *http.Transport // nil if it is the caller's
	governor   *governor
	shared     bool // the governor is somebody else's to close
	counters   counters
	do         handler

	mu     sync.Mutex
	singly map[string]bool // methods that the portal does not batch
}

// New makes a client for the portal of a webhook, which must be of
// ParseWebhook, or of an application. Whoever makes the client calls Close.
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

// Close lets go of idle connections. Calls under way are not disturbed; those
// who wait for a limit should have been cancelled by their contexts.
func (c *Client) Close() {
	if !c.shared {
		c.governor.close()
	}
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

// Concurrency is how many requests the client lets be under way at once: more
// callers than these only wait for each other.
func (c *Client) Concurrency() int { return c.governor.limits.Concurrency }

// RequestSize is how many commands of a method fit into a request now, at least 1.
func (c *Client) RequestSize(method string) int {
	if c.isSingle(method) {
		return 1
	}
	return c.governor.sizes.limit(method)
}

// Result is the portal's answer to one command.
type Result struct {
	// Value is the raw JSON of the result. It is a part of the whole answer,
	// which it keeps in memory; it must not be changed.
	Value []byte
	// Err is why there is no Value; its class is Reject.
	Err *Error
	// Total and Next are the members of a list's answer, -1 if absent.
	Total, Next int64
	// Attempts is how often the command was sent.
	Attempts int
	// At is when the answer was complete.
	At time.Time
}

// Call calls one method by itself, repeating it as its errors' classes say. An
// error of the portal is an *Error, perhaps wrapped along with ErrPatience;
// Result.Err is not used.
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

// checkMethod refuses what is not a method's name before it gets into an
// address.
func checkMethod(method string) error {
	if !consistsOf(method, letters+digits+"._-") {
		return fmt.Errorf("method %q: want letters, digits and dots", method)
	}
	return nil
}

// isSingle reports whether a method is to be called outside a batch.
func (c *Client) isSingle(method string) bool {
	if c.batchNever {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.singly[method]
}

// callSingly remembers that the portal does not batch a method.
func (c *Client) callSingly(method string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.singly[method] {
		c.singly[method] = true
		c.log.Info("the portal does not batch a method: it is called singly from here on", "method", method)
	}
}
