package bitrix

import (
	"math"
	"time"
)

// Limits are what a portal allows, or less. The zero value means no limits except the
// portal's own refusals.
type Limits struct {
	// Rate is by how many requests per second the portal's counter falls (Y of its
	// documentation): 2 for standard plans, 5 for Enterprise. 0: no limit.
	Rate float64
	// Burst is how many requests the portal accepts at once (X): 50 for standard plans,
	// 250 for Enterprise. 0: no limit, and then Rate does not limit either.
	Burst int
	// Operating is the operating time that a method may use in a Window; 480 s in the
	// cloud. 0: no budget.
	Operating time.Duration
	// Window is how long used operating time counts. 0: 10 minutes, as in the cloud.
	Window time.Duration
	// Share is the share of Rate and Burst that the client uses. The rest is left to
	// the portal's other integrations. 0: all of it.
	Share float64
	// Concurrency is how many requests may be in flight. The default for 0 is 64 if
	// Rate is limited, so that the rate decides and not the number of connections: 64
	// requests of half a minute are 2 per second. Otherwise it is 16, which does not
	// overload a self-hosted portal.
	Concurrency int
}

// Defaults of Limits.
const (
	defaultWindow = 10 * time.Minute
	leastWindow   = 10 * time.Millisecond // its tenths must not be 0
	manyAtOnce    = 64
	fewAtOnce     = 16
)

// withDefaults sets the defaults. It treats invalid values as zero.
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
