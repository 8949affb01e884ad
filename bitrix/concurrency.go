package bitrix

// Concurrency is how many requests the client lets be under way at once: more
// callers than these only wait for each other.
func (c *Client) Concurrency() int { return c.governor.limits.Concurrency }
