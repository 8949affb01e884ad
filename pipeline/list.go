package pipeline

import (
	"context"
	"fmt"
	"iter"
	"slices"
)

// chunk is a stretch of the listing: all payments behind the chunk before it,
// up to through. Chunks are numbered, so that they can be read in any order
// and collected in theirs.
type chunk[R any] struct {
	seq     int64
	get     []Listed[R]
	known   map[PaymentID]bool // those of get that the last snapshot has
	rejects []Reject           // the listing's own
	gone    []PaymentID
	listed  int64
	carried int64
	kept    int64 // those of rejects that the last snapshot has
	through PaymentID
	final   bool // the listing ends here
}

// lister walks the listing beside the last snapshot, both by id, and cuts what
// differs into chunks. It runs in one goroutine, and knows of the run only what
// does not change while it fetches: the checkpoint is the collector's.
type lister[R any] struct {
	Config[R]
	last   *Manifest
	mode   Mode
	from   PaymentID // the listing begins behind it
	before int64     // payments listed up to there
	out    chan<- chunk[R]
	window chan struct{} // one token a chunk that is not collected yet
	open   chunk[R]
	retry  []PaymentID // the last snapshot's rejects that are still ahead
}

// flushListed bounds how much of a listing without changes a kill can undo, and
// how much of one a chunk holds in memory.
const flushListed = 50_000

// list sends the chunks of the whole listing and closes out.
func (l *lister[R]) list(ctx context.Context) (err error) {
	defer close(l.out)
	next, stop := l.lastRows(ctx)
	defer stop()
	if l.last != nil {
		if l.retry, err = l.Sink.Rejected(ctx, l.last); err != nil {
			return fmt.Errorf("read the rejects of snapshot %s: %w", l.last.Snapshot, err)
		}
	}
	at := l.from
	l.open.through = at
	last, err := next()
	if err != nil {
		return err
	}
	for page, err := range l.Source.List(ctx, at) {
		if err != nil {
			return fmt.Errorf("list payments: %w", err)
		}
		if total := l.Source.Total(); total > 0 {
			l.Progress.Total.Store(l.before + total)
		}
		for _, item := range page {
			if item.ID <= at {
				return fmt.Errorf("list payments after %d: got payment %d; the listing must ascend", at, item.ID)
			}
			at = item.ID
			for last != nil && l.Table.ID(last) < at {
				if err := l.dropped(ctx, l.Table.ID(last)); err != nil {
					return err
				}
				if last, err = next(); err != nil {
					return err
				}
			}
			var was *R
			if last != nil && l.Table.ID(last) == at {
				was = last
			}
			if err := l.add(ctx, item, was); err != nil {
				return err
			}
			if was != nil {
				if last, err = next(); err != nil {
					return err
				}
			}
		}
	}
	for last != nil {
		if err := l.dropped(ctx, l.Table.ID(last)); err != nil {
			return err
		}
		if last, err = next(); err != nil {
			return err
		}
	}
	l.open.final = true
	return l.flush(ctx)
}

// add puts one listed payment, and the last snapshot's row of it, if any, into
// the open chunk.
func (l *lister[R]) add(ctx context.Context, item Listed[R], was *R) error {
	c := &l.open
	c.listed++
	c.through = item.ID
	l.Progress.Listed.Add(1)
	switch {
	case item.Reject != nil:
		c.rejects = append(c.rejects, *item.Reject)
		if was != nil {
			c.kept++
		}
		l.Progress.Rejected.Add(1)
	case l.mode == Incremental && was != nil && !l.wasRejected(item.ID) && l.Table.Same(&item.Row, was):
		c.carried++
		l.Progress.Carried.Add(1)
	default:
		if c.get == nil {
			c.get = make([]Listed[R], 0, l.Chunk)
		}
		c.get = append(c.get, item)
		if was != nil {
			if c.known == nil {
				c.known = make(map[PaymentID]bool)
			}
			c.known[item.ID] = true
		}
		l.Progress.ToGet.Add(1)
	}
	if len(c.get) >= l.Chunk || c.listed >= flushListed {
		return l.flush(ctx)
	}
	return nil
}

// dropped notes an id that the last snapshot has and the listing passed over. A
// chunk may end between such ids, with through behind them: a resumed listing
// then finds the later ones again, and gone twice is gone.
func (l *lister[R]) dropped(ctx context.Context, id PaymentID) error {
	l.open.gone = append(l.open.gone, id)
	if len(l.open.gone) >= flushListed {
		return l.flush(ctx)
	}
	return nil
}

// wasRejected reports whether the last snapshot could not read this payment.
// Its row there is older than the snapshot, so it is got again, whatever the
// listing shows. Ids must be asked for in ascending order.
func (l *lister[R]) wasRejected(id PaymentID) bool {
	i, found := slices.BinarySearch(l.retry, id)
	l.retry = l.retry[i:]
	return found
}

// flush sends the open chunk once there is room in the window.
func (l *lister[R]) flush(ctx context.Context) error {
	select {
	case l.window <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case l.out <- l.open:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	l.open = chunk[R]{seq: l.open.seq + 1, through: l.open.through}
	return nil
}

// lastRows gives the last snapshot's rows behind the checkpoint, one a call,
// nil at the end. A row is valid until the next call.
func (l *lister[R]) lastRows(ctx context.Context) (next func() (*R, error), stop func()) {
	if l.last == nil {
		return func() (*R, error) { return nil, nil }, func() {}
	}
	pull, stop := iter.Pull2(l.Sink.Last(ctx, l.last, l.from))
	return func() (*R, error) {
		row, err, ok := pull()
		if err != nil {
			return nil, fmt.Errorf("read snapshot %s: %w", l.last.Snapshot, err)
		}
		if !ok {
			return nil, nil
		}
		return row, nil
	}, stop
}
