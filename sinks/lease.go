package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"b24export/pipeline"
)

// leaseRecord is a lease as it is stored.
type leaseRecord struct {
	claim
	// Merging: the holder is a backfill, which holds the lease for a merge only.
	Merging bool      `json:"merging,omitempty"`
	Since   time.Time `json:"since"`
	Expires time.Time `json:"expires"`
}

// heldLease is the lease of this runner.
type heldLease struct {
	number int64
	record leaseRecord
	lost   atomic.Bool        // another runner's by now
	stop   context.CancelFunc // ends the renewals
	ended  chan struct{}      // closed when they have ended
}

// acquire takes the lease: the next number, created only by one. The number
// lies above all checkpoints too, so that one that was given back is hardly
// ever used again, and a runner that slept through cannot mistake another's
// lease for its own. list is a listing of the state. acquire returns the one that the
// lease was taken by.
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
		data, err := encodeJSON(h.record)
		if err != nil {
			return list, err
		}
		// Died after: others wait for the lease's end.
		err = d.create(ctx, d.lease(h.number), data)
		if errors.Is(err, ErrExists) && try < 3 {
			continue // somebody was faster; see who
		}
		if err != nil {
			return list, fmt.Errorf("take the lease: %w", err)
		}
		// Two takers that saw different checkpoints have different numbers: the
		// higher one has it. Where nobody held a lease, nobody wrote checkpoints
		// either, except one that slept, whom the checkpoints keep out.
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

// heldByOther is a *pipeline.HeldError if the lease of a number is another
// runner's and has not ended.
func (d *Dataset) heldByOther(ctx context.Context, number int64) error {
	if number == 0 {
		return nil
	}
	rec, err := d.readLease(ctx, number)
	if isAbsent(err) {
		return nil // given back this moment
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

// leaseEnded reports whether a lease is over.
func (d *Dataset) leaseEnded(rec leaseRecord) bool { return rec.ended(rec.Expires, d.opts.Now()) }

// readLease reads a lease. One that cannot be decoded was truncated by a crash,
// on a file system that has no better; it counts from when it was written.
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
	return leaseRecord{}, fmt.Errorf("%s: %w", key, fs.ErrNotExist) // deleted meanwhile
}

// renewals runs in a goroutine of its own until h.stop, and owns h.record from
// now on. It ends early when the lease is lost.
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
			// Others may take over when it has ended. The commits find out.
			d.opts.Log.Warn("lease not renewed", "ends", h.record.Expires, "error", err)
		}
	}
}

// renew moves the end of the lease, if it is ours still: ErrFenced if not.
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
	err = d.store.Put(ctx, d.lease(h.number), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err == nil {
		h.record = rec
	}
	return err
}

// stillOurs is ErrFenced if another runner has the lease.
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
	// Before its end nobody may take it over.
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
