package bitrix

import (
	"testing"
	"time"
)

// TestClock observes answers of a portal whose clock is 100 s ahead.
func TestClock(t *testing.T) {
	ours := time.Unix(1_000_000, 0)
	theirs := func(d time.Duration) time.Time { return ours.Add(100*time.Second + d) }
	at := func(d time.Duration) time.Time { return ours.Add(d) }
	const s = time.Second
	var c clock
	for _, step := range []struct {
		name                          string
		sent, start, finish, received time.Time
		low, high                     time.Duration
	}{
		{"no figures", at(0), time.Time{}, time.Time{}, at(3 * s), 0, 0},
		{"half a second there, one back", at(0), theirs(s / 2), theirs(2 * s), at(3 * s), 99 * s, 100*s + s/2},
		{"one there, half a second back", at(3 * s), theirs(4 * s), theirs(5 * s), at(5*s + s/2), 99*s + s/2, 100*s + s/2 + 250*time.Microsecond},
		{"a slow one tells nothing new", at(5 * s), theirs(9 * s), theirs(9 * s), at(15 * s), 99*s + s/2 - 950*time.Microsecond, 100*s + s/2 + 1200*time.Microsecond},
		{"a clock that was set", at(20 * s), theirs(0), theirs(0), at(21 * s), 79 * s, 80 * s},
		{"only a finish", at(22 * s), time.Time{}, theirs(2 * s), at(23 * s), 79 * s, 80 * s},
		{"a finish that cannot be", at(100 * s), theirs(200 * s), theirs(300 * s), at(101 * s), 200 * s, 200 * s},
	} {
		c.observe(step.sent, step.start, step.finish, step.received)
		if c.low != step.low || c.high != step.high {
			t.Errorf("%s: %v to %v ahead, want %v to %v", step.name, c.low, c.high, step.low, step.high)
		}
	}
	c = clock{low: 99 * s, high: 101 * s}
	if got := c.ours(theirs(0)); got != at(s) {
		t.Errorf("ours %v, want the late end", got.Sub(ours))
	}
	if got := c.theirs(at(0)); got != theirs(s) {
		t.Errorf("theirs %v, want the late end", got.Sub(ours))
	}
}
