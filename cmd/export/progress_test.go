package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix"
	"b24export/jobs"
	"b24export/pipeline"
)

// fakeRun is a portal's run with given numbers.
type fakeRun struct {
	progress pipeline.Progress
	total    int64
	gauge    bitrix.Gauge
	left     time.Duration // -1 if not known
	started  time.Time
}

func (f *fakeRun) watch() *jobs.Watch {
	return &jobs.Watch{
		Portal:   "acme",
		Progress: &f.progress,
		Total:    func() int64 { return f.total },
		Gauge:    func() bitrix.Gauge { return f.gauge },
		Use:      func() pipeline.PortalUse { return pipeline.PortalUse{Requests: 12} },
		Left:     func(time.Time) (time.Duration, bool) { return f.left, f.left >= 0 },
		Started:  f.started,
	}
}

// begin moves the run to its phase of fetching. Only the engine can do this, with a run
// whose listing fails.
func (f *fakeRun) begin(t *testing.T) {
	t.Helper()
	_, err := pipeline.Run(t.Context(), pipeline.Config[int]{
		Source: brokenSource{}, Sink: idleSink{}, Options: pipeline.Options{Progress: &f.progress},
	})
	if !errors.Is(err, errTest) {
		t.Fatalf("the run ended with %v", err)
	}
}

// brokenSource cannot list.
type brokenSource struct{ pipeline.Source[int] }

func (brokenSource) Begin(context.Context, pipeline.Scope) (*pipeline.Since, error) {
	return nil, nil
}

func (brokenSource) List(context.Context, pipeline.PaymentID) iter.Seq2[[]pipeline.Listed[int], error] {
	return func(yield func([]pipeline.Listed[int], error) bool) { yield(nil, errTest) }
}
func (brokenSource) Use() pipeline.PortalUse { return pipeline.PortalUse{} }
func (brokenSource) Total() int64            { return 0 }
func (brokenSource) Dates() *pipeline.Dates  { return nil }

// idleSink is a sink of a portal without snapshots.
type idleSink struct{ pipeline.Sink[int] }

func (idleSink) Begin(context.Context) (pipeline.State, error)     { return pipeline.State{}, nil }
func (idleSink) Commit(context.Context, pipeline.Checkpoint) error { return nil }
func (idleSink) End(context.Context) error                         { return nil }

func TestViewShowsWhatIsLeft(t *testing.T) {
	start := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	f := &fakeRun{total: 10_000, started: start, gauge: bitrix.Gauge{
		Tokens: 31.4, Burst: 50, LimitedBy: bitrix.LimitedByOperating,
		Methods: []bitrix.MethodGauge{
			{Method: "batch", Used: 10 * time.Second, Budget: 480 * time.Second},
			{Method: "crm.item.payment.get", Used: 240 * time.Second, Budget: 480 * time.Second, ResetAt: start.Add(5 * time.Second)},
			{Method: "unknown"},
		},
	}}
	w := &watcher{Watch: f.watch()}
	if v := w.look(start); v.ETA != -1 || v.Phase != "starting" || v.text() != "starting: 0 of 10,000" {
		t.Errorf("at the start: %q, %+v", v.text(), v)
	}
	f.begin(t)

	f.progress.Got.Store(5000)
	f.progress.Carried.Store(900)
	f.progress.Rejected.Store(60)
	f.progress.Vanished.Store(40)
	f.left = 40 * time.Second
	v := w.look(start.Add(10 * time.Second))
	if want := "fetching: 6,000 of 10,000, 40 s left, rate 31 of 50 free, operating 240 of 480 s (limiting)"; v.text() != want {
		t.Errorf("got  %s\nwant %s", v.text(), want)
	}
	if v.Requests != 12 || v.Seconds != 10 || v.ETA != 40 {
		t.Errorf("got %+v", v)
	}

	// An unknown time is not shown.
	f.left = -1
	v = w.look(start.Add(10 * time.Second))
	if want := "fetching: 6,000 of 10,000, rate 31 of 50 free, operating 240 of 480 s (limiting)"; v.text() != want || v.ETA != -1 {
		t.Errorf("got  %s, %v s left\nwant %s", v.text(), v.ETA, want)
	}
}

