package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config is one portal's run, wired.
type Config[R any] struct {
	Source Source[R]
	// Sink has the unfinished work, and publishes; but see Nights.
	Sink Sink[R]
	// Nights is for a backfill: the sink of all other runs, which its merge goes
	// into, while Sink has its unfinished work. nil for a backfill that shares all
	// with other runs, and for these.
	Nights Sink[R]
	Table  Table[R]
	Options
}

// Options are what a run can be told. Required: Dataset, Portal, Program,
// Runner, Mode; all others have a default for their zero value.
type Options struct {
	// Dataset and Portal name what is exported, in the manifest.
	Dataset, Portal string
	// Program is name and version, Runner this process's random name.
	Program, Runner string
	SchemaVersion   int
	// Fingerprint stands for the job's meaning. A checkpoint of another meaning
	// is not taken up, and a snapshot of another meaning is not carried over.
	Fingerprint string
	// SourceName and SourceWhy go into the manifest.
	SourceName, SourceWhy string
	// SourceLacks names the columns that the source leaves empty, for the manifest.
	SourceLacks []string
	Mode        Mode
	// Range says in words which part of the past a backfill gets. An unfinished
	// snapshot of another range is not taken up.
	Range string
	// FullEvery is how old the newest full run may become before an incremental
	// one gets everything anew. 0: any age.
	FullEvery time.Duration
	// Restart throws an unfinished snapshot away instead of taking it up.
	Restart bool
	// Chunk is how many payments one Get reads. Default 49: with the command
	// for their owners that is a full batch.
	Chunk int
	// Workers is how many Gets run at once. Default 16.
	Workers int
	// Window is how many chunks may be listed and not yet collected; it bounds
	// memory when one chunk is slow. Default 256, and at least Workers.
	Window int
	// CheckpointEvery is how much time may pass between two checkpoints,
	// default 60 s; CheckpointRows how many rows, default 50,000.
	CheckpointEvery time.Duration
	CheckpointRows  int
	Rejects         RejectLimit
	// Deletes is how many rows of the last snapshot one run may delete.
	// AllowDeletes lets this run pass, whatever it deletes.
	Deletes      DeleteLimit
	AllowDeletes bool
	// Grace is how long a run that stops waits for the gets under way, so that
	// what they read is not lost. Default 10 s.
	Grace time.Duration
	// Patience is how long to wait for another run's lease where that is worth it:
	// a backfill's merge waits for a night, a night for a backfill's merge. 0: not
	// at all.
	Patience time.Duration
	// Log gets one line for each thing that matters. Default: none.
	Log *slog.Logger
	// Progress, if given, is kept up to date during the run.
	Progress *Progress
	// Limits, if given, tells the portal's limits as they are, for the manifest's
	// Pace. Called from one goroutine at a time.
	Limits func() Limits
	// After, if given, is called when the run has published, while the lease is still
	// held. What it does is no part of the commit: the run is complete whatever
	// becomes of it. Died in it: the snapshot is out. A backfill beside nights leaves
	// it to the next night.
	After func(ctx context.Context, m *Manifest)
	// Now is the clock of snapshot names and stamps. Default time.Now.
	Now func() time.Time
}

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
	if o.CheckpointEvery <= 0 {
		o.CheckpointEvery = time.Minute
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
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

// Summary is what a run did.
type Summary struct {
	// Manifest is the published snapshot's; nil if none was published.
	Manifest *Manifest
	// Resumed reports whether the run took up an unfinished snapshot.
	Resumed bool
	// Snapshot and Ledger are those of the newest checkpoint, also of a run
	// that failed.
	Snapshot SnapshotID
	Ledger   Ledger
	// Use is what the snapshot has cost the portal, over all the runs that it took;
	// Own is the part of this run.
	Use, Own PortalUse
}

// Run brings one snapshot of one portal's payments to the end: the one that an
// earlier run left unfinished, else a new one. The package comment has its
// steps. When ctx is cancelled, what has been read is saved and the context's
// error returned. Whatever the error, what readers see is as it was before, or
// complete.
func Run[R any](ctx context.Context, cfg Config[R]) (Summary, error) {
	cfg.setDefaults()
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

// run is a Run under way. Its checkpoint is owned by the goroutine of Run,
// but while fetch runs by the collector.
type run[R any] struct {
	Config[R]
	cp      Checkpoint
	last    *Manifest
	before  PortalUse // what earlier runs of this snapshot cost the portal
	dates   *Dates    // what they found out about the listing's dates
	resumed bool
	begun   bool  // the source has begun in this run
	gap     bool  // see Scope.Gap
	again   bool  // what is resumed is not all that was asked for
	listed  int64 // what earlier runs of this snapshot have listed
	why     reasons
	reject  Reject // the first reject of this run, for the error's text
}

// complete does the steps that the package comment numbers, from where the
// stored state stands.
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
		// What an earlier run had left is published. Now what this one is for.
		r.again = false
		r.before, r.dates, r.resumed, r.listed = PortalUse{}, nil, false, 0
		r.Progress.take(Ledger{})
		err = r.start(State{Checkpoint: r.cp, Last: r.cp.Manifest})
	}
	return err
}

