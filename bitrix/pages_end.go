package bitrix

import (
	"context"
	"errors"
	"fmt"
)

// CountError is returned if a portal counts elements after the last one that it lists.
// A run that trusted the list would delete those.
type CountError struct {
	// Method is the list method, After the last id listed.
	Method string
	After  int64
	// Counted is how many elements the portal counts after it, Listed how many it has
	// listed before.
	Counted, Listed int64
}

func (e *CountError) Error() string {
	return fmt.Sprintf("%s shows nothing behind id %d, and the portal counts %d there (%d listed before)", e.Method, e.After, e.Counted, e.Listed)
}

func isCount(err error) bool {
	_, ok := errors.AsType[*CountError](err)
	return ok
}

// maxShort is how many chains in sequence may end at a short page, whatever the portal
// counts, after all that existed at the start of the walk.
const maxShort = 5

// take adds the valid pages, and finds out whether the list ends there.
func (w *walk) take(ctx context.Context, k links) error {
	before := w.cursor
	w.advance(k)
	w.short++
	switch {
	case !k.ended:
		w.short = 0
		return nil
	case w.cursor == before && w.through > 0 && w.listed == 0 && k.total <= 0:
		return errGap
	case w.cursor == before: // the chain's first page has nothing new
		return w.end(ctx)
	case w.counted < 0 && w.through > 0:
		w.ended, w.uncounted = true, true
		return nil
	}
	// The end is accepted if all that the portal has counted was listed. Otherwise the
	// next chain requests what follows. If nothing was counted, that is most likely
	// nothing.
	w.ended = w.counted >= 0 && w.listed >= w.counted
	if w.last > 0 && w.cursor >= w.last && w.short >= maxShort {
		w.ended = true // what follows was created during the walk, and may never end
	}
	// If first pages are short again and again, the portal filters elements after it has cut
	// the page. No further page of a chain can then be resolved.
	if w.counted < 0 || w.cut > 1 {
		w.length = 1
	}
	return nil
}

// end finds out whether the list ends at the cursor, after which a page was empty; if
// so, it sets w.ended. An empty page alone does not prove that, because servers
// sometimes return one wrongly. end therefore counts the elements after the cursor in a
// separate request or, if that takes too long, lists them once more. If there are some,
// the portal contradicts itself, which is a *CountError.
func (w *walk) end(ctx context.Context) error {
	left, err := w.behind(ctx)
	switch {
	case err != nil:
		return err
	case left > 0:
		return &CountError{Method: w.list.Method, After: w.cursor, Counted: left, Listed: w.listed}
	}
	w.ended = true
	return nil
}

// behind returns how many elements follow the cursor, as far as one request shows.
// Counting is quick there, even on servers that load what they count.
func (w *walk) behind(ctx context.Context) (int64, error) {
	for count := true; ; count = false {
		cmd := Command{Key: "end", Method: w.list.Method, Params: w.list.between(">", w.cursor, w.through, count)}
		if len(w.list.Select) > 0 {
			cmd.Params["select"] = []string{w.list.IDField}
		}
		w.asked++
		r, _, err := w.c.single(ctx, cmd, count)
		if e := errorOf(ctx, err); count && e != nil && e.Code == CodeTimeout {
			continue // there is much to count, or the portal is slow now
		}
		if err != nil {
			return 0, err
		}
		if r.Err != nil {
			return 0, r.Err
		}
		p, err := decodePage(r.Value, w.list.Items, w.list.IDField)
		if err != nil {
			return 0, err
		}
		return max(r.Total, int64(len(p.ids))), nil
	}
}
