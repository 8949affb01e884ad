package pipeline

import (
	"cmp"
	"slices"
)

// IDRange is the ids from From to To, both included.
type IDRange struct {
	From PaymentID `json:"from"`
	To   PaymentID `json:"to"`
}

// manyRanges bounds a list of ranges, because each checkpoint and the manifest contain
// it as a whole. Ids that do not fit are only counted.
const manyRanges = 1000

// withID adds an id to ranges.
func withID(ranges []IDRange, id PaymentID) []IDRange {
	n := len(ranges)
	switch {
	case n > 0 && ranges[n-1].To+1 == id:
		ranges[n-1].To = id
	case n < manyRanges:
		ranges = append(ranges, IDRange{id, id})
	}
	return ranges
}

// withoutIDs returns the ranges without the ids of a part of a listing.
func withoutIDs(ranges []IDRange, part Range) []IDRange {
	var left []IDRange
	for _, r := range ranges {
		if below := (IDRange{r.From, min(r.To, part.After)}); below.From <= below.To {
			left = append(left, below)
		}
		if r.To > part.Through { // so Through+1 does not overflow
			left = append(left, IDRange{max(r.From, part.Through+1), r.To})
		}
	}
	return left
}

// inOrder sorts ranges and joins those that follow each other.
func inOrder(ranges []IDRange) []IDRange {
	var all []IDRange
	for _, r := range slices.SortedFunc(slices.Values(ranges), func(a, b IDRange) int { return cmp.Compare(a.From, b.From) }) {
		if n := len(all); n > 0 && all[n-1].To+1 == r.From {
			all[n-1].To = r.To
			continue
		}
		all = append(all, r)
	}
	return all
}
