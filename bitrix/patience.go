package bitrix

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// defaultPatience is longer than a portal's update takes, or a router's.
	defaultPatience = 30 * time.Minute
	firstPause      = 500 * time.Millisecond
	longestPause    = 30 * time.Second
)

// patience is how long a call is retried during a temporary problem. Attempts and the
// pauses between them use it up; waits for limits do not. It is restored after each
// success. It belongs to one goroutine.
type patience struct {
	limit, spent time.Duration
	unknown      int               // consecutive attempts that ended with an unknown code
	fails        func(cause error) // called for each failure, if not nil
	curve        backoff.ExponentialBackOff
}

func newPatience(limit time.Duration) *patience {
	return &patience{limit: limit, curve: backoff.ExponentialBackOff{
		InitialInterval: firstPause, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: longestPause,
	}}
}

// restore resets patience to its full length.
func (p *patience) restore() {
	p.spent, p.unknown = 0, 0
	p.curve.Reset()
}

// spend subtracts the time that an attempt took.
func (p *patience) spend(took time.Duration) { p.spent += took }

// pause waits before the next attempt, each time longer. It returns ctx's cause if ctx
// ends. If patience is exhausted, it returns an error that wraps ErrPatience and the
// cause of the last attempt's failure.
func (p *patience) pause(ctx context.Context, cause error) error {
	if p.fails != nil {
		p.fails(cause)
	}
	if p.spent >= p.limit {
		return exhausted(p.spent, cause)
	}
	d := min(p.curve.NextBackOff(), longestPause, p.limit-p.spent)
	p.spent += d
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// exhausted returns the error of a call that ended because patience was exhausted.
func exhausted(after time.Duration, cause error) error {
	return fmt.Errorf("%w after %v: %w", ErrPatience, after.Round(time.Second), cause)
}
