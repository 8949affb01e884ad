package sinks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
)

// Options configures a Dataset. Portal is required.
type Options struct {
	// Name is the name of the dataset and of its folders. Default "payments".
	Name string
	// Portal is the name of the portal in the job: portal=… in paths.
	Portal string
	// Program is the name and version of the program, such as b24export/1.2.3, and
	// Build its commit. Both are written to the files' metadata.
	Program string
	Build   string
	// Runner is a unique name of this process. Default: random. It must be the name
	// under which checkpoints are written.
	Runner string
	// Lease is the time for which a lease lasts without being renewed. It is renewed
	// three times as often. Default 60 s, which is the longest time that a run waits
	// after another one was killed.
	Lease time.Duration
	// Profile is standard (default), or compatible for readers that know only the
	// oldest form of Parquet files.
	Profile string
	// Compression is zstd (default), snappy or none. With the profile compatible it is
	// snappy (default) or none.
	Compression string
	// RowGroupRows is the number of rows of a row group. Default 122,880, which is the
	// unit in which DuckDB works and in which other engines split work.
	RowGroupRows int
	// History is the number of retained snapshots besides the newest one. The zero
	// value retains none.
	History int
	// UnsafeNoFencing accepts a store that ignores or refuses conditional writes. All
	// writes are then unconditional.
	UnsafeNoFencing bool
	// Merging reports whether the run is a backfill. A backfill takes the lease of
	// nightly runs for a merge only, and other runs may wait for that.
	Merging bool
	// Now is the clock of leases. Default time.Now.
	Now func() time.Time
	// Log receives log lines. Default: none.
	Log *slog.Logger
}

// Dataset has the payments of a portal in a store. It is a pipeline.Sink, and also
// answers questions about the stored files. The package comment describes the layout
// and the guarantees.
//
// The methods of pipeline.Sink are for one runner, between Begin and End. The other
// methods only read, except Prune. Any process may call them at any time.
type Dataset struct {
	store Store
	layout
	opts Options
	bad  error // the error of the options

	held *heldLease // nil outside of Begin and End
	seen *session   // the same
}

var _ pipeline.Sink[schemas.Payment] = (*Dataset)(nil)

var (
	validName   = regexp.MustCompile(`^[a-z0-9_]+$`)
	validPortal = regexp.MustCompile(`^[a-z0-9-]+$`)
)

