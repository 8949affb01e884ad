package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config is the configuration of one portal's run.
type Config[R any] struct {
	Source Source[R]
	// Sink stores the unfinished work and publishes, unless Nights is set.
	Sink Sink[R]
	// Nights is set only for a backfill. It is the sink of all other runs, into which
	// the backfill merges, while Sink stores its unfinished work. It is nil for other
	// runs, and for a backfill that shares one sink with them.
	Nights Sink[R]
	Table  Table[R]
	Options
}

// Options configures a run. Required: Dataset, Portal, Program, Runner, Mode. All other
// fields have a default for their zero value.
type Options struct {
	// Dataset and Portal name what is exported, in the manifest.
	Dataset, Portal string
	// Program is name and version of the program. Runner is this process's random name.
	Program, Runner string
	SchemaVersion   int
	// Fingerprint identifies the job's meaning. A checkpoint with another fingerprint
	// is not resumed, and a snapshot with another fingerprint is not carried over.
	Fingerprint string
	// SourceName and SourceWhy are recorded in the manifest.
	SourceName, SourceWhy string
	// SourceLacks names the columns that the source leaves empty, for the manifest.
	SourceLacks []string
	Mode        Mode
	// Range describes the range of a backfill in words. An unfinished snapshot of
	// another range is not resumed.
	Range string
	// FullEvery is the age of the newest full run at which an incremental run fetches
	// everything again. 0: any age.
	FullEvery time.Duration
	// Restart discards an unfinished snapshot instead of resuming it.
	Restart bool
	// Chunk is the number of payments that one Get reads. The default is 49: together
	// with the command for their owners, that is a full batch.
	Chunk int
	// Workers is the number of concurrent Gets. The default is 16.
	Workers int
	// Window is the number of chunks that may be listed but not yet collected. It
	// limits memory if one chunk is slow. The default is 256, and at least Workers.
	Window int
	// WindowBytes is the number of bytes that their rows' texts may have together, by
	// Table.Size. One chunk alone may have more. The default is 16 MiB.
	WindowBytes int64
	// CheckpointEvery is the most time between two checkpoints, 60 s by default;
	// CheckpointRows is the most rows between them, 50,000 by default.
	CheckpointEvery time.Duration
	CheckpointRows  int
	// CheckpointBytes is how many bytes the texts of rows between two checkpoints may have,
	// by Table.Size, before the next checkpoint is written. The default is 16 MiB.
	CheckpointBytes int64
	Rejects         RejectLimit
	// Deletes limits how many rows of the last snapshot a run may delete. AllowDeletes
	// disables the limit for this run.
	Deletes      DeleteLimit
	AllowDeletes bool
	// Patience is how long to wait for another run's lease if that run is short: a
	// backfill's merge waits for a nightly run, and a nightly run for a backfill's
	// merge. 0: do not wait.
	Patience time.Duration
	// Log receives one line for each important event. The default is no log.
	Log *slog.Logger
	// Progress, if set, is updated during the run.
	Progress *Progress
	// Limits, if set, returns the portal's current limits, for the manifest's Pace. It
	// is called from one goroutine at a time.
	Limits func() Limits
	// After, if set, is called after the run has published, while it still holds the
	// lease. It is not part of the commit: the run is complete whatever After does. If
	// the program dies in it, the snapshot is published. A backfill beside nightly runs
	// leaves it to the next nightly run.
	After func(ctx context.Context, m *Manifest)
	// Now is the clock of snapshot names and timestamps. The default is time.Now.
	Now func() time.Time
}

// stopGrace is how long a run that stops waits for the gets in flight, so that their
// rows are not lost, and for the release of its lease.
const stopGrace = 10 * time.Second

