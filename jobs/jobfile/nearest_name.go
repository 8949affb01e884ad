package jobfile

import (
	"strings"
)

// nearest returns the name that was most likely meant by got, or "" if none is similar.
// Of names equally similar, it returns the first one.
func nearest(got string, names []string) string {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "_")) }
	got = plain(got)
	if len(got) > 40 {
		return "" // similar to no name, and slow to compare
	}
	best, least := "", 1+max(1, len(got)/3)
	for _, name := range names {
		d := distance(got, plain(name))
		if d == len(name) {
			continue // nothing in common
		}
		if d < least {
			best, least = name, d
		}
	}
	return best
}

// distance returns how many letters must be inserted, deleted, replaced, or swapped
// with their neighbour to change a to b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			replace := last[j-1]
			if x[i-1] != y[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
