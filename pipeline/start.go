package pipeline

import (
	"cmp"
	"slices"
	"time"
)

// start sets the checkpoint with which the run begins. It resumes the stored checkpoint
// if that is unfinished and still fits. Otherwise it begins a new snapshot, which may
// use the rows of the unfinished one. It writes nothing.
func (r *run[R]) start(state State) error {
	cp := state.Checkpoint
	r.last = state.Last
	if cp.Backfill != "" && cp.Phase == Merged && !r.Restart && (r.lastID() == cp.Snapshot || r.lastID() == cp.Previous) {
		// Readers may see its table already, so it is published before anything else.
		r.again = true
		r.resume(cp)
		return nil
	}
	if work, ok := cp.unfinished(); ok && (cp.Backfill != "" || !cp.Unfinished()) {
		cp = *work
	}
	if !cp.Unfinished() || cp.Backfill != "" || r.Restart {
		return r.begin(cp)
	}
	if cp.DeletesHeld && !r.AllowDeletes && cp.Fingerprint == r.Fingerprint && cp.Range == r.Range {
		// It would exceed the limit again. Only a new listing shows whether the portal
		// has its payments again.
		return r.rebase(cp, cp.Segments, "it would delete too much")
	}
	if cp.Fingerprint != r.Fingerprint {
		return &JobChangedError{Snapshot: cp.Snapshot, Rows: cp.Ledger.Got}
	}
	if cp.Range != r.Range {
		return &JobChangedError{Snapshot: cp.Snapshot, Rows: cp.Ledger.Got, Begun: cp.Mode, Range: cp.Range}
	}
	asked := r.Mode != Full || cp.Mode == Full
	switch {
	case cp.Phase == Merged && (r.lastID() == cp.Snapshot || r.lastID() == cp.Previous):
		// Readers may see its table already, so it is published before anything else.
		r.again = !asked
	case r.lastID() != cp.Previous:
		return r.rebase(cp, cp.Segments, "the newest snapshot is not the one that it was based on")
	case !asked:
		return r.rebase(cp, cp.Segments, "a full run was asked for")
	}
	r.resume(cp)
	if cp.TryRejects {
		return r.tryRejects()
	}
	return nil
}

// lastID returns the newest snapshot's id, "" if there is none.
func (r *run[R]) lastID() SnapshotID {
	if r.last == nil {
		return ""
	}
	return r.last.Snapshot
}

// resume makes cp the run's checkpoint.
func (r *run[R]) resume(cp Checkpoint) {
	r.cp, r.before, r.dates, r.resumed = cp, cp.Use, cp.Dates, true
	r.before.Resumed++
	r.listed = cp.Ledger.Listed
	r.Progress.take(cp.Ledger)
	r.Log.Info("resuming", "snapshot", cp.Snapshot, "phase", cp.Phase, "done", cp.Done, "got", cp.Ledger.Got)
}

// begin sets the checkpoint of a new snapshot. old is the stored checkpoint; the new
// number and snapshot must be higher than its own.
func (r *run[R]) begin(old Checkpoint) error {
	now := r.Now().UTC().Truncate(time.Microsecond)
	r.cp = Checkpoint{
		Number:      old.Number,
		Fingerprint: r.Fingerprint,
		Mode:        r.Mode,
		Range:       r.Range,
		Phase:       Fetching,
		StartedAt:   now,
	}
	why := "as the job says"
	if r.last != nil {
		r.cp.Previous = r.last.Snapshot
	}
	// A snapshot later than the newest one was published, and has been deleted since.
	r.gap = old.Phase == Published && old.Snapshot > r.lastID() || old.Unfinished() && old.Previous > r.lastID()
	if r.Mode == Backfill && r.last != nil && r.last.Fingerprint != r.Fingerprint {
		return &OtherTableError{Snapshot: r.last.Snapshot}
	}
	if r.last != nil && r.last.Fingerprint != r.Fingerprint && r.last.PriorFingerprint == r.Fingerprint {
		r.Log.Warn("another job writes to this name too, and each of the two fetches everything in turn: give one of them another name",
			"snapshot", r.last.Snapshot, "its_job_fingerprint", r.last.Fingerprint, "job_fingerprint", r.Fingerprint)
	}
	if r.Mode == Incremental {
		r.cp.Mode, why = ResolveIncremental(r.last, r.Fingerprint, r.FullEvery, now)
	}
	r.cp.Snapshot = max(old.Snapshot, r.lastID()).after(now)
	if r.Range != "" {
		why = r.Range
	}
	r.Log.Info("starting", "snapshot", r.cp.Snapshot, "mode", r.cp.Mode, "why", why, "previous", r.cp.Previous)
	return nil
}

