package bitrix

import (
	"context"
	"errors"
	"math"
	"time"
)

// A chain of pages is one request at a time, because each page begins after the last id
// of the one before. If answers take a second, a portal that allows two requests per
// second then gets less than one per second. A listing with Windows divides the
// remaining ids into windows. Each window is a walk of its own between two ids, and
// several are listed concurrently. Their pages are yielded in the order of ids. The
// first page of each window has its count, and its end is checked like that of any walk
// (pages_end.go). Gaps of ids, and wrong counts, are in pages_gaps.go.

const (
	// windowFill is the share of a full chain that a window should fill, by the density
	// of the windows before it. If a window has more, its rest takes a part of another
	// request.
	windowFill = 0.96
	// windowsLeast and windowsMost bound how many windows are in flight: each has up to
	// two answers of some MiB in memory. While rests share requests (pages_rest.go), there
	// may be twice as many, within windowsBytes.
	windowsLeast, windowsMost = 4, 24
	// windowsBytes is how many bytes the answers of the windows in flight may be expected
	// to have together, unless one window has more.
	windowsBytes = 24 << 20
)

const keyLast = "last"

// errUnbounded is returned if a window's page has ids above the window.
var errUnbounded = errors.New("the portal does not list up to an id")

// lastCommand returns the command for the highest id after a cursor.
func (l Listing) lastCommand(after int64) Command {
	p := l.params(">", after, false)
	p["order"], p["select"] = Params{l.IDField: "DESC"}, []string{l.IDField}
	return Command{Key: keyLast, Method: l.Method, Params: p, Optional: true}
}

// lastOf returns the highest id in the answer of lastCommand. It returns 0 if there is none
// or the portal ignores the order.
func (l Listing) lastOf(r Result) int64 {
	if r.Err != nil {
		return 0
	}
	p, err := decodePage(r.Value, l.Items, l.IDField)
	if err != nil {
		return 0
	}
	for i, id := range p.ids {
		if i > 0 && id >= p.ids[i-1] {
			return 0
		}
	}
	if len(p.ids) == 0 {
		return 0
	}
	return p.ids[0]
}

// window is a walk between two ids, in progress.
type window struct {
	*walk
	from     int64
	expected float64           // elements
	chains   chan chainOfPages // closed after the last one
	// Valid once chains is closed: how many requests it took, and how long the first
	// one took.
	requests int
	took     time.Duration
}

// windowed reports whether the rest of the walk is better listed by windows.
func (w *walk) windowed() bool {
	left := w.counted - w.listed
	return w.list.Windows && w.last > w.cursor && w.counted >= 0 && !w.dear() && left > 2*PageSize*MaxCommands &&
		w.broken == 0 && !w.c.isSingle(w.list.Method) && w.c.governor.sizes.limit(w.list.Method) == MaxCommands
}

