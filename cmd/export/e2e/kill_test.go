package e2e

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/procs"
	"b24export/pipeline"
)

// kills is the number of kills of an export before it may end.
const kills = 100

// The job's numbers that limit the cost of a kill. A chunk is what one request fetches.
// The window is the number of chunks in flight.
const (
	killRows       = 60_000
	killCheckpoint = 300
	killWorkers    = 4
	chunk          = 49
	window         = 256
)

// TestKilled kills one export of 60,000 payments with SIGKILL, a hundred times and
// more: at every kind of moment, from the start of the process to the last cleaning up.
// The result is the whole table and nothing else, and what was read twice is within
// what a checkpoint allows.
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
	found := map[pipeline.Phase]int{} // how far each kill found the export
	for {
		cp, _ := p.checkpoint(t)
		atRequest, limit := killMoment(dice, cp, killed, late)
		rung := alarm.set(atRequest)
		run := startRun(t, p.env, file)
		awaitMoment(t, p, run, dice, rung, limit, func(phase pipeline.Phase) time.Duration {
			switch {
			case late >= lateKills:
				return runLimit
			case phase == pipeline.Fetched:
				return time.Duration(dice.IntN(150)) * time.Millisecond // while it merges
			default:
				return time.Duration(dice.IntN(8)) * time.Millisecond // while it publishes
			}
		})
		run.Signal(t, syscall.SIGKILL)
		exit := run.Wait(t, t.Context())
		if !exit.Killed {
			if exit.Code != 0 {
				t.Fatalf("run %d: exit code %d; it said:\n%s", killed+1, exit.Code, exit.Stderr)
			}
			break
		}
		killed++
		cp, _ = p.checkpoint(t)
		found[cp.Phase]++
		if cp.Phase == pipeline.Published {
			break // it is out; what is left is the cleaning up
		}
		if isLate(cp) {
			late++
		}
	}
	if killed < kills {
		t.Errorf("the export was through after %d kills, want %d", killed, kills)
	}

	wantTable(t, p, portal)
	all := gets(portal)
	again := all - killRows
	t.Logf("%d kills (found at: %v), %d gets of %d payments: %d again, %.0f a kill",
		killed, found, all, killRows, again, float64(again)/float64(killed))
	// Few requests are in flight at once and none is slow, so the window cannot fill. A
	// kill costs the rows since a checkpoint and the requests in flight.
	if most := int64(killed) * (killCheckpoint + (2*killWorkers+1)*chunk); again > most {
		t.Errorf("%d payments were got again, want at most %d", again, most)
	}

	// A sweep deletes what writers left that died, once it is old.
	p.age(t)
	runJob(t, p.env, file, 0)
	p.wantWhole(t)
}

// lateKills is the number of kills after the last request: during the merge, publishing
// and cleaning up.
const lateKills = 14

func isLate(cp pipeline.Checkpoint) bool {
	return cp.Phase != "" && cp.Phase != pipeline.Fetching
}

// killMoment returns when a run is to be killed: at which request of it (0: none), or
// after what time, whichever comes first. It leaves each run enough that the export
// lasts for the wanted number of kills, and at the end lets a run complete.
func killMoment(dice *rand.Rand, cp pipeline.Checkpoint, killed, late int) (request int64, limit time.Duration) {
	switch {
	case cp.Phase == pipeline.Fetched && late < lateKills/2:
		return 0, time.Duration(20+dice.IntN(230)) * time.Millisecond
	case isLate(cp):
		return 0, runLimit
	case dice.IntN(10) == 0:
		return 0, time.Duration(dice.IntN(120)) * time.Millisecond // while it starts
	}
	left := float64(killRows-cp.Ledger.Listed) / chunk / float64(max(1, kills+3-killed))
	return 2 + dice.Int64N(int64(2*left)+3), runLimit
}

// awaitMoment returns when a run is to be killed: a little after the alarm rings, after
// limit, or after what late returns once the run is in a phase after its last request.
// It also returns when the run ends by itself.
func awaitMoment(t *testing.T, p place, run *procs.Process, dice *rand.Rand,
	rung <-chan struct{}, limit time.Duration, late func(pipeline.Phase) time.Duration) {
	t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	was, _ := p.checkpoint(t)
	for {
		select {
		case <-run.Done():
			return
		case <-end.C:
			return
		case <-rung:
			rung = nil
			// Not always exactly at the request, but some time after it.
			end.Reset(time.Duration(dice.IntN(15_000)) * time.Microsecond)
		case <-look.C:
			if cp, _ := p.checkpoint(t); isLate(cp) && cp.Phase != was.Phase {
				look.Stop()
				end.Reset(late(cp.Phase))
			}
		}
	}
}

// alarm passes requests to a portal, and rings when a given number has arrived since it
// was set.
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
