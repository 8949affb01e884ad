package bitrix

import "time"

// clockDrift is by how much two clocks may go apart, as a share of the time
// since they were compared: more than any that NTP lets pass.
const clockDrift = 1e-4

// clock knows how far the portal's clock is ahead of ours: between low and
// high. Each answer narrows that, since the portal started after we had sent,
// and finished before we had received; the quickest answers do the most. It is
// not safe for concurrent use.
type clock struct {
	low, high time.Duration
	at        time.Time // of the last answer; zero: none
}

// observe takes an answer's instants: sent and received are ours, start and
// finish the portal's. Either of those may be zero.
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
	// A portal whose figures do not hold together started at any rate.
	low = min(low, high)
	if !c.at.IsZero() {
		drift := time.Duration(float64(received.Sub(c.at)) * clockDrift)
		if l, h := max(low, c.low-drift), min(high, c.high+drift); l <= h {
			low, high = l, h
		} // else one of the clocks was set
	}
	c.low, c.high, c.at = low, high, received
}

// ours turns an instant of the portal's clock into one of ours, never too early.
func (c *clock) ours(theirs time.Time) time.Time { return theirs.Add(-c.low) }

// theirs turns an instant of our clock into one of the portal's, never too
// early.
func (c *clock) theirs(ours time.Time) time.Time { return ours.Add(c.high) }
