package pipeline

import (
	"context"
	"fmt"
	"slices"
)

// chunk is a range of the listing: all payments after the previous chunk, up to
// through. Chunks are numbered. They can be read in any order and are collected in the
// order of their numbers.
type chunk[R any] struct {
	seq     int64
	get     []Listed[R]
	shared  bool               // get is a part of the listing's page
	pooled  []R                // rows of earlier work that replace a get
	filled  []R                // rows that need no get; see Table.Fill
	marks   []Mark             // of filled rows, and of fetched ones
	known   map[PaymentID]bool // payments of get that the last snapshot has
	rejects []Reject           // from the listing itself
	gone    []PaymentID
	listed  int64
	carried int64
	kept    int64 // rejects that the last snapshot has
	outside int64
	doubts  []doubtful[R] // empty when the chunk is sent
	bytes   int64         // size of the texts that the chunk keeps
	through PaymentID
	final   bool // this chunk ends the listing
}

// lister iterates over the listing and the last snapshot, both by id, and divides what
// differs into chunks. It runs in one goroutine. Of the run it uses only what does not
// change during the fetch: the collector owns the checkpoint.
type lister[R any] struct {
	Config[R]
	last   *Manifest
	mode   Mode
	part   Range // what to list
	hole   bool  // part is a hole, not the rest of the listing
	before int64 // how many payments are listed before part
	pool   []Segment
	out    chan<- chunk[R]
	window *window
	open   chunk[R]
	rest   []Listed[R] // the page from the current payment on
	next   func() (*R, error)
	row    *R                              // the last snapshot's next row, nil after its end
	reuse  func(PaymentID) (*R, error)     // returns the pool's row of an id, nil if it has none
	retry  []PaymentID                     // the last snapshot's rejects that are not passed yet
	mark   func(PaymentID) (uint64, error) // returns the last snapshot's mark of an id, 0 if it has none
	why    reasons
}

// flushListed bounds how many listed payments without changes a chunk has: how much a
// kill can undo, and how much of the listing a chunk holds in memory.
const flushListed = 50_000

// flushPooled bounds how many rows of earlier work a chunk has, and how many filled
// rows.
const flushPooled = 500

// list sends the chunks of the whole listing. It closes out at the end.
func (l *lister[R]) list(ctx context.Context) (err error) {
	defer close(l.out)
	next, stop := l.lastRows(ctx)
	defer stop()
	l.next = next
	if l.last != nil {
		if l.retry, err = l.Sink.Rejected(ctx, l.last); err != nil {
			return fmt.Errorf("read the rejects of snapshot %s: %w", l.last.Snapshot, err)
		}
		l.wasRejected(l.part.After) // skips all ids up to After
	}
	mark, stopMarks := l.lastMarks(ctx)
	defer stopMarks()
	l.mark = mark
	reuse, stopPool := l.pooledRows(ctx)
	defer stopPool()
	l.reuse = reuse
	at := l.part.After
	l.open.through = at
	if l.row, err = l.next(); err != nil {
		return err
	}
listing:
	for page, err := range l.Source.List(ctx, at) {
		if err != nil {
			return fmt.Errorf("list payments: %w", err)
		}
		if total := l.Source.Total(); total > 0 && !l.hole {
			l.Progress.Total.Store(l.before + total)
			if l.last != nil {
				l.Progress.Fresh.Store(max(0, l.before+total-l.last.Ledger.Rows()))
			}
		}
		for i := range page {
			item := &page[i]
			l.rest = page[i:]
			if item.ID <= at {
				return fmt.Errorf("list payments after %d: got payment %d; the listing must ascend", at, item.ID)
			}
			at = item.ID
			if at > l.part.Through {
				break listing
			}
			if err := l.pass(ctx, at-1); err != nil {
				return err
			}
			if err := l.add(ctx, item); err != nil {
				return err
			}
		}
	}
	if err := l.pass(ctx, l.part.Through); err != nil {
		return err
	}
	if l.hole {
		l.open.through = l.part.Through
	}
	l.open.final = true
	return l.flush(ctx)
}

