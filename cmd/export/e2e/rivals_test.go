package e2e

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/procs"
	"b24export/pipeline"
)

// TestTwoAtOnce starts two runs of one job together, or one a little after the other.
// One exports, and the other one reports that another run holds the lease.
func TestTwoAtOnce(t *testing.T) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			const seed = 7
			t.Logf("seed %d", seed)
			dice := rand.New(rand.NewPCG(seed, 2))
			p := p.open(t)
			portal := bitrixtest.New(bitrixtest.Options{Seed: seed, Payments: 4000, AllowRegets: true, Strict: t})
			hold := newHold(portal)
			alarm := &alarm{next: hold}
			file := newJob(serve(t, portal, alarm), p.url).with("sink", "history", 100).write(t)
			const rounds = 8
			for round := range rounds {
				// The run that exports needs more requests, so the other one ends first.
				hold.after(30)
				began := alarm.set(1 + dice.Int64N(12))
				first := startRun(t, p.env, file)
				if round%2 == 1 {
					select {
					case <-began:
					case <-first.Done():
					}
				}
				second := startRun(t, p.env, file)
				select {
				case <-first.Done():
				case <-second.Done():
				case <-time.After(runLimit):
					t.Fatalf("round %d: no run reports the other one", round)
				}
				hold.release()
				a, b := finish(t, first), finish(t, second)
				codes := []int{a.Exit, b.Exit}
				slices.Sort(codes)
				if !slices.Equal(codes, []int{0, 5}) {
					t.Fatalf("round %d: exit codes %v, want 0 and 5; they said:\n%s\n%s", round, codes, a.Process.Stderr, b.Process.Stderr)
				}
			}
			if n := len(p.manifests(t)); n != rounds {
				t.Errorf("%d manifests after %d rounds", n, rounds)
			}
			wantTable(t, p, portal)
			p.wantWhole(t)
		})
	}
}

// TestPausedPastItsLease stops a run for longer than its lease (a laptop that sleeps, a
// machine that swaps), lets another run do the work, and wakes the first. The first
// must not publish, and must not damage what the other one published.
func TestPausedPastItsLease(t *testing.T) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) { testPaused(t, p.open(t)) })
	}
}

func testPaused(t *testing.T, p place) {
	const seed = 11
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 3))
	portal := bitrixtest.New(bitrixtest.Options{Seed: seed, Payments: 12_000, AllowRegets: true, Strict: t})
	hold := newHold(portal)
	alarm := &alarm{next: hold}
	file := newJob(serve(t, portal, alarm), p.url).
		with("checkpoint", "rows", 500).
		with("sink", "history", 100).
		write(t)

	var fenced int
	const rounds = 10
	for round := range rounds {
		var rung <-chan struct{}
		if n := 3 + dice.IntN(200); round%2 == 0 {
			rung = hold.after(n) // it is stopped before its last request
		} else {
			rung = alarm.set(int64(n))
		}
		sleeper := startRun(t, p.env, file)
		select {
		case <-rung:
		case <-sleeper.Done():
		}
		if round%2 == 1 {
			// After the last request: in the merge, or while it publishes.
			procs.Await(t, runLimit, "the merge", func() bool {
				select {
				case <-sleeper.Done():
					return true // too fast to be stopped at this moment
				default:
				}
				cp, ok := p.checkpoint(t)
				return ok && cp.Phase != pipeline.Fetching && cp.Phase != pipeline.Published
			})
			pause := time.NewTimer(time.Duration(dice.IntN(60_000)) * time.Microsecond)
			select {
			case <-pause.C:
			case <-sleeper.Done():
			}
		}
		sleeper.Signal(t, syscall.SIGSTOP)
		hold.release()
		before := p.manifests(t)
		p.endLeases(t)
		// It completes the snapshot of the stopped run; or it makes the next one, if
		// that one was published already.
		other := runJob(t, p.env, file, 0)
		want := len(before) + 1
		if slices.ContainsFunc(before, func(m pipeline.Manifest) bool { return m.Snapshot == other.Snapshot }) {
			want-- // it was published, except the checkpoint of the publication
		}
		sums := map[string]string{currentTable: p.sum(t, currentTable)}
		manifests := p.manifests(t)
		if len(manifests) != want {
			t.Errorf("round %d: %d manifests before the other run and %d after, want %d", round, len(before), len(manifests), want)
		}
		for _, m := range manifests {
			sums[tableOf(t, m).Path] = tableOf(t, m).SHA256
		}

		sleeper.Signal(t, syscall.SIGCONT)
		woken := finish(t, sleeper)
		switch {
		case woken.Exit == 5:
			fenced++
		case woken.Exit == 0 && woken.Snapshot < other.Snapshot:
			// It had published before it was stopped.
		default:
			t.Errorf("round %d: the run that woke exits with %d, snapshot %s; it said:\n%s",
				round, woken.Exit, woken.Snapshot, woken.Process.Stderr)
		}
		if got := len(p.manifests(t)); got != len(manifests) {
			t.Errorf("round %d: %d manifests after the sleeper woke, %d before", round, got, len(manifests))
		}
		for key, want := range sums {
			if got := p.sum(t, key); got != want {
				t.Errorf("round %d: the run that woke changed %s", round, key)
			}
		}
		wantTable(t, p, portal)
	}
	t.Logf("%d of %d runs that woke were fenced off", fenced, rounds)
	if fenced < rounds/2 {
		t.Errorf("%d of %d runs that woke were fenced off, want at least half", fenced, rounds)
	}
	p.age(t)
	runJob(t, p.env, file, 0)
	p.wantWhole(t)
}
