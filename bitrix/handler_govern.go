package bitrix

import "context"

// govern is the layer that waits until the portal's limits allow the request. Each
// attempt waits and uses a token. govern settles attempts without an answer;
// readAnswers settles the others.
func govern(g *governor, count *counters, next handler) handler {
	return func(ctx context.Context, x *exchange) (*answer, error) {
		t, waited, err := g.acquire(ctx, x.needs)
		x.waited += waited
		if err != nil {
			return nil, err
		}
		x.attempts++
		count.requests.Add(1)
		a, err := next(ctx, x)
		g.leave(t)
		if err != nil {
			// The portal may have done its work nevertheless, and charge for it.
			g.settle(t, map[string]spent{})
			return nil, err
		}
		a.ticket = t
		return a, nil
	}
}
