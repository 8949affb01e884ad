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

// session has what a run knows about its dataset between Begin and End. So the run does
// not list again what no other run may change in the meantime. Only the run uses the
// fields, except tables, which readers share.
type session struct {
	runs  []string              // the manifests at the start of the run, also of related tables
	ids   []pipeline.SnapshotID // the snapshots among them, oldest first
	base  pipeline.Checkpoint   // the newest checkpoint at the start
	marks []pipeline.SnapshotID // the snapshots with marks at the start
	// tidy reports that no earlier run has left anything to sweep. The names of what
	// this run creates follow from those of its snapshot and its checkpoints.
	tidy bool
	// backfills is the listing of the state of backfills.
	backfills stateList
	// oldest is the lowest checkpoint that may exist, and newest the highest one that
	// exists, as far as this run knows.
	oldest, newest int64
	// stored is the snapshot of newest, which other runs can know.
	stored pipeline.SnapshotID
	// merged is the snapshot that this run has merged, and mergedAt the time when the
	// checkpoint of the merge was written. kept reports that its table is that of the
	// last snapshot. looked is the time when this run saw that newest is the newest
	// checkpoint.
	looked   time.Time
	merged   pipeline.SnapshotID
	mergedAt time.Time
	kept     bool
	merges   int
	// copies reports whether this merge may copy row groups. decode reports that an
	// earlier merge did so and that its table was wrong, so every row is decoded.
	copies, decode bool
	segments       []string // objects that this run has written

	open func(key string) (Object, error)

	mu     sync.Mutex
	tables map[string]Object
}

// keptCheckpoints is the number of checkpoints of a run that stay until it has
// published. Checkpoints are deleted in the order of their numbers.
const keptCheckpoints = 8

// lookFresh is the time for which the success of a checkpoint that no other runner can
// write proves that no other runner took over.
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

// leftovers reports whether a sweep would delete anything besides one checkpoint, now
// or once it is old enough. ids are the published snapshots.
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

// newSession returns a session with the content of list and of the manifests. list is
// from before the lease was taken.
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

// Open returns a table, which is opened once in a session. The table's Close does
// nothing.
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

// closeTables closes the tables that Open has opened.
func (s *session) closeTables() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, obj := range s.tables {
		obj.Close()
	}
	clear(s.tables)
}

// sharedObject is an object that several readers may use at the same time.
type sharedObject struct{ Object }

func (sharedObject) Close() error { return nil }

// opened returns the opener of tables.
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

// unmade reports whether no files of a snapshot can exist, because it began in this run
// and this is its first merge.
func (d *Dataset) unmade(id pipeline.SnapshotID) bool {
	s := d.seen
	return s.tidy && s.merges == 1 && s.base.Snapshot != id
}

// unshared reports whether no other run can have a snapshot of this name. No checkpoint
// names it, and it is the time at which this run began: a runner that takes over the lease
// begins later. If a clock was set back, the name is in the future and follows from that of
// the last snapshot, and such a runner uses the same name.
func (d *Dataset) unshared(id pipeline.SnapshotID) bool {
	return d.seen.stored != id && !id.Time().Add(time.Second).After(d.held.first)
}

// look returns ErrFenced if another runner has written checkpoints after number, which
// this one has just created. If the number was free because of a sweep, the sweep would
// have deleted the previous one earlier.
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

// mergedJustNow reports whether this run has recorded a moment ago that a snapshot is
// merged.
func (s *session) mergedJustNow(id pipeline.SnapshotID) bool {
	return s.merged == id && fresh(s.mergedAt)
}

// fresh reports whether looked is less than lookFresh ago, by the wall clock, which
// continues while a machine sleeps.
func fresh(looked time.Time) bool {
	age := time.Now().Round(0).Sub(looked)
	return age >= 0 && age < lookFresh
}
