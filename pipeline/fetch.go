package pipeline

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// result is a chunk with the results of its payments.
type result[R any] struct {
	chunk[R]
	got Got[R]
}

// fetch reads everything that is not read yet: first the holes, then what follows Done.
// It leaves the run at phase Fetched without holes. On an error, or when ctx ends, it
// saves what was read first.
func (r *run[R]) fetch(ctx context.Context) error {
	if r.cp.Phase == Fetched && len(r.cp.Holes) == 0 {
		return nil
	}
	r.Progress.setPhase(PhaseFetching)
	since, err := r.Source.Begin(ctx, Scope{
		Mode: r.cp.Mode, Last: r.last, Resumed: r.resumed || r.begun, Begun: r.cp.Since, Gap: r.gap,
	})
	if err != nil {
		return fmt.Errorf("begin to list: %w", err)
	}
	r.cp.Since, r.begun = since, true
	for len(r.cp.Holes) > 0 {
		if err := r.fetchPart(ctx, r.cp.Holes[0], true); err != nil {
			return err
		}
	}
	if r.cp.Phase == Fetched {
		return nil
	}
	return r.fetchPart(ctx, Range{After: r.cp.Done, Through: math.MaxInt64}, false)
}

// fetchPart lists, fetches and collects a part of the listing: the checkpoint's first
// hole, or the rest after its Done.
//
// One goroutine lists, and closes chunks. Workers goroutines get, and when the last of
// them has ended, results is closed. One goroutine collects, and owns the checkpoint.
// The lister and the wait for new chunks end with the group's context. Gets in flight
// may take up to stopGrace to end.
func (r *run[R]) fetchPart(ctx context.Context, part Range, hole bool) error {
	g, gctx := errgroup.WithContext(ctx)
	getCtx, stopGets := context.WithCancel(context.WithoutCancel(ctx))
	defer stopGets()
	defer context.AfterFunc(gctx, func() {
		grace := time.NewTimer(stopGrace)
		defer grace.Stop()
		select {
		case <-grace.C:
			stopGets()
		case <-getCtx.Done():
		}
	})()

	var (
		chunks  = make(chan chunk[R], r.Window)
		results = make(chan result[R], r.Workers)
		window  = newWindow(r.Window, r.WindowBytes)
	)
	l := &lister[R]{
		Config: r.Config, last: r.last, mode: r.cp.Mode, part: part, hole: hole, before: r.listed, pool: r.cp.Pool,
		out: chunks, window: window,
	}
	g.Go(func() error { return l.list(gctx) })

	var getters sync.WaitGroup
	for range r.Workers {
		getters.Add(1)
		g.Go(func() error {
			defer getters.Done()
			return r.get(gctx, getCtx, window, chunks, results)
		})
	}
	g.Go(func() error {
		getters.Wait()
		close(results)
		return nil
	})

	c := &collector[R]{run: r, window: window, hole: hole, from: part.After, to: part.After}
	var collectErr error
	g.Go(func() error {
		collectErr = c.collect(gctx, results)
		if collectErr != nil {
			stopGets() // their results would not be collected
		}
		return collectErr
	})
	err := g.Wait()
	r.why.add(l.why)
	if collectErr != nil {
		// It wraps the group's first error, and the error of the save, if any.
		return collectErr
	}
	return err
}

// get reads chunks until the channel is closed, or ctx ends.
func (r *run[R]) get(ctx, getCtx context.Context, window *window, chunks <-chan chunk[R], results chan<- result[R]) error {
	for {
		if ctx.Err() != nil { // if both are ready, select chooses at random
			return context.Cause(ctx)
		}
		var c chunk[R]
		var ok bool
		select {
		case c, ok = <-chunks:
			if !ok {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		// A chunk that was received is always read, even if ctx has ended: later chunks
		// may have been read, and could not be saved without it.
		res := result[R]{chunk: c}
		if len(c.get) > 0 {
			expected, err := window.fetch(getCtx, c.seq, len(c.get))
			if err != nil {
				return context.Cause(ctx)
			}
			if res.got, err = r.Source.Get(getCtx, c.get); err != nil {
				return fmt.Errorf("get payments %d to %d: %w", c.get[0].ID, c.get[len(c.get)-1].ID, err)
			}
			if err := r.checkGot(c.get, res.got); err != nil {
				return err
			}
			r.markGot(&res)
			added := r.added(&res)
			res.bytes += added
			window.fetched(len(c.get), expected, added)
		}
		r.Progress.Answered.Add(int64(len(c.get) + len(c.pooled)))
		// The collector receives until results is closed, or until it fails, which ends
		// ctx. It therefore also receives what was read after ctx ended.
		select {
		case results <- res:
		case <-getCtx.Done():
			return context.Cause(ctx)
		}
	}
}

// added returns how many bytes of text a chunk's gets add to its listed rows, whose texts
// are then not needed any more.
func (r *run[R]) added(res *result[R]) (n int64) {
	for i := range res.get {
		n -= int64(r.Table.Size(&res.get[i].Row))
	}
	for i := range res.got.Rows {
		n += int64(r.Table.Size(&res.got.Rows[i]))
	}
	for i := range res.got.Rejects {
		n += res.got.Rejects[i].size()
	}
	if res.shared {
		clear(res.get) // the page stays until its last chunk is read, its texts must not
	}
	res.get = nil
	return n
}

// checkGot checks that each payment of a chunk is in got exactly once.
func (r *run[R]) checkGot(asked []Listed[R], got Got[R]) error {
	if r.gotAll(asked, got) {
		return nil
	}
	want := make(map[PaymentID]bool, len(asked))
	for i := range asked {
		want[asked[i].ID] = true
	}
	take := func(id PaymentID) error {
		if !want[id] {
			return fmt.Errorf("get payments: payment %d answered twice or without being asked for", id)
		}
		delete(want, id)
		return nil
	}
	for i := range got.Rows {
		if err := take(r.Table.ID(&got.Rows[i])); err != nil {
			return err
		}
	}
	for _, rej := range got.Rejects {
		if err := take(rej.ID); err != nil {
			return err
		}
	}
	for _, id := range got.Vanished {
		if err := take(id); err != nil {
			return err
		}
	}
	for _, rej := range got.Unknown {
		if err := take(rej.ID); err != nil {
			return err
		}
	}
	for id := range want {
		return fmt.Errorf("get payments: no answer for payment %d", id)
	}
	return nil
}

// gotAll reports whether got has a row for each payment that was asked for, in their
// order, and nothing else. That is usual, and takes less time than a set of ids.
func (r *run[R]) gotAll(asked []Listed[R], got Got[R]) bool {
	if len(got.Rows) != len(asked) || len(got.Rejects)+len(got.Vanished)+len(got.Unknown) > 0 {
		return false
	}
	last := PaymentID(0)
	for i := range asked {
		id := asked[i].ID
		if id <= last || r.Table.ID(&got.Rows[i]) != id {
			return false
		}
		last = id
	}
	return true
}