func TestProgressOfEachKind(t *testing.T) {
	tests := []struct {
		name           string
		set            func(*program)
		stdout, stderr int // lines after 65 s
	}{
		{"log", func(p *program) { p.progress = "log" }, 0, 2},
		{"none", func(p *program) { p.progress = "none" }, 0, 0},
		{"auto, no terminal", func(p *program) { p.progress = "auto" }, 0, 2},
		{"auto, for machines", func(p *program) { p.progress, p.json = "auto", true }, 13, 0},
		{"log, for machines", func(p *program) { p.progress, p.json = "log", true }, 13, 2},
		{"log, of warnings only", func(p *program) { p.progress, p.logLevel = "log", "warn" }, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stdout, stderr bytes.Buffer
				p := &program{lookup: noEnv, stdout: newOutput(&stdout), stderr: newScreen(&stderr), logLevel: "auto", logFormat: "text"}
				test.set(p)
				p.setUp()
				m := p.startMonitor(t.Context())
				m.watch((&fakeRun{started: time.Now()}).watch())
				<-time.After(65 * time.Second)
				m.close()
				if got := strings.Count(stdout.String(), "\n"); got != test.stdout {
					t.Errorf("standard output: %d lines, want %d\n%s", got, test.stdout, &stdout)
				}
				if got := strings.Count(stderr.String(), "\n"); got != test.stderr {
					t.Errorf("standard error: %d lines, want %d\n%s", got, test.stderr, &stderr)
				}
				for line := range strings.Lines(stdout.String()) {
					var event struct{ Progress *view }
					if err := json.Unmarshal([]byte(line), &event); err != nil || event.Progress == nil || event.Progress.Portal != "acme" {
						t.Errorf("event %s: %v", line, err)
					}
				}
			})
		})
	}
}

// A portal that does not answer is reported after half a minute and each time when its
// silence has doubled, for every kind of progress. A new silence begins again.
func TestSilentPortalIsToldOf(t *testing.T) {
	for _, kind := range []string{"auto", "bar", "log", "none"} {
		for _, machine := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var stderr lockedBuffer
				p := &program{
					lookup: noEnv, stdout: newOutput(&bytes.Buffer{}), stderr: newScreen(&stderr), progress: kind, json: machine, logLevel: "auto", logFormat: "text",
				}
				p.setUp()
				m := p.startMonitor(t.Context())
				start := time.Now()
				again := start.Add(31 * time.Minute)
				watch := (&fakeRun{started: start}).watch()
				watch.Gauge = func() bitrix.Gauge {
					since := start
					if time.Now().After(again) {
						since = again
					}
					return bitrix.Gauge{Failing: errTest, FailingSince: since}
				}
				m.watch(watch)
				want := []string{"30 s", "1m00s", "2m00s", "4m00s", "8m00s", "16m00s", "30 s"}
				<-time.After(again.Add(45 * time.Second).Sub(start))
				m.close()
				var got []string
				for _, found := range regexp.MustCompile(`level=WARN msg="the portal does not answer.* for="?([^"]+?)"? error`).FindAllStringSubmatch(stderr.String(), -1) {
					got = append(got, found[1])
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s, json %v: after %v, want %v:\n%s", kind, machine, got, want, stderr.String())
				}
			})
		}
	}
}

// The bar of a portal that does not answer shows this, in each phase.
func TestBarShowsThatThePortalIsSilent(t *testing.T) {
	for _, phase := range []pipeline.RunPhase{pipeline.PhaseStarting, pipeline.PhaseFetching} {
		v := view{failing: errTest, failingFor: 95 * time.Second}
		v.Phase = phase.String()
		if got := v.text(); !strings.Contains(got, "no good answer for 1m35s") {
			t.Errorf("phase %s: %q", phase, got)
		}
	}
}