// windows lists the rest by windows and sends their pages in the order of ids. It
// reports whether that was everything; if not, the walk continues from its cursor with at
// least one chain. Nothing is in flight when it returns.
func (w *walk) windows(ctx context.Context, out chan<- chainOfPages) (done bool) {
	ctx, cancel := context.WithCancel(ctx)
	var queue []*window
	defer func() {
		cancel()
		for _, one := range queue {
			for range one.chains { // until it is closed
			}
		}
	}()
	density, sure := w.density()
	atOnce, planned := windowsLeast, w.cursor
	if !sure {
		atOnce, w.gaps = windowsUnsure, true
	}
	rests, finished := make(chan *rest), 0
	left := float64(w.counted - w.listed) // elements that no window is expected to list
	enough := false                       // no further windows now
	begin := func(takes *rest) {
		one := w.window(ctx, planned, density, rests, takes)
		queue = append(queue, one)
		planned, done = one.through, one.through == 0
		left -= one.expected
	}
	// room reports whether a further window may be in flight. If hardly any elements are
	// left for ids that have room for many windows, there is a gap before them.
	room := func(most int) bool {
		full := windowFill * PageSize * MaxCommands
		if left < full && float64(w.last-planned)*density > windowsFar*full {
			enough, w.gaps = true, true
		}
		return !done && !enough && (len(queue) == 0 || len(queue) < min(most, w.affordable()))
	}
	share := func(r *rest) {
		if w.c.governor.sizes.limit(w.list.Method) == MaxCommands && room(2*atOnce) {
			begin(r)
		} else {
			close(r.answer)
		}
	}
	// send also answers the windows that offer their rests: they must not wait for the
	// caller.
	send := func(chain chainOfPages) bool {
		for {
			select {
			case out <- chain:
				return true
			case r := <-rests:
				share(r)
			case <-ctx.Done():
				return false
			}
		}
	}
	for {
		for room(atOnce) {
			begin(nil)
		}
		if len(queue) == 0 {
			w.ended, w.length = done, MaxCommands
			return done
		}
		one := queue[0]
		listed := int64(0)
		for {
			var chain chainOfPages
			open := true
			select {
			case chain, open = <-one.chains:
			case r := <-rests:
				share(r)
				continue
			}
			if !open {
				break
			}
			if gap := errors.Is(chain.err, errGap); gap || contradicts(chain.err) {
				// What was listed so far is valid.
				w.listed += listed
				w.waste += float64(len(queue)) - fullChains(listed)
				w.gaps, w.list.Windows, w.length = true, gap, MaxCommands
				return false
			}
			if !send(chain) || chain.err != nil {
				w.ended = true
				return true
			}
			for _, page := range chain.pages {
				listed += int64(len(page.IDs))
				w.cursor = page.IDs[len(page.IDs)-1]
			}
		}
		w.listed += listed
		if one.uncounted {
			w.list.Windows, w.length = false, MaxCommands
			return false
		}
		queue = queue[1:]
		left += one.expected - float64(listed)
		w.cursor = max(w.cursor, one.through)
		// The window that just finished determines three quarters of the new density.
		if one.through > 0 {
			own := float64(listed) / float64(one.through-one.from)
			density = max((density+3*own)/4, density/4)
			if float64(listed) < windowSparse*one.expected {
				enough, w.gaps = true, true
			}
		}
		w.waste += float64(one.requests) - fullChains(listed)
		enough = enough || w.dear()
		limits := w.c.governor.limits
		atOnce = int(max(windowsLeast, min(windowsMost, math.Ceil(2*one.took.Seconds()*limits.Rate*limits.Share))))
		if finished++; !sure {
			atOnce = min(atOnce, windowsUnsure+finished/4)
		}
	}
}

// affordable returns how many windows may be in flight for the bytes of their answers.
func (w *walk) affordable() int {
	bytes := w.c.governor.sizes.chainBytes(w.list.Method)
	if bytes == 0 {
		return windowsMost
	}
	return int(windowsBytes / bytes)
}

// window starts to list the ids above from, as many as fill a chain by density. Without
// an upper bound it lists all the rest: what is created meanwhile has ids above the
// last id that was seen. The first request also has the pages of another window's rest,
// unless takes is nil. The window offers its own rest on rests.
func (w *walk) window(ctx context.Context, from int64, density float64, rests chan<- *rest, takes *rest) *window {
	one := &window{walk: newWalk(w.c, w.list, from), from: from, chains: make(chan chainOfPages, 1)}
	one.list.Windows, one.length, one.cut = false, w.c.governor.sizes.limit(w.list.Method), w.cut
	if one.takes = takes; takes != nil {
		one.length = MaxCommands - len(takes.commands)
	}
	width := math.Ceil(windowFill * PageSize * float64(one.length) / density)
	one.expected = density * min(width, float64(w.last-from))
	if width < float64(w.last-from) {
		one.through = from + int64(width)
	}
	// The goroutine owns the window's walk, and ends with it or with ctx. It closes
	// chains.
	go func() {
		defer close(one.chains)
		for !one.ended {
			asked, start, waits := one.asked, time.Now(), one.waits
			pages, err := one.next(ctx)
			one.leave()
			if one.list.key == "" && one.through > 0 {
				one.list.key, one.rests = restKey, rests // what follows is the rest
			}
			one.requests += one.asked - asked
			if one.took == 0 {
				one.took = time.Since(start) - (one.waits - waits)
			}
			for i := range pages {
				pages[i].Total = -1 // the window's own
				if ids := pages[i].IDs; one.through > 0 && ids[len(ids)-1] > one.through {
					pages, err = nil, errUnbounded
					break
				}
			}
			select {
			case one.chains <- chainOfPages{pages, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return one
}
