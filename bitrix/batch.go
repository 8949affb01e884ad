package bitrix

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/errgroup"
)

// Command is a call within a batch.
type Command struct {
	// Key names the command among the others: letters, digits and _, the first not a
	// digit. PHP would turn numeric keys into places in a list, where the commands
	// cannot be distinguished.
	Key    string
	Method string
	Params Params
	// Optional makes any error of the command its result: it is not repeated, and
	// does not end the batch. It is for commands that refer to others' results,
	// which may have nothing there.
	Optional bool
}

// Batch calls any number of commands, at least one, in as few requests as the portal
// allows, and returns the results in the order of cmds. Commands whose failure may pass
// are sent again alone. A failure that stays is in Result.Err, and concerns that
// command only; one of class Stop, or for a webhook Refresh, anywhere is the error of
// the whole Batch, as is patience that has run out.
func (c *Client) Batch(ctx context.Context, cmds []Command) ([]Result, error) {
	if len(cmds) == 0 {
		return nil, errors.New("batch: no commands")
	}
	seen := make(map[string]bool, len(cmds))
	for _, cmd := range cmds {
		if err := cmd.check(); err != nil {
			return nil, err
		}
		if seen[cmd.Key] {
			return nil, fmt.Errorf("batch: two commands have the key %q", cmd.Key)
		}
		seen[cmd.Key] = true
	}
	results := make([]Result, len(cmds))
	// Each goroutine owns the results of its part; the group ends with the last
	// part, or at the first error.
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(c.governor.limits.Concurrency)
	from := 0
	for from < len(cmds) && groupCtx.Err() == nil {
		n := c.governor.sizes.fits(cmds[from:])
		if c.isSingle(cmds[from].Method) {
			n = 1
		}
		part, out := cmds[from:from+n], results[from:from+n]
		from += n
		group.Go(func() error { return c.part(groupCtx, part, out) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if from < len(cmds) {
		return nil, context.Cause(ctx)
	}
	return results, nil
}

// check reports what is wrong with a command before it is sent.
func (cmd Command) check() error {
	if !consistsOf(cmd.Key, letters+digits+"_") || cmd.Key[0] <= '9' {
		return fmt.Errorf("batch: key %q: want letters, digits and _, the first not a digit", cmd.Key)
	}
	return checkMethod(cmd.Method)
}

// part gets the results of the commands of one request, in as many requests as
// it takes.
func (c *Client) part(ctx context.Context, cmds []Command, out []Result) error {
	todo := make([]int, len(cmds))
	for i := range todo {
		todo[i] = i
		out[i] = Result{Total: -1, Next: -1}
	}
	unknown := make([]int, len(cmds)) // attempts that ended in an unknown code
	p := newPatience(c.patience)
	p.fails = c.governor.fails
	large := 0         // single commands in a row whose answer was too large
	last := time.Now() // of a success
	for first := true; len(todo) > 0; first = false {
		send := make([]Command, 0, len(todo))
		for _, i := range todo {
			send = append(send, cmds[i])
		}
		if !first {
			c.counters.retries.Add(int64(len(send)))
		}
		start := time.Now()
		n, answers, waited, err := c.some(ctx, send)
		if err != nil {
			e := errorOf(ctx, err)
			if e == nil || errors.Is(err, ErrPatience) {
				return err
			}
			if e.BadEncoding() && e.where == inBatch {
				if err := c.halve(ctx, cmds, todo[:n], out, e); err != nil {
					return err
				}
				todo = todo[n:]
				continue
			}
			alone := n == 1 && e.Code == CodeTooLarge // it cannot be made smaller
			if alone {
				large++
			}
			if alone && large == largeAttempts || !alone && !c.adapt(e, send[:n]) {
				return err
			}
			p.spend(time.Since(start) - waited)
			if alone || e.Code == CodeTimeout {
				if err := p.pause(ctx, e); err != nil {
					return err
				}
			}
			continue
		}
		p.spend(time.Since(start) - waited)
		large = 0

		var again []int
		var cause, held *Error // why to pause, and why not to retry without end
		for k, r := range answers {
			i := todo[k]
			attempts := out[i].Attempts + r.Attempts
			out[i] = r
			out[i].Attempts = attempts
			if r.Err == nil {
				p.restore()
				last = r.At
				continue
			}
			if cmds[i].Optional && r.Err.where == inCommand {
				p.restore()
				continue
			}
			class := r.Err.Class()
			_, isList := lists[cmds[i].Method]
			switch {
			case r.Err.where != inCommand:
			case isList && r.Err.MayPass():
				class = Retry // without the list there is nothing to continue with
			case !r.Err.known() || r.Err.MayPass():
				if unknown[i]++; unknown[i] < r.Err.attempts() {
					class = Retry
				}
			}
			switch class {
			case Refresh:
				if c.tokens == nil {
					return r.Err
				}
				// There is a new token by now: see authorize.
			case Stop:
				return r.Err
			case Reject:
				p.restore()
				continue
			case Retry:
				cause = r.Err
			case CallSingly:
				c.callSingly(cmds[i].Method)
			case SmallerBatch:
				if n == 1 {
					return r.Err // smaller than one there is none
				}
			case SlowDown, WaitBudget:
				held = r.Err // the governor makes it wait
			}
			out[i].Err = nil
			again = append(again, i)
		}
		c.counters.commands.Add(int64(len(answers) - len(again)))
		todo = append(again, todo[n:]...)
		if took := time.Since(last); held != nil && took > c.patience+c.governor.limits.Window {
			return exhausted(took, held)
		}
		if cause != nil {
			if err := p.pause(ctx, cause); err != nil {
				return err
			}
		}
	}
	return nil
}

// adapt makes the next attempt at cmds another one, and reports whether it did:
// e is why their request failed as a whole.
func (c *Client) adapt(e *Error, cmds []Command) bool {
	switch e.Class() {
	case SmallerBatch:
		// The governor has halved what fits. One command cannot be halved, but
		// its time may have been a bad one.
		return len(cmds) > 1 || e.Code == CodeTimeout
	case CallSingly:
		for _, cmd := range cmds {
			c.callSingly(cmd.Method) // it did not say which one
		}
		return e.where == inBatch
	case Retry, SlowDown, WaitBudget, Refresh, Reject, Stop:
	}
	return false
}

// some sends the first n of cmds: those that fit one request, or the first
// alone if it is to be called singly. waited is how long it waited for limits.
func (c *Client) some(ctx context.Context, cmds []Command) (n int, results []Result, waited time.Duration, err error) {
	if c.isSingle(cmds[0].Method) {
		r, waited, err := c.single(ctx, cmds[0], false)
		return 1, []Result{r}, waited, err
	}
	n = c.governor.sizes.fits(cmds)
	if i := slices.IndexFunc(cmds[:n], func(cmd Command) bool { return c.isSingle(cmd.Method) }); i > 0 {
		n = i
	}
	results, waited, err = c.request(ctx, cmds[:n])
	return n, results, waited, err
}

// single calls a command outside a batch. What is final about it, and no Stop,
// is its result. A timeout is not repeated for a call that counts: its caller has
// a way without a count.
func (c *Client) single(ctx context.Context, cmd Command, counts bool) (Result, time.Duration, error) {
	if cmd.Optional {
		// What it refers to is in no request with it.
		e := &Error{Code: CodeNoResult, Description: "not called outside of a batch", Method: cmd.Method, Key: cmd.Key, where: inCommand}
		return Result{Err: e, Total: -1, Next: -1, At: time.Now()}, 0, nil
	}
	body, err := appendJSON(nil, paramsOf(cmd), 0)
	if err != nil {
		return Result{}, 0, fmt.Errorf("%s (%s): %w", cmd.Method, cmd.Key, err)
	}
	x := &exchange{method: cmd.Method, body: body, needs: []need{{cmd.Method, 1}}, where: inCall, counts: counts}
	a, err := c.do(ctx, x)
	r := Result{Total: -1, Next: -1, Attempts: x.attempts}
	e := errorOf(ctx, err)
	switch {
	case err == nil:
		r.Value, r.Total, r.Next, r.At = a.wire.result, a.wire.total, a.wire.next, a.received
	case e != nil && !errors.Is(err, ErrPatience) && e.Class() == Reject:
		e.Key = cmd.Key
		r.Err, r.At = e, time.Now()
		err = nil
	}
	return r, x.waited, err
}

// request sends commands as one batch request, repeats it if it fails as a whole, and
// returns what came for each: a result or an error, of whatever class.
func (c *Client) request(ctx context.Context, cmds []Command) ([]Result, time.Duration, error) {
	x, err := newBatch(cmds)
	if err != nil {
		return nil, 0, err
	}
	a, err := c.do(ctx, x)
	if err != nil {
		return nil, x.waited, err
	}
	results := make([]Result, len(cmds))
	for i, w := range a.wire.commands {
		r := Result{Value: w.result, Total: w.total, Next: w.next, Attempts: x.attempts, At: a.received}
		if w.err == nil && w.result == nil {
			w.err = &wireError{CodeNoResult, "the answer has neither a result nor an error for it"}
		}
		if w.err != nil {
			r.Value = nil
			r.Err = &Error{Code: oneLine(w.err.code, c.secrets), Description: oneLine(w.err.description, c.secrets),
				Status: a.status, Method: cmds[i].Method, Key: cmds[i].Key, where: inCommand, app: x.app}
		}
		results[i] = r
	}
	return results, x.waited, nil
}

// newBatch makes the exchange for commands in one request.
func newBatch(cmds []Command) (*exchange, error) {
	x := &exchange{method: MethodBatch, where: inBatch, keys: make(map[string]int, len(cmds))}
	counts := map[string]int{}
	x.methods = make([]string, 0, len(cmds))
	body := append(make([]byte, 0, 64*len(cmds)), `{"halt":0,"cmd":{`...)
	var query, call []byte
	for i, cmd := range cmds {
		var err error
		if query, err = appendQuery(query[:0], "", paramsOf(cmd), 0); err != nil {
			return nil, fmt.Errorf("%s (%s): %w", cmd.Method, cmd.Key, err)
		}
		call = append(append(append(call[:0], cmd.Method...), '?'), query...)
		if i > 0 {
			body = append(body, ',')
		}
		body, _ = jsontext.AppendQuote(body, cmd.Key)
		body = append(body, ':')
		body, _ = jsontext.AppendQuote(body, call)
		x.keys[cmd.Key] = i
		x.methods = append(x.methods, cmd.Method)
		counts[cmd.Method]++
	}
	x.body = append(body, "}}"...)
	for _, method := range slices.Sorted(maps.Keys(counts)) {
		x.needs = append(x.needs, need{method, counts[method]})
	}
	x.needs = append(x.needs, need{MethodBatch, len(cmds)})
	return x, nil
}

func paramsOf(cmd Command) Params {
	if cmd.Params == nil {
		return Params{}
	}
	return cmd.Params
}
