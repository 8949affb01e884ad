package bitrix

import (
	"context"
	"time"
)

// A window with more elements than a full chain needs further pages, which are its rest.
// A request of its own for a few pages would cost the portal's rate as much as one for
// 50. The request of a new window therefore has the pages of a rest too, and the new
// window is narrower.

// restMost is how many pages a rest may have to share a request. The new window gets the
// others.
const restMost = 40

// restKey begins the keys of a rest's commands. They differ from those of the window in
// the same request.
const restKey = "r"

// rest is the commands of a window's rest that wait for another window's request.
type rest struct {
	commands []Command
	answer   chan restAnswer // has room for one; closed if no request takes them
}

type restAnswer struct {
	results []Result
	err     error
}

// request requests the commands of a chain. If they are the first rest of a window, it
// offers them to a new window before it requests them itself.
func (w *walk) request(ctx context.Context, commands []Command) ([]Result, time.Duration, error) {
	if offers := w.rests; offers != nil && len(commands) <= restMost {
		w.rests = nil
		start := time.Now()
		r := &rest{commands: commands, answer: make(chan restAnswer, 1)}
		select {
		case offers <- r:
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
		select {
		case a, ok := <-r.answer:
			if ok {
				return a.results, time.Since(start), a.err
			}
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
	}
	w.asked++
	r := w.takes
	w.takes = nil
	own := len(commands)
	if r != nil {
		commands = append(commands, r.commands...)
	}
	results := make([]Result, len(commands))
	waited, err := w.c.request(ctx, commands, results)
	if r != nil {
		r.answer <- restAnswer{results[own:], err} // after an error, both retry by themselves
	}
	return results[:own], waited, err
}

// leave declines the rest that w takes, if w has not requested it.
func (w *walk) leave() {
	if w.takes != nil {
		close(w.takes.answer)
		w.takes = nil
	}
}
