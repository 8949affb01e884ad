package jobs_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// newSinceJob returns a job for each way to find changes. Events need an application.
func newSinceJob(t *testing.T, portal *bitrixtest.Portal, since, extra string) *runJob {
	t.Helper()
	source := "source: {since: " + since + "}\n" + extra
	if since == "events" {
		return newAppJob(t, portal, source)
	}
	return newRunJob(t, portal, source)
}

// Orders and events cost less than the whole listing, and find the same changes.
func TestSinceFindsWhatChanged(t *testing.T) {
	for _, since := range []string{"orders", "events"} {
		t.Run(since, func(t *testing.T) {
			emptyTemp(t)
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 20_000, Odd: true, AllowRegets: true, Strict: t})
			e := newSinceJob(t, portal, since, "")
			first := e.run(t, jobs.ExitComplete).Summary.Manifest
			if first.Since == nil || first.Since.By != "list" || first.Since.Why == "" || !strings.HasPrefix(first.Since.Watermark, since+":") {
				t.Errorf("the first night: since %+v", first.Since)
			}
			// A queue is trusted only after an event has shown that reserved ones can
			// be seen, so the second night is the one without a change.
			for night, changed := range []int{100, 0, 200, 300} {
				mutations := portal.Mutate(changed, uint64(night))
				before := portal.Stats()
				m := e.run(t, jobs.ExitComplete).Summary.Manifest
				e.wantTable(t, portal, none)
				if m.Since.By != since || m.Since.Why != "" {
					t.Errorf("night %d: since %+v", night, m.Since)
				}
				stats := portal.Stats()
				gets := stats.Commands["crm.item.payment.get"] - before.Commands["crm.item.payment.get"]
				if gets > int64(len(mutations))+measuring {
					t.Errorf("night %d: %d gets for %d mutations", night, gets, len(mutations))
				}
				if since == "events" {
					if pages := stats.Commands["sale.payment.list"] - before.Commands["sale.payment.list"]; pages > int64(len(mutations)/50+1)+measuring {
						t.Errorf("night %d: %d pages listed for %d mutations", night, pages, len(mutations))
					}
					if m.Ledger.Outside < 19_000 {
						t.Errorf("night %d: ledger %+v", night, m.Ledger)
					}
					if n := portal.Queued(); n != 0 {
						t.Errorf("night %d: %d events are left in the queue", night, n)
					}
				}
			}
		})
	}
}

// Between two full runs, nights use the queue. The full run then fetches everything
// again, and clears the queue nevertheless.
func TestSinceEventsOnAFullNight(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 500, AllowRegets: true, Strict: t})
	e := newSinceJob(t, portal, "events", "")
	e.run(t, jobs.ExitComplete)
	portal.Mutate(50, 1)
	e.spec.FullEvery = 1 // nanosecond
	m := e.run(t, jobs.ExitComplete).Summary.Manifest
	e.wantTable(t, portal, none)
	if m.Mode != pipeline.Full || m.Since.By != "list" || portal.Queued() != 0 {
		t.Errorf("mode %s, since %+v, %d events left", m.Mode, m.Since, portal.Queued())
	}
	e.spec.FullEvery = 0
	portal.Mutate(50, 2)
	if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m.Since.By != "events" {
		t.Errorf("the night after: since %+v", m.Since)
	}
	e.wantTable(t, portal, none)
}

// If the queue cannot be trusted, everything is listed, once.
func TestSinceEventsFallsBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, e *runJob, portal *bitrixtest.Portal)
		why   string
		heals bool
	}{
		{"a handler was unbound", func(t *testing.T, e *runJob, portal *bitrixtest.Portal) {
			portal.Unbind("ONPAYMENTDELETED")
		}, "not bound", true},
		{"the last snapshot was made otherwise", func(t *testing.T, e *runJob, portal *bitrixtest.Portal) {
			e.spec.Source.Since = jobfile.SinceList
			e.run(t, jobs.ExitComplete)
			e.spec.Source.Since = jobfile.SinceEvents
		}, "was not made with since: events", true},
		{"events without a payment", func(t *testing.T, e *runJob, portal *bitrixtest.Portal) {
			e.opts.Transport = odd{portal.RoundTripper(), `"EVENT_DATA":{"FIELDS":{"NO":1}}`}
		}, "does not name its payment", false},
		{"events whose data is false", func(t *testing.T, e *runJob, portal *bitrixtest.Portal) {
			e.opts.Transport = odd{portal.RoundTripper(), `"EVENT_DATA":false`}
		}, "does not name its payment", false},
		{"no longer an administrator of events", func(t *testing.T, e *runJob, portal *bitrixtest.Portal) {
			e.opts.Transport = noEvents{portal.RoundTripper()}
		}, "event.get is refused (ERROR_METHOD_NOT_FOUND)", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 600, AllowRegets: true, Strict: t})
			e := newSinceJob(t, portal, "events", "")
			e.run(t, jobs.ExitComplete)
			portal.Mutate(20, 1)
			e.run(t, jobs.ExitComplete)
			tt.spoil(t, e, portal)
			portal.Mutate(60, 2)
			m := e.run(t, jobs.ExitComplete).Summary.Manifest
			e.wantTable(t, portal, none)
			if m.Since.By != "list" || !strings.Contains(m.Since.Why, tt.why) {
				t.Errorf("since %+v, want list, because: %s", m.Since, tt.why)
			}
			portal.Mutate(60, 3)
			m = e.run(t, jobs.ExitComplete).Summary.Manifest
			e.wantTable(t, portal, none)
			if healed := m.Since.By == "events"; healed != tt.heals {
				t.Errorf("the night after: since %+v", m.Since)
			}
		})
	}
}

