package jobs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// planned compares a plan with the run that it predicts, both on the fake portal in
// virtual time.
type planned struct {
	plan     jobs.PortalPlan
	requests int64
	span     time.Duration
}

// planAndRun runs in a bubble of virtual time, in which tables cannot be compressed:
// the whole process shares the library's pool of encoders.
func planAndRun(t *testing.T, o bitrixtest.Options, edit func(*jobfile.Spec)) planned {
	t.Helper()
	portal := bitrixtest.New(o)
	job := fmt.Sprintf("version: 1\nname: payments\nmode: full\nportals:\n  - name: acme\n    webhook: %s\nsink:\n  url: %s\n  compression: none\n",
		portal.Webhook("https://acme.example"), t.TempDir())
	spec, err := jobfile.Parse("job.yaml", []byte(job), func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(spec)
	}
	opts := &jobs.RunOptions{Program: "b24export/test", Transport: portal.RoundTripper()}
	var p planned
	if p.plan, err = jobs.MakePlan(context.Background(), spec, "acme", opts); err != nil {
		t.Fatal(err)
	}
	// The run is an hour later, when the plan's few requests no longer count.
	time.Sleep(time.Hour)
	start := time.Now()
	out := jobs.Run(context.Background(), spec, opts)[0]
	if out.Err != nil {
		t.Fatal(out.Err)
	}
	p.requests, p.span = out.Summary.Use.Requests, time.Since(start)
	return p
}

func TestPlanIsWithinATenthOfTheRun(t *testing.T) {
	slow(t)
	latency := 1200 * time.Millisecond
	for _, tt := range []struct {
		name     string
		portal   bitrixtest.Options
		edit     func(*jobfile.Spec)
		limit    string
		enriched bool
	}{
		{name: "the rate binds", limit: "rate",
			portal: bitrixtest.Options{Payments: 8_000, Latency: latency, Plan: bitrixtest.PlanStandard}},
		{name: "the operating budget binds", limit: "operating",
			portal: bitrixtest.Options{Payments: 24_000, Latency: latency, Plan: bitrixtest.PlanStandard}},
		{name: "the operating budget of the batch binds", limit: "operating",
			portal: bitrixtest.Options{Payments: 24_000, Latency: latency, Plan: bitrixtest.PlanStandard, Charge: bitrixtest.ChargeBatch}},
		{name: "nothing but the answers bind", limit: "latency",
			portal: bitrixtest.Options{Payments: 20_000, Latency: latency, Plan: bitrixtest.PlanUnlimited},
			edit: func(s *jobfile.Spec) {
				s.Portals[0].Plan, s.Portals[0].Limits.Concurrency = jobfile.PlanUnlimited, 4
			}},
		{name: "enrich: list", limit: "rate", enriched: true,
			portal: bitrixtest.Options{Payments: 200_000, Latency: latency, Plan: bitrixtest.PlanStandard},
			edit:   func(s *jobfile.Spec) { s.Source.Enrich = jobfile.EnrichList }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := planAndRun(t, tt.portal, tt.edit)
				f := p.plan.Job
				t.Logf("planned %d requests, %.1f s (%s); the run took %d, %.1f s", f.Requests, f.Seconds, f.LimitedBy, p.requests, p.span.Seconds())
				if p.plan.ToList != int64(tt.portal.Payments) || p.plan.ToGet != p.plan.ToList {
					t.Errorf("to list %d, to get %d, want %d", p.plan.ToList, p.plan.ToGet, tt.portal.Payments)
				}
				if f.LimitedBy != tt.limit {
					t.Errorf("limit %s, want %s", f.LimitedBy, tt.limit)
				}
				if r := float64(f.Requests) / float64(p.requests); r < 0.9 || r > 1.1 {
					t.Errorf("planned %d requests, the run took %d", f.Requests, p.requests)
				}
				if r := f.Seconds / p.span.Seconds(); r < 0.9 || r > 1.1 {
					t.Errorf("planned %.1f s, the run took %.1f s", f.Seconds, p.span.Seconds())
				}
				if tt.enriched && p.plan.List != f {
					t.Error("the job's forecast is not that of enrich: list")
				}
				if !tt.enriched && p.plan.List.Requests*5 > f.Requests {
					t.Errorf("enrich: list takes %d requests, get %d", p.plan.List.Requests, f.Requests)
				}
			})
		})
	}
}

