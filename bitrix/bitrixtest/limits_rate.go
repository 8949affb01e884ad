package bitrixtest

import (
	"sync"
	"time"
)

// rateLimit is the portal's counter of requests. It rises by one per request and falls
// steadily. A request that would raise it above its maximum is refused and does not
// count. Each source address has its own counter.
//
// The counter is stored as the time in which it falls to 0, in whole nanoseconds, so
// that tests can expect exact times.
type rateLimit struct {
	mu      sync.Mutex
	sources map[string]*rateCounter
	peak    float64 // highest value of any counter
}

type rateCounter struct {
	fill time.Duration
	at   time.Time
}

// manySources bounds the number of counters: beyond it, empty ones are dropped.
const manySources = 1024

// take counts a request. It returns false if the request must be refused.
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
	// Allow a microsecond for the rounding of clients that count in floats.
	if c.fill+drain > capacity+time.Microsecond {
		return false
	}
	c.fill += drain
	l.peak = max(l.peak, float64(c.fill)/float64(drain))
	return true
}
