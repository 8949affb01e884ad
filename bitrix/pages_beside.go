package bitrix

import (
	"context"
	"slices"
	"time"
)

// A short first chain lets the work on its elements start soon. If answers take many
// seconds, its elements are too few to keep a portal's rate busy until the next answer.
// A listing with Beside then requests a full chain at the same time.

// full is the answer to a full chain beside the first one.
type full struct {
	links
	err error
}

// beside requests a full chain from the walk's cursor after a delay, unless ctx ends
// before. The channel receives its answer, and is closed in each case.
func (w *walk) beside(ctx context.Context, delay time.Duration) <-chan full {
	answer := make(chan full, 1)
	other := newWalk(w.c, w.list, w.cursor)
	other.length, other.count, other.list.Windows = MaxCommands, countNone, false
	// The goroutine owns other. It ends with its answer or with ctx.
	go func() {
		defer close(answer)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return
		}
		k, _, err := other.ask(ctx)
		answer <- full{k, err}
	}()
	return answer
}

// first requests the first chain, and sends it. If it takes longer than the listing's
// Beside, first also sends the rest of a full chain. It reports whether the walk
// continues.
func (w *walk) first(ctx context.Context, send func(chainOfPages) bool) bool {
	late, cancel := context.WithCancel(ctx)
	answer := w.beside(late, w.list.Beside)
	defer func() {
		cancel()
		for range answer { // until it is closed
		}
	}()
	start := time.Now()
	pages, err := w.next(ctx)
	if !send(chainOfPages{pages, err}) || err != nil {
		return false
	}
	if w.ended || time.Since(start) < w.list.Beside {
		return true
	}
	k, ok := <-answer
	if !ok || k.err != nil || k.links.err != nil && len(k.pages) == 0 {
		return ctx.Err() == nil // what failed is requested again where the walk is
	}
	k.pages = behind(k.pages, w.cursor)
	if len(k.pages) == 0 || w.take(ctx, k.links) != nil {
		return true
	}
	w.length = MaxCommands
	return send(chainOfPages{pages: k.pages})
}

// behind returns the part of pages with ids above after.
func behind(pages []Page, after int64) []Page {
	var rest []Page
	for _, p := range pages {
		i, _ := slices.BinarySearch(p.IDs, after+1)
		if p.IDs, p.Items = p.IDs[i:], p.Items[i:]; len(p.IDs) > 0 {
			rest = append(rest, p)
		}
	}
	return rest
}
