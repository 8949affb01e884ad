package e2e

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/pipeline"
)

// kills is how often an export is killed at least before it may end.
const kills = 100

// The job's numbers that bound what a kill costs. A chunk is what one request
// gets; the window is how many chunks can be under way.
const (
	killRows       = 60_000
	killCheckpoint = 300
	killWorkers    = 4
	chunk          = 49
	window         = 256
)

// TestKilled kills one export of 60,000 payments with SIGKILL, a hundred times
// and more: at every kind of moment, from the start of the process to the last
// cleaning up. What comes out is the whole table and nothing else, and what was
// read twice is within what a checkpoint allows.
func TestKilled(t *testing.T) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) { testKilled(t, p.open(t)) })
	}
}

func testKilled(t *testing.T, p place) {
	const seed = 20261123
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	portal := bitrixtest.New(bitrixtest.Options{Seed: seed, Payments: killRows, AllowRegets: true, Strict: t})
	alarm := &alarm{next: portal}
	webhook := serve(t, portal, alarm)
	file := newJob(webhook, p.url).
		with("checkpoint", "rows", killCheckpoint).
		write(t)

	var killed, late int
	var phases = map[pipeline.Phase]int{}
	for {
		cp, _ := p.checkpoint(t)
		ring, limit := killMoment(dice, cp, killed, late)
		rung := alarm.set(ring)
		run := startRun(t, p.env, file)
		patience := time.NewTimer(limit)
		select {
		case <-rung:
			// Not always at the very request: somewhere behind it.
			patience.Reset(time.Duration(dice.IntN(15_000)) * time.Microsecond)
			select {
			case <-patience.C:
			case <-run.Done():
			}
		case <-patience.C:
		case <-run.Done():
		}
		patience.Stop()
		run.Signal(t, syscall.SIGKILL)
		ctx := t.Context()
		exit := run.Wait(t, ctx)
		if !exit.Killed {
			if exit.Code != 0 {
				t.Fatalf("run %d: exit code %d; it said:\n%s", killed+1, exit.Code, exit.Stderr)
			}
			break
		}
		killed++
		phases[cp.Phase]++
		if cp.Phase == pipeline.Fetched || cp.Phase == pipeline.Merged || cp.Phase == pipeline.Published {
			late++
		}
		p.endLeases(t)
	}
	if killed < kills {
		t.Errorf("the export was through after %d kills, want %d", killed, kills)
	}

	wantTable(t, p, portal)
	all := gets(portal)
	again := all - killRows
	t.Logf("%d kills (by the phase before: %v), %d gets of %d payments: %d again, %.0f a kill",
		killed, phases, all, killRows, again, float64(again)/float64(killed))
	// Few requests are under way at once and none is slow, so that the window
	// cannot fill: a kill costs a checkpoint's rows and what is under way.
	if most := int64(killed) * (killCheckpoint + (2*killWorkers+1)*chunk); again > most {
		t.Errorf("%d payments were got again, want at most %d", again, most)
	}

	// What writers leave behind that died is swept once it is old.
	p.age(t)
	runJob(t, p.env, file, 0)
	p.wantWhole(t)
}

// killMoment says when a run is to be killed: at which request of it, or after
// what time, whichever comes first. It leaves each run about as much as lets the
// export last for the wanted number of kills, spares some of those for the time
// behind the last request, and in the end lets a run through.
func killMoment(dice *rand.Rand, cp pipeline.Checkpoint, killed, late int) (request int64, limit time.Duration) {
	switch cp.Phase {
	case pipeline.Fetched, pipeline.Merged, pipeline.Published:
		if late >= 12 && killed >= kills {
			return 0, runLimit
		}
		return 0, time.Duration(30+dice.IntN(400)) * time.Millisecond
	}
	if dice.IntN(10) == 0 {
		return 0, time.Duration(dice.IntN(120)) * time.Millisecond // while it starts
	}
	left := float64(killRows-cp.Ledger.Listed) / chunk / float64(max(1, kills+5-killed))
	return 2 + dice.Int64N(int64(2*left)+3), runLimit
}

// alarm lets requests through to a portal, and rings when one of a given number
// has arrived since it was set.
type alarm struct {
	next http.Handler
	at   atomic.Pointer[bell]
}

type bell struct {
	left atomic.Int64
	rung chan struct{}
}

// set makes the alarm ring at the n-th request from now; never if n is 0.
func (a *alarm) set(n int64) <-chan struct{} {
	b := &bell{rung: make(chan struct{})}
	b.left.Store(n)
	a.at.Store(b)
	return b.rung
}

func (a *alarm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b := a.at.Load(); b != nil && b.left.Add(-1) == 0 {
		close(b.rung)
	}
	a.next.ServeHTTP(w, r)
}
