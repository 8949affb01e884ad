package source

import (
	"math"
	"sync"
)

// ownerless knows how many orders of a run have no owner. On many portals each order has
// one, on others some orders of each chunk have none, and requesting those again would
// double the requests of a run. An answer is therefore only doubted if it lacks more
// orders than usual. It is safe for concurrent use.
type ownerless struct {
	mu              sync.Mutex
	orders, lacking int64
}

// A run begins as if it had seen a few orders, of which one in eight has no owner.
const (
	ordersBefore  = 48
	lackingBefore = 6
)

// unusual reports whether an answer about so many orders lacks more of them than the
// answers before, by three standard deviations. It adds the answer to these.
func (s *ownerless) unusual(orders, lacking int) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	usual := float64(orders) * float64(s.lacking+lackingBefore) / float64(s.orders+ordersBefore)
	s.orders += int64(orders)
	s.lacking += int64(lacking)
	return float64(lacking) > usual+3*math.Sqrt(usual)
}

// found records that a second answer has the owners of so many orders.
func (s *ownerless) found(owned int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lacking -= int64(owned)
}
