package bitrix

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"
)

// Pages walks a list by ascending id, from the first id above after, in chains of pages:
// one request returns up to 50 of them. While the caller processes one chain's pages,
// the next is in flight, or several are if the listing has Windows. When the caller
// stops, they are cancelled, and Pages waits for them. The pages' ids ascend strictly
// over the whole walk, unless the listing has Repeats. The last pair may be an error,
// with an empty Page.
//
// The walk contains what is created after its position while it continues, and not what
// is deleted there.
func (c *Client) Pages(ctx context.Context, l Listing, after int64) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		chains := make(chan chainOfPages)
		// The goroutine owns the walk. It ends with the list, with an error, or with
		// ctx. In each case it closes chains.
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
			if l.Beside > 0 && !w.c.isSingle(l.Method) && !w.first(ctx, send) {
				return
			}
			for !w.ended {
				if w.windowed() && w.windows(ctx, chains) {
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

// walk is the position in a listing. It belongs to one goroutine.
type walk struct {
	c       *Client
	list    Listing
	cursor  int64
	through int64         // the highest id to list; 0: no bound
	last    int64         // the highest id at the start of the walk, 0 if it is not known
	asked   int           // how many requests so far
	waits   time.Duration // for limits so far
	length  int           // of the next chain
	count   counting      // of the next chain
	broken  int           // how often a chain ended at a page of another length, or at a cursor that was not resolved
	near    float64       // elements an id, of the last pages; 0: not known
	waste   float64       // requests of the walk's windows beyond full chains
	gaps    bool          // a window has shown a gap of ids, or the count has
	listed  int64         // elements so far
	counted int64         // elements in all, by the portal's count, or -1
	ended   bool
	// uncounted means that a window ended at a short page that nothing confirms, because
	// the portal has not counted.
	uncounted bool
	garbled   bool // the portal cannot encode a text of the next page
	short     int  // consecutive chains that ended at a short page
	cut       int  // consecutive chains whose first page was short
	stalls    int  // consecutive attempts without a valid page
	large     int  // consecutive attempts whose one page was too large
	patience  *patience
	// rests is where a window offers its rest, once; nil otherwise. takes is another
	// window's rest, for the next request. See pages_rest.go.
	rests chan<- *rest
	takes *rest
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

// maxStalls is how often an invalid page is requested. Such an answer is not a
// temporary error, but a portal may answer one request wrongly.
const maxStalls = 5

// maxBroken is how many chains may break at their references before the walk requests
// page by page.
const maxBroken = 3

// next returns the next chain's pages, and retries temporary errors. It must not be
// called again after an error, or if w.ended is set.
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
			err = ErrStall // a page that is neither short nor valid
		}
		if err := w.survive(ctx, err, started); err != nil {
			return nil, fmt.Errorf("list %s after %d: %w", w.list.Method, w.cursor, err)
		}
		w.c.counters.retries.Add(1)
	}
}

// ask gets the next chain, or a single page if the method cannot be batched.
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
	if w.counted >= w.listed { // otherwise the count was too low
		// Pages after the last one cost the portal as much as any other. The first page
		// that is not full, or empty, is the end.
		pages := int(min((w.counted-w.listed)/PageSize, math.MaxInt32)) + 1
		n = min(n, pages)
		// A few more pages now may save a whole request at the end.
		if over := (pages - n) % most; over <= n/2 && n+over <= most {
			n += over
		}
	}
	commands := w.list.chain(w.cursor, w.through, n, w.count)
	if w.list.Windows && w.count == countFirst && n > 1 && n < most {
		commands = append(commands, w.list.lastCommand(w.cursor))
	}
	results, waited, err := w.request(ctx, commands)
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

// advance adds a chain's pages.
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
		if w.count == countFirst && i == 0 {
			w.counted = p.Total
		} else {
			k.pages[i].Total = -1
		}
	}
	if len(k.pages) > 0 {
		if w.count == countFirst {
			w.count = countNone
		}
		w.near = densityOf(k.pages[max(0, len(k.pages)-nearPages):])
	}
	if w.cut++; !k.ended || len(k.pages) != 1 {
		w.cut = 0
	}
	w.c.counters.commands.Add(int64(len(k.pages)))
	w.cursor = k.cursor
	w.length = min(w.length*chainGrowth, MaxCommands)
	if n := len(k.pages); n > 0 && !k.ended {
		if errors.Is(k.err, ErrStall) || len(k.pages[n-1].IDs) > PageSize {
			// The page before was full, but the portal did not use its last id as a
			// cursor, or a page has other elements than the walk expects. If a portal
			// always does that, the walk requests page by page.
			w.broken++
			w.length = 1
		} else if k.err != nil && !tooLong(k.err) {
			w.length = 1
		}
	}
	if w.broken >= maxBroken {
		w.length = 1
	}
}

// tooLong reports whether err is about the number of commands, which the governor has
// halved.
func tooLong(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && strings.EqualFold(e.Code, CodeBatchLength)
}

// survive decides whether to retry after err, and pauses if so.
func (w *walk) survive(ctx context.Context, err error, started time.Time) error {
	e := errorOf(ctx, err)
	switch {
	case errors.Is(err, ErrPatience) || ctx.Err() != nil:
		return err
	case e == nil:
		if !errors.Is(err, ErrStall) && !errors.Is(err, ErrShape) && !isCount(err) {
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
		// Servers of some years count by loading every row, which may take longer than
		// a request may take.
		w.count = countNone
		return nil
	case e.BadEncoding() && w.list.Garbled && !w.garbled:
		// Only the one page with that text is read in the other way.
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
		most := w.c.governor.sizes.limit(w.list.Method)
		if e.BadEncoding() && w.length == 1 {
			return e // one page that cannot be encoded remains such a page
		}
		if most > 1 || w.length > 1 {
			if most == 1 || !tooLong(e) {
				w.length = 1
			}
			return nil
		}
		if w.list.MayBeWhole && w.count == countNone {
			w.count = countAll
			return nil
		}
		// One page that is too large may not be the list's own: a gate in front of the
		// portal may never end its body.
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