// lockedBuffer receives bars and log lines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestBars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr lockedBuffer
		p := &program{
			lookup: func(name string) (string, bool) { return "1", name == "NO_COLOR" },
			stdout: newOutput(&bytes.Buffer{}), stderr: newScreen(&stderr),
			progress: "bar", logLevel: "warn", logFormat: "text",
		}
		p.setUp()
		f := &fakeRun{total: 400, started: time.Now()}
		m := p.startMonitor(t.Context())
		p.log.Warn("before the first bar")
		m.watch(f.watch())
		f.begin(t)
		f.progress.Got.Store(100)
		<-time.After(time.Second)
		p.log.Warn("beside a bar")
		<-time.After(time.Second)
		f.progress.Got.Store(400)
		p.log.Warn("at the last moment")
		m.close()
		p.log.Warn("after the bars")

		got := stderr.String()
		at := -1
		for _, want := range []string{"before the first bar", " 25%", "fetching: 100 of 400", "beside a bar", "at the last moment", "100%", "after the bars"} {
			next := strings.Index(got[at+1:], want)
			if next < 0 {
				t.Fatalf("no %q behind byte %d of:\n%q", want, at, got)
			}
			at += 1 + next
		}
		for _, line := range []string{"before the first bar", "beside a bar", "at the last moment", "after the bars"} {
			if n := strings.Count(got, line); n != 1 {
				t.Errorf("%q is there %d times", line, n)
			}
		}
		if strings.Contains(got, "\x1b[3") {
			t.Errorf("colours, although NO_COLOR is set:\n%q", got)
		}
	})
}

// There is a bar for each portal under way, whatever the number of portals. The last
// line of each portal that has ended stays.
func TestEndedPortalsStayOnce(t *testing.T) {
	var stderr bytes.Buffer
	b := newBars(newScreen(&stderr), true)
	over := []view{}
	for _, portal := range []string{"one", "two", "three"} {
		for _, phase := range []string{"fetching", "done", "done"} {
			views := append([]view{{Portal: "beside", Phase: "fetching", Done: 1, Total: 8}, {Portal: portal, Phase: phase, Done: 5, Total: 5}}, over...)
			b.draw(fleet{Portals: 1}, views)
			if want := map[string]int{"fetching": 2, "done": 1}[phase]; len(b.screen.bottom) != want {
				t.Errorf("%s %s: %d bars, want %d", portal, phase, len(b.screen.bottom), want)
			}
		}
		over = append(over, view{Portal: portal, Phase: "done", Done: 5, Total: 5})
	}
	b.close()
	for _, portal := range []string{"one", "two", "three"} {
		if n := strings.Count(stderr.String(), portal+"  done: 5\n"); n != 1 {
			t.Errorf("portal %s has ended %d times:\n%q", portal, n, stderr.String())
		}
	}
}

// A line never fills the width of a terminal, and its most important part fits a narrow
// one.
func TestBarsFit(t *testing.T) {
	four := 4
	views := map[string]view{
		"fetching": {Portal: "acme", Phase: "fetching", Done: 4321, Total: 20_000, ETA: 80, Tokens: 31, Burst: 50, LimitedBy: bitrix.LimitedByRate},
		"long":     {Portal: strings.Repeat("portal-", 9), Phase: "fetching", Done: 4321, Total: 20_000_000, ETA: 80_000, Tokens: 31, Burst: 50},
		"unknown":  {Portal: "acme", Phase: "starting", ETA: -1},
		"failed":   {Portal: "acme", Phase: "fetching", Done: 10, Total: 20, exit: &four},
	}
	b := &bars{plain: true}
	for name, v := range views {
		for _, width := range []int{1, 10, 36, 80, 200} {
			line := b.line(width, v.share(), v.Portal+"  "+v.text(), v.shortText())
			if n := len([]rune(line)); n >= width && width > 1 || n > width {
				t.Errorf("%s, %d wide: a line of %d: %s", name, width, n, line)
			}
		}
	}
	v := views["fetching"]
	for _, tt := range []struct {
		width int
		want  string
	}{
		{36, " 22% acme 1m20s left, 4,321 of 20,0"},
		{80, " 22% ║██░░░░░░░░░░║  acme  fetching: 4,321 of 20,000, 1m20s left, rate 31 of 50"},
		{200, " 22% ║█████░░░░░░░░░░░░░░░░░░░║  acme  fetching: 4,321 of 20,000, 1m20s left, rate 31 of 50 free (limiting)"},
	} {
		if got := b.line(tt.width, v.share(), v.Portal+"  "+v.text(), v.shortText()); got != tt.want {
			t.Errorf("%d wide: got\n%q, want\n%q", tt.width, got, tt.want)
		}
	}
}

