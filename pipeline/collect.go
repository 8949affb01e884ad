package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"
)

// collector puts the chunks back into their order and owns all output state: the open
// segment, the ledger, the checkpoint. It processes chunks in order. The position of a
// run is therefore one id up to which everything is collected, and a segment's ids are
// all higher than those of the previous segment.
type collector[R any] struct {
	*run[R]
	window  *window
	pending map[int64]result[R] // chunks that wait for an earlier one
	next    int64
	part    Part[R]
	bytes   int64      // size of the texts of part's rows
	draft   Checkpoint // content of the next commit
	hole    bool       // this part is the checkpoint's first hole
	from    PaymentID  // the part is saved up to this id
	to      PaymentID  // the part is collected up to this id
	final   bool       // the part's last chunk is collected
	changed bool       // draft differs from what is saved
	unknown []IDRange  // next value of draft.UnknownIDs
	pace    *pacer
}

// collect collects results until the channel is closed, and writes checkpoints
// meanwhile. If the results include the end of the part, the hole is then filled, or
// the run is at phase Fetched. Otherwise collect saves what it has, and returns the
// reason why ctx ended.
func (c *collector[R]) collect(ctx context.Context, results <-chan result[R]) error {
	c.pending = make(map[int64]result[R])
	c.draft = c.cp
	c.unknown = slices.Clone(c.cp.UnknownIDs)
	c.pace = newPacer(c.cp.Pace, c.Now())
	sample := time.NewTicker(sampleEvery)
	defer sample.Stop()
	tick := time.NewTicker(c.CheckpointEvery)
	defer tick.Stop()
	// Saving continues after ctx has ended: that is when it matters most.
	saveCtx := context.WithoutCancel(ctx)
	for {
		select {
		case res, ok := <-results:
			if !ok {
				return c.finish(ctx, saveCtx)
			}
			c.pending[res.seq] = res
			for c.takeReady() {
				if err := c.save(saveCtx); err != nil {
					return err
				}
				tick.Reset(c.CheckpointEvery)
			}
			if err := c.checkRejects(); err != nil {
				// The rows are saved. The next run tries the rejects again.
				c.draft.TryRejects, c.changed = true, true
				if saveErr := c.save(saveCtx); saveErr != nil {
					return errors.Join(err, fmt.Errorf("save what was read: %w", saveErr))
				}
				return err
			}
		case <-sample.C:
			c.sample(false)
		case <-tick.C:
			if err := c.save(saveCtx); err != nil {
				return err
			}
		}
	}
}

// sample records the progress for the manifest's pace.
func (c *collector[R]) sample(last bool) {
	use := c.before.Add(c.Source.Use())
	c.pace.sample(c.Now(), c.draft.Ledger.Listed, use.Requests, c.Limits(), last)
}

// takeReady adds chunks whose turn it is to the open part, until there are no more or
// the part is full. It reports whether it is full.
func (c *collector[R]) takeReady() (full bool) {
	for {
		if len(c.part.Rows)+len(c.part.Gone) >= c.CheckpointRows || c.bytes >= c.CheckpointBytes {
			return true
		}
		res, ok := c.pending[c.next]
		if !ok {
			return false
		}
		delete(c.pending, c.next)
		c.next++
		c.take(res)
		c.bytes += res.bytes
		c.window.leave(res.bytes)
	}
}

