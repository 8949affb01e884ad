package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"
)

// row is the row type of these tests: value represents all columns that a listing
// shows, detail a column that only a get shows.
type row struct {
	id     PaymentID
	value  int
	detail int
	read   time.Time // when a get returned it
}

var rowTable = Table[row]{
	ID:   func(r *row) PaymentID { return r.id },
	Same: func(a, b *row, mark uint64) bool { return a.value == b.value || mark != 0 && mark == markOf(a) },
	Mark: func(listed, got *row) uint64 {
		if listed.value == got.value {
			return 0
		}
		return markOf(listed)
	},
	ReadAt: func(r *row) time.Time { return r.read },
}

// markOf returns the mark of a listed row.
func markOf(listed *row) uint64 { return uint64(listed.value) + 1<<63 }

// values returns rows without their times.
func values(rows []row) []row {
	rows = slices.Clone(rows)
	for i := range rows {
		rows[i].read = time.Time{}
	}
	return rows
}

// errGone is the error of all further effects of a process that died.
var errGone = errors.New("the process is gone")

// memory is a strict sink: it fails the test if an immutable object changes, or if a
// segment is missing that no test has removed.
type memory struct {
	t testing.TB
	// effect, if set, is called before each side effect.
	effect func(name string) outcome

	mu          sync.Mutex
	checkpoints map[int64]Checkpoint
	segments    map[int64]Part[row]
	lost        map[int64]bool // segments that a test has lost or damaged
	history     map[SnapshotID][]row
	rejects     map[SnapshotID][]PaymentID
	marks       map[SnapshotID]map[PaymentID]uint64
	manifests   map[SnapshotID]Manifest
	current     []row
	feeds       map[SnapshotID]Changes
	largest     int // rows of a segment
}

// outcome is the result that a test chooses for an effect.
type outcome int

const (
	done      outcome = iota
	notDone           // nothing happened, and an error is returned
	doneError         // it happened, but an error is returned
	doneGone          // it happened, and no later effect will
	gone              // nothing happened, and no later effect will
)

func newMemory(t testing.TB) *memory {
	return &memory{
		t:           t,
		checkpoints: map[int64]Checkpoint{},
		segments:    map[int64]Part[row]{},
		lost:        map[int64]bool{},
		history:     map[SnapshotID][]row{},
		rejects:     map[SnapshotID][]PaymentID{},
		marks:       map[SnapshotID]map[PaymentID]uint64{},
		manifests:   map[SnapshotID]Manifest{},
		feeds:       map[SnapshotID]Changes{},
	}
}

func (m *memory) do(name string, apply func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := done
	if m.effect != nil {
		out = m.effect(name)
	}
	if out == notDone {
		return errors.New("storage: " + name + " did not happen")
	}
	if out == gone {
		return errGone
	}
	if err := apply(); err != nil {
		return err
	}
	switch out {
	case doneError:
		return errors.New("storage: answer to " + name + " got lost")
	case doneGone:
		return errGone
	case done, notDone, gone:
	}
	return nil
}

func (m *memory) newestManifest() *Manifest {
	if len(m.manifests) == 0 {
		return nil
	}
	man := m.manifests[slices.Max(slices.Collect(maps.Keys(m.manifests)))]
	return &man
}

func (m *memory) newestCheckpoint() Checkpoint {
	if len(m.checkpoints) == 0 {
		return Checkpoint{}
	}
	return m.checkpoints[slices.Max(slices.Collect(maps.Keys(m.checkpoints)))]
}

func (m *memory) Begin(context.Context) (State, error) {
	err := m.do("lease", func() error { return nil })
	m.mu.Lock()
	defer m.mu.Unlock()
	return State{Checkpoint: m.newestCheckpoint(), Last: m.newestManifest()}, err
}

func (m *memory) Last(_ context.Context, man *Manifest, after PaymentID) iter.Seq2[*row, error] {
	return func(yield func(*row, error) bool) {
		m.mu.Lock()
		rows, ok := m.history[man.Snapshot]
		m.mu.Unlock()
		if !ok {
			yield(nil, fmt.Errorf("no snapshot %s", man.Snapshot))
			return
		}
		var reused row
		for _, r := range rows {
			if r.id > after {
				reused = r
				if !yield(&reused, nil) {
					return
				}
			}
		}
	}
}

func (m *memory) Rejected(_ context.Context, man *Manifest) ([]PaymentID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rejects[man.Snapshot], nil
}

func (m *memory) Marks(_ context.Context, man *Manifest, after PaymentID) iter.Seq2[Mark, error] {
	return func(yield func(Mark, error) bool) {
		m.mu.Lock()
		marks := maps.Clone(m.marks[man.Snapshot])
		m.mu.Unlock()
		for _, id := range slices.Sorted(maps.Keys(marks)) {
			if id > after && !yield(Mark{id, marks[id]}, nil) {
				return
			}
		}
	}
}

func (m *memory) WriteSegment(_ context.Context, number int64, part Part[row]) (Segment, error) {
	if !slices.IsSortedFunc(part.Rows, func(a, b row) int { return int(a.id - b.id) }) {
		m.t.Errorf("segment %d: rows do not ascend", number)
	}
	m.largest = max(m.largest, len(part.Rows))
	err := m.do("segment", func() error {
		for n, cp := range m.checkpoints {
			for _, s := range cp.Segments {
				if s.Number == number {
					m.t.Errorf("segment %d written again although checkpoint %d names it", number, n)
				}
			}
		}
		m.segments[number] = Part[row]{
			Rows: slices.Clone(part.Rows), Gone: slices.Clone(part.Gone), Rejects: slices.Clone(part.Rejects), Marks: slices.Clone(part.Marks),
		}
		return nil
	})
	return Segment{
		Number: number, Rows: int64(len(part.Rows)), Gone: int64(len(part.Gone)), Rejects: int64(len(part.Rejects)),
	}, err
}