// Several portals have a common bar. A portal that failed neither moves nor counts as
// under way, and is not reported any more.
func TestFleetIsShownTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stdout, stderr lockedBuffer
		p := &program{
			lookup: func(name string) (string, bool) { return "1", name == "NO_COLOR" },
			stdout: newOutput(&stdout), stderr: newScreen(&stderr), progress: "bar", json: true, logLevel: "warn", logFormat: "text",
		}
		p.setUp()
		m := p.startMonitor(t.Context())
		runs := map[string]*fakeRun{}
		for _, portal := range []string{"good", "bad"} {
			f := &fakeRun{total: 400, started: time.Now()}
			w := f.watch()
			w.Portal, w.Of = portal, 3
			m.watch(w)
			f.begin(t)
			runs[portal] = f
		}
		runs["good"].progress.Got.Store(200)
		m.ended(&jobs.Outcome{Portal: "bad", Err: errTest, Exit: jobs.ExitRefused})
		<-time.After(12 * time.Second)
		// The third one has not begun, so its time is not known.
		if got := stderr.String(); !strings.Contains(got, "0 of 3 portals done, 1 failed\n") || !strings.Contains(got, "bad  ended with exit code 4: 0") {
			t.Errorf("drawn:\n%q", got)
		}
		if events := stdout.String(); strings.Count(events, `"portal":"good"`) != 2 || strings.Contains(events, `"portal":"bad"`) {
			t.Errorf("events of a portal that goes on and of one that has ended:\n%s", events)
		}
		m.ended(&jobs.Outcome{Portal: "early", Err: errTest, Exit: jobs.ExitFailed})
		m.ended(&jobs.Outcome{Portal: "good"})
		m.close()
		if got := stderr.String(); !strings.Contains(got, "100%") || !strings.Contains(got, "1 of 3 portals done, 2 failed") {
			t.Errorf("drawn at the end:\n%q", got)
		}
	})
}

func TestFleetTakesAsLongAsItsSlowest(t *testing.T) {
	four := 4
	views := []view{{Total: 100, Done: 50, ETA: 30}, {Total: 400, Done: 100, ETA: 90}, {exit: &four, ETA: -1}}
	if f := (fleet{Portals: 3, Ended: 1, Failed: 1}).together(views); f.Done != 1.75 || f.text() != "0 of 3 portals done, 1 failed, 1m30s left" {
		t.Errorf("%+v: %s", f, f.text())
	}
	views[0].ETA = -1
	if f := (fleet{Portals: 3, Ended: 1}).together(views); f.ETA != -1 || f.text() != "1 of 3 portals done" {
		t.Errorf("%+v: %s", f, f.text())
	}
}

// A run that ends before its first bar draws nothing.
func TestBarsOfNothing(t *testing.T) {
	var stderr bytes.Buffer
	b := newBars(newScreen(&stderr), false)
	b.draw(fleet{}, nil)
	b.close()
	if stderr.String() != "" {
		t.Errorf("drawn: %q", stderr.String())
	}
}

func TestLogForms(t *testing.T) {
	var stderr bytes.Buffer
	p := &program{lookup: noEnv, stdout: newOutput(&bytes.Buffer{}), stderr: newScreen(&stderr), progress: "none", logLevel: "debug", logFormat: "json"}
	p.setUp()
	p.log.Debug("checkpoint", slog.Int("number", 3))
	var line struct {
		Level, Msg string
		Number     int
	}
	if err := json.Unmarshal(stderr.Bytes(), &line); err != nil || line.Level != "DEBUG" || line.Msg != "checkpoint" || line.Number != 3 {
		t.Errorf("got %s: %v", &stderr, err)
	}
}
