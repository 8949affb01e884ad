package bitrix

import (
	"context"
	"time"
)

// retry is the layer that retries temporary errors, by their class. An error that it
// returns is permanent, or needs another request: CallSingly and SmallerBatch.
func retry(limit time.Duration, g *governor, count *counters, next handler) handler {
	return func(ctx context.Context, x *exchange) (*answer, error) {
		began := time.Now()
		p := newPatience(limit)
		p.fails = g.fails
		for {
			start, waited := time.Now(), x.waited
			a, err := next(ctx, x)
			e := errorOf(ctx, err)
			if e == nil || e.where == atServer {
				return a, err // attempts at the authorization server have been retried already
			}
			p.spend(time.Since(start) - (x.waited - waited))
			switch class := e.Class(); {
			case class == SlowDown || class == WaitBudget:
				// The governor makes the next attempt wait as long as necessary. But if
				// the portal answers nothing except limits, that ends too.
				last := time.Unix(0, g.answered.Load())
				if last.Before(began) {
					last = began
				}
				if took := time.Since(last); took > limit+g.limits.Window {
					return nil, exhausted(took, e)
				}
			case x.counts && e.Code == CodeTimeout:
				return nil, e
			case class == Retry || e.seldomPasses():
				if e.seldomPasses() {
					if p.unknown++; p.unknown >= e.attempts() {
						return nil, e
					}
				}
				if err := p.pause(ctx, e); err != nil {
					return nil, err
				}
			default:
				return nil, e
			}
			count.retries.Add(1)
		}
	}
}
