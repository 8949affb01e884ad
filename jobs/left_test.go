package jobs_test

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// prediction is the predicted rest of a run at one moment.
type prediction struct {
	at   time.Time
	done float64 // share of the payments that are done
	left time.Duration
}

// predicted runs a job and records the prediction each second. It returns the outcome
// and when the run ended.
func predicted(ctx context.Context, t *testing.T, flags map[string]string, portal *bitrixtest.Portal) (seen []prediction, end time.Time, out jobs.Outcome) {
	t.Helper()
	all := map[string]string{"mode": "full", "compression": "none"}
	maps.Copy(all, flags)
	spec, err := jobfile.FromFlags(all, portal.Webhook("https://acme.bitrix24.com"))
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	watch := func(w *jobs.Watch) {
		go func() {
			defer close(stopped)
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case now := <-tick.C:
					p := w.Progress
					if left, ok := w.Left(now); ok && p.Phase() == pipeline.PhaseFetching {
						done := p.Got.Load() + p.Carried.Load() + p.Rejected.Load() + p.Vanished.Load()
						seen = append(seen, prediction{now, float64(done) / float64(w.Total()), left})
					}
				}
			}
		}()
	}
	// As in newExport, requests take different times.
	transport := &road{to: portal.RoundTripper(), spread: 240 * time.Millisecond}
	out = jobs.Run(ctx, spec, &jobs.RunOptions{Program: "b24export/test", Transport: transport, Watch: watch})[0]
	end = time.Now()
	close(stop)
	<-stopped
	return seen, end, out
}

// wantPredicted: a run predicts its end in its first two seconds and, from a share of
// its payments on, within 15 % of the true time. Only the mean of the last answers is
// known: they may arrive 2 s earlier or later.
func wantPredicted(t *testing.T, seen []prediction, share float64, start, end time.Time) {
	t.Helper()
	if len(seen) == 0 || seen[0].at.Sub(start) > 2*time.Second {
		t.Fatalf("no prediction in the first two seconds; %d in all", len(seen))
	}
	wrong := 0
	for _, s := range seen {
		truth := end.Sub(s.at)
		if off := (s.left - truth).Abs(); s.done >= share && off > max(truth*15/100, 2*time.Second) {
			if wrong++; wrong <= 5 {
				t.Errorf("%.1f %% done: %v left, and it took %v", 100*s.done, s.left, truth)
			}
		}
	}
	t.Logf("%d of %d predictions are wrong; the run took %v", wrong, len(seen), end.Sub(start))
}

func TestLeftIsPredictedFromTheFirstSecond(t *testing.T) {
	slow(t)
	for _, tt := range []struct {
		name    string
		portal  bitrixtest.Options
		flags   map[string]string
		slowly  bool
		atLeast time.Duration // how long the run takes at least
		atMost  time.Duration
	}{
		{name: "rate", portal: bitrixtest.Options{Payments: 6000, Costs: quickGets}, atLeast: 30 * time.Second, atMost: time.Minute},
		{name: "rate, half of it left to others", portal: bitrixtest.Options{Payments: 6000, Costs: quickGets}, flags: map[string]string{"share": "0.5"}, atLeast: 90 * time.Second, atMost: 2 * time.Minute},
		{name: "rate and operating budget in turn", portal: bitrixtest.Options{Payments: 10_000}, atLeast: 9 * time.Minute, atMost: 11 * time.Minute},
		{name: "operating budget", portal: bitrixtest.Options{Payments: 30_000}, slowly: true, atLeast: 29 * time.Minute, atMost: 31 * time.Minute},
		{name: "operating budget of the batch", portal: bitrixtest.Options{Payments: 10_000, Charge: bitrixtest.ChargeBatch}, slowly: true, atLeast: 9 * time.Minute, atMost: 11 * time.Minute},
		{name: "operating budget after a large burst", portal: bitrixtest.Options{Payments: 24_000, Plan: bitrixtest.PlanEnterprise}, flags: map[string]string{"plan": "enterprise"}, slowly: true, atLeast: 19 * time.Minute, atMost: 21 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.slowly {
				slow(t)
			}
			synctest.Test(t, func(t *testing.T) {
				o := tt.portal
				o.Seed, o.Latency, o.Strict = 11, 1100*time.Millisecond, t
				if o.Plan == "" {
					o.Plan = bitrixtest.PlanStandard
				}
				flags := map[string]string{"to": t.TempDir()}
				maps.Copy(flags, tt.flags)
				start := time.Now()
				seen, end, out := predicted(t.Context(), t, flags, bitrixtest.New(o))
				if out.Err != nil {
					t.Fatal(out.Err)
				}
				wantPredicted(t, seen, 0, start, end)
				if took := end.Sub(start); took < tt.atLeast || took > tt.atMost {
					t.Errorf("took %v, want %v to %v", took, tt.atLeast, tt.atMost)
				}
			})
		})
	}
}

// A resumed run predicts its own end, and counts only its own cost: neither the work
// nor the waits of the previous run are its own.
func TestResumedRunCountsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{
			Payments: 20_000, Costs: quickGets, Seed: 11, Latency: 1100 * time.Millisecond, Plan: bitrixtest.PlanStandard,
		})
		flags := map[string]string{"to": t.TempDir()}
		ctx, stop := context.WithTimeout(t.Context(), 55*time.Second)
		defer stop()
		_, _, first := predicted(ctx, t, flags, portal)
		if first.Err == nil || first.Summary.Own.RateWaitS < 40 {
			t.Fatalf("the first run ended with %v after %.0f s of waiting", first.Err, first.Summary.Own.RateWaitS)
		}
		// After this time the portal's limits are unused again.
		time.Sleep(time.Hour)
		start := time.Now()
		seen, end, out := predicted(t.Context(), t, flags, portal)
		if out.Err != nil || !out.Summary.Resumed {
			t.Fatalf("resumed %v: %v", out.Summary.Resumed, out.Err)
		}
		wantPredicted(t, seen, 0, start, end)
		own, all, before := out.Summary.Own, out.Summary.Use, first.Summary.Own
		if took := end.Sub(start).Seconds(); own.RateWaitS > took || own.Requests != all.Requests-before.Requests || own.Requests == 0 {
			t.Errorf("took %.0f s, counts %+v of its own, and %+v with the run before, which counted %+v", took, own, all, before)
		}
		if m := out.Summary.Manifest.PortalUse; m.Requests != all.Requests || m.RateWaitS < own.RateWaitS+40 || m.Resumed != 1 {
			t.Errorf("the manifest has %+v, want the sum of both runs, resumed once", m)
		}
	})
}

// In a night, the new payments at the end of the listing are known from the first page
// on.
func TestLeftOfANight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Payments: 20_000, Costs: quickGets, Seed: 11, Latency: 1100 * time.Millisecond, Plan: bitrixtest.PlanStandard})
		flags := map[string]string{"to": t.TempDir(), "mode": "incremental"}
		if _, _, out := predicted(t.Context(), t, flags, portal); out.Err != nil {
			t.Fatal(out.Err)
		}
		for range 5000 {
			portal.Add(0)
		}
		time.Sleep(24 * time.Hour)
		start := time.Now()
		seen, end, out := predicted(t.Context(), t, flags, portal)
		if out.Err != nil || out.Summary.Ledger.Carried != 20_000 {
			t.Fatalf("%+v: %v", out.Summary.Ledger, out.Err)
		}
		wantPredicted(t, seen, 0.1, start, end)
	})
}
