package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A backfill reads for hours or days, at the same time as nights. It therefore has a
// sink of its own for its unfinished work, with a lease and checkpoints that no night
// reads (Config.Sink). Only when everything is read does it take the nights' lease
// (Config.Nights), for the time of a merge.
//
//  1. Take the backfill's lease, read its newest checkpoint, and read the range, with
//     segments and checkpoints in its own sink.
//  2. Take the nights' lease. If a night is running, wait for it.
//  3. Publish what a night has left merged: readers may see its table already.
//  4. Merge the backfill's segments with the snapshot that is newest now. Write a
//     nights' checkpoint that contains the whole manifest and, as pending, the
//     unfinished work of a night.
//  5. Publish. Write a nights' checkpoint with phase Published. Sweep. Release the lease.
//  6. Write the backfill's last checkpoint. Sweep its segments.
//
// If the program dies before the checkpoint of step 4, nothing is lost, and nothing is
// visible; the next run of the backfill starts at step 2. If it dies between 4 and 5,
// the next run of either kind publishes the snapshot, since readers may see its table.
// If it dies between 5 and 6, the next run of the backfill finds its snapshot published.
// If a later night has published another one, it merges again, which changes nothing:
// each of its rows is in the table.

// backfill executes these steps. It starts at the stored state.
func (r *run[R]) backfill(ctx context.Context, state State) error {
	if err := r.startBackfill(state); err != nil {
		return err
	}
	for try := 1; ; try++ {
		if err := r.fetch(ctx); err != nil {
			return err
		}
		if _, err := r.decide(ctx); err != nil {
			return err
		}
		m, err := r.join(ctx)
		if lost, ok := errors.AsType[*SegmentsError](err); ok && try < mergeTries {
			r.Log.Warn("segments are missing or damaged; their payments are read again", "segments", lost.Numbers, "error", lost.Err)
			if err := r.reopen(lost.Numbers, false); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		cp := r.cp
		cp.Snapshot, cp.Previous, cp.Manifest, cp.Ledger = m.Snapshot, m.Previous, m, m.Ledger
		return r.published(ctx, cp)
	}
}

// startBackfill resumes the backfill of the stored state, or starts a new one. Its base
// need not be the newest snapshot, because the merge compares each row.
func (r *run[R]) startBackfill(state State) error {
	cp := state.Checkpoint
	r.last = state.Last
	switch {
	case !cp.Unfinished() || r.Restart:
		return r.begin(cp)
	case cp.Fingerprint != r.Fingerprint:
		return &JobChangedError{Snapshot: cp.Snapshot, Rows: cp.Ledger.Got}
	case cp.Range != r.Range:
		return &JobChangedError{Snapshot: cp.Snapshot, Rows: cp.Ledger.Got, Begun: cp.Mode, Range: cp.Range}
	case cp.DeletesHeld && !r.AllowDeletes:
		return r.rebase(cp, cp.Segments, "it would delete too much")
	}
	r.resume(cp)
	if cp.TryRejects {
		return r.tryRejects()
	}
	return nil
}

// leaseWait is the interval at which beginWaiting tries to take a lease.
const leaseWait = 5 * time.Second

// beginWaiting takes a sink's lease. If another run holds the lease and wait returns
// true for it, beginWaiting waits for up to Options.Patience.
func beginWaiting[R any](ctx context.Context, o *Options, sink Sink[R], wait func(*HeldError) bool) (State, error) {
	for waited := time.Duration(0); ; waited += leaseWait {
		state, err := sink.Begin(ctx)
		held, ok := errors.AsType[*HeldError](err)
		if !ok || !wait(held) || waited >= o.Patience {
			return state, err
		}
		if waited == 0 {
			o.Log.Info("waiting for another run to end", "holder", held.Holder, "since", held.Since)
		}
		select {
		case <-time.After(leaseWait):
		case <-ctx.Done():
			return state, context.Cause(ctx)
		}
	}
}

// join merges the backfill's rows with the newest snapshot, publishes the result, and
// returns its manifest. Until it publishes, nothing outside the backfill's own sink
// changes, except what a night has left merged.
func (r *run[R]) join(ctx context.Context) (m *Manifest, err error) {
	state, err := beginWaiting(ctx, &r.Options, r.Nights, func(*HeldError) bool { return true })
	if err != nil {
		return nil, fmt.Errorf("begin to merge: %w", err)
	}
	defer r.end(ctx, r.Nights)
	n := &run[R]{Config: r.Config, cp: state.Checkpoint, last: state.Last}
	n.Sink = r.Nights
	if n.cp.Phase == Merged && (n.lastID() == n.cp.Snapshot || n.lastID() == n.cp.Previous) {
		n.before = n.cp.Use
		if err := n.publish(ctx); err != nil {
			return nil, err
		}
		n.last = n.cp.Manifest
	}
	if n.last != nil && n.last.Backfill == r.cp.Snapshot {
		return n.last, nil // a run published it, and died before it recorded that
	}
	if n.last != nil && n.last.Fingerprint != r.Fingerprint {
		return nil, &OtherTableError{Snapshot: n.last.Snapshot}
	}
	pending, _ := n.cp.unfinished()
	cp := r.cp
	cp.Number, cp.Backfill, cp.Base = n.cp.Number, r.cp.Snapshot, r.cp.Previous
	cp.Pending = pending
	cp.Snapshot = max(n.cp.Snapshot, n.lastID(), r.cp.Snapshot).after(r.Now().UTC())
	cp.Previous, cp.Since = n.lastID(), nil
	if n.last != nil && n.last.Since != nil && n.last.Since.Watermark != "" {
		cp.Since = &Since{By: n.last.Since.By, Why: "a backfill keeps the watermark of the snapshot before", Watermark: n.last.Since.Watermark}
	}
	n.cp, n.before, n.dates, n.resumed = cp, r.before, r.dates, r.resumed
	if err := n.mergeInto(ctx); err != nil {
		return nil, err
	}
	if err := n.publish(ctx); err != nil {
		return nil, err
	}
	return n.cp.Manifest, nil
}

// unfinished returns the unfinished work of a nights' checkpoint: the checkpoint
// itself, or the one that a backfill's merge found. It returns nil if there is none.
func (cp *Checkpoint) unfinished() (*Checkpoint, bool) {
	work := cp.Pending
	if cp.Unfinished() && cp.Backfill == "" {
		own := *cp
		own.Pending = nil
		work = &own
	}
	if work == nil {
		return nil, false
	}
	numbered := *work
	numbered.Number = cp.Number
	numbered.Manifest, numbered.Pace = nil, nil
	if numbered.Phase == Merged {
		numbered.Phase = Fetched
	}
	return &numbered, true
}

// end releases a lease, even after a signal: otherwise the next run would wait until it
// expires. A failure here costs only that wait.
func (r *run[R]) end(ctx context.Context, sink Sink[R]) {
	endCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if err := sink.End(endCtx); err != nil {
		r.Log.Warn("lease not given back; it ends by itself", "error", err)
	}
}