// pass processes what the last snapshot has up to through and the listing lacks.
func (l *lister[R]) pass(ctx context.Context, through PaymentID) error {
	for {
		// A payment that the last snapshot could not read may have no row in it.
		was, retry := l.row != nil && l.Table.ID(l.row) <= through, len(l.retry) > 0 && l.retry[0] <= through
		switch {
		case was && retry && l.retry[0] < l.Table.ID(l.row), !was && retry:
			passed := l.retry[0]
			l.retry = l.retry[1:]
			if l.Source.Absent(passed, nil) == Gone {
				continue
			}
			if err := l.doubt(ctx, doubtful[R]{id: passed}); err != nil {
				return err
			}
		case was:
			if err := l.passRow(ctx, l.row); err != nil {
				return err
			}
			var err error
			if l.row, err = l.next(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// passRow processes a row of the last snapshot that was not listed.
func (l *lister[R]) passRow(ctx context.Context, row *R) error {
	id := l.Table.ID(row)
	rejected := l.wasRejected(id)
	switch absence := l.Source.Absent(id, row); {
	case absence == Gone:
		return l.dropped(ctx, id)
	case absence == Doubtful, rejected:
		mark, err := l.mark(id)
		if err != nil {
			return err
		}
		return l.doubt(ctx, doubtful[R]{id: id, known: true, was: *row, mark: mark, rejected: rejected})
	}
	l.open.outside++
	l.open.through = id
	return nil
}

// add adds one listed payment to the open chunk. It compares the payment with its row
// in the last snapshot, if there is one.
func (l *lister[R]) add(ctx context.Context, item *Listed[R]) (err error) {
	var was *R
	var mark uint64
	if l.row != nil && l.Table.ID(l.row) == item.ID {
		was = l.row
		if mark, err = l.mark(item.ID); err != nil {
			return err
		}
		l.complete(item, was)
	}
	rejected := l.wasRejected(item.ID)
	l.open.through = item.ID
	switch {
	case item.Missing && was != nil:
		err = l.dropped(ctx, item.ID)
	case item.Missing:
	case item.Unread && was == nil:
		err = l.doubt(ctx, doubtful[R]{id: item.ID})
	case item.Unread && rejected:
		err = l.doubt(ctx, doubtful[R]{id: item.ID, known: true, was: *was, mark: mark, rejected: true})
	default:
		same := was != nil && !rejected && (item.Unread || l.mode == Incremental && l.Table.Same(&item.Row, was, mark))
		if !same && was != nil && !rejected && l.fill(item, was, mark) {
			break
		}
		var pooled *R
		if !same {
			if was != nil && !rejected {
				l.because(item, was)
			}
			if pooled, err = l.reuse(item.ID); err != nil {
				return err
			}
		}
		l.take(item, was, pooled, same)
	}
	if err == nil && (l.full() || len(l.open.pooled)+len(l.open.filled) >= flushPooled || l.open.listed >= flushListed) {
		err = l.flush(ctx)
	}
	if err == nil && was != nil {
		l.row, err = l.next()
	}
	return err
}

// full reports whether the open chunk has as many payments as a Get reads, or half of what
// the window has room for.
func (l *lister[R]) full() bool {
	return len(l.open.get)+len(l.open.doubts) >= l.Chunk || l.open.bytes >= l.WindowBytes/2
}

// size returns the bytes of a row's texts.
func (l *lister[R]) size(row *R) int64 { return int64(l.Table.Size(row)) }

// fill copies values that only the listing has into the last snapshot's row. It reports
// whether the payment then needs no get.
func (l *lister[R]) fill(item *Listed[R], was *R, mark uint64) bool {
	if l.mode != Incremental || l.Table.Fill == nil || item.Reject != nil || item.Unread {
		return false
	}
	row, ok := l.Table.Fill(&item.Row, was, mark)
	if !ok {
		return false
	}
	l.open.filled = append(l.open.filled, row)
	l.open.bytes += l.size(&row)
	l.open.marked(item.ID, mark)
	l.open.listed++
	l.open.carried++
	l.Progress.Listed.Add(1)
	l.Progress.Carried.Add(1)
	return true
}

// keep carries a row of the last snapshot by writing it. A backfill's merge may be
// based on a later snapshot, and must then know that this payment was seen.
func (l *lister[R]) keep(was *R, mark uint64) {
	l.open.filled = append(l.open.filled, *was)
	l.open.bytes += l.size(was)
	l.open.marked(l.Table.ID(was), mark)
	l.open.listed++
	l.open.carried++
	l.Progress.Listed.Add(1)
	l.Progress.Carried.Add(1)
}

// take adds a listed payment that exists to the open chunk. was is its row in the last
// snapshot, and same reports whether that row is still valid. pooled is its row of
// earlier work, nil if there is none.
func (l *lister[R]) take(item *Listed[R], was, pooled *R, same bool) {
	c := &l.open
	c.listed++
	l.Progress.Listed.Add(1)
	switch {
	case item.Reject != nil:
		c.rejects = append(c.rejects, *item.Reject)
		c.bytes += item.Reject.size()
		if was != nil {
			c.kept++
		}
		l.Progress.Rejected.Add(1)
	case same:
		c.carried++
		l.Progress.Carried.Add(1)
	case pooled != nil && l.stands(pooled, item, was):
		c.pooled = append(c.pooled, *pooled)
		c.bytes += l.size(pooled)
		l.Progress.ToGet.Add(1)
	default:
		l.toGet(item)
		c.bytes += l.size(&item.Row)
		if was != nil {
			if c.known == nil {
				c.known = make(map[PaymentID]bool)
			}
			c.known[item.ID] = true
		}
		l.Progress.ToGet.Add(1)
	}
}

// toGet adds a listed payment to the open chunk's gets. Payments that follow one another
// in memory stay there: List leaves its pages to the run. Others are copied. Two pages
// follow one another if the second is within the first one's capacity.
func (l *lister[R]) toGet(item *Listed[R]) {
	c := &l.open
	n := len(c.get)
	switch {
	case n == 0 && len(l.rest) > 0 && item == &l.rest[0]:
		c.get, c.shared = l.rest[:1:min(cap(l.rest), l.Chunk)], true
		return
	case c.shared && n < cap(c.get) && item == &c.get[:n+1][n]:
		c.get = c.get[:n+1]
		return
	case n == 0 || c.shared:
		c.get, c.shared = append(make([]Listed[R], 0, max(n+1, l.Chunk)), c.get...), false
	}
	c.get = append(c.get, *item)
}

// stands reports whether a row of earlier work is as good as a new get: the payment is
// listed with the same values, and no later row of it exists.
func (l *lister[R]) stands(pooled *R, item *Listed[R], was *R) bool {
	at := l.Table.ReadAt(pooled)
	if l.last != nil && at.Before(l.last.StartedAt) || was != nil && l.Table.ReadAt(was).After(at) {
		return false
	}
	return l.Table.Same(&item.Row, pooled, 0)
}

// dropped records an id that the last snapshot has and the portal no longer lists.
func (l *lister[R]) dropped(ctx context.Context, id PaymentID) error {
	l.open.gone = append(l.open.gone, id)
	l.open.through = id
	if len(l.open.gone) >= flushListed {
		return l.flush(ctx)
	}
	return nil
}

// doubtful is a payment that must be listed by its id.
type doubtful[R any] struct {
	id       PaymentID
	known    bool // the last snapshot has it
	was      R    // its row in the last snapshot
	mark     uint64
	rejected bool // the last snapshot has it as a reject, with an older row or none
	pooled   *R   // its row of earlier work, nil if there is none
	bytes    int64
}

// doubt records a payment that must be found before the chunk is sent.
func (l *lister[R]) doubt(ctx context.Context, d doubtful[R]) error {
	pooled, err := l.reuse(d.id)
	if err != nil {
		return err
	}
	if pooled != nil {
		row := *pooled // a copy: the next step may reuse the row
		d.pooled = &row
		d.bytes = l.size(&row)
	}
	if d.known {
		d.bytes += l.size(&d.was)
	}
	l.open.bytes += d.bytes
	l.open.doubts = append(l.open.doubts, d)
	l.open.through = d.id
	if l.full() {
		return l.flush(ctx)
	}
	return nil
}

// resolve finds the open chunk's doubtful payments.
func (l *lister[R]) resolve(ctx context.Context) error {
	doubts := l.open.doubts
	l.open.doubts = nil
	if len(doubts) == 0 {
		return nil
	}
	ids := make([]PaymentID, len(doubts))
	for i := range doubts {
		ids[i] = doubts[i].id
	}
	items, err := l.Source.Find(ctx, ids)
	if err != nil {
		return fmt.Errorf("list %d payments by id: %w", len(ids), err)
	}
	found := make(map[PaymentID]Listed[R], len(items))
	for _, item := range items {
		found[item.ID] = item
	}
	for i := range doubts {
		d := &doubts[i]
		l.open.bytes -= d.bytes
		item, there := found[d.id]
		switch {
		case there && d.known:
			// It was doubtful only because of the listing's bounds: it has not changed.
			l.complete(&item, &d.was)
			same := !d.rejected && item.Reject == nil && l.Table.Same(&item.Row, &d.was, d.mark)
			if same && l.Nights != nil {
				l.keep(&d.was, d.mark)
				continue
			}
			if same || d.rejected || !l.fill(&item, &d.was, d.mark) {
				l.take(&item, &d.was, d.pooled, same)
			}
		case there:
			l.take(&item, nil, d.pooled, false)
		case d.known:
			l.open.gone = append(l.open.gone, d.id)
		}
	}
	return nil
}

// wasRejected reports whether the last snapshot could not read this payment. Its row in
// that snapshot is older than the snapshot, so the payment is fetched again, whatever
// the listing shows. Calls must be in ascending order of id, one for each id.
func (l *lister[R]) wasRejected(id PaymentID) bool {
	i, found := slices.BinarySearch(l.retry, id)
	if found {
		i++
	}
	l.retry = l.retry[i:]
	return found
}

// flush sends the open chunk as soon as the window has room.
func (l *lister[R]) flush(ctx context.Context) error {
	if err := l.resolve(ctx); err != nil {
		return err
	}
	if err := l.window.enter(ctx, l.open.bytes); err != nil {
		return err
	}
	l.open.get = slices.Clip(l.open.get) // its capacity may be the page's next payments
	select {
	case l.out <- l.open:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	l.open = chunk[R]{seq: l.open.seq + 1, through: l.open.through}
	return nil
}
