package bitrix

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// Pages walks a list by ascending id, from behind after, in chains of pages:
// one request brings up to 50 of them. While the caller looks at one chain's
// pages the next is under way, or several are if the listing has Windows; they are
// cancelled, and waited for, when the caller stops. The pages' ids ascend strictly over the whole walk, unless the listing
// has Repeats. The last pair may be an error, with an empty Page.
//
// What is created behind the walk's position while it continues is in it, what is
// deleted is not.
func (c *Client) Pages(ctx context.Context, l Listing, after int64) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		chains := make(chan chainOfPages)
		// The goroutine owns the walk. It ends with the list, with an error, or
		// with ctx; in each case it closes chains.
		go func() {
			defer close(chains)
			w := newWalk(c, l, after)
			send := func(chain chainOfPages) bool {
				select {
				case chains <- chain:
					return true
				case <-ctx.Done():
					return false
				}
			}
			for !w.ended {
				if w.windowed() && w.windows(ctx, send) {
					return
				}
				pages, err := w.next(ctx)
				if !send(chainOfPages{pages, err}) || err != nil {
					return
				}
			}
		}()
		defer func() {
			cancel()
			for range chains { // until it is closed
			}
		}()
		for chain := range chains {
			for _, page := range chain.pages {
				if !yield(page, nil) {
					return
				}
			}
			if chain.err != nil {
				yield(Page{}, chain.err)
				return
			}
		}
		if err := context.Cause(ctx); err != nil {
			yield(Page{}, err)
		}
	}
}

type chainOfPages struct {
	pages []Page
	err   error
}

// walk is where a listing is. It belongs to one goroutine.
type walk struct {
	c        *Client
	list     Listing
	cursor   int64
	through  int64         // the highest id to list; 0: no bound
	last     int64         // the highest id when the walk began, 0 if it is not known
	asked    int           // requests so far
	waits    time.Duration // for limits so far
	length   int           // of the next chain
	count    counting      // of the next chain
	broken   int           // how often a cursor within a chain did not resolve
	whole    bool          // a page had more elements than a page has
	listed   int64         // elements so far
	counted  int64         // elements in all, by the portal's count, or -1
	ended    bool
	garbled  bool // the next page has a text that the portal cannot encode
	stalls   int  // attempts in a row that brought nothing that holds
	large    int  // attempts in a row whose one page was too large
	patience *patience
}

func newWalk(c *Client, l Listing, after int64) *walk {
	w := &walk{c: c, list: l, cursor: after, length: firstChain, count: countFirst, counted: -1, patience: newPatience(c.patience)}
	if l.FullChains {
		w.length = MaxCommands
	}
	if l.MayBeWhole {
		w.length, w.count = 1, countNone
	}
	return w
}

// maxStalls is how often a page is asked for that does not hold. That it does
// not is no passing trouble, but a portal may answer one request oddly.
const maxStalls = 5

// maxBroken is how many chains may break at their references before the walk
// goes page by page.
const maxBroken = 3

// next returns the next chain's pages, repeating what may pass. After an error, or
// with w.ended, it must not be called again.
func (w *walk) next(ctx context.Context) ([]Page, error) {
	started := time.Now()
	for {
		start := time.Now()
		k, waited, err := w.ask(ctx)
		w.patience.spend(time.Since(start) - waited)
		if err == nil {
			if err = k.err; len(k.pages) > 0 || k.ended {
				if err = w.take(ctx, k); err == nil {
					return k.pages, nil
				}
			}
		}
		if err == nil {
			err = errStall // a page that is neither short nor anything else
		}
		if err := w.survive(ctx, err, started); err != nil {
			return nil, fmt.Errorf("list %s after %d: %w", w.list.Method, w.cursor, err)
		}
		w.c.counters.retries.Add(1)
	}
}

// ask gets the next chain, or a single page where the method is not batched.
func (w *walk) ask(ctx context.Context) (links, time.Duration, error) {
	if w.garbled {
		k, err := w.askReadable(ctx)
		w.garbled = err != nil
		return k, 0, err
	}
	if w.c.isSingle(w.list.Method) {
		cmd := w.list.chain(w.cursor, w.through, 1, w.count)[0]
		r, waited, err := w.c.single(ctx, cmd, w.count == countFirst)
		if err != nil {
			return links{}, waited, err
		}
		return w.list.cut([]Result{r}, w.cursor), waited, nil
	}
	most := w.c.governor.sizes.limit(w.list.Method)
	n := min(w.length, most)
	if w.counted >= 0 {
		// Pages behind the last one cost the portal as much as any. The one that
		// is not full, if only because it is empty, is the end.
		pages := int(min(max(0, w.counted-w.listed)/PageSize, math.MaxInt32)) + 1
		n = min(n, pages)
		// A few pages more now may save a whole request at the end.
		if over := (pages - n) % most; over <= n/2 && n+over <= most {
			n += over
		}
	}
	commands := w.list.chain(w.cursor, w.through, n, w.count)
	if w.list.Windows && w.count == countFirst && n < most {
		commands = append(commands, w.list.lastCommand(w.cursor))
	}
	w.asked++
	results, waited, err := w.c.request(ctx, commands)
	w.waits += waited
	if err != nil {
		return links{}, waited, err
	}
	if len(results) > n {
		w.last = w.list.lastOf(results[n])
		results = results[:n]
	}
	return w.list.cut(results, w.cursor), waited, nil
}

