package sinks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"b24export/pipeline"
)

// session is what a run knows of its dataset between Begin and End, so that it need
// not list again what nobody else may change meanwhile. Its fields are the run's own,
// except tables, which readers share.
type session struct {
	runs  []string              // the manifests when the run began, also of related tables
	ids   []pipeline.SnapshotID // those of them that are snapshots', oldest first
	base  pipeline.Checkpoint   // the newest one then
	marks []pipeline.SnapshotID // those that had marks then
	// tidy: no earlier run has left anything to sweep. What this run makes has names
	// that follow from those of its snapshot and its checkpoints.
	tidy bool
	// backfills is what was listed of backfills.
	backfills stateList
	// oldest is the lowest checkpoint that may be there, newest the highest one that
	// is, as far as this run knows.
	oldest, newest int64
	// stored is the snapshot that newest is of: others know of it.
	stored pipeline.SnapshotID
	// merged is the snapshot that this run has merged, and mergedAt when the
	// checkpoint that says so was written. kept: its table is the last one's.
	// looked is when this run saw that newest is the newest of all.
	looked   time.Time
	merged   pipeline.SnapshotID
	mergedAt time.Time
	kept     bool
	merges   int
	// copies: the merge at hand may copy row groups. decode: an earlier one did, and its
	// table was not right, so every row is decoded.
	copies, decode bool
	segments       []string // objects that this run has written

	open func(key string) (Object, error)

	mu     sync.Mutex
	tables map[string]Object
}

// keptCheckpoints is how many checkpoints of a run stay until it has published.
// Checkpoints are deleted in the order of their numbers.
const keptCheckpoints = 8

// lookFresh is how long the success of a checkpoint that nobody else can write proves
// that nobody has taken over.
const lookFresh = 10 * time.Second

// stateList is a listing of a dataset's private objects.
type stateList struct {
	d       *Dataset
	entries []Entry
}

func (d *Dataset) listState(ctx context.Context) (stateList, error) {
	list := stateList{d: d}
	for e, err := range d.store.List(ctx, d.state()) {
		if err != nil {
			return stateList{}, err
		}
		list.entries = append(list.entries, e)
	}
	return list, nil
}

// numbers returns the numbers of a kind, ascending.
func (l stateList) numbers(k kind) []int64 {
	var all []int64
	for _, e := range l.entries {
		if n, ok := l.d.number(k, e.Key); ok {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// highest returns the highest number of a kind, 0 if there is none.
func (l stateList) highest(k kind) int64 {
	if all := l.numbers(k); len(all) > 0 {
		return all[len(all)-1]
	}
	return 0
}

func (l stateList) has(key string) bool {
	return slices.ContainsFunc(l.entries, func(e Entry) bool { return e.Key == key })
}

// leftovers reports whether there is anything that a sweep would delete, now or once
// it is old enough, besides one checkpoint. ids are the snapshots that are published.
func (l stateList) leftovers(ids []pipeline.SnapshotID) bool {
	if len(l.numbers(checkpointKind)) > 1 {
		return true
	}
	for _, k := range []kind{segmentKind, segmentRejectsKind, segmentMarksKind, leaseKind} {
		if l.highest(k) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(l.entries, func(e Entry) bool {
		if id := l.d.listedOf(e.Key); id != "" {
			return !slices.Contains(ids, id)
		}
		return strings.HasPrefix(e.Key, l.d.state()+probeStart) || strings.HasPrefix(e.Key, l.d.state()+relatedStart)
	})
}

// newSession begins a session with what list and the manifests show. list is from
// before the lease was taken.
func (d *Dataset) newSession(ctx context.Context, list stateList) (*session, pipeline.State, error) {
	cp, err := d.newestOf(ctx, list)
	if err != nil {
		return nil, pipeline.State{}, err
	}
	runs, ids, err := d.listRuns(ctx)
	if err != nil {
		return nil, pipeline.State{}, err
	}
	state := pipeline.State{Checkpoint: cp}
	newest := pipeline.SnapshotID("")
	if len(ids) > 0 {
		newest = ids[len(ids)-1]
		if state.Last, err = d.Manifest(ctx, newest); err != nil {
			return nil, pipeline.State{}, err
		}
	}
	s := &session{
		runs: runs, ids: ids, base: cp, oldest: cp.Number, newest: cp.Number, stored: cp.Snapshot,
		tables: make(map[string]Object),
		open:   func(key string) (Object, error) { return d.store.Open(ctx, key) },
	}
	for _, e := range list.entries {
		if id := d.listedOf(e.Key); id != "" {
			s.marks = append(s.marks, id)
		}
	}
	s.backfills = stateList{d: d.Backfill(), entries: list.entries}
	if numbers := list.numbers(checkpointKind); len(numbers) > 0 {
		s.oldest = min(numbers[0], cp.Number)
	}
	s.tidy = d.work == "" && !list.leftovers(ids) && cp.Snapshot == newest && cp.Pending == nil &&
		(cp.Phase == pipeline.Published || cp.Number == 0)
	return s, state, nil
}

// Open returns a table that is opened once in a session. Its Close does nothing.
func (s *session) Open(_ context.Context, key string) (Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	obj := s.tables[key]
	if obj == nil {
		var err error
		if obj, err = s.open(key); err != nil {
			return nil, err
		}
		s.tables[key] = obj
	}
	return sharedObject{obj}, nil
}

// closeTables closes what Open has opened.
func (s *session) closeTables() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, obj := range s.tables {
		obj.Close()
	}
	clear(s.tables)
}

// sharedObject is an object that others may use at the same time.
type sharedObject struct{ Object }

func (sharedObject) Close() error { return nil }

// opened returns where tables are opened.
func (d *Dataset) opened() opener {
	if d.seen != nil {
		return d.seen
	}
	return d.store
}

// opener opens objects. Store is one.
type opener interface {
	Open(ctx context.Context, key string) (Object, error)
}

// unmade reports whether no files of a snapshot can be there, since it began in this
// run, and this is the first merge.
func (d *Dataset) unmade(id pipeline.SnapshotID) bool {
	s := d.seen
	return s.tidy && s.merges == 1 && s.base.Snapshot != id
}

// unshared reports whether no other run can know of a snapshot, since no checkpoint
// names it.
func (d *Dataset) unshared(id pipeline.SnapshotID) bool { return d.seen.stored != id }

// look is ErrFenced if another runner has written checkpoints beyond number, which
// this one has just created. Were the number free because it was swept, the one
// before it would have been swept earlier.
func (d *Dataset) look(ctx context.Context, number int64) error {
	before := d.seen.newest
	if before == 0 || before != number-1 {
		return d.notBeyond(ctx, number)
	}
	_, err := d.store.Read(ctx, d.checkpoint(before))
	if isAbsent(err) {
		return fmt.Errorf("%w: checkpoint %d, which this run built on, is gone", pipeline.ErrFenced, before)
	}
	return err
}

// mergedJustNow reports whether this run has written a moment ago that a snapshot is
// merged.
func (s *session) mergedJustNow(id pipeline.SnapshotID) bool {
	return s.merged == id && fresh(s.mergedAt)
}

// fresh reports whether a look is less old than lookFresh, by the wall clock, which
// continues while a machine sleeps.
func fresh(looked time.Time) bool {
	age := time.Now().Round(0).Sub(looked)
	return age >= 0 && age < lookFresh
}