// A handler is unbound while a snapshot is unfinished. No queue shows later changes of
// payments that were already read, so the next run lists everything.
func TestSinceEventsUnboundBetweenTwoRunsOfASnapshot(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Incremental, pipeline.Full} {
		t.Run(string(mode), func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 900, AllowRegets: true, Strict: t})
			e := newSinceJob(t, portal, "events", "checkpoint: {rows: 40}")
			e.spec.Portals[0].Limits.Concurrency = 1
			e.run(t, jobs.ExitComplete)
			portal.Mutate(400, 1)
			if mode == pipeline.Full {
				e.spec.FullEvery = 1 // nanosecond
			}
			ctx, stop := context.WithCancel(t.Context())
			opts := *e.opts
			opts.Transport = &interrupted{next: portal.RoundTripper(), stop: stop, after: 11}
			out := jobs.Run(ctx, e.spec, &opts)[0]
			stop()
			if out.Exit != jobs.ExitInterrupted || out.Summary.Ledger.Got == 0 {
				t.Fatalf("exit %d, %+v, %v; want a snapshot in the making", out.Exit, out.Summary.Ledger, out.Err)
			}
			portal.Unbind("ONPAYMENTENTITYSAVED")
			portal.Mutate(400, 2)
			if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m.PortalUse.Resumed != 1 || m.Since.Watermark != "" {
				t.Errorf("resumed %d times, since %+v", m.PortalUse.Resumed, m.Since)
			}
			e.spec.FullEvery = 0
			if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m.Since.By != "list" {
				t.Errorf("the next run: since %+v", m.Since)
			}
			e.wantTable(t, portal, none)
		})
	}
}

// odd replaces the data of events.
type odd struct {
	next http.RoundTripper
	data string
}

var eventData = regexp.MustCompile(`"EVENT_DATA":\{"FIELDS":\{"ID":[^}]*\}\}`)

func (o odd) RoundTrip(r *http.Request) (*http.Response, error) {
	return rewritten(o.next, r, "event.offline.list", func(body string) string {
		return eventData.ReplaceAllString(body, o.data)
	})
}

// noEvents is a portal that no longer supports events.
type noEvents struct{ next http.RoundTripper }

func (o noEvents) RoundTrip(r *http.Request) (*http.Response, error) {
	return rewritten(o.next, r, "event.get", func(string) string {
		return `{"error":"ERROR_METHOD_NOT_FOUND","error_description":"Method not found!"}`
	})
}

// If a run dies between its snapshot and the clearing of the queue, or before both, the
// next run reads the same events again, and nothing else.
func TestSinceEventsSurvivesItsRuns(t *testing.T) {
	requests := int64(0)
	for cut := true; cut; requests++ {
		synctest.Test(t, func(t *testing.T) { cut = survives(t, requests) })
		if t.Failed() {
			t.Fatalf("cut off behind %d requests", requests)
		}
	}
	if requests < 8 {
		t.Errorf("a night takes %d requests only", requests)
	}
}

// survives interrupts a night after some requests, if it has more, and checks the
// nights after it.
func survives(t *testing.T, requests int64) (cut bool) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 900, AllowRegets: true, Strict: t})
	e := newSinceJob(t, portal, "events", "patience: 1m\ncheckpoint: {rows: 40}")
	e.spec.Sink.Compression = "none"
	e.spec.Portals[0].Limits.Concurrency = 1
	e.run(t, jobs.ExitComplete)
	portal.Mutate(400, 1)
	opts := *e.opts
	road := &dies{next: portal.RoundTripper(), after: requests}
	opts.Transport = road
	jobs.Run(t.Context(), e.spec, &opts)
	portal.Mutate(400, 2)
	if m := e.run(t, jobs.ExitComplete).Summary.Manifest; m.Since.By != "events" {
		t.Errorf("since %+v", m.Since)
	}
	// What changed after the place where the night was resumed is left for the next
	// night.
	e.run(t, jobs.ExitComplete)
	e.wantTable(t, portal, none)
	if portal.Queued() != 0 {
		t.Errorf("%d events left", portal.Queued())
	}
	return road.sent.Load() > road.after
}

// dies is a network that fails after a number of requests, with several in flight.
type dies struct {
	next  http.RoundTripper
	after int64
	sent  atomic.Int64
}

func (d *dies) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.sent.Add(1) > d.after {
		return nil, fmt.Errorf("connection refused")
	}
	return d.next.RoundTrip(r)
}