func (c *collector[R]) take(res result[R]) {
	got := int64(len(res.got.Rows) + len(res.pooled))
	res.got.Rows = append(append(res.got.Rows, res.pooled...), res.filled...)
	sort.Sort(&rowsByID[R]{res.got.Rows, c.Table.ID})
	c.grow(&res)
	c.part.Rows = append(c.part.Rows, res.got.Rows...)
	c.part.Gone = append(c.part.Gone, res.gone...)
	c.part.Marks = append(c.part.Marks, res.marks...)
	l := &c.draft.Ledger
	l.Gone += int64(len(res.gone))
	for _, id := range res.got.Vanished {
		if res.known[id] {
			c.part.Gone = append(c.part.Gone, id)
			l.Gone++
		}
	}
	for _, rej := range res.got.Unknown {
		if res.known[rej.ID] {
			res.got.Rejects = append(res.got.Rejects, rej)
			continue
		}
		c.unknown = withID(c.unknown, rej.ID)
		l.Unknown++
		l.Listed--
	}
	c.part.Rejects = append(append(c.part.Rejects, res.rejects...), res.got.Rejects...)
	if c.reject.ID == 0 && len(c.part.Rejects) > 0 {
		c.reject = c.part.Rejects[0]
	}

	l.Listed += res.listed
	l.Carried += res.carried
	l.Filled += int64(len(res.filled))
	l.Got += got
	l.Vanished += int64(len(res.got.Vanished))
	l.Rejected += int64(len(res.rejects) + len(res.got.Rejects))
	l.Kept += res.kept
	l.Outside += res.outside
	for _, rej := range res.got.Rejects {
		if res.known[rej.ID] {
			l.Kept++
		}
	}
	c.advance(res.through, res.final)
	c.Progress.Got.Add(got)
	c.Progress.Vanished.Add(int64(len(res.got.Vanished)))
	c.Progress.Rejected.Add(int64(len(res.got.Rejects)))
}

// mostRoom is the most rows that grow makes room for at once. A slow portal's checkpoint
// may come much earlier than after the rows that a job allows.
const mostRoom = 50_000

// grow makes room in the open part for the rows of a chunk.
func (c *collector[R]) grow(res *result[R]) {
	n, more := len(c.part.Rows), len(res.got.Rows)
	if more == 0 || n+more <= cap(c.part.Rows) {
		return
	}
	// Double the capacity: the smaller steps of append would leave four times as much
	// garbage.
	room := max(n, more)
	if n == 0 && c.draft.Mode == Full {
		// All that is still to be listed becomes rows. They are a third of the memory of
		// a short run, and each doubling would leave as much garbage as it has rows.
		most := min(mostRoom, int64(c.CheckpointRows), c.Progress.Total.Load()-c.draft.Ledger.Listed)
		if res.bytes > 0 {
			most = min(most, c.CheckpointBytes*int64(more)/res.bytes)
		}
		room = max(room, int(most)+c.Chunk)
	}
	c.part.Rows = slices.Grow(c.part.Rows, room)
}

// advance records that the part is collected up to through. final reports whether that
// is the end of the part.
func (c *collector[R]) advance(through PaymentID, final bool) {
	c.changed = true
	c.to = through
	c.final = c.final || final
	switch {
	case !c.hole:
		c.draft.Done = through
		if final {
			c.draft.Phase = Fetched
		}
	case final:
		c.draft.Holes = c.draft.Holes[1:]
	default:
		c.draft.Holes = slices.Clone(c.draft.Holes)
		c.draft.Holes[0].After = through
	}
	if c.draft.Phase == Fetched && len(c.draft.Holes) == 0 {
		c.draft.Pool = nil
	}
}

// rowsByID sorts rows without copying two rows for each comparison.
type rowsByID[R any] struct {
	rows []R
	id   func(*R) PaymentID
}

func (s *rowsByID[R]) Len() int           { return len(s.rows) }
func (s *rowsByID[R]) Less(i, j int) bool { return s.id(&s.rows[i]) < s.id(&s.rows[j]) }
func (s *rowsByID[R]) Swap(i, j int)      { s.rows[i], s.rows[j] = s.rows[j], s.rows[i] }

// checkRejects returns an error if the run can no longer stay within its limit, judged
// by the number of payments that the portal reports.
func (c *collector[R]) checkRejects() error {
	l := c.draft.Ledger
	payments := c.Progress.Total.Load()
	if payments == 0 {
		return nil
	}
	payments = max(payments, l.Listed)
	most := payments
	if c.last != nil {
		most += c.last.Ledger.Rows() // at most so many can be outside the listing
	}
	if allowed := c.Rejects.Allowed(most); l.Rejected > allowed {
		return &RejectsError{Rejected: l.Rejected, Payments: payments, Allowed: allowed, First: c.reject}
	}
	return nil
}

