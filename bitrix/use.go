package bitrix

import (
	"sync/atomic"
	"time"
)

// Use is what a client has used of its portal so far.
type Use struct {
	// Requests counts HTTP requests, including refused ones, without redirects.
	Requests int64
	// Commands counts answered commands, with a result or a permanent error. A single
	// call counts as one.
	Commands int64
	// Retries counts requests and commands that were sent again.
	Retries int64
	// Refused counts requests that hit the rate limit (503 QUERY_LIMIT_EXCEEDED).
	Refused int64
	// OverBudget counts commands that hit an operating budget (429
	// OPERATION_TIME_LIMIT).
	OverBudget int64
	// BytesSent and BytesReceived count bodies, after decompression.
	BytesSent, BytesReceived int64
	// RateWait and OperatingWait are how long at least one request waited for the
	// limit: the share of the client's lifetime that the limit has cost.
	RateWait, OperatingWait time.Duration
}

// counters are the atomics behind Use.
type counters struct {
	requests, commands, retries, refused, overBudget, sent, received atomic.Int64
}

// Use returns the totals so far. It is safe for concurrent use.
func (c *Client) Use() Use {
	rate, operating := c.governor.waits()
	n := &c.counters
	return Use{
		Requests: n.requests.Load(), Commands: n.commands.Load(), Retries: n.retries.Load(),
		Refused: n.refused.Load(), OverBudget: n.overBudget.Load(),
		BytesSent: n.sent.Load(), BytesReceived: n.received.Load(),
		RateWait: rate, OperatingWait: operating,
	}
}

// Gauge returns the state of the limits now. It is safe for concurrent use.
func (c *Client) Gauge() Gauge {
	return c.governor.gauge()
}