// New returns a Dataset in store. The caller closes the store. If the options are
// invalid, every method returns an error.
func New(store Store, opts *Options) *Dataset {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Name == "" {
		o.Name = "payments"
	}
	if o.Runner == "" {
		o.Runner = rand.Text()
	}
	if o.Lease <= 0 {
		o.Lease = time.Minute
	}
	if o.Profile == "" {
		o.Profile = profileStandard
	}
	if o.Compression == "" {
		o.Compression = "zstd"
		if o.Profile == profileCompatible {
			o.Compression = "snappy"
		}
	}
	if o.RowGroupRows == 0 {
		o.RowGroupRows = 122_880
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Dataset{store: store, layout: layout{name: o.Name, portal: o.Portal}, opts: o}
	var errs []error
	if !validName.MatchString(o.Name) {
		errs = append(errs, fmt.Errorf("dataset name %q: must be of a-z, 0-9 and _", o.Name))
	}
	if err := CheckPortalName(o.Portal); err != nil {
		errs = append(errs, err)
	}
	if codecs[o.Compression] == nil {
		errs = append(errs, fmt.Errorf("compression %q: must be zstd, snappy or none", o.Compression))
	}
	switch o.Profile {
	case profileStandard:
	case profileCompatible:
		if o.Compression == "zstd" {
			errs = append(errs, errors.New("compression zstd: profile compatible needs snappy or none"))
		}
	default:
		errs = append(errs, fmt.Errorf("profile %q: must be standard or compatible", o.Profile))
	}
	if o.RowGroupRows < 1 || o.RowGroupRows > 10_000_000 {
		errs = append(errs, fmt.Errorf("row_group_rows %d: must be 1 to 10000000", o.RowGroupRows))
	}
	if o.History < 0 {
		errs = append(errs, fmt.Errorf("history %d: must not be negative", o.History))
	}
	d.bad = errors.Join(errs...)
	return d
}

// CurrentPath returns the path of the current table, relative to the store.
func (d *Dataset) CurrentPath() string { return d.current() }

// HistoryPath returns the path of a snapshot's table, relative to the store.
func (d *Dataset) HistoryPath(id pipeline.SnapshotID) string { return d.history(id) }

// ChangesPath returns the path of a snapshot's change feed, which not every snapshot
// has.
func (d *Dataset) ChangesPath(id pipeline.SnapshotID) string { return d.changes(id) }

// RejectsPath returns the path of a snapshot's rejects, which not every snapshot has.
func (d *Dataset) RejectsPath(id pipeline.SnapshotID) string { return d.rejects(id) }

// ManifestPath returns the path of a snapshot's manifest.
func (d *Dataset) ManifestPath(id pipeline.SnapshotID) string { return d.manifest(id) }

// StatePath returns the prefix of files that only this program reads. It is a good
// place for CheckConditional.
func (d *Dataset) StatePath() string { return d.state() }

// fileOptions returns the options for a file of a snapshot, or for a segment, which
// only this program reads, if id is "".
func (d *Dataset) fileOptions(id pipeline.SnapshotID) fileOptions {
	opts := fileOptions{
		codec:        codecs[d.opts.Compression],
		profile:      d.opts.Profile,
		rowGroupRows: int64(d.opts.RowGroupRows),
		program:      d.opts.Program,
		build:        d.opts.Build,
		snapshot:     id,
	}
	if id == "" {
		opts.profile = profileStandard
		if d.opts.Compression == "zstd" {
			opts.codec = segmentZstd
		}
	}
	return opts
}

// Begin implements pipeline.Sink. It takes the lease and reads the state. If no record
// exists for this endpoint and bucket, it first tests that conditional writes work.
func (d *Dataset) Begin(ctx context.Context) (pipeline.State, error) {
	if d.bad != nil {
		return pipeline.State{}, d.bad
	}
	if !d.opts.UnsafeNoFencing {
		if err := d.prove(ctx); err != nil {
			return pipeline.State{}, err
		}
	}
	list, err := d.listState(ctx)
	if err != nil {
		return pipeline.State{}, err
	}
	list, err = d.acquire(ctx, list)
	if err != nil {
		return pipeline.State{}, err
	}
	var (
		seen  *session
		state pipeline.State
	)
	if err = d.unmovedIn(ctx, list); err == nil {
		seen, state, err = d.newSession(ctx, list)
	}
	if err != nil {
		// No other run should wait for a run that does not take place.
		if endErr := d.End(context.WithoutCancel(ctx)); endErr != nil {
			d.opts.Log.Warn("lease not given back; it ends by itself", "error", endErr)
		}
		return pipeline.State{}, err
	}
	d.seen = seen
	return state, nil
}

func (d *Dataset) readState(ctx context.Context) (pipeline.State, error) {
	cp, err := d.newestCheckpoint(ctx)
	if err != nil {
		return pipeline.State{}, err
	}
	last, err := d.Newest(ctx)
	if err != nil {
		return pipeline.State{}, err
	}
	return pipeline.State{Checkpoint: cp, Last: last}, nil
}

// newestCheckpoint returns the checkpoint with the highest number, or the zero
// checkpoint if there is none.
func (d *Dataset) newestCheckpoint(ctx context.Context) (pipeline.Checkpoint, error) {
	list, err := d.listState(ctx)
	if err != nil {
		return pipeline.Checkpoint{}, err
	}
	return d.newestOf(ctx, list)
}

// newestOf is newestCheckpoint for an existing listing.
func (d *Dataset) newestOf(ctx context.Context, list stateList) (pipeline.Checkpoint, error) {
	for try := 0; ; try++ {
		n := list.highest(checkpointKind)
		if n == 0 {
			return pipeline.Checkpoint{}, nil
		}
		key := d.checkpoint(n)
		data, err := d.store.Read(ctx, key)
		if isAbsent(err) && try < 10 {
			// A newer checkpoint was created, and a sweep deleted this one.
			if list, err = d.listState(ctx); err != nil {
				return pipeline.Checkpoint{}, err
			}
			continue
		}
		if err != nil {
			return pipeline.Checkpoint{}, err
		}
		cp, err := decodeCheckpoint(data, n)
		if err != nil {
			return pipeline.Checkpoint{}, corrupt(key, err)
		}
		return cp, nil
	}
}

// highest returns the highest number of the objects of a kind, 0 if there are none.
func (d *Dataset) highest(ctx context.Context, k kind) (int64, error) {
	highest := int64(0)
	for e, err := range d.store.List(ctx, d.state()+k.begin) {
		if err != nil {
			return 0, err
		}
		if n, ok := d.number(k, e.Key); ok {
			highest = max(highest, n)
		}
	}
	return highest, nil
}

// Commit implements pipeline.Sink.
func (d *Dataset) Commit(ctx context.Context, cp pipeline.Checkpoint) error {
	if err := d.fenced(); err != nil {
		return err
	}
	data, err := encodeCheckpoint(cp)
	if err != nil {
		return err
	}
	err = d.create(ctx, d.checkpoint(cp.Number), data)
	if errors.Is(err, ErrExists) {
		d.held.lost.Store(true)
		return fmt.Errorf("%w: it has written checkpoint %d", pipeline.ErrFenced, cp.Number)
	}
	if err != nil {
		return err
	}
	s := d.seen
	// A runner that was paused for so long that its number was swept could create the
	// object again. That does no harm, because it is not the newest one. Once the
	// snapshot is published, nothing follows that could do harm. A merge has checked
	// already, right before it named its files.
	if s.newest != cp.Number-1 || cp.Phase != pipeline.Published && (cp.Phase != pipeline.Merged || !fresh(s.looked)) {
		if err := d.look(ctx, cp.Number); err != nil {
			if errors.Is(err, pipeline.ErrFenced) {
				d.held.lost.Store(true)
			}
			return err
		}
	}
	s.newest, s.stored = cp.Number, cp.Snapshot
	if s.oldest == 0 {
		s.oldest = cp.Number
	}
	if cp.Phase == pipeline.Merged {
		s.merged, s.mergedAt = cp.Snapshot, time.Now().Round(0)
	}
	// Each checkpoint names all segments, so the checkpoints of a long run would become
	// large. Some are kept for people. If a deletion fails, the sweep deletes the
	// checkpoint and those before it.
	if cp.Number-s.oldest >= keptCheckpoints {
		if err := d.store.Delete(ctx, d.checkpoint(s.oldest)); err != nil {
			d.opts.Log.Debug("old checkpoint not deleted", "error", err)
		} else {
			s.oldest++
		}
	}
	return nil
}

// notBeyond returns ErrFenced if there is a checkpoint with a higher number.
func (d *Dataset) notBeyond(ctx context.Context, number int64) error {
	n, err := d.highest(ctx, checkpointKind)
	if err != nil {
		return err
	}
	if n > number {
		return fmt.Errorf("%w: it has written checkpoint %d", pipeline.ErrFenced, n)
	}
	if d.seen != nil && d.seen.newest == number {
		d.seen.looked = time.Now().Round(0)
	}
	return nil
}

// create is Store.Create. With Options.UnsafeNoFencing it reads the object first, and
// then writes it without a condition, which some stores refuse. Another run can create
// the object in between.
//
// If the program dies before the write, nothing is there.
func (d *Dataset) create(ctx context.Context, key string, data []byte) error {
	if d.opts.UnsafeNoFencing {
		there, err := d.store.Read(ctx, key)
		switch {
		case err == nil && string(there) != string(data):
			return fmt.Errorf("create %s: %w", key, ErrExists)
		case err == nil:
			return nil
		case !isAbsent(err):
			return err
		}
		return d.store.Put(ctx, key, whole(data))
	}
	return d.store.Create(ctx, key, data)
}

// fenced returns ErrFenced once the lease is known to belong to another runner.
func (d *Dataset) fenced() error {
	switch {
	case d.bad != nil:
		return d.bad
	case d.held == nil:
		return errors.New("the dataset is used before Begin or after End")
	case d.held.lost.Load():
		return fmt.Errorf("%w: the lease was lost", pipeline.ErrFenced)
	}
	return nil
}