// save writes the open part as a segment and the checkpoint that names it.
func (c *collector[R]) save(ctx context.Context) error {
	if !c.changed {
		return nil
	}
	cp, err := c.close(ctx)
	if err != nil {
		return err
	}
	if err := c.commit(ctx, cp); err != nil {
		return err
	}
	c.saved()
	c.Log.Debug("checkpoint", "number", c.cp.Number, "done", c.cp.Done, "got", c.cp.Ledger.Got)
	return nil
}

// close writes the open part as a segment, and returns the checkpoint that names it.
func (c *collector[R]) close(ctx context.Context) (Checkpoint, error) {
	cp := c.draft
	cp.UnknownIDs = slices.Clone(c.unknown)
	cp.Pace = c.pace.taken()
	if !c.partEmpty() {
		slices.Sort(c.part.Gone)
		slices.SortFunc(c.part.Rejects, func(a, b Reject) int { return cmp.Compare(a.ID, b.ID) })
		slices.SortFunc(c.part.Marks, func(a, b Mark) int { return cmp.Compare(a.ID, b.ID) })
		// If the program dies here, or before the commit, no checkpoint names the
		// segment. The next writer of this number overwrites it.
		seg, err := c.Sink.WriteSegment(ctx, c.cp.Number+1, c.part)
		if err != nil {
			return cp, fmt.Errorf("write segment %d: %w", c.cp.Number+1, err)
		}
		seg.Range = Range{After: c.from, Through: c.to}
		seg.Ledger = cp.Ledger.Sub(c.cp.Ledger)
		cp.Segments = append(slices.Clone(cp.Segments), seg)
	}
	return cp, nil
}

// saved begins the next part.
func (c *collector[R]) saved() {
	c.draft, c.from, c.changed = c.cp, c.to, false
	// What the rows point to must not stay in memory.
	clear(c.part.Rows)
	clear(c.part.Rejects)
	c.bytes = 0
	c.part = Part[R]{Rows: c.part.Rows[:0], Gone: c.part.Gone[:0], Rejects: c.part.Rejects[:0], Marks: c.part.Marks[:0]}
	c.Progress.Saved.Store(c.cp.Ledger.Listed)
}

// leave writes the last segment without a checkpoint, because that of the merge
// follows. A night with few changes thus writes one checkpoint less. If the program
// dies before that checkpoint, the next run reads again what was read since the last
// one, as always.
func (c *collector[R]) leave(ctx context.Context) error {
	if !c.changed {
		return nil
	}
	cp, err := c.close(ctx)
	if err != nil {
		return err
	}
	c.cp, c.unsaved = cp, true
	c.saved()
	return nil
}

func (c *collector[R]) partEmpty() bool {
	return len(c.part.Rows) == 0 && len(c.part.Gone) == 0 && len(c.part.Rejects) == 0
}

// finish saves the rest after the last result.
func (c *collector[R]) finish(ctx, saveCtx context.Context) error {
	c.sample(true)
	if c.final && c.draft.Phase == Fetched && len(c.draft.Holes) == 0 && c.Nights == nil {
		return c.leave(saveCtx)
	}
	if c.final {
		return c.save(saveCtx)
	}
	cause := context.Cause(ctx)
	before := c.cp.Number
	if err := c.save(saveCtx); err != nil {
		// The error contains both: why the run stopped, and that these payments must be
		// fetched again.
		return errors.Join(cause, fmt.Errorf("save what was read: %w", err))
	}
	if c.cp.Number > before {
		c.Log.Info("saved", "checkpoint", c.cp.Number, "got", c.cp.Ledger.Got)
	}
	return cause
}