func (m *memory) Pool(_ context.Context, segments []Segment, after PaymentID) iter.Seq2[*row, error] {
	return func(yield func(*row, error) bool) {
		rows := map[PaymentID]row{}
		m.mu.Lock()
		for _, seg := range segments { // in the order of their numbers
			part, ok := m.segments[seg.Number]
			if !ok && !m.lost[seg.Number] {
				m.t.Errorf("segment %d is in a pool, and is not there", seg.Number)
			}
			for _, r := range part.Rows {
				rows[r.id] = r
			}
		}
		m.mu.Unlock()
		var reused row
		for _, id := range slices.Sorted(maps.Keys(rows)) {
			if id > after {
				reused = rows[id]
				if !yield(&reused, nil) {
					return
				}
			}
		}
	}
}

// lose removes a segment.
func (m *memory) lose(number int64) {
	m.lost[number] = true
	delete(m.segments, number)
}

func (m *memory) Commit(_ context.Context, cp Checkpoint) error {
	return m.do("checkpoint", func() error {
		for n := range m.checkpoints {
			if n >= cp.Number {
				return ErrFenced
			}
		}
		m.checkpoints[cp.Number] = cp
		return nil
	})
}

func (m *memory) Merge(_ context.Context, cp Checkpoint, last *Manifest) (MergeResult, error) {
	m.mu.Lock()
	table := map[PaymentID]row{}
	old := map[PaymentID]row{}
	if last != nil {
		for _, r := range m.history[last.Snapshot] {
			old[r.id] = r
		}
	}
	carried := maps.Clone(old)
	marks := map[PaymentID]uint64{}
	if last != nil {
		maps.Copy(marks, m.marks[last.Snapshot])
	}
	var rejects []PaymentID
	missing := &SegmentsError{Err: errors.New("segments are missing")}
	for _, seg := range cp.Segments {
		part, ok := m.segments[seg.Number]
		if !ok && !m.lost[seg.Number] {
			m.t.Errorf("checkpoint %d names segment %d, which is not there", cp.Number, seg.Number)
		}
		if !ok {
			missing.Numbers = append(missing.Numbers, seg.Number)
		}
		for _, r := range part.Rows {
			if _, twice := table[r.id]; twice {
				m.t.Errorf("payment %d in two segments", r.id)
			}
			table[r.id] = r
			delete(carried, r.id)
			delete(marks, r.id)
		}
		for _, id := range part.Gone {
			delete(carried, id)
			delete(marks, id)
		}
		for _, mark := range part.Marks {
			if table[mark.ID].id == 0 {
				m.t.Errorf("segment %d has a mark of payment %d, and no row", seg.Number, mark.ID)
			}
			marks[mark.ID] = mark.Mark
		}
		for _, rej := range part.Rejects {
			rejects = append(rejects, rej.ID)
		}
	}
	m.mu.Unlock()
	if len(missing.Numbers) > 0 {
		return MergeResult{}, missing
	}
	res := MergeResult{Carried: int64(len(carried))}
	maps.Copy(table, carried)
	rows := slices.SortedFunc(maps.Values(table), func(a, b row) int { return int(a.id - b.id) })
	res.Rows = int64(len(rows))
	if len(marks) > 0 {
		res.Listed = &File{Path: "listed", Rows: int64(len(marks))}
	}
	for id, r := range table {
		if was, ok := old[id]; !ok {
			res.Changes.Insert++
		} else if was.value != r.value || was.detail != r.detail {
			res.Changes.Update++
		}
	}
	for id := range old {
		if _, ok := table[id]; !ok {
			res.Changes.Delete++
		}
	}
	err := m.do("history", func() error {
		if was, ok := m.history[cp.Snapshot]; ok && !slices.Equal(was, rows) {
			m.t.Errorf("snapshot %s merged again with other rows", cp.Snapshot)
		}
		m.history[cp.Snapshot] = rows
		m.marks[cp.Snapshot] = marks
		m.rejects[cp.Snapshot] = slices.Sorted(slices.Values(rejects))
		return nil
	})
	return res, err
}

func (m *memory) Publish(_ context.Context, man *Manifest) error {
	err := m.do("current", func() error {
		for s := range m.manifests {
			if s > man.Snapshot {
				return ErrFenced
			}
		}
		m.current = m.history[man.Snapshot]
		return nil
	})
	if err != nil {
		return err
	}
	return m.do("manifest", func() error {
		if was, ok := m.manifests[man.Snapshot]; ok && !was.FinishedAt.Equal(man.FinishedAt) {
			m.t.Errorf("manifest %s written again with other content", man.Snapshot)
		}
		m.manifests[man.Snapshot] = *man
		return nil
	})
}

func (m *memory) Sweep(_ context.Context, cp Checkpoint) error {
	return m.do("sweep", func() error {
		maps.DeleteFunc(m.checkpoints, func(n int64, _ Checkpoint) bool { return n != cp.Number })
		named := map[int64]bool{}
		for _, s := range slices.Concat(cp.Segments, cp.Pool) {
			named[s.Number] = true
		}
		maps.DeleteFunc(m.segments, func(n int64, _ Part[row]) bool { return !named[n] })
		return nil
	})
}

func (m *memory) End(context.Context) error { return m.do("lease end", func() error { return nil }) }
