package bitrix

import "time"

// clockDrift is the assumed drift of two clocks, as a share of the time since they were
// compared. It is more than NTP allows.
const clockDrift = 1e-4

// clock knows how far the portal's clock is ahead of ours: between low and high. Each
// answer narrows that, because the portal started after we had sent the request and
// finished before we had received the answer. Quick answers narrow it most. It is not
// safe for concurrent use.
type clock struct {
	low, high time.Duration
	at        time.Time // of the last answer; zero: none
}

// observe adds the times of an answer: sent and received are by our clock, start and
// finish by the portal's. Either of the last two may be zero.
func (c *clock) observe(sent, start, finish, received time.Time) {
	if start.IsZero() && finish.IsZero() {
		return
	}
	if start.IsZero() {
		start = finish
	} else if finish.IsZero() {
		finish = start
	}
	low, high := finish.Sub(received), start.Sub(sent)
	// If the portal's times contradict each other, use at least its start.
	low = min(low, high)
	if !c.at.IsZero() {
		drift := time.Duration(float64(received.Sub(c.at)) * clockDrift)
		if l, h := max(low, c.low-drift), min(high, c.high+drift); l <= h {
			low, high = l, h
		} // otherwise one of the clocks was set
	}
	c.low, c.high, c.at = low, high, received
}

// ours converts a time of the portal's clock to ours, never too early.
func (c *clock) ours(theirs time.Time) time.Time { return theirs.Add(-c.low) }

// theirs converts a time of our clock to the portal's, never too early.
func (c *clock) theirs(ours time.Time) time.Time { return ours.Add(c.high) }