// In a night with only new payments, the sample finds no change, and the new ones are
// counted.
func TestPlanOfANight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Payments: 5000, Plan: bitrixtest.PlanStandard})
		job := fmt.Sprintf("version: 1\nname: payments\nportals:\n  - name: acme\n    webhook: %s\nsink:\n  url: %s\n  compression: none\n",
			portal.Webhook("https://acme.example"), t.TempDir())
		spec, err := jobfile.Parse("job.yaml", []byte(job), func(string) (string, bool) { return "", false }, nil)
		if err != nil {
			t.Fatal(err)
		}
		opts := &jobs.RunOptions{Program: "b24export/test", Transport: portal.RoundTripper()}
		plan := func() jobs.PortalPlan {
			t.Helper()
			p, err := jobs.MakePlan(t.Context(), spec, "acme", opts)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if p := plan(); p.Mode != pipeline.Full || p.ToGet != 5000 {
			t.Errorf("before the first run: %s, %d to get; want full, 5000", p.Mode, p.ToGet)
		}
		if out := jobs.Run(t.Context(), spec, opts)[0]; out.Err != nil {
			t.Fatal(out.Err)
		}
		for range 120 {
			portal.Add(0)
		}
		p := plan()
		if p.Mode != pipeline.Incremental || p.ToList != 5120 || p.ToGet != 120 {
			t.Errorf("after it: %s, %d to list, %d to get; want incremental, 5120, 120", p.Mode, p.ToList, p.ToGet)
		}
		if p.Job.Requests > 12 {
			t.Errorf("%d requests, want one listing and three chunks", p.Job.Requests)
		}
	})
}

// A quiet night on portals whose lists show other dates or names than gets: the plan
// corrects them as the last run did, and finds no change.
func TestPlanOfAQuietNightOnOddPortals(t *testing.T) {
	for name, values := range map[string]bitrixtest.ValueQuirks{
		"late dates":            {ListShift: 2 * time.Hour},
		"swapped dates":         {DateFormat: bitrixtest.DatesSwapped},
		"dates without seconds": {DateFormat: bitrixtest.DatesMinutes},
		"no dates":              {DateFormat: bitrixtest.DatesNull},
		"summer time":           {Zone: "Europe/Berlin", ListShift: 2 * time.Hour},
		"names as of now":       {ListNames: true},
	} {
		bubble(t, name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Payments: 600, Values: values, AllowRegets: true, Strict: t})
			e := newBubbleJob(t, portal, "")
			e.run(t, jobs.ExitComplete)
			for changed := range 2 {
				for p := range portal.All() {
					if changed == 1 {
						portal.Reprice(p.ID, 7_770_000)
					}
				}
				p, err := jobs.MakePlan(t.Context(), e.spec, "acme", e.opts)
				if want := int64(changed * 600); err != nil || p.ToGet != want {
					t.Errorf("%d to get, error %v; want %d", p.ToGet, err, want)
				}
			}
		})
	}
}

// A backfill's plan is that of its range.
func TestPlanOfABackfill(t *testing.T) {
	ids := filepath.Join(t.TempDir(), "ids.txt")
	var list strings.Builder
	for id := range 6000 {
		fmt.Fprintln(&list, id+1)
	}
	if err := os.WriteFile(ids, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	billed := jobfile.BackfillSpec{Billed: jobfile.DateRange{From: jobfile.Date{Year: 1995, Month: 1, Day: 1}, To: jobfile.Date{Year: 1997, Month: 1, Day: 1}}}
	for _, tt := range []struct {
		name, span string
		edit       func(*jobfile.Spec)
		atMost     bool // some of the ids have no payment
	}{
		{name: "billed", span: "billed from 1995-01-01 to 1997-01-01", edit: func(s *jobfile.Spec) { s.Backfill = billed }},
		{name: "ids", span: "ids 100 to 9000", edit: func(s *jobfile.Spec) {
			s.Source.List, s.Source.IDs = jobfile.ListIDs, jobfile.IDsSpec{From: 100, To: 9000}
		}},
		{name: "ids of a file", span: "6000 ids of ids.txt", atMost: true, edit: func(s *jobfile.Spec) {
			s.Source.List, s.Source.IDs = jobfile.ListIDs, jobfile.IDsSpec{File: ids}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				portal := bitrixtest.Options{Payments: 24_000, Latency: 1200 * time.Millisecond, Plan: bitrixtest.PlanStandard}
				p := planAndRun(t, portal, func(s *jobfile.Spec) {
					s.Mode = pipeline.Backfill
					tt.edit(s)
				})
				if p.plan.Mode != pipeline.Backfill || !strings.HasPrefix(p.plan.Range, tt.span) || p.plan.ToGet != p.plan.ToList {
					t.Errorf("plan %+v", p.plan)
				}
				most := 1.1
				if tt.atMost {
					most = 1.5
				}
				requests := float64(p.plan.Job.Requests) / float64(p.requests)
				seconds := p.plan.Job.Seconds / p.span.Seconds()
				if requests < 0.9 || requests > most || seconds < 0.9 || seconds > most+0.1 {
					t.Errorf("predicted %d requests in %v, the run took %d in %v", p.plan.Job.Requests, p.plan.Job.Span(), p.requests, p.span)
				}
			})
		})
	}
}
