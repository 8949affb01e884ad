package jobs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

var _ pipeline.Sink[schemas.Payment] = (*sinks.Dataset)(nil)

// RunOptions configures a run. Program is required.
type RunOptions struct {
	// Program is the name and version, for manifests and the portal: b24export/1.0.0.
	Program string
	// Build is the program's commit, for the metadata of files; "" if not known.
	Build string
	// Only names the portals to export; empty means all.
	Only []string
	// Shard, if it is not the zero value, leaves out the portals of other shards.
	Shard Shard
	// Parallel is how many portals are exported concurrently. Default 16.
	Parallel int
	// Restart discards unfinished snapshots.
	Restart bool
	// AllowDeletes lets the run delete more than the job's deletes.max.
	AllowDeletes bool
	// RejectsOK accepts rejects: the exit code is ExitComplete instead of ExitRejects.
	RejectsOK bool
	// IfOlder, if not 0, skips portals whose newest snapshot of the job's kind was
	// finished less than IfOlder ago.
	IfOlder time.Duration
	// Log receives a line for each event that matters. Default: none.
	Log *slog.Logger
	// Transport carries the requests to the portals. Default: the network.
	Transport http.RoundTripper
	// Now, if given, is the clock of all timestamps. With a clock that stands still,
	// equal portals produce equal bytes.
	Now func() time.Time
	// Watch, if given, is called once for each portal before it starts, in the
	// goroutine of the portal.
	Watch func(*Watch)
	// Ended, if given, is called once for each portal when its run has ended, in the
	// goroutine of the portal. It is also called for a portal that failed before Watch.
	Ended func(*Outcome)
	// Cache is a folder of this machine that saves what is used of the portals' limits;
	// "" for none.
	Cache string

	limiters *limiters // set by withDefaults
}

// clock returns the clock of all timestamps.
func (o *RunOptions) clock() func() time.Time {
	if o.Now != nil {
		return o.Now
	}
	return func() time.Time { return time.Now().UTC() }
}

