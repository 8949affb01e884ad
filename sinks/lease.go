package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"b24export/pipeline"
)

// leaseRecord is the stored form of a lease.
type leaseRecord struct {
	claim
	// Merging reports whether the holder is a backfill, which holds the lease for a
	// merge only.
	Merging bool      `json:"merging,omitempty"`
	Since   time.Time `json:"since"`
	Expires time.Time `json:"expires"`
}

// heldLease is the lease of this runner.
type heldLease struct {
	number int64
	// first is when the lease ends unless it is renewed. No other runner takes it earlier.
	first  time.Time
	record leaseRecord
	lost   atomic.Bool        // the lease belongs to another runner by now
	stop   context.CancelFunc // ends the goroutine of renewals
	ended  chan struct{}      // closed when that goroutine has ended
}

// acquire takes the lease: it creates the next number, which only one runner can do.
// The number is above those of all checkpoints too, so a number that was released is
// hardly ever used again, and a runner that slept cannot mistake another's lease for
// its own. list is a listing of the state. acquire returns the listing with which it
// took the lease.
func (d *Dataset) acquire(ctx context.Context, list stateList) (stateList, error) {
	if d.held != nil {
		return list, errors.New("begin: the dataset has begun already")
	}
	for try := 0; ; try++ {
		if try > 0 {
			var err error
			if list, err = d.listState(ctx); err != nil {
				return list, err
			}
		}
		number := list.highest(leaseKind)
		if err := d.heldByOther(ctx, number); err != nil {
			return list, err
		}
		h := &heldLease{number: max(number, list.highest(checkpointKind)) + 1, ended: make(chan struct{})}
		now := d.opts.Now().UTC()
		h.record = leaseRecord{claim: newClaim(d.opts.Runner), Merging: d.opts.Merging && d.work == "", Since: now, Expires: now.Add(d.opts.Lease)}
		h.first = h.record.Expires
		data, err := encodeJSON(h.record)
		if err != nil {
			return list, err
		}
		// If the program dies after it, others wait until the lease ends.
		err = d.create(ctx, d.lease(h.number), data)
		if errors.Is(err, ErrExists) && try < 3 {
			continue // another runner was faster; find out which one
		}
		if err != nil {
			return list, fmt.Errorf("take the lease: %w", err)
		}
		// Two runners that saw different checkpoints have different numbers: the higher
		// one has the lease. If no runner held a lease, none wrote checkpoints either,
		// except one that slept, and the checkpoints exclude that one.
		if number != 0 || try > 0 {
			if list, err = d.listState(ctx); err != nil {
				return list, err
			}
			if highest := list.highest(leaseKind); highest > h.number {
				if err := d.heldByOther(ctx, highest); err != nil {
					return list, errors.Join(err, d.store.Delete(ctx, d.lease(h.number)))
				}
			}
		}
		renewCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		h.stop = cancel
		d.held = h
		go d.renewals(renewCtx, h)
		return list, nil
	}
}

// heldByOther returns a *pipeline.HeldError if the lease with this number belongs to
// another runner and has not ended.
func (d *Dataset) heldByOther(ctx context.Context, number int64) error {
	if number == 0 {
		return nil
	}
	rec, err := d.readLease(ctx, number)
	if isAbsent(err) {
		return nil // released a moment ago
	}
	if err != nil {
		return err
	}
	if rec.Runner == d.opts.Runner {
		return nil
	}
	if !d.leaseEnded(rec) {
		return &pipeline.HeldError{Holder: rec.Holder, Since: rec.Since, Until: rec.Expires, Merging: rec.Merging}
	}
	d.opts.Log.Info("taking over a lease that was not given back", "holder", rec.Holder, "since", rec.Since, "until", rec.Expires)
	return nil
}

// leaseEnded reports whether a lease has ended.
func (d *Dataset) leaseEnded(rec leaseRecord) bool { return rec.ended(rec.Expires, d.opts.Now()) }

// readLease reads a lease. If a lease cannot be decoded, a crash has truncated it, on a
// file system without hard links. It then counts from the time when it was written.
func (d *Dataset) readLease(ctx context.Context, number int64) (leaseRecord, error) {
	key := d.lease(number)
	data, err := d.store.Read(ctx, key)
	if err != nil {
		return leaseRecord{}, err
	}
	var rec leaseRecord
	if json.Unmarshal(data, &rec) == nil && !rec.Expires.IsZero() {
		return rec, nil
	}
	for e, err := range d.store.List(ctx, key) {
		if err != nil {
			return leaseRecord{}, err
		}
		if e.Key == key {
			return leaseRecord{claim: claim{Holder: "an unknown process"}, Since: e.ModTime, Expires: e.ModTime.Add(d.opts.Lease)}, nil
		}
	}
	return leaseRecord{}, fmt.Errorf("%s: %w", key, fs.ErrNotExist) // deleted in the meantime
}

// renewals runs in its own goroutine until h.stop, and owns h.record from now on. It
// ends early if the lease is lost.
func (d *Dataset) renewals(ctx context.Context, h *heldLease) {
	defer close(h.ended)
	tick := time.NewTicker(d.opts.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := d.renew(ctx, h)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, pipeline.ErrFenced):
			h.lost.Store(true)
			d.opts.Log.Warn("lease lost; this run stops at its next commit", "error", err)
			return
		case err != nil:
			// Others may take the lease when it has ended. The commits detect that.
			d.opts.Log.Warn("lease not renewed", "ends", h.record.Expires, "error", err)
		}
	}
}

// renew moves the end of the lease if this runner still has it. Otherwise it returns
// ErrFenced.
func (d *Dataset) renew(ctx context.Context, h *heldLease) error {
	if err := d.stillOurs(ctx, h); err != nil {
		return err
	}
	rec := h.record
	rec.Expires = d.opts.Now().UTC().Add(d.opts.Lease)
	data, err := encodeJSON(rec)
	if err != nil {
		return err
	}
	err = d.store.Put(ctx, d.lease(h.number), whole(data))
	if err == nil {
		h.record = rec
	}
	return err
}

// stillOurs returns ErrFenced if another runner has the lease.
func (d *Dataset) stillOurs(ctx context.Context, h *heldLease) error {
	highest, err := d.highest(ctx, leaseKind)
	if err != nil {
		return err
	}
	if highest > h.number {
		return fmt.Errorf("%w: there is a newer lease", pipeline.ErrFenced)
	}
	rec, err := d.readLease(ctx, h.number)
	if isAbsent(err) {
		return fmt.Errorf("%w: the lease is gone", pipeline.ErrFenced)
	}
	if err != nil {
		return err
	}
	if rec.Runner != d.opts.Runner {
		return fmt.Errorf("%w: the lease belongs to %s", pipeline.ErrFenced, rec.Holder)
	}
	return nil
}

// End implements pipeline.Sink.
func (d *Dataset) End(ctx context.Context) error {
	h := d.held
	if h == nil {
		return nil
	}
	d.held = nil
	if d.seen != nil {
		d.seen.closeTables()
		d.seen = nil
	}
	h.stop()
	select {
	case <-h.ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if h.lost.Load() {
		return nil
	}
	// Before its end no other runner may take it.
	if !d.opts.Now().Before(h.record.Expires) {
		if err := d.stillOurs(ctx, h); err != nil {
			if errors.Is(err, pipeline.ErrFenced) {
				return nil
			}
			return err
		}
	}
	return d.store.Delete(ctx, d.lease(h.number))
}
