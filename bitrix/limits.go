package bitrix

import (
	"math"
	"time"
)

// Limits are what a portal allows, or less. The zero value has no limits but
// the portal's own refusals.
type Limits struct {
	// Rate is how many requests a second the portal forgets (Y of its
	// documentation): 2 for standard plans, 5 for Enterprise. 0: no limit.
	Rate float64
	// Burst is how many requests the portal takes at once (X): 50 for standard
	// plans, 250 for Enterprise. 0: no limit, and then Rate is none either.
	Burst int
	// Operating is the operating time that a method may use in a Window; 480 s
	// in the cloud. 0: no budget.
	Operating time.Duration
	// Window is how long used operating time counts. 0: 10 minutes, the cloud's.
	Window time.Duration
	// Share is the part of Rate and Burst that is ours, the rest is left to the
	// portal's other integrations. 0: all of it.
	Share float64
	// Concurrency is how many requests may be under way at once. 0: 64 where
	// Rate is limited (so many that the rate decides, not the number of
	// connections: 64 requests of half a minute are 2 a second), else 16, so as
	// not to overrun a portal of one's own.
	Concurrency int
}

// Defaults of Limits.
const (
	defaultWindow = 10 * time.Minute
	leastWindow   = 10 * time.Millisecond // its parts must be some
	manyAtOnce    = 64
	fewAtOnce     = 16
)

// withDefaults fills in what is zero, and takes what makes no sense for zero.
func (l Limits) withDefaults() Limits {
	if !(l.Rate > 0) || math.IsInf(l.Rate, 0) || l.Burst <= 0 {
		l.Rate, l.Burst = 0, 0
	}
	l.Operating = max(0, l.Operating)
	if l.Window < leastWindow {
		l.Window = defaultWindow
	}
	if !(l.Share > 0) || l.Share > 1 {
		l.Share = 1
	}
	if l.Concurrency <= 0 {
		l.Concurrency = fewAtOnce
		if l.Rate > 0 {
			l.Concurrency = manyAtOnce
		}
	}
	return l
}
