package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"b24export/jobs/jobfile"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/sinks"
)

// checkSink checks what a run needs of the sink. It tries the store in the folder of
// the first portal's state, then checks the state of each portal.
func checkSink(ctx context.Context, spec *jobfile.Spec, portals []*jobfile.PortalSpec, o *RunOptions) []CheckLine {
	var r report
	store, err := sinks.OpenStore(ctx, spec.Sink.URL, &sinks.StoreOptions{Patience: spec.Patience, Log: o.Log})
	if err != nil {
		r.failSink("sink.open", err)
		return r.lines
	}
	defer removeFolders(absentFolders(store))
	defer func() { _ = store.Close() }() // every operation has already reported its error
	if len(portals) > 0 && !r.store(ctx, store, sinks.New(store, datasetOptions(spec, portals[0], o)).StatePath(), spec.Sink.UnsafeNoFencing) {
		return r.lines // without a listing, no state can be found
	}
	r.space(ctx, store, spec, portals, o)
	for _, portal := range portals {
		own := report{portal: portal.Name}
		own.state(ctx, spec, sinks.New(store, datasetOptions(spec, portal, o)))
		r.lines = append(r.lines, own.lines...)
	}
	if len(portals) == len(spec.Portals) {
		r.leftOver(ctx, store, spec)
	}
	return r.lines
}

// leftOver warns of portals that are in the dataset but not in the job.
func (r *report) leftOver(ctx context.Context, store sinks.Store, spec *jobfile.Spec) {
	var known []string
	for i := range spec.Portals {
		known = append(known, spec.Portals[i].Name)
	}
	left, err := sinks.LeftOvers(ctx, store, spec.Name, known)
	if err != nil {
		r.failSink("sink.left_over", err)
		return
	}
	for _, l := range left {
		if l.Moving != nil {
			err := &sinks.UnfinishedMoveError{Portal: l.Portal, Moving: *l.Moving}
			r.warn("sink.left_over", "execute this command with the job or with --from", "%v", err)
			continue
		}
		r.warn("sink.left_over", fmt.Sprintf("if no other job exports it, b24export forget %[1]s JOB deletes it, and b24export rename %[1]s NEW JOB renames it", l.Portal),
			"portal %s is in the dataset and not in the job: readers of all portals count it too", l.Portal)
	}
}

func datasetOptions(spec *jobfile.Spec, portal *jobfile.PortalSpec, o *RunOptions) *sinks.Options {
	return &sinks.Options{Name: spec.Name, Portal: portal.Name, Program: o.Program, Log: o.Log, Now: o.Now}
}

// store tries each operation on a probe below prefix. If this process dies, the sweep
// of a later run deletes the probe, because of its name. listed reports whether the
// store lists its objects.
func (r *report) store(ctx context.Context, store sinks.Store, prefix string, unsafe bool) (listed bool) {
	key := prefix + "probe-" + rand.Text()
	body := []byte("a probe of b24export check: " + key + "\n")
	err := store.Put(ctx, key, func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
	if err != nil {
		r.failSink("sink.write", err)
		if errors.Is(err, sinks.ErrUnavailable) {
			return false
		}
		// The probe can exist although the write failed: the answer may have been lost.
		_ = store.Delete(context.WithoutCancel(ctx), key)
		return r.list(ctx, store, prefix, "", 0)
	}
	r.ok("sink.write", "%s", store)
	r.conditional(ctx, store, prefix, unsafe)
	if err := readBack(ctx, store, key, body); err != nil {
		r.failSink("sink.read", err)
	} else {
		r.ok("sink.read", "reads return what was written")
	}
	listed = r.list(ctx, store, key, key, int64(len(body)))
	err = store.Delete(context.WithoutCancel(ctx), key)
	if err == nil {
		if _, rerr := store.Read(ctx, key); rerr == nil {
			err = fmt.Errorf("delete %s: it still exists", key)
		} else if !errors.Is(rerr, fs.ErrNotExist) {
			err = rerr
		}
	}
	if err != nil {
		r.failSink("sink.delete", err)
		return listed
	}
	r.ok("sink.delete", "the probe is deleted")
	return listed
}

// failSink records an error of the storage.
func (r *report) failSink(check string, err error) {
	line := failedLine(r.portal, check, err)
	line.Hint = hintAt(atSink, err)
	r.lines = append(r.lines, line)
}

// conditional checks that the store has conditional writes, which keep two runs apart.
func (r *report) conditional(ctx context.Context, store sinks.Store, prefix string, unsafe bool) {
	err := sinks.CheckConditional(ctx, store, prefix)
	if err == nil {
		err = sinks.CheckCreators(ctx, store, prefix)
	}
	switch {
	case err == nil:
		r.ok("sink.conditional_write", "if two runs create the same object, only one succeeds")
	case errors.Is(err, sinks.ErrNoFencing) && unsafe:
		r.warn("sink.conditional_write", "make sure that only one run at a time is running",
			"%s: %v, and sink.unsafe_no_fencing accepts it nevertheless", store, sinks.ErrNoFencing)
	case errors.Is(err, sinks.ErrNoFencing):
		r.refuse("sink.conditional_write", ExitFailed, Hint(err), "%s: %v: two runs could publish over each other", store, sinks.ErrNoFencing)
	default:
		r.failSink("sink.conditional_write", err)
	}
}

// readBack reads an object whole and in ranges, as runs read manifests and tables.
func readBack(ctx context.Context, store sinks.Store, key string, body []byte) error {
	data, err := store.Read(ctx, key)
	if err != nil {
		return err
	}
	obj, err := store.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = obj.Close() }() // only read
	half := len(body) / 2
	part := make([]byte, len(body)-half)
	if n, err := obj.ReadAt(part, int64(half)); n < len(part) {
		return fmt.Errorf("read the end of %s: %w", key, err)
	}
	if string(data) != string(body) || string(part) != string(body[half:]) {
		return fmt.Errorf("read %s: it is not what was written a moment ago", key)
	}
	return nil
}

