package bitrix

import (
	"context"
	"errors"
	"strings"
)

// authorize is the layer that adds the token to each attempt. If the portal refuses the
// token, it repeats the request with the next one. It leaves commands that were refused
// inside a batch to Batch, which sends those again.
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
				// A refresh invalidates the previous token, so the refresh of another
				// process may be the reason. That is no reason to refresh.
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

// refusedInside reports whether a command of a batch was refused because of its token.
func refusedInside(a *answer) bool {
	for i := range a.wire.commands {
		if e := a.wire.commands[i].err; e != nil && strings.EqualFold(e.code, CodeExpiredToken) {
			return true
		}
	}
	return false
}
