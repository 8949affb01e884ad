package bitrix

import (
	"context"
	"errors"
	"strings"
)

// authorize is the layer that puts the token into each attempt, and repeats what
// was refused for it with the next one. What inside a batch was refused for it
// is left to Batch, which sends those commands again.
func authorize(t *tokens, count *counters, next handler) handler {
	return func(ctx context.Context, x *exchange) (*answer, error) {
		x.app = true
		if t.current.Load() == nil {
			if err := t.renewFor(ctx, x, "", true); err != nil {
				return nil, err
			}
		}
		for {
			x.token = t.current.Load().access
			a, err := next(ctx, x)
			e := errorOf(ctx, err)
			switch {
			case err == nil && !refusedInside(a):
				t.barren.Store(0)
				return a, nil
			case err == nil:
				if err := t.renewFor(ctx, x, x.token, true); err != nil {
					return nil, err
				}
				return a, nil
			case e == nil:
				return nil, err
			case e.Class() == Refresh:
				if err := t.renewFor(ctx, x, x.token, true); err != nil {
					return nil, err
				}
			case strings.EqualFold(e.Code, CodeInvalidToken) || strings.EqualFold(e.Code, CodeNoAuth):
				// A refresh voids the token before it, so another process's may
				// be the reason. It is none to refresh.
				if renewed := t.renewFor(ctx, x, x.token, false); renewed != nil {
					if errors.Is(renewed, errNoNewer) {
						return nil, err
					}
					return nil, renewed
				}
			default:
				return nil, err
			}
			count.retries.Add(1)
		}
	}
}

// refusedInside reports whether a command of a batch was refused for its token.
func refusedInside(a *answer) bool {
	for i := range a.wire.commands {
		if e := a.wire.commands[i].err; e != nil && strings.EqualFold(e.code, CodeExpiredToken) {
			return true
		}
	}
	return false
}
