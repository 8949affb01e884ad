package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A pace of any length has few samples, at almost equal intervals, up to the newest. A
// resumed pace continues where it ended.
func TestPaceIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	var kept *Pace
	second := int64(0)
	for run := range 5 {
		p := newPacer(kept, now)
		for range 4000 {
			now = now.Add(time.Second)
			second++
			p.sample(now, second*100, second*2, Limits{Rate: 2, Operating: 1.23456, Budget: 480}, false)
		}
		kept = p.taken()
		now = now.Add(24 * time.Hour) // until the next run
		n := kept.Len()
		if n < maxSamples/4 || n > maxSamples {
			t.Fatalf("run %d: %d samples", run, n)
		}
		for i := 1; i < n; i++ {
			if gap := kept.At[i] - kept.At[i-1]; gap <= 0 || gap > 4*float64(second)/float64(n) {
				t.Errorf("run %d: %v s between samples %d and %d of %d", run, gap, i-1, i, n)
			}
			// The next run does not know the time after the last sample of the run
			// before.
			if done := float64(kept.Done[i]) / 100; done < kept.At[i] || done > kept.At[i]+float64(run)*400 {
				t.Errorf("run %d: %d payments after %v s", run, kept.Done[i], kept.At[i])
			}
		}
	}
	text, err := json.Marshal(kept)
	if err != nil || len(text) > 8<<10 {
		t.Errorf("%d bytes: %v", len(text), err)
	}
	if last := kept.Len() - 1; kept.Operating[last] != 1.23 || kept.Rate[last] != 2 || kept.Budget[last] != 480 {
		t.Errorf("limits of the newest sample: %v of %v s, %v a second", kept.Operating[last], kept.Budget[last], kept.Rate[last])
	}
}

func TestPaceOfAFileThatLies(t *testing.T) {
	p := newPacer(&Pace{At: []float64{1, 2, 3}, Done: []int64{7}}, time.Time{})
	if got := p.taken(); got != nil {
		t.Errorf("columns of unequal length: %+v", got)
	}
}

// The manifest of a run has its pace, also if the run was interrupted and resumed a day
// later.
func TestManifestHasThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPortal(2000), newMemory(t)
		p.getTime = 4 * time.Second
		cfg := config(p, m)
		cfg.Workers, cfg.Chunk = 1, 50
		cfg.Limits = func() Limits { return Limits{Rate: 2, Operating: 3, Budget: 480} }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := Run(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the run was not cut off: %v", err)
		}
		time.Sleep(24 * time.Hour)
		pace := mustRun(t, cfg).Manifest.Pace
		n := pace.Len()
		if n < 40 || pace.Done[n-1] != 2000 || pace.At[n-1] < 150 || pace.At[n-1] > 170 {
			t.Fatalf("%d samples: %+v", n, pace)
		}
		if diff := cmp.Diff([]float64{2, 3, 480}, []float64{pace.Rate[n-1], pace.Operating[n-1], pace.Budget[n-1]}); diff != "" {
			t.Errorf("limits (-want +got):\n%s", diff)
		}
		if cp := m.newestCheckpoint(); cp.Pace != nil {
			t.Errorf("the last checkpoint has the pace a second time")
		}
	})
}