// mergeTries bounds how often segments may turn out to be damaged in one run.
const mergeTries = 3

// make fetches and merges. Where a segment turns out to be missing or damaged,
// what it accounts for is fetched again.
func (r *run[R]) make(ctx context.Context) error {
	for try := 1; ; try++ {
		if err := r.fetch(ctx); err != nil {
			return err
		}
		err := r.merge(ctx)
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
	// Died before: the newest checkpoint is still the one before, and what was
	// written for this one is overwritten or swept. Died after: the next run
	// goes on from here.
	if err := r.Sink.Commit(ctx, cp); err != nil {
		return fmt.Errorf("write checkpoint %d: %w", cp.Number, err)
	}
	r.cp = cp
	return nil
}

// decide returns an error if the snapshot has too many rejects, or would delete too
// much; otherwise what its manifest says about deletes.
func (r *run[R]) decide(ctx context.Context) (*DeleteGuard, error) {
	cp := r.cp
	if err := cp.Ledger.Check(); err != nil {
		return nil, err
	}
	payments := cp.Ledger.Listed + cp.Ledger.Outside
	if allowed := r.Rejects.Allowed(payments); cp.Ledger.Rejected > allowed {
		// Died before this commit: the next run decides again, without trying
		// the rejects again.
		rejects := &RejectsError{Rejected: cp.Ledger.Rejected, Payments: payments, Allowed: allowed, First: r.reject}
		cp.TryRejects = true
		return nil, errors.Join(rejects, r.commit(ctx, cp))
	}
	return r.guardDeletes(ctx)
}

// merge decides whether the snapshot may be published, makes its files and checks
// them against the ledger.
func (r *run[R]) merge(ctx context.Context) error {
	guard, err := r.decide(ctx)
	if err != nil {
		return err
	}
	return r.mergeFiles(ctx, guard)
}

// mergeInto merges a backfill's segments with a snapshot that it need not have been
// based on. What became of each payment only the merge knows.
func (r *run[R]) mergeInto(ctx context.Context) error { return r.mergeFiles(ctx, nil) }

func (r *run[R]) mergeFiles(ctx context.Context, guard *DeleteGuard) error {
	cp := r.cp
	r.Progress.setPhase(PhaseMerging)
	// Died while merging: the files have their final names, but no manifest
	// names them. The next run makes them again, with the same bytes.
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
	cp.Pace = nil // the manifest has it now
	cp.Pool = nil
	cp.Phase = Merged
	return r.commit(ctx, cp)
}

// timeZone returns the portal's time zone as this run has seen it, else as an earlier
// run of the snapshot has.
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
		// It stands in the checkpoint before it is published: whoever
		// publishes it, and however often, publishes the same bytes.
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

// publish shows the snapshot to readers and cleans up behind it.
func (r *run[R]) publish(ctx context.Context) error {
	r.Progress.setPhase(PhasePublishing)
	// Died in here: the checkpoint still says Merged, and the next run
	// publishes again, with the same bytes.
	if err := r.Sink.Publish(ctx, r.cp.Manifest); err != nil {
		return fmt.Errorf("publish snapshot %s: %w", r.cp.Snapshot, err)
	}
	cp := r.cp
	cp.Phase = Published
	cp.Segments, cp.Pool = nil, nil
	if err := r.commit(ctx, cp); err != nil {
		return err
	}
	// Died from here on: the snapshot is out, and the next run sweeps.
	r.sweep(ctx)
	r.Progress.setPhase(PhaseDone)
	m := cp.Manifest
	r.Log.Info("published", "snapshot", m.Snapshot, "rows", m.Ledger.Rows(), "insert", m.Changes.Insert,
		"update", m.Changes.Update, "delete", m.Changes.Delete, "rejected", m.Ledger.Rejected)
	return nil
}

// sweep removes what is no longer needed. Its failure is told, but fails
// nothing: the next run sweeps again.
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