// rebase starts a new snapshot that is based on the newest one and replaces the
// unfinished snapshot of old. It compares the portal's listing with the newest snapshot
// again. usable are segments of old. If a payment is listed with the values of one of
// their rows, that row replaces a get.
func (r *run[R]) rebase(old Checkpoint, usable []Segment, why string) error {
	r.Log.Info("unfinished work does not fit the newest snapshot; its rows are used where they are still right",
		"snapshot", old.Snapshot, "why", why, "rows", old.Ledger.Got)
	if err := r.begin(old); err != nil {
		return err
	}
	if old.Mode == Full {
		r.cp.Mode = Full
	}
	r.cp.Pool = pooled(usable, old.Pool)
	// Its oldest rows are from that time. The next full run is due by it, and the run
	// must look for changes since then.
	r.cp.StartedAt, r.cp.Since = old.StartedAt, old.Since
	r.before, r.resumed = old.Use, true
	r.before.Resumed++
	r.listed = 0
	r.Progress.take(r.cp.Ledger)
	return nil
}

// pooled joins the segments whose rows may be used again, in ascending order of number.
func pooled(segments ...[]Segment) []Segment {
	pool := slices.Concat(segments...)
	slices.SortFunc(pool, func(a, b Segment) int { return cmp.Compare(a.Number, b.Number) })
	pool = slices.CompactFunc(pool, func(a, b Segment) bool { return a.Number == b.Number })
	return slices.DeleteFunc(pool, func(s Segment) bool { return s.Rows == 0 })
}

// tryRejects reopens what the segments with rejects account for, so that those
// payments are read again. The rows of these segments stay usable.
func (r *run[R]) tryRejects() error {
	r.Log.Info("trying the rejects again", "snapshot", r.cp.Snapshot, "rejected", r.cp.Ledger.Rejected)
	r.cp.TryRejects = false
	var again []int64
	for _, seg := range r.cp.Segments {
		if seg.Rejects > 0 {
			again = append(again, seg.Number)
		}
	}
	return r.reopen(again, true)
}

// reopen removes segments from the checkpoint. What they account for is read again.
// usable reports whether their rows may be used for that.
//
// The change is stored with the next checkpoint. If the program dies before that, the
// next run reopens them for the same reason.
func (r *run[R]) reopen(numbers []int64, usable bool) error {
	cp := r.cp
	var out []Segment
	cp.Segments = slices.DeleteFunc(slices.Clone(cp.Segments), func(s Segment) bool {
		if !slices.Contains(numbers, s.Number) {
			return false
		}
		out = append(out, s)
		return true
	})
	pool := cp.Segments // the remaining segments
	if usable {
		pool = r.cp.Segments
	}
	for _, seg := range out {
		if seg.Range == (Range{}) {
			return r.rebase(r.cp, pool, "an older program wrote it, and did not note which segment accounts for what")
		}
		cp.Ledger = cp.Ledger.Sub(seg.Ledger)
		cp.UnknownIDs = withoutIDs(cp.UnknownIDs, seg.Range)
		cp.Holes = append(slices.Clone(cp.Holes), seg.Range)
	}
	cp.Holes = joined(cp.Holes)
	if usable {
		cp.Pool = pooled(cp.Pool, out)
	}
	r.cp = cp
	r.Progress.take(cp.Ledger)
	return nil
}

// joined sorts ranges and joins those that follow each other.
func joined(ranges []Range) []Range {
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.After, b.After) })
	var all []Range
	for _, rng := range ranges {
		if n := len(all); n > 0 && all[n-1].Through == rng.After {
			all[n-1].Through = rng.Through
			continue
		}
		all = append(all, rng)
	}
	return all
}

// dueSlack is how much earlier than its interval something may be done again. A nightly
// job that starts some minutes earlier than a week ago then need not wait another night.
const dueSlack = time.Hour

// Due reports whether what was done last at a time, and is done once in an interval, is
// due at now. It is also due if that time is in the future: the clock of some run was
// wrong, and waiting for this time could take years.
func Due(last time.Time, every time.Duration, now time.Time) bool {
	return every <= 0 || now.Sub(last) >= every-min(dueSlack, every/10) || Ahead(last, now)
}

// Ahead reports whether a time that a run has recorded can only be from a wrong clock.
func Ahead(at, now time.Time) bool { return at.Sub(now) > dueSlack }

// ResolveIncremental decides whether an incremental job's new snapshot, begun at now,
// must be full. It returns the mode and the reason. last is the newest snapshot's
// manifest, nil if there is none.
func ResolveIncremental(last *Manifest, fingerprint string, fullEvery time.Duration, now time.Time) (Mode, string) {
	switch {
	case last == nil:
		return Full, "first snapshot"
	case last.Fingerprint != fingerprint:
		return Full, "the job has changed since the last snapshot"
	case fullEvery > 0 && Ahead(last.FullAt, now):
		return Full, "the last full run's time is in the future"
	case fullEvery > 0 && Due(last.FullAt, fullEvery, now):
		return Full, "full_every"
	}
	return Incremental, "as the job says"
}