func (o *RunOptions) withDefaults() RunOptions {
	opts := *o
	if opts.Parallel <= 0 {
		opts.Parallel = 16
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	opts.limiters = &limiters{folder: opts.Cache, log: opts.Log, hosts: make(map[string]*hostLimiter)}
	return opts
}

// Watch shows the progress of a portal's run. Its functions may be called at any time,
// from any goroutine, also after the run.
type Watch struct {
	Dataset  string
	Portal   string
	Progress *pipeline.Progress
	// Of is how many portals the run exports, including this one.
	Of int
	// Total returns how many payments the portal has, 0 while that is unknown.
	Total func() int64
	Gauge func() bitrix.Gauge
	Use   func() pipeline.PortalUse
	// Left predicts how much longer the run fetches, by the model of MakePlan. ok is
	// false while that is unknown.
	Left func(now time.Time) (left time.Duration, ok bool)
	// Started is when the run began.
	Started time.Time
}

// Outcome is the result of one portal.
type Outcome struct {
	Portal  string
	Summary pipeline.Summary
	// NewRejects counts the snapshot's rejects that the previous one did not have.
	NewRejects int64
	// Skipped is the newest snapshot, if it was so new that RunOptions.IfOlder skipped
	// the run; else nil.
	Skipped *pipeline.Manifest
	Err     error
	// Exit is the exit code for this portal alone.
	Exit    int
	Seconds float64

	limits *bitrix.LimitState // what is used of the portal's limits; nil if no client was made
}

// Run runs the job for every portal that opts selects, each independently: a portal
// that fails does not stop the others. Outcomes are in the job's order. When ctx is
// cancelled, every portal saves its progress.
func Run(ctx context.Context, spec *jobfile.Spec, opts *RunOptions) []Outcome {
	o := opts.withDefaults()
	portals, err := o.portals(spec)
	if err != nil {
		return []Outcome{{Err: err, Exit: ExitCode(err, pipeline.Summary{})}}
	}
	outcomes := make([]Outcome, len(portals))
	var g errgroup.Group
	g.SetLimit(o.Parallel)
	for i, portal := range portals {
		g.Go(func() error {
			start := time.Now()
			out := runPortal(ctx, spec, portal, &o, len(portals))
			out.Seconds = time.Since(start).Seconds()
			outcomes[i] = out
			if o.Ended != nil {
				o.Ended(&outcomes[i])
			}
			return nil // the error of one portal does not end the runs of the others
		})
	}
	_ = g.Wait() // no goroutine returns an error
	return outcomes
}

// portals returns the portals of the job that opts selects.
func (o *RunOptions) portals(spec *jobfile.Spec) ([]*jobfile.PortalSpec, error) {
	for _, name := range o.Only {
		if !slices.ContainsFunc(spec.Portals, func(p jobfile.PortalSpec) bool { return p.Name == name }) {
			return nil, &UsageError{Text: fmt.Sprintf("the job has no portal %q", name)}
		}
	}
	var portals []*jobfile.PortalSpec
	for i := range spec.Portals {
		p := &spec.Portals[i]
		if len(o.Only) > 0 && !slices.Contains(o.Only, p.Name) {
			continue
		}
		if o.Shard != (Shard{}) && !o.Shard.Owns(p.Name) {
			continue
		}
		portals = append(portals, p)
	}
	return portals, nil
}

// runPortal runs one of the portals, unless its newest snapshot is new enough. of is
// how many portals the run exports. The caller completes the outcome.
func runPortal(ctx context.Context, spec *jobfile.Spec, portal *jobfile.PortalSpec, o *RunOptions, of int) (out Outcome) {
	log := o.Log.With("dataset", spec.Name, "portal", portal.Name)
	now := o.clock()
	started := now()
	out.Portal = portal.Name
	finish := func() {
		out.Exit = ExitCode(out.Err, out.Summary)
		if out.Exit == ExitRejects && o.RejectsOK {
			out.Exit = ExitComplete
		}
	}
	runner := rand.Text()
	data, closeData, err := openDataset(ctx, spec, portal.Name, runner, o, log)
	if err != nil {
		out.Err = err
		finish()
		return out
	}
	defer func() {
		finish()
		if out.Skipped == nil {
			record(ctx, data, &out, started, now(), log)
		}
		out.Err = errors.Join(out.Err, closeData())
		finish()
	}()
	if o.IfOlder > 0 {
		if out.Skipped, out.Err = youngSnapshot(ctx, spec, data, o.IfOlder, now()); out.Err != nil {
			return out
		}
		if m := out.Skipped; m != nil {
			log.Info("skipped, the newest snapshot is young enough", "snapshot", m.Snapshot, "finished_at", m.FinishedAt, "if_older", o.IfOlder)
			return out
		}
	}
	out.Summary, out.Err = runPipeline(ctx, spec, portal, data, runner, o, of, log, &out)
	if m := out.Summary.Manifest; m != nil && out.Err == nil {
		if out.NewRejects, err = data.NewRejects(ctx, m); err != nil {
			log.Warn("the rejects cannot be compared with those of the snapshot before: all count as new", "error", err)
			out.NewRejects = m.Ledger.Rejected
		}
	}
	return out
}

// nightPatience is how long a backfill that has read everything waits for a night to
// end. Its work is saved meanwhile.
const nightPatience = 24 * time.Hour

// recordLimit bounds the time to record an attempt: the storage may be why it failed.
const recordLimit = 10 * time.Second

// record stores how a run ended, for status. It only logs an error.
func record(ctx context.Context, data *sinks.Dataset, out *Outcome, started, finished time.Time, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	a := sinks.Attempt{StartedAt: started, FinishedAt: finished, Exit: out.Exit}
	if out.Err != nil {
		a.Error, a.Hint = out.Err.Error(), Hint(out.Err)
	}
	if out.limits != nil {
		a.Limits, _ = json.Marshal(out.limits) // numbers and times: cannot fail
	}
	if err := data.RecordAttempt(ctx, a); err != nil {
		log.Debug("the end of the run is not recorded", "error", err)
	}
}

// youngSnapshot returns the manifest of the newest snapshot of the job's kind that was
// finished less than ifOlder before now, or nil. Backfills and nights are two kinds:
// neither does the work of the other. A backfill of another range does not count
// either.
func youngSnapshot(ctx context.Context, spec *jobfile.Spec, data *sinks.Dataset, ifOlder time.Duration, now time.Time) (*pipeline.Manifest, error) {
	span, err := source.SpanOf(spec)
	if err != nil {
		return nil, err
	}
	manifests, err := data.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	backfill := spec.Mode == pipeline.Backfill
	for _, m := range manifests {
		if now.Sub(m.FinishedAt) >= ifOlder {
			break
		}
		if pipeline.Ahead(m.FinishedAt, now) {
			continue // by a wrong clock: it would be young for years
		}
		if (m.Mode == pipeline.Backfill) == backfill && (!backfill || m.Range == span) {
			return m, nil
		}
	}
	return nil, nil
}

// runPipeline wires and runs the pipeline of a portal.
func runPipeline(ctx context.Context, spec *jobfile.Spec, portal *jobfile.PortalSpec, data *sinks.Dataset, runner string, o *RunOptions, of int, log *slog.Logger, out *Outcome) (s pipeline.Summary, err error) {
	client, done, err := o.newClient(ctx, spec, portal, usedBefore(ctx, data, log), log)
	if err != nil {
		return s, err
	}
	defer func() { out.limits = done() }()
	progress := new(pipeline.Progress)
	var reading atomic.Pointer[source.Source] // nil until the run has chosen how to list
	if o.Watch != nil {
		o.Watch(&Watch{
			Dataset: spec.Name, Portal: portal.Name, Progress: progress, Of: of, Total: progress.Total.Load,
			Gauge: client.Gauge, Use: func() pipeline.PortalUse { return source.UseOf(client) }, Started: time.Now(),
			Left: func(now time.Time) (time.Duration, bool) {
				if src := reading.Load(); src != nil {
					return src.Left(now, progress)
				}
				return 0, false
			},
		})
	}
	way, err := source.Find(ctx, spec, portal, client, o.Now, log)
	if err != nil {
		return s, err
	}
	run := func(way *source.Found) (pipeline.Summary, error) {
		if len(way.Empty) > 0 {
			last, err := data.Newest(ctx)
			if err != nil {
				return pipeline.Summary{}, err
			}
			if err := way.Less(spec, last); err != nil {
				return pipeline.Summary{}, err
			}
		}
		src := way.Source()
		reading.Store(src)
		from, to := pipeline.Source[schemas.Payment](src), data
		var nights pipeline.Sink[schemas.Payment]
		patience := spec.Patience // with a backfill's merge
		if spec.Mode == pipeline.Backfill {
			// A backfill has unfinished work of its own, and sends no request beside a
			// night.
			to, nights, patience = data.Backfill(), data, nightPatience
			from = &yielding{Source: from, held: data.Held, log: log}
		}
		s, err := pipeline.Run(ctx, pipeline.Config[schemas.Payment]{
			Source: from,
			Sink:   to,
			Nights: nights,
			Table: pipeline.Table[schemas.Payment]{
				ID:      func(p *schemas.Payment) pipeline.PaymentID { return pipeline.PaymentID(p.ID) },
				Same:    src.Same,
				Mark:    src.Mark,
				Fill:    src.Fill,
				Keep:    src.Keep,
				Differs: src.Differs,
				Size:    func(p *schemas.Payment) int { return len(p.Extra.V) },
				ReadAt:  func(p *schemas.Payment) time.Time { return p.ExtractedAt.V.Time() },
			},
			Options: pipeline.Options{
				Dataset:         spec.Name,
				Portal:          portal.Name,
				Program:         o.Program,
				Runner:          runner,
				SchemaVersion:   schemas.Version,
				Fingerprint:     spec.FingerprintBy(portal.Name, way.Meaning()),
				SourceName:      string(way.List),
				SourceWhy:       way.Why,
				SourceLacks:     way.Empty,
				Mode:            spec.Mode,
				Range:           way.Span,
				Patience:        patience,
				FullEvery:       spec.FullEvery,
				Restart:         o.Restart,
				Chunk:           src.Chunk(),
				Workers:         client.Concurrency(),
				CheckpointEvery: spec.Checkpoint.Every,
				CheckpointRows:  spec.Checkpoint.Rows,
				Rejects:         spec.Rejects.Max,
				Deletes:         spec.Deletes.Max,
				AllowDeletes:    o.AllowDeletes,
				Log:             log,
				Progress:        progress,
				Limits:          src.Limits,
				After:           func(ctx context.Context, m *pipeline.Manifest) { refreshRelated(ctx, spec, client, data, m, o, log) },
				Now:             o.Now,
			},
		})
		if err == nil {
			if err := way.Done(ctx); err != nil {
				log.Warn("the snapshot is published; the next run reads the same changes again", "error", err)
			}
		}
		return s, err
	}
	s, err = run(way)
	if err == nil {
		return s, nil
	}
	other, elseErr := way.Else(ctx, err)
	switch {
	case elseErr != nil:
		return s, elseErr
	case other != nil:
		return run(other)
	}
	return s, err
}

// OpenDataset opens the dataset of a portal, also if no run has created it yet. It
// writes nothing. The returned function closes the dataset.
func OpenDataset(ctx context.Context, spec *jobfile.Spec, portal string, opts *RunOptions) (*sinks.Dataset, func() error, error) {
	o := opts.withDefaults()
	return openDataset(ctx, spec, portal, "", &o, o.Log)
}

func openDataset(ctx context.Context, spec *jobfile.Spec, portal, runner string, o *RunOptions, log *slog.Logger) (*sinks.Dataset, func() error, error) {
	store, err := sinks.OpenStore(ctx, spec.Sink.URL, &sinks.StoreOptions{Patience: spec.Patience, Log: log})
	if err != nil {
		return nil, nil, err
	}
	data := sinks.New(store, &sinks.Options{
		Name:            spec.Name,
		Portal:          portal,
		Program:         o.Program,
		Build:           o.Build,
		Runner:          runner,
		Compression:     string(spec.Sink.Compression),
		Profile:         string(spec.Sink.Profile),
		RowGroupRows:    int(spec.Sink.RowGroupRows),
		History:         spec.Sink.History,
		UnsafeNoFencing: spec.Sink.UnsafeNoFencing,
		Merging:         spec.Mode == pipeline.Backfill,
		Log:             log,
	})
	return data, store.Close, nil
}