func (o *Options) setDefaults() {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&o.Chunk, 49)
	def(&o.Workers, 16)
	def(&o.Window, 256)
	o.Window = max(o.Window, o.Workers)
	def(&o.CheckpointRows, 50_000)
	if o.WindowBytes <= 0 {
		o.WindowBytes = 16 << 20
	}
	if o.CheckpointBytes <= 0 {
		o.CheckpointBytes = 16 << 20
	}
	if o.CheckpointEvery <= 0 {
		o.CheckpointEvery = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Limits == nil {
		o.Limits = func() Limits { return Limits{} }
	}
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Summary is the result of a run.
type Summary struct {
	// Manifest is the manifest of the published snapshot; nil if none was published.
	Manifest *Manifest
	// Resumed reports whether the run resumed an unfinished snapshot.
	Resumed bool
	// Snapshot and Ledger are from the newest checkpoint, also if the run failed.
	Snapshot SnapshotID
	Ledger   Ledger
	// Use is what all runs of the snapshot have used of the portal. Own is the share of
	// this run.
	Use, Own PortalUse
}

// Run completes one snapshot of one portal's payments: the unfinished one of an earlier
// run, or a new one. The package comment lists the steps. When ctx is cancelled, Run
// saves what it has read and returns the context's error. On any error, readers see the
// old snapshot or a complete new one.
func Run[R any](ctx context.Context, cfg Config[R]) (Summary, error) {
	cfg.setDefaults()
	if cfg.Table.Size == nil {
		cfg.Table.Size = func(*R) int { return 0 }
	}
	r := &run[R]{Config: cfg}
	cfg.Progress.setPhase(PhaseStarting)
	state, err := beginWaiting(ctx, &cfg.Options, cfg.Sink, func(held *HeldError) bool { return held.Merging })
	if err != nil {
		return Summary{}, fmt.Errorf("begin: %w", err)
	}
	if r.Nights != nil {
		err = r.backfill(ctx, state)
	} else {
		err = r.complete(ctx, state)
		if err == nil && cfg.After != nil {
			cfg.After(ctx, r.cp.Manifest)
		}
	}
	r.end(ctx, cfg.Sink)
	return r.summary(err), err
}

// run is the state of a Run. Its checkpoint is owned by the goroutine of Run, and by
// the collector while fetch runs.
type run[R any] struct {
	Config[R]
	cp      Checkpoint
	last    *Manifest
	unsaved bool      // cp is newer than the stored checkpoint
	before  PortalUse // what earlier runs of this snapshot used of the portal
	dates   *Dates    // what earlier runs found out about the listing's dates
	resumed bool
	begun   bool  // Source.Begin was called in this run
	gap     bool  // see Scope.Gap
	again   bool  // the resumed work is not all that the job asks for
	listed  int64 // payments that earlier runs of this snapshot have listed
	why     reasons
	reject  Reject // the first reject of this run, for the error's text
}

// complete executes the numbered steps of the package comment. It starts at the stored
// state.
func (r *run[R]) complete(ctx context.Context, state State) error {
	err := r.start(state)
	for err == nil {
		if r.cp.Phase != Merged {
			if err := r.make(ctx); err != nil {
				return err
			}
		}
		if err = r.publish(ctx); err != nil || !r.again {
			return err
		}
		// The work of an earlier run is published. Now begin this run's own.
		r.again = false
		r.before, r.dates, r.resumed, r.listed = PortalUse{}, nil, false, 0
		r.Progress.take(Ledger{})
		err = r.start(State{Checkpoint: r.cp, Last: r.cp.Manifest})
	}
	return err
}

// mergeTries is how often one run may find damaged segments before it fails.
const mergeTries = 3

// make fetches and merges. If a segment is missing or damaged, it fetches again what
// the segment accounts for.
func (r *run[R]) make(ctx context.Context) error {
	for try := 1; ; try++ {
		err := r.fetch(ctx)
		fetched := err == nil
		if fetched {
			err = r.merge(ctx)
		}
		if err != nil && r.unsaved && !errors.Is(err, ErrFenced) {
			// The last part has no checkpoint, because the merge has failed: write it
			// now.
			if saveErr := r.commit(context.WithoutCancel(ctx), r.cp); saveErr != nil {
				return errors.Join(err, fmt.Errorf("save what was read: %w", saveErr))
			}
		}
		if !fetched {
			return err
		}
		lost, ok := errors.AsType[*SegmentsError](err)
		if !ok || try == mergeTries {
			return err
		}
		r.Log.Warn("segments are missing or damaged; their payments are read again", "segments", lost.Numbers, "error", lost.Err)
		if err := r.reopen(lost.Numbers, false); err != nil {
			return err
		}
	}
}

// commit stores cp as the next checkpoint and makes it the run's.
func (r *run[R]) commit(ctx context.Context, cp Checkpoint) error {
	cp.Version = 1
	if len(cp.Holes)+len(cp.Pool) > 0 || cp.Pending != nil || cp.Backfill != "" {
		cp.Version = CheckpointVersion
	}
	cp.Number++
	cp.Program, cp.Runner = r.Program, r.Runner
	cp.WrittenAt = r.Now().UTC().Truncate(time.Microsecond)
	cp.Use = r.before.Add(r.Source.Use())
	cp.Dates = r.Source.Dates().Add(r.dates)
	cp.TimeZone = r.timeZone()
	// If the program dies before this commit, the previous checkpoint is still the
	// newest, and what was written for this one is overwritten or swept. If it dies
	// after it, the next run continues from here.
	if err := r.Sink.Commit(ctx, cp); err != nil {
		return fmt.Errorf("write checkpoint %d: %w", cp.Number, err)
	}
	r.cp, r.unsaved = cp, false
	return nil
}

// decide returns an error if the snapshot has too many rejects or would delete too
// much. Otherwise it returns what the manifest records about deletes.
func (r *run[R]) decide(ctx context.Context) (*DeleteGuard, error) {
	cp := r.cp
	if err := cp.Ledger.Check(); err != nil {
		return nil, err
	}
	payments := cp.Ledger.Listed + cp.Ledger.Outside
	if allowed := r.Rejects.Allowed(payments); cp.Ledger.Rejected > allowed {
		// If the program dies before this commit, the next run decides again, without
		// trying the rejects again.
		rejects := &RejectsError{Rejected: cp.Ledger.Rejected, Payments: payments, Allowed: allowed, First: r.reject}
		cp.TryRejects = true
		return nil, errors.Join(rejects, r.commit(ctx, cp))
	}
	return r.guardDeletes(ctx)
}

// merge decides whether the snapshot may be published, writes its files and checks them
// against the ledger.
func (r *run[R]) merge(ctx context.Context) error {
	guard, err := r.decide(ctx)
	if err != nil {
		return err
	}
	return r.mergeFiles(ctx, guard)
}

// mergeInto merges a backfill's segments with a snapshot that need not be their base.
// Only the merge knows the outcome of each payment.
func (r *run[R]) mergeInto(ctx context.Context) error { return r.mergeFiles(ctx, nil) }

func (r *run[R]) mergeFiles(ctx context.Context, guard *DeleteGuard) error {
	cp := r.cp
	r.Progress.setPhase(PhaseMerging)
	// If the program dies while merging, the files have their final names, but no
	// manifest names them. The next run writes them again, with the same bytes.
	made, err := r.Sink.Merge(ctx, cp, r.last)
	if err != nil {
		return fmt.Errorf("merge snapshot %s: %w", cp.Snapshot, err)
	}
	if made.Ledger != nil {
		cp.Ledger = *made.Ledger
		r.cp.Ledger = cp.Ledger
		if err := cp.Ledger.Check(); err != nil {
			return err
		}
	}
	l := cp.Ledger
	carried := l.Carried - l.Filled + l.Kept + l.Outside // filled rows are in segments
	if made.Rows != l.Rows() || made.Carried != carried {
		return fmt.Errorf("merge snapshot %s: table has %d rows, %d of them carried; the ledger wants %d and %d",
			cp.Snapshot, made.Rows, made.Carried, l.Rows(), carried)
	}
	r.warnOfNeedlessGets(made.Changes.Update)
	cp.Manifest = r.manifest(made)
	cp.Manifest.Deletes = guard
	cp.Pace = nil // it is now in the manifest
	cp.Pool = nil
	cp.Phase = Merged
	return r.commit(ctx, cp)
}

// timeZone returns the portal's time zone as seen by this run, or else by an earlier
// run of the snapshot.
func (r *run[R]) timeZone() string { return cmp.Or(r.Source.TimeZone(), r.cp.TimeZone) }

func (r *run[R]) manifest(made MergeResult) *Manifest {
	m := &Manifest{
		Version:       ManifestVersion,
		Dataset:       r.Dataset,
		Portal:        r.Portal,
		Snapshot:      r.cp.Snapshot,
		Previous:      r.cp.Previous,
		Mode:          r.cp.Mode,
		Program:       r.Program,
		SchemaVersion: r.SchemaVersion,
		Fingerprint:   r.Fingerprint,
		Source:        r.SourceName,
		SourceWhy:     r.SourceWhy,
		SourceLacks:   append([]string{}, r.SourceLacks...),
		Range:         r.cp.Range,
		Backfill:      r.cp.Backfill,
		Since:         r.cp.Since,
		Dates:         r.Source.Dates().Add(r.dates),
		TimeZone:      r.timeZone(),
		StartedAt:     r.cp.StartedAt,
		// The time is in the checkpoint before the manifest is published, so every run
		// that publishes it publishes the same bytes.
		FinishedAt: r.Now().UTC().Truncate(time.Microsecond),
		FullAt:     r.cp.StartedAt,
		Ledger:     r.cp.Ledger,
		UnknownIDs: inOrder(r.cp.UnknownIDs),
		Changes:    made.Changes,
		Feed:       made.Feed,
		Totals:     made.Totals,
		Files:      made.Files,
		Listed:     made.Listed,
		PortalUse:  r.before.Add(r.Source.Use()),
		Pace:       r.cp.Pace,
	}
	if r.last != nil {
		m.PriorFingerprint = r.last.PriorFingerprint
		if r.last.Fingerprint != r.Fingerprint {
			m.PriorFingerprint = r.last.Fingerprint
		}
	}
	if r.cp.Mode != Full && r.last != nil {
		m.FullAt = r.last.FullAt
	}
	return m
}

// publish makes the snapshot visible to readers, and then cleans up.
func (r *run[R]) publish(ctx context.Context) error {
	r.Progress.setPhase(PhasePublishing)
	// If the program dies in Publish, the checkpoint still has phase Merged, and the
	// next run publishes again, with the same bytes.
	if err := r.Sink.Publish(ctx, r.cp.Manifest); err != nil {
		return fmt.Errorf("publish snapshot %s: %w", r.cp.Snapshot, err)
	}
	if err := r.published(ctx, r.cp); err != nil {
		return err
	}
	m := r.cp.Manifest
	r.Log.Info("published", "snapshot", m.Snapshot, "rows", m.Ledger.Rows(), "insert", m.Changes.Insert,
		"update", m.Changes.Update, "delete", m.Changes.Delete, "rejected", m.Ledger.Rejected)
	return nil
}

// published commits that the snapshot of cp is published, and cleans up.
func (r *run[R]) published(ctx context.Context, cp Checkpoint) error {
	cp.Phase = Published
	cp.Segments, cp.Pool = nil, nil
	if err := r.commit(ctx, cp); err != nil {
		return err
	}
	// If the program dies from here on, the next run sweeps.
	r.sweep(ctx)
	r.Progress.setPhase(PhaseDone)
	return nil
}

// sweep removes what is no longer needed. If it fails, it logs the error and the run
// succeeds: the next run sweeps again.
func (r *run[R]) sweep(ctx context.Context) {
	if err := r.Sink.Sweep(ctx, r.cp); err != nil {
		r.Log.Warn("clean up; the next run tries again", "error", err)
	}
}

func (r *run[R]) summary(err error) Summary {
	s := Summary{Resumed: r.resumed, Snapshot: r.cp.Snapshot, Ledger: r.cp.Ledger, Use: r.before.Add(r.Source.Use()), Own: r.Source.Use()}
	if err == nil {
		s.Manifest = r.cp.Manifest
	}
	return s
}
