package bitrix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Command is a call in a batch.
type Command struct {
	// Key identifies the command in the batch: letters, digits and _, the first not a
	// digit. PHP would convert numeric keys to list indexes, and the results could not
	// be matched to the commands.
	Key    string
	Method string
	Params Params
	// Optional makes any error of the command its result. The command is not retried,
	// and does not end the batch. It is for commands that refer to others' results,
	// which may be empty.
	Optional bool

	list *Listing // if set, the answer is read as a page of this listing
}

// Batch calls any number of commands, at least one, in as few requests as the portal
// allows, and returns the results in the order of cmds. Commands that fail temporarily
// are sent again without the others. A permanent error is in Result.Err and concerns
// only that command. An error of class Stop in any command, or for a webhook of class
// Refresh, is the error of the whole Batch, and so is exhausted patience.
func (c *Client) Batch(ctx context.Context, cmds []Command) ([]Result, error) {
	if len(cmds) == 0 {
		return nil, errors.New("batch: no commands")
	}
	highest := ""
	for i := range cmds {
		cmd := &cmds[i]
		if err := cmd.check(); err != nil {
			return nil, err
		}
		// Keys usually ascend, and then need no comparison with all the others.
		if highest < cmd.Key {
			highest = cmd.Key
		} else if slices.ContainsFunc(cmds[:i], func(other Command) bool { return other.Key == cmd.Key }) {
			return nil, fmt.Errorf("batch: two commands have the key %q", cmd.Key)
		}
	}
	results := make([]Result, len(cmds))
	// next returns how many of the commands from a place on are one request.
	next := func(from int) int {
		if c.isSingle(cmds[from].Method) {
			return 1
		}
		return c.governor.sizes.fits(cmds[from:])
	}
	if ctx.Err() == nil && next(0) == len(cmds) {
		// Most batches are one request. A goroutine, and its stack, would cost as much as
		// building that request.
		if err := c.part(ctx, cmds, results); err != nil {
			return nil, err
		}
		return results, nil
	}
	// Each goroutine owns the results of its part. The group ends with the last part,
	// or at the first error.
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(c.governor.limits.Concurrency)
	from := 0
	for from < len(cmds) && groupCtx.Err() == nil {
		n := next(from)
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

// check returns an error if a command cannot be sent.
func (cmd *Command) check() error {
	for i, c := range []byte(cmd.Key) {
		if c != '_' && (c|' ' < 'a' || c|' ' > 'z') && (i == 0 || c < '0' || c > '9') {
			return cmd.badKey()
		}
	}
	if cmd.Key == "" {
		return cmd.badKey()
	}
	return checkMethod(cmd.Method)
}

func (cmd *Command) badKey() error {
	return fmt.Errorf("batch: key %q: want letters, digits and _, the first not a digit", cmd.Key)
}

// part gets the results of the commands of one request. It sends as many requests as
// needed.
func (c *Client) part(ctx context.Context, cmds []Command, out []Result) error {
	todo := make([]int, len(cmds))
	for i := range todo {
		todo[i] = i
		out[i] = Result{Total: -1, Next: -1}
	}
	var unknown map[int]int // attempts that ended with an unknown code
	p := newPatience(c.patience)
	p.fails = c.governor.fails
	large := 0         // consecutive single commands whose answer was too large
	last := time.Now() // time of the last success
	most := MaxCommands
	for first := true; len(todo) > 0; first = false {
		send, into := cmds, out
		if !first {
			send, into = make([]Command, 0, len(todo)), make([]Result, len(todo))
			for _, i := range todo {
				send = append(send, cmds[i])
			}
			c.counters.retries.Add(int64(len(send)))
		}
		start := time.Now()
		n, waited, err := c.some(ctx, send[:min(len(send), most)], into)
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
			alone := n == 1 && e.Code == CodeTooLarge // a single command cannot be split
			if alone {
				large++
			}
			if alone && large == largeAttempts || !alone && !c.adapt(e, send[:n]) {
				return err
			}
			if e.Class() == SmallerBatch && e.where == inBatch {
				// The answers to others must not make the same commands one request again.
				most = max(1, n/2)
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
		var cause, held *Error // why to pause, and why retries are limited
		for k, i := range todo[:n] {
			r := &into[k]
			if !first {
				r.Attempts += out[i].Attempts
				out[i] = *r
			}
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
				class = Retry // the walk cannot continue without the list
			case !r.Err.known() || r.Err.MayPass():
				if unknown == nil {
					unknown = map[int]int{}
				}
				if unknown[i]++; unknown[i] < r.Err.attempts() {
					class = Retry
				}
			}
			switch class {
			case Refresh:
				if c.tokens == nil {
					return r.Err
				}
				// The token has been replaced by now: see authorize.
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
					return r.Err // a single command cannot be split
				}
			case SlowDown, WaitBudget:
				held = r.Err // the governor delays it
			}
			out[i].Err = nil
			again = append(again, i)
		}
		c.counters.commands.Add(int64(n - len(again)))
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

// adapt changes how cmds are sent next time, and reports whether it did. e is the error
// of their request as a whole.
func (c *Client) adapt(e *Error, cmds []Command) bool {
	switch e.Class() {
	case SmallerBatch:
		// The governor has halved the size of a request. A single command cannot be
		// halved, but its timeout may have been temporary.
		return len(cmds) > 1 || e.Code == CodeTimeout
	case CallSingly:
		for _, cmd := range cmds {
			c.callSingly(cmd.Method) // the portal does not report which method
		}
		return e.where == inBatch
	case Retry, SlowDown, WaitBudget, Refresh, Reject, Stop:
	}
	return false
}

// some sends as many of cmds as fit into one request, and sets the first n results. If
// the first must be called singly, it sends only that. waited is how long it waited for
// limits.
func (c *Client) some(ctx context.Context, cmds []Command, results []Result) (n int, waited time.Duration, err error) {
	if c.isSingle(cmds[0].Method) {
		r, waited, err := c.single(ctx, cmds[0], false)
		if err == nil {
			results[0] = r
		}
		return 1, waited, err
	}
	n = c.governor.sizes.fits(cmds)
	if i := slices.IndexFunc(cmds[:n], func(cmd Command) bool { return c.isSingle(cmd.Method) }); i > 0 {
		n = i
	}
	waited, err = c.request(ctx, cmds[:n], results)
	return n, waited, err
}

// single calls a command outside a batch. A permanent error, except one of class Stop,
// becomes its result. If counts is true, single does not retry after a timeout: the
// caller can repeat the call without a count.
func (c *Client) single(ctx context.Context, cmd Command, counts bool) (Result, time.Duration, error) {
	if cmd.Optional {
		// The command that it refers to is not in the same request.
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

// request sends commands as one batch request, and retries it if it fails as a whole.
// It sets a result or an error, of any class, for each command, unless it returns an
// error.
func (c *Client) request(ctx context.Context, cmds []Command, results []Result) (time.Duration, error) {
	x, err := newBatch(cmds)
	if err != nil {
		return 0, err
	}
	a, err := c.do(ctx, x)
	if err != nil {
		return x.waited, err
	}
	for i := range a.wire.commands {
		w := &a.wire.commands[i]
		r := Result{Value: w.result, Total: w.total, Next: w.next, Attempts: x.attempts, At: a.received, page: w.page}
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
	a.wire.release()
	return x.waited, nil
}

// newBatch returns the exchange for commands in one request, at least one.
func newBatch(cmds []Command) (*exchange, error) {
	x := &exchange{method: MethodBatch, where: inBatch, batch: cmds}
	body := append(make([]byte, 0, 64*len(cmds)), `{"halt":0,"cmd":{`...)
	name := make([]byte, 0, 64)
	for i, cmd := range cmds {
		if i > 0 {
			body = append(body, ',')
		}
		// Nothing that is escaped for a query needs a second escape in JSON.
		body = append(appendEscaped(append(body, '"'), cmd.Key), `":"`...)
		body = append(appendEscaped(body, cmd.Method), '?')
		var err error
		if body, err = appendQuery(body, name, paramsOf(cmd), 0); err != nil {
			return nil, fmt.Errorf("%s (%s): %w", cmd.Method, cmd.Key, err)
		}
		body = append(body, '"')
		if i == 0 {
			body = slices.Grow(body, len(body)*len(cmds)) // the others have the same length
		}
		at := slices.IndexFunc(x.needs, func(n need) bool { return n.method == cmd.Method })
		if at < 0 {
			at, x.needs = len(x.needs), append(x.needs, need{cmd.Method, 0})
		}
		x.needs[at].commands++
	}
	x.body = append(body, "}}"...)
	slices.SortFunc(x.needs, func(a, b need) int { return strings.Compare(a.method, b.method) })
	x.needs = append(x.needs, need{MethodBatch, len(cmds)})
	return x, nil
}

func paramsOf(cmd Command) Params {
	if cmd.Params == nil {
		return Params{}
	}
	return cmd.Params
}
