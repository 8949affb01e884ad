package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestStopAtEveryEffect stops a run at its k-th side effect, in each variant, lets
// further runs complete the work, and checks every guarantee. It increments k until a
// run is not stopped. There are five consecutive nights: a full run, an incremental one
// with changes, a full one with a last snapshot, a backfill, and an incremental one
// whose listing shows only the values of changed payments.
func TestStopAtEveryEffect(t *testing.T) {
	for _, variant := range []struct {
		name string
		out  outcome
	}{
		{"not done", notDone},
		{"done", doneGone},
		{"done but reported as failed", doneError},
		{"gone before it", gone},
	} {
		t.Run(variant.name, func(t *testing.T) {
			for k, stopped := 0, true; stopped; k++ {
				synctest.Test(t, func(t *testing.T) {
					stopped = stopAt(t, k, variant.out)
				})
				if t.Failed() {
					t.Fatalf("stopped at effect %d", k)
				}
				if k > 500 {
					t.Fatal("a run that never ends untouched")
				}
			}
		})
	}
}

// stopAt runs the nights and stops the k-th effect of all of them. It reports whether
// there was such an effect.
func stopAt(t *testing.T, k int, out outcome) (stopped bool) {
	p, m := newPortal(300), newMemory(t)
	p.refuse = map[PaymentID]bool{30: true}
	// Not among the rows of the backfill's range.
	p.otherwise = func(id PaymentID) bool { return id%7 == 0 && (id < 300 || id > 700) }
	count, dead := 0, false
	m.effect = func(name string) outcome {
		if dead {
			return gone
		}
		count++
		if count-1 != k {
			return done
		}
		stopped = true
		dead = out == doneGone || out == gone
		return out
	}
	changed := map[PaymentID]bool{}
	nights := []struct {
		mode   Mode
		change func()
	}{
		{Full, func() {}},
		{Incremental, func() {
			p.rows[60] = row{id: 60, value: -1}
			p.rows[61] = row{id: 61, value: 61}
			delete(p.rows, 90)
			delete(p.rows, 900)
		}},
		{Full, func() {
			p.rows[63] = row{id: 63, value: 21, detail: -5}
			delete(p.rows, 3)
		}},
		{Backfill, func() {
			inRange := func(r *row) bool { return r.value >= 100 && r.value < 200 }
			p.show = func(item Listed[row]) (Listed[row], bool) { return item, inRange(&item.Row) }
			p.absent = func(_ PaymentID, last *row) Absence {
				if last == nil || inRange(last) {
					return Doubtful
				}
				return Outside
			}
			p.rows[451] = row{id: 451, value: 150}
			p.rows[330] = row{id: 330, value: 110, detail: -1}
			p.rows[360] = row{id: 360, value: 500} // no longer in the range
			delete(p.rows, 390)
		}},
		{Incremental, func() {
			p.absent = nil
			p.show = func(item Listed[row]) (Listed[row], bool) {
				if !changed[item.ID] {
					item = Listed[row]{ID: item.ID, Unread: true}
				}
				return item, true
			}
			p.rows[600] = row{id: 600, value: -2}
			p.rows[9001] = row{id: 9001, value: 1}
			changed[600], changed[9001] = true, true
			delete(p.rows, 630)
		}},
	}
	for n, night := range nights {
		night.change()
		before := values(m.current)
		p.gets = map[PaymentID]int{}
		cfg := config(p, m)
		cfg.Mode = night.mode
		if cfg.Mode == Backfill {
			cfg.Range = "values from 100"
		}
		snapshots := len(m.manifests)
		for try := 0; len(m.manifests) == snapshots || m.newestCheckpoint().Phase != Published; try++ {
			if try == 3 {
				t.Fatalf("night %d: not complete after three tries", n)
			}
			cfg.Runner = fmt.Sprintf("runner %d.%d", n, try)
			_, err := Run(context.Background(), cfg)
			if err == nil && len(m.manifests) == snapshots {
				t.Fatalf("night %d: no error, but nothing published", n)
			}
			if len(m.manifests) == snapshots && !slices.Equal(values(m.current), before) && !slices.Equal(values(m.current), p.truth()) {
				t.Errorf("night %d: readers see a table that is neither the old nor the new one", n)
			}
			dead = false
		}
		if !slices.Equal(values(m.current), p.truth()) {
			t.Errorf("night %d: table has %d rows, the portal %d", n, len(m.current), len(p.truth()))
		}
		if err := m.newestManifest().Ledger.Check(); err != nil {
			t.Error(err)
		}
		// At most a segment is read again, which closes within a window of its size,
		// and the window after it.
		if n == 0 {
			if again := p.getsSum() - 300; again > 100+2*8*10 {
				t.Errorf("%d payments got again", again)
			}
		}
		time.Sleep(time.Hour)
	}
	// A night without changes fetches nothing but the payment that is refused each
	// night.
	p.show, p.gets, m.effect = nil, map[PaymentID]int{}, nil
	cfg := config(p, m)
	cfg.Mode = Incremental
	mustRun(t, cfg)
	if n := p.getsSum(); n != p.gets[30] {
		t.Errorf("the last night was quiet, and fetched %v", p.gets)
	}
	if !stopped {
		if len(m.checkpoints) != 1 || len(m.segments) != 0 {
			t.Errorf("%d checkpoints and %d segments left behind", len(m.checkpoints), len(m.segments))
		}
	}
	return stopped
}

// TestTwoRunners lets a second runner continue while the first one is paused. The first
// one must stop, and change nothing.
func TestTwoRunners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(500), newMemory(t)
		first := config(p, m)
		paused := false
		m.effect = func(name string) outcome {
			if name == "checkpoint" && !paused {
				paused = true
				m.mu.Unlock() // the whole second run happens here
				second := config(p, m)
				second.Runner = "second"
				mustRun(t, second)
				m.mu.Lock()
			}
			return done
		}
		if _, err := Run(t.Context(), first); !errors.Is(err, ErrFenced) {
			t.Errorf("paused runner: %v, want ErrFenced", err)
		}
		if len(m.manifests) != 1 || !slices.Equal(values(m.current), p.truth()) {
			t.Errorf("%d manifests; the table is wrong: %v", len(m.manifests), !slices.Equal(values(m.current), p.truth()))
		}
	})
}
