package main

import (
	"slices"
	"time"
)

// The portal's time for a page of payments and for one of owners.
const (
	pageCost   = 90 * time.Millisecond
	ownersCost = 40 * time.Millisecond
)

// floor is the minimum cost of a request that a method counts.
const floor = 100 * time.Millisecond

// load is the cost of a request for each method, or for the batch.
type load map[string]time.Duration

func (s *settings) load(v visit) load {
	l := load{methodGet: time.Duration(v.gets) * s.get, methodPages: time.Duration(v.pages) * pageCost, methodOwners: time.Duration(v.owners) * ownersCost}
	if s.charge == "batch" {
		l = load{"batch": l[methodGet] + l[methodPages] + l[methodOwners]}
	}
	for method, cost := range l {
		if cost <= floor {
			delete(l, method)
		}
	}
	return l
}

// leastSpan returns the least time of the visits on the portal's clock, if each request
// is sent as soon as the limits allow it: the counter accepts it, and the ten baskets
// that count have room for its cost in each of its methods. phase is the elapsed part
// of the basket at the start. All requests are known from the start, which no client
// can know, and only the last answer is waited for.
func (s *settings) leastSpan(visits []visit, phase time.Duration) time.Duration {
	if len(visits) == 0 {
		return 0
	}
	const step = 10 * time.Millisecond
	basket := s.window / 10
	loads := make([]load, 0, len(visits))
	for _, v := range visits {
		if !v.refused { // no request needs to be refused
			loads = append(loads, s.load(v))
		}
	}
	var (
		now     time.Duration
		counter float64
		spent   = map[string]map[int64]time.Duration{} // by method and number of basket
	)
	for {
		number := int64((now + phase) / basket)
		used := map[string]time.Duration{}
		for method, baskets := range spent {
			for n := number - 9; n <= number; n++ {
				used[method] += baskets[n]
			}
		}
		loads = slices.DeleteFunc(loads, func(l load) bool {
			if s.rate > 0 && counter+1 > float64(s.burst)+1e-9 {
				return false
			}
			for method, cost := range l {
				if s.operating > 0 && used[method]+cost > s.operating {
					return false
				}
			}
			counter++
			for method, cost := range l {
				if spent[method] == nil {
					spent[method] = map[int64]time.Duration{}
				}
				used[method] += cost
				spent[method][number] += cost
			}
			return true
		})
		if len(loads) == 0 {
			break
		}
		now += step
		counter = max(0, counter-s.rate*step.Seconds())
	}
	last := slices.MaxFunc(visits, func(a, b visit) int { return a.at.Compare(b.at) })
	return now + s.ofThePortal(last.took)
}