// list lists a prefix. If key names an object, list reports whether the listing
// contains it.
func (r *report) list(ctx context.Context, store sinks.Store, prefix, key string, size int64) bool {
	found := key == ""
	for e, err := range store.List(ctx, prefix) {
		if err != nil {
			r.failSink("sink.list", err)
			return false
		}
		if e.Key == key && e.Size == size {
			found = true
		}
		if found {
			break
		}
	}
	if !found {
		r.refuse("sink.list", ExitFailed, "use a store that lists an object from its creation on", "%s was written a moment ago and is not listed", key)
		return false
	}
	r.ok("sink.list", "existing objects are listed")
	return true
}

// state reports which run holds the lease on a portal's dataset, and unfinished work.
func (r *report) state(ctx context.Context, spec *jobfile.Spec, data *sinks.Dataset) {
	status, err := data.Status(ctx)
	if err != nil {
		r.fail("sink.unfinished", err)
		return
	}
	if l := status.Lease; l != nil && !l.Ended {
		held := &pipeline.HeldError{Holder: l.Holder, Since: l.Since, Until: l.Until}
		r.warn("sink.lease", Hint(held), "%v", held)
	} else {
		r.ok("sink.lease", "no run holds the lease")
	}
	r.deletes(spec, &status)
	backfill := spec.Mode == pipeline.Backfill
	r.unfinished(ctx, spec, data, "sink.unfinished", &status.Checkpoint, !backfill)
	if backfill || status.Backfill.Unfinished() {
		r.unfinished(ctx, spec, data.Backfill(), "sink.unfinished_backfill", &status.Backfill, backfill)
	}
}

// unfinished reports the unfinished work of a checkpoint, of a night or of a backfill.
// A run resumes the work only if its job is the same.
func (r *report) unfinished(ctx context.Context, spec *jobfile.Spec, data *sinks.Dataset, check string, cp *pipeline.Checkpoint, own bool) {
	if !cp.Unfinished() {
		r.ok(check, "nothing is unfinished")
		return
	}
	span, err := source.SpanOf(spec)
	saved := fmt.Sprintf("snapshot %s, saved at %s with %d payments fetched", cp.Snapshot, cp.WrittenAt.UTC().Format(time.RFC3339), cp.Ledger.Got)
	if cp.Range != "" {
		saved += ", " + cp.Range
	}
	switch {
	case err != nil:
		r.fail(check, err)
	case !own:
		r.ok(check, "a run of the job that began it resumes %s", saved)
	case cp.Backfill != "" && spec.Mode != pipeline.Backfill:
		r.ok(check, "a backfill is merging snapshot %s; a run of that backfill ends it", cp.Snapshot)
	case cp.DeletesHeld:
		r.ok(check, "snapshot %s is held back by deletes.max; a run lists again", cp.Snapshot)
	case cp.Fingerprint != spec.Fingerprint(r.portal):
		r.fail(check, &pipeline.JobChangedError{Snapshot: cp.Snapshot, Rows: cp.Ledger.Got})
	case cp.Range != span:
		r.fail(check, &pipeline.JobChangedError{Snapshot: cp.Snapshot, Rows: cp.Ledger.Got, Begun: cp.Mode, Range: cp.Range})
	default:
		r.ok(check, "a run resumes %s", saved)
	}
	r.segments(ctx, data, *cp)
}

// segments reads the segments that an unfinished run has saved.
func (r *report) segments(ctx context.Context, data *sinks.Dataset, cp pipeline.Checkpoint) {
	if len(cp.Segments)+len(cp.Pool) == 0 {
		return
	}
	found, err := data.CheckSegments(ctx, cp)
	if err != nil {
		r.fail("sink.segments", err)
		return
	}
	for _, err := range found {
		r.warn("sink.segments", "nothing: the next run reads the payments of this segment again", "%v", err)
	}
	if len(found) == 0 {
		r.ok("sink.segments", "%d segments are as they were written", len(cp.Segments)+len(cp.Pool))
	}
}

// deletes reports how many rows a run may delete, and which deletions were held back.
func (r *report) deletes(spec *jobfile.Spec, status *sinks.Status) {
	cp := &status.Checkpoint
	switch {
	case status.Newest == nil: // no row can be deleted
	case cp.DeletesHeld && cp.Phase == pipeline.Fetched:
		held := &pipeline.DeletesError{
			Snapshot: cp.Snapshot, Deleted: cp.Ledger.Gone, Rows: status.Newest.Ledger.Rows(),
			Allowed: spec.Deletes.Max.Allowed(status.Newest.Ledger.Rows()),
		}
		r.warn("deletes.max", Hint(held), "%v", held)
	default:
		rows := status.Newest.Ledger.Rows()
		r.ok("deletes.max", "a run that would delete more than %d of the %d rows publishes nothing", min(spec.Deletes.Max.Allowed(rows), max(0, rows-1)), rows)
	}
}

// absentFolders returns the folders on the path to a local store that do not exist, the
// deepest first. The first write creates them.
func absentFolders(store sinks.Store) []string {
	folder, ok := store.(*sinks.Folder)
	if !ok {
		return nil
	}
	var absent []string
	for dir := folder.String(); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			return absent
		}
		absent = append(absent, dir)
	}
}

// removeFolders removes the folders that are empty.
func removeFolders(dirs []string) {
	for _, dir := range dirs {
		// A folder that is not empty, or does not exist, is in use by somebody else.
		_ = os.Remove(dir)
	}
}
