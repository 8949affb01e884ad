package sinktest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// testBackfillBesideNights stops a backfill in the middle, lets nights read and delete
// payments and prune the dataset, and resumes the backfill on a machine whose clock is
// wrong. For each id, the later reading by the portal's clock is in the table. What was
// deleted meanwhile stays deleted, because prune keeps the feeds that say so, until the
// backfill is complete.
func testBackfillBesideNights(t *testing.T, open func(*testing.T) sinks.Store) {
	for _, clock := range []time.Duration{0, 90 * 24 * time.Hour, -90 * time.Minute} {
		t.Run("a clock that is "+clock.String()+" ahead", func(t *testing.T) {
			w := newWorld(t, open)
			p := &living{rows: make(map[int64]schemas.Payment), deleted: make(map[int64]bool), read: make(map[int64]schemas.Instant)}
			for i := range int64(60) {
				p.rows[3*i+1] = payment(3*i + 1)
			}
			night := func(name string) *pipeline.Manifest {
				m, err := w.do(w.store, p, 0, name)
				if err != nil {
					t.Fatal(err)
				}
				w.later()
				return m
			}
			backfill := func(store sinks.Store, name string) (*pipeline.Manifest, error) {
				before := w.now
				w.now = w.now.Add(clock)
				defer func() { w.now = before }()
				return w.do(store, p, 1, name)
			}
			night("first")
			checkpoints := 0
			_, err := backfill(Faulty(w.store, func(e Effect) Answer {
				if e.Kind == Create && strings.Contains(e.Key, "/backfill/checkpoint-") {
					checkpoints++
				}
				if checkpoints == 3 {
					return Refuse // it died, with two checkpoints
				}
				return Do
			}), "backfill")
			if !errors.Is(err, ErrInjected) {
				t.Fatalf("the backfill ended with %v", err)
			}
			early := maps.Clone(p.read)
			w.later()

			// The backfill has read these already: one id is deleted, others change.
			p.remove(4)
			p.add(7, 10)
			deleting := night("which deletes")
			for i := range 4 { // more than the history retains
				p.add(13, int64(1+i))
				night(fmt.Sprint("quiet ", i))
			}
			atNight := maps.Clone(p.read)
			d := w.dataset(w.store) // its history is 1
			if _, err := d.Prune(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			feed := d.ChangesPath(deleting.Snapshot)
			if !slices.Contains(list(t, w.store, ""), feed) {
				t.Errorf("prune has deleted %s, which the unfinished backfill needs", feed)
			}

			w.later()
			m, err := backfill(w.store, "backfill, resumed")
			if err != nil {
				t.Fatal(err)
			}
			if m.Mode != pipeline.Backfill {
				t.Errorf("the resumed backfill published a snapshot of mode %s", m.Mode)
			}
			nights, backfills := 0, 0
			for _, row := range w.rows(d.CurrentPath()) {
				if row.ID == 4 {
					t.Error("payment 4 was deleted, and is back")
				}
				if want := p.read[row.ID]; row.ExtractedAt.V != want {
					t.Errorf("payment %d is as of %s; the last reading was at %s", row.ID, row.ExtractedAt.V, want)
				}
				if row.Sum != p.rows[row.ID].Sum {
					t.Errorf("payment %d has the sum %v, the portal %v", row.ID, row.Sum.V, p.rows[row.ID].Sum.V)
				}
				switch {
				case atNight[row.ID] > early[row.ID] && p.read[row.ID] == atNight[row.ID]:
					nights++
				case p.read[row.ID] > atNight[row.ID]:
					backfills++
				}
			}
			if nights == 0 || backfills == 0 {
				t.Errorf("the night read %d rows last, the backfill %d: want some of both", nights, backfills)
			}
			w.verify(m)

			w.now = w.now.Add(max(clock, 0))
			w.later()
			if _, err := d.Prune(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(list(t, w.store, ""), feed) {
				t.Errorf("prune has left %s, which nothing needs any more", feed)
			}
		})
	}
}

// remove deletes a payment from the portal.
func (p *living) remove(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.rows, id)
	p.deleted[id] = true
}

// add adds sum to the sum of a payment.
func (p *living) add(id, sum int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	row := p.rows[id]
	row.Sum = schemas.Some(row.Sum.V + schemas.Decimal(sum))
	p.rows[id] = row
}
