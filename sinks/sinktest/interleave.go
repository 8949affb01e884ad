package sinktest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// RunInterleaved runs a nightly run and a backfill of one dataset at the same time,
// with their effects in so many random orders. It kills each at a random effect, and
// checks that all guarantees hold. open returns an empty store, another one each time.
func RunInterleaved(t *testing.T, open func(*testing.T) sinks.Store, orders int) {
	for seed := range uint64(orders) {
		interleave(t, open, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// living is a portal whose payments change while they are read. It never creates an id
// that it has deleted. Each reading has another time.
type living struct {
	mu       sync.Mutex
	rows     map[int64]schemas.Payment
	deleted  map[int64]bool
	readings int64
	read     map[int64]schemas.Instant // the time of the last reading of each id; nil: not recorded
}

// now returns the time of the portal's clock, which ticks at each reading.
func (p *living) now() schemas.Instant {
	p.readings++
	return schemas.InstantOf(start.Add(time.Duration(p.readings) * time.Millisecond))
}

// change changes some payments, deletes one and creates one.
func (p *living) change(rnd *rand.Rand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := slices.Sorted(maps.Keys(p.rows))
	for range 6 {
		id := ids[rnd.IntN(len(ids))]
		row := p.rows[id]
		row.Sum = schemas.Some(row.Sum.V + 1)
		p.rows[id] = row
	}
	gone := ids[rnd.IntN(len(ids))]
	delete(p.rows, gone)
	p.deleted[gone] = true
	for {
		id := int64(1 + rnd.IntN(400))
		if _, ok := p.rows[id]; !ok && !p.deleted[id] {
			p.rows[id] = payment(id)
			return
		}
	}
}

// reader is a source over a living portal. The range of a backfill ends with through.
type reader struct {
	*living
	through int64 // 0 means everything
}

func (r *reader) Begin(context.Context, pipeline.Scope) (*pipeline.Since, error) { return nil, nil }

func (r *reader) List(_ context.Context, after pipeline.PaymentID) iter.Seq2[[]pipeline.Listed[schemas.Payment], error] {
	return func(yield func([]pipeline.Listed[schemas.Payment], error) bool) {
		for {
			r.mu.Lock()
			var page []pipeline.Listed[schemas.Payment]
			for _, id := range slices.Sorted(maps.Keys(r.rows)) {
				if id > int64(after) && (r.through == 0 || id <= r.through) && len(page) < 20 {
					page = append(page, pipeline.Listed[schemas.Payment]{ID: pipeline.PaymentID(id), Row: r.rows[id]})
				}
			}
			r.mu.Unlock()
			if len(page) == 0 {
				return
			}
			after = page[len(page)-1].ID // before yield: the run changes its page
			if !yield(page, nil) {
				return
			}
		}
	}
}

func (r *reader) Absent(id pipeline.PaymentID, _ *schemas.Payment) pipeline.Absence {
	if r.through == 0 {
		return pipeline.Gone
	}
	if int64(id) <= r.through {
		return pipeline.Doubtful
	}
	return pipeline.Outside
}

func (r *reader) Find(_ context.Context, ids []pipeline.PaymentID) ([]pipeline.Listed[schemas.Payment], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []pipeline.Listed[schemas.Payment]
	for _, id := range ids {
		if row, ok := r.rows[int64(id)]; ok {
			found = append(found, pipeline.Listed[schemas.Payment]{ID: id, Row: row})
		}
	}
	return found, nil
}

func (r *reader) Get(_ context.Context, chunk []pipeline.Listed[schemas.Payment]) (pipeline.Got[schemas.Payment], error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var got pipeline.Got[schemas.Payment]
	for _, item := range chunk {
		row, ok := r.rows[int64(item.ID)]
		if !ok {
			got.Vanished = append(got.Vanished, item.ID)
			continue
		}
		row.ExtractedAt = schemas.Some(r.now())
		if r.read != nil {
			r.read[row.ID] = row.ExtractedAt.V
		}
		got.Rows = append(got.Rows, row)
	}
	return got, nil
}

func (r *reader) Use() pipeline.PortalUse { return pipeline.PortalUse{} }

func (r *reader) Total() int64 { return 0 }

func (r *reader) Dates() *pipeline.Dates { return nil }

// TimeZone implements pipeline.Source.
func (r *reader) TimeZone() string { return "" }

// turns runs the effects of two jobs in a random order.
type turns struct {
	mu     sync.Mutex
	moved  *sync.Cond
	rnd    *rand.Rand
	next   int
	active [2]bool
	each   func() // called at each effect
}

func newTurns(rnd *rand.Rand, each func()) *turns {
	s := &turns{rnd: rnd, each: each, active: [2]bool{true, true}}
	s.moved = sync.NewCond(&s.mu)
	return s
}

func (s *turns) take(job int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.next != job && s.active[1-job] {
		s.moved.Wait()
	}
	s.each()
	s.next = s.rnd.IntN(2)
	s.moved.Broadcast()
}

func (s *turns) end(job int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active[job] = false
	s.moved.Broadcast()
}

// do runs a nightly run (job 0) or a backfill (job 1) once.
func (w *world) do(store sinks.Store, p *living, job int, name string) (*pipeline.Manifest, error) {
	now := w.now
	data := sinks.New(store, &sinks.Options{
		Portal: "acme", Program: "b24export test", RowGroupRows: 50, Compression: "snappy", History: 2, Runner: name,
		Lease: time.Hour, Now: func() time.Time { return now }, Merging: job == 1,
	})
	cfg := pipeline.Config[schemas.Payment]{
		Source: &reader{living: p}, Sink: data, Table: paymentTable,
		Options: pipeline.Options{
			Dataset: "payments", Portal: "acme", Program: "b24export test", Runner: name, SchemaVersion: schemas.Version,
			Fingerprint: "f", Mode: pipeline.Incremental, Chunk: 5, Workers: 1, CheckpointRows: 20, CheckpointEvery: 24 * time.Hour,
			Rejects: pipeline.RejectLimit{Count: 5}, AllowDeletes: true, Now: func() time.Time { return now },
		},
	}
	if job == 1 {
		cfg.Source, cfg.Sink, cfg.Nights = &reader{p, 200}, data.Backfill(), data
		cfg.Mode, cfg.Range = pipeline.Backfill, "ids up to 200"
	}
	s, err := pipeline.Run(w.t.Context(), cfg)
	return s.Manifest, err
}

// interleave tests one order.
func interleave(t *testing.T, open func(*testing.T) sinks.Store, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 17))
	w := newWorld(t, open)
	p := &living{rows: make(map[int64]schemas.Payment), deleted: make(map[int64]bool)}
	for i := range int64(60) {
		p.rows[3*i+1] = payment(3*i + 1)
	}
	if _, err := w.do(w.store, p, 0, "first"); err != nil {
		t.Fatal(err)
	}
	w.later()
	p.change(rnd)
	begun := p.readings

	effects, changeAt := 0, rnd.IntN(40)
	sched := newTurns(rnd, func() {
		if effects++; effects == changeAt {
			p.change(rnd)
		}
	})
	// These are drawn before the jobs start, because the jobs draw their turns from the
	// same source.
	kills := [2]int{rnd.IntN(45), rnd.IntN(45)}
	last := [2]Answer{Answer(1 + rnd.IntN(2)), Answer(1 + rnd.IntN(2))} // Refuse or DoAndFail
	var done [2]*pipeline.Manifest
	var wg sync.WaitGroup
	for job, kill := range kills {
		wg.Go(func() {
			defer sched.end(job)
			n := 0
			m, err := w.do(Faulty(w.store, func(Effect) Answer {
				sched.take(job)
				switch n++; {
				case n <= kill:
					return Do
				case n == kill+1:
					return last[job] // the kill is before the effect, or just after it
				}
				return Refuse // it died
			}), p, job, fmt.Sprintf("job %d of seed %d", job, seed))
			if err != nil && !expected(err) {
				t.Errorf("job %d: %v", job, err)
			}
			done[job] = m
		})
	}
	wg.Wait()
	for try := 0; done[0] == nil || done[1] == nil; try++ {
		w.later()
		job := rnd.IntN(2)
		if done[job] != nil {
			job = 1 - job
		}
		m, err := w.do(w.store, p, job, fmt.Sprintf("job %d of seed %d, try %d", job, seed, try))
		if err != nil {
			t.Fatalf("job %d, once nothing disturbs it: %v", job, err)
		}
		done[job] = m
	}
	w.checkChain(p, begun)
	// A last run finds what changed in the meantime.
	w.later()
	m, err := w.do(w.store, p, 0, "last")
	if err != nil {
		t.Fatal(err)
	}
	w.verify(m)
	rows := w.rows(w.dataset(w.store).CurrentPath())
	if len(rows) != len(p.rows) {
		t.Errorf("%d rows, the portal has %d", len(rows), len(p.rows))
	}
	for _, row := range rows {
		want := p.rows[row.ID]
		want.ExtractedAt = row.ExtractedAt
		if row != want {
			t.Errorf("payment %d is %+v, want %+v", row.ID, row, want)
		}
	}
	for _, key := range list(t, w.store, w.dataset(w.store).StatePath()) {
		if slices.Contains([]string{"segment", "lease-0"}, key[len(w.dataset(w.store).StatePath()):][:7]) {
			t.Errorf("%s is left", key)
		}
	}
}

// expected reports whether a job may end with this error if another job disturbs it, or
// if it is killed.
func expected(err error) bool {
	var held *pipeline.HeldError
	return errors.Is(err, ErrInjected) || errors.Is(err, pipeline.ErrFenced) || errors.As(err, &held)
}

// checkChain checks the snapshots: times of readings never decrease, deleted payments
// stay deleted, and all counts add up. Payments that were in the backfill's range all
// the time were read since begun.
func (w *world) checkChain(p *living, begun int64) {
	w.t.Helper()
	last := make(map[int64]schemas.Instant)
	gone := make(map[int64]bool)
	joined := false
	for _, m := range slices.Backward(w.snapshots()) {
		if err := m.Ledger.Check(); err != nil {
			w.t.Errorf("snapshot %s: %v", m.Snapshot, err)
		}
		joined = joined || m.Mode == pipeline.Backfill
		now := make(map[int64]schemas.Instant)
		for row, err := range w.dataset(w.store).ReadPayments(w.t.Context(), m, sinks.Above(0)) {
			if err != nil {
				w.t.Fatal(err)
			}
			if gone[row.ID] {
				w.t.Errorf("snapshot %s: payment %d was deleted, and is back", m.Snapshot, row.ID)
			}
			if row.ExtractedAt.V < last[row.ID] {
				w.t.Errorf("snapshot %s (%s): payment %d is as of %s; the snapshot before has it as of %s",
					m.Snapshot, m.Mode, row.ID, row.ExtractedAt.V, last[row.ID])
			}
			now[row.ID] = row.ExtractedAt.V
		}
		for id := range last {
			if _, ok := now[id]; !ok {
				gone[id] = true
				if !p.deleted[id] {
					w.t.Errorf("snapshot %s (%s): payment %d is missing", m.Snapshot, m.Mode, id)
				}
			}
		}
		last = now
	}
	if !joined {
		w.t.Error("no backfill was published")
	}
	since := schemas.InstantOf(start.Add(time.Duration(begun) * time.Millisecond))
	for id := range p.rows {
		if at, ok := last[id]; ok && id <= 200 && at <= since {
			w.t.Errorf("payment %d is as of %s, and the backfill began at %s", id, at, since)
		}
	}
}