// take takes what holds, and finds out whether the list ends there.
func (w *walk) take(ctx context.Context, k links) error {
	before := w.cursor
	w.advance(k)
	switch {
	case !k.ended:
		return nil
	case w.cursor == before: // the chain's first page has nothing new
		return w.end(ctx)
	}
	// The end is believed where all has come that the portal has counted. Else the
	// next chain asks for what is behind it, which most likely is nothing where
	// nothing was counted.
	w.ended = w.counted >= 0 && w.listed >= w.counted
	if w.counted < 0 {
		w.length = 1
	}
	return nil
}

// advance takes a chain's pages.
func (w *walk) advance(k links) {
	if k.cursor > w.cursor {
		w.patience.restore()
		w.stalls, w.large = 0, 0
	}
	last := w.cursor
	for i, p := range k.pages {
		for _, id := range p.IDs {
			if id > last {
				w.listed++
				last = id
			}
		}
		w.whole = w.whole || len(p.IDs) > PageSize
		if w.count == countFirst && i == 0 {
			w.counted = p.Total
		} else {
			k.pages[i].Total = -1
		}
	}
	if len(k.pages) > 0 && w.count == countFirst {
		w.count = countNone
	}
	w.c.counters.commands.Add(int64(len(k.pages)))
	w.cursor = k.cursor
	w.length = min(w.length*chainGrowth, MaxCommands)
	if k.err != nil && len(k.pages) > 0 {
		if errors.Is(k.err, errStall) {
			// The page before was full, and yet its last id was not taken for
			// a cursor. A portal that never does is walked page by page.
			w.broken++
		}
		w.length = 1
	}
	if w.broken >= maxBroken || w.whole {
		w.length = 1
	}
}

// survive decides whether to ask again after err, and pauses if so.
func (w *walk) survive(ctx context.Context, err error, started time.Time) error {
	e := errorOf(ctx, err)
	switch {
	case errors.Is(err, ErrPatience) || ctx.Err() != nil:
		return err
	case e == nil:
		if !errors.Is(err, errStall) && !errors.Is(err, errShape) && !isCount(err) {
			return err
		}
		if w.stalls++; w.stalls == maxStalls {
			return err
		}
		return w.patience.pause(ctx, err)
	}
	class := e.Class()
	switch {
	case e.Code == CodeTimeout && w.count == countFirst:
		// Servers of some years count by loading every row, which may take longer
		// than a request may run.
		w.count = countNone
		return nil
	case e.BadEncoding() && w.list.Garbled && !w.garbled:
		// Only the one page that has the text is read otherwise.
		w.garbled = w.length == 1 || w.c.isSingle(w.list.Method)
		w.length = 1
		return nil
	case class == CallSingly && e.where != inCall:
		w.c.callSingly(w.list.Method)
		return nil
	case class == SmallerBatch:
		if e.Code == CodeTimeout {
			return w.patience.pause(ctx, e)
		}
		if w.c.governor.sizes.limit(w.list.Method) > 1 || w.length > 1 {
			w.length = 1
			return nil
		}
		if w.list.MayBeWhole && w.count == countNone {
			w.count = countAll
			return nil
		}
		// One page that is too large may be something else's than the list's: a
		// body that a gate before the portal does not end.
		if w.large++; w.large < largeAttempts {
			return w.patience.pause(ctx, e)
		}
	case class == SlowDown || class == WaitBudget:
		if took := time.Since(started); took > w.c.patience+w.c.governor.limits.Window {
			return exhausted(took, e)
		}
		return nil
	case e.MayPass():
		return w.patience.pause(ctx, e)
	case !e.known() && e.where == inCommand:
		if w.patience.unknown++; w.patience.unknown >= unknownAttempts {
			return e
		}
		return w.patience.pause(ctx, e)
	case class == Retry && e.where == inCommand:
		return w.patience.pause(ctx, e)
	}
	return e
}
