package bitrixtest

import (
	"sync"
	"time"
)

// rateLimit is the portal's counter of requests: it rises by one a request and
// falls steadily. A request that would lift it over its highest is refused and
// does not count. Each source address has its own.
//
// The counter is kept as the time that it takes to fall to nothing, in whole
// nanoseconds, so that tests can expect exact instants.
type rateLimit struct {
	mu      sync.Mutex
	sources map[string]*rateCounter
	peak    float64 // highest that any counter ever was
}

type rateCounter struct {
	fill time.Duration
	at   time.Time
}

// manySources bounds the counters that are kept: empty ones are dropped then.
const manySources = 1024

// take counts a request, or reports that it must be refused.
func (l *rateLimit) take(source string, now time.Time, drain, capacity time.Duration) bool {
	if drain <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.sources[source]
	if c == nil {
		if l.sources == nil {
			l.sources = map[string]*rateCounter{}
		}
		if len(l.sources) >= manySources {
			for source, c := range l.sources {
				if now.Sub(c.at) >= c.fill {
					delete(l.sources, source)
				}
			}
		}
		c = &rateCounter{at: now}
		l.sources[source] = c
	}
	if elapsed := now.Sub(c.at); elapsed > 0 {
		c.fill = max(0, c.fill-elapsed)
		c.at = now
	}
	// A microsecond is allowed for the rounding of clients that count in floats.
	if c.fill+drain > capacity+time.Microsecond {
		return false
	}
	c.fill += drain
	l.peak = max(l.peak, float64(c.fill)/float64(drain))
	return true
}
