package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"b24export/bitrix"
	"b24export/jobs"
	"b24export/pipeline"
)

// view is the state of a portal's run at one moment, as people and machines see it.
type view struct {
	Dataset string `json:"dataset"`
	Portal  string `json:"portal"`
	Phase   string `json:"phase"`
	// Done of Total payments are complete; Total is 0 while it is not known. To get are
	// the payments that are fetched one by one.
	Done     int64 `json:"done"`
	Total    int64 `json:"total"`
	ToGet    int64 `json:"to_get"`
	Got      int64 `json:"got"`
	Carried  int64 `json:"carried"`
	Rejected int64 `json:"rejected"`
	Saved    int64 `json:"saved"`
	Requests int64 `json:"requests"`
	// Tokens is the number of requests that can be sent at once, of Burst. Both are 0
	// without a rate limit.
	Tokens float64 `json:"rate_tokens"`
	Burst  float64 `json:"rate_burst"`
	// OperatingUsed of OperatingBudget seconds are used, by the method that is nearest
	// to its budget. Both are 0 without a budget.
	OperatingUsed   float64 `json:"operating_used_s"`
	OperatingBudget float64 `json:"operating_budget_s"`
	// LimitedBy is the limit that the run waits for: rate, operating, latency or none.
	LimitedBy string `json:"binding"`
	// ETA is the remaining time of fetching in seconds, -1 while it is not known.
	ETA     float64 `json:"eta_s"`
	Seconds float64 `json:"seconds"`

	// exit is the exit code of the run, nil while it continues.
	exit *int
	// failing is the reason why the portal does not answer, nil while it answers.
	// failingFor is the time since then.
	failing    error
	failingFor time.Duration
}

// over reports whether the run has ended or has nothing more to do.
func (v *view) over() bool { return v.exit != nil || v.Phase == pipeline.PhaseDone.String() }

// failed reports whether the run ended without a snapshot.
func (v *view) failed() bool {
	return v.exit != nil && *v.exit != jobs.ExitComplete && *v.exit != jobs.ExitRejects
}

// watcher makes views of a portal's run. It is not safe for concurrent use.
type watcher struct {
	*jobs.Watch
	exit *int // nil while the run continues
}

// look returns the view at the instant now.
func (w *watcher) look(now time.Time) view {
	p, gauge := w.Progress, w.Gauge()
	v := view{
		Dataset:   w.Dataset,
		Portal:    w.Portal,
		Phase:     p.Phase().String(),
		ToGet:     p.ToGet.Load(),
		Got:       p.Got.Load(),
		Carried:   p.Carried.Load(),
		Rejected:  p.Rejected.Load(),
		Saved:     p.Saved.Load(),
		Requests:  w.Use().Requests,
		Tokens:    gauge.Tokens,
		Burst:     gauge.Burst,
		LimitedBy: gauge.LimitedBy,
		ETA:       -1,
		exit:      w.exit,
		Seconds:   now.Sub(w.Started).Seconds(),
	}
	if v.failing = gauge.Failing; v.failing != nil {
		v.failingFor = now.Sub(gauge.FailingSince)
	}
	tight := gauge.Tightest()
	v.OperatingUsed, v.OperatingBudget = tight.Used.Seconds(), tight.Budget.Seconds()
	v.Done = v.Got + v.Carried + v.Rejected + p.Vanished.Load()
	v.Total = max(w.Total(), p.Listed.Load())
	switch p.Phase() {
	case pipeline.PhaseStarting:
	case pipeline.PhaseFetching:
		if left, ok := w.Left(now); ok {
			v.ETA = left.Seconds()
		}
	case pipeline.PhaseMerging, pipeline.PhasePublishing, pipeline.PhaseDone:
		v.ETA = 0
	}
	return v
}

// text returns the view in one line, without the portal's name. The most important part
// comes first, because a terminal may cut the line.
func (v *view) text() string {
	s := v.Phase + ": " + grouped(v.Done)
	if v.failed() {
		s = fmt.Sprintf("ended with exit code %d: %s", *v.exit, grouped(v.Done))
	}
	if v.Total > 0 && v.Total != v.Done {
		s += " of " + grouped(v.Total)
	}
	if v.over() {
		return s
	}
	if v.Phase != pipeline.PhaseFetching.String() {
		if v.failing != nil {
			s += ", no good answer for " + shortTime(v.failingFor)
		}
		return s
	}
	if v.ETA >= 0 {
		s += ", " + shortTime(seconds(v.ETA)) + " left"
	}
	if v.failing != nil {
		return s + ", no good answer for " + shortTime(v.failingFor)
	}
	return s + v.limits()
}

// shortText returns the view for a narrow terminal. The most important part comes
// first.
func (v *view) shortText() string {
	const most = 12 // length of a portal's name
	portal := text.Trim(v.Portal, most)
	switch {
	case v.failed():
		return fmt.Sprintf("%s exit code %d", portal, *v.exit)
	case v.Phase != pipeline.PhaseFetching.String() || v.over():
		return portal + " " + v.Phase + ", " + grouped(v.Done)
	case v.ETA >= 0:
		portal += " " + shortTime(seconds(v.ETA)) + " left,"
	}
	if v.Total > 0 {
		return portal + " " + grouped(v.Done) + " of " + grouped(v.Total)
	}
	return portal + " " + grouped(v.Done)
}

// limits returns a short text about the use of the portal's limits.
func (v *view) limits() string {
	mark := func(limit string) string {
		if v.LimitedBy == limit {
			return " (limiting)"
		}
		return ""
	}
	s := ""
	if v.Burst > 0 {
		s += fmt.Sprintf(", rate %.0f of %.0f free%s", v.Tokens, v.Burst, mark(bitrix.LimitedByRate))
	}
	if v.OperatingBudget > 0 {
		s += fmt.Sprintf(", operating %.3g of %.3g s%s", v.OperatingUsed, v.OperatingBudget, mark(bitrix.LimitedByOperating))
	}
	if v.LimitedBy == bitrix.LimitedByLatency {
		s += ", waits for answers"
	}
	return s
}

const (
	// logEvery is the time between two log lines about a run that continues.
	logEvery = 30 * time.Second
	// eventEvery is the time between two events for machines.
	eventEvery = 5 * time.Second
)

// monitor shows the runs of a job while they continue.
type monitor struct {
	p    *program
	stop context.CancelFunc
	done sync.WaitGroup
	bars *bars // nil if there are none

	mu       sync.Mutex
	watchers []*watcher
	total    fleet
}

// fleet is the progress of all portals of a run together.
type fleet struct {
	Portals, Ended, Failed int
	// Done is the number of portals whose work is done. Half of a portal's work counts
	// as one half.
	Done float64
	// ETA is the remaining time in seconds, -1 while it is not known.
	ETA float64
}

// text returns the fleet in one line.
func (f *fleet) text() string {
	s := fmt.Sprintf("%s of %s done", grouped(f.Ended-f.Failed), plural(int64(f.Portals), "portal"))
	if f.Failed > 0 {
		s += fmt.Sprintf(", %s failed", grouped(f.Failed))
	}
	if f.ETA >= 0 && f.Ended < f.Portals {
		s += ", " + shortTime(seconds(f.ETA)) + " left"
	}
	return s
}

// together adds up views. Portals run at the same time, so the slowest one decides the
// remaining time. It is unknown while some portals have not begun.
func (f fleet) together(views []view) fleet {
	f.Done, f.ETA = float64(f.Ended), 0
	going := 0
	for i := range views {
		v := &views[i]
		if v.exit != nil {
			continue
		}
		going++
		if v.Total > 0 {
			f.Done += min(1, float64(v.Done)/float64(v.Total))
		}
		if f.ETA = max(f.ETA, v.ETA); v.ETA < 0 {
			f.ETA = math.Inf(1)
		}
	}
	if f.Ended+going < f.Portals || math.IsInf(f.ETA, 1) {
		f.ETA = -1
	}
	return f
}

// startMonitor starts to show what its watch receives. The caller stops it.
func (p *program) startMonitor(ctx context.Context) *monitor {
	run := ctx
	unsaid := context.AfterFunc(run, func() {
		if errors.Is(context.Cause(run), errInterrupted) {
			p.log.Warn("stopping, and saving what was read; a second signal ends the program at once")
		}
	})
	// It continues while an interrupted run saves its work.
	ctx, cancel := context.WithCancel(context.WithoutCancel(run))
	m := &monitor{p: p, stop: func() { unsaid(); cancel() }}
	kind := p.progressKind()
	if kind == "bar" {
		m.bars = newBars(p.stderr, p.noColor())
		m.every(ctx, barEvery, m.draw)
	}
	if kind == "log" {
		m.every(ctx, logEvery, eachView(m.log))
	}
	m.every(ctx, logEvery, eachView(m.warner()))
	if p.json {
		m.every(ctx, eventEvery, eachView(m.event))
	}
	return m
}

// watch is the function for jobs.RunOptions.Watch.
func (m *monitor) watch(w *jobs.Watch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watchers = append(m.watchers, &watcher{Watch: w})
	m.total.Portals = w.Of
}

// ended is the function for jobs.RunOptions.Ended.
func (m *monitor) ended(o *jobs.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total.Ended++
	if o.Err != nil {
		m.total.Failed++
	}
	for _, w := range m.watchers {
		if w.Portal == o.Portal {
			w.exit = &o.Exit
		}
	}
}

// draw updates the bars.
func (m *monitor) draw(views []view) {
	m.mu.Lock()
	total := m.total.together(views)
	m.mu.Unlock()
	m.bars.draw(total, views)
}

func eachView(show func(view)) func([]view) {
	return func(views []view) {
		for _, v := range views {
			show(v)
		}
	}
}

// close stops the display. The bars stay on the screen as they are.
func (m *monitor) close() {
	m.stop()
	m.done.Wait()
	if m.bars != nil {
		m.draw(m.views(time.Now()))
		m.bars.close()
	}
}

// every calls show with the portals' views every d. Its goroutine ends with ctx.
func (m *monitor) every(ctx context.Context, d time.Duration, show func([]view)) {
	m.done.Go(func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				show(m.views(now))
			case <-ctx.Done():
				return
			}
		}
	})
}

func (m *monitor) views(now time.Time) []view {
	m.mu.Lock()
	defer m.mu.Unlock()
	views := make([]view, len(m.watchers))
	for i, w := range m.watchers {
		views[i] = w.look(now)
	}
	return views
}

// log writes a line about a run that continues.
func (m *monitor) log(v view) {
	if v.over() {
		return
	}
	attrs := []slog.Attr{
		slog.String("dataset", v.Dataset), slog.String("portal", v.Portal), slog.String("phase", v.Phase),
		slog.Int64("done", v.Done), slog.Int64("total", v.Total), slog.Int64("requests", v.Requests),
		slog.String("limited_by", v.LimitedBy),
	}
	if v.ETA >= 0 {
		attrs = append(attrs, slog.String("left", shortTime(seconds(v.ETA))))
	}
	if v.LimitedBy == bitrix.LimitedByOperating {
		attrs = append(attrs, slog.String("operating", fmt.Sprintf("%.0f of %.0f s", v.OperatingUsed, v.OperatingBudget)))
	}
	m.p.log.LogAttrs(context.Background(), slog.LevelInfo, "progress", attrs...)
}

// warner returns a function that logs a portal that does not answer, for every kind of
// progress. Such a run can wait for as long as the job's patience, so a line follows only
// when the silence has doubled since the last one. The function is called by one
// goroutine.
func (m *monitor) warner() func(view) {
	logged := make(map[string]time.Duration) // the silence at the last line, by portal
	return func(v view) {
		key := v.Dataset + "/" + v.Portal
		last := logged[key]
		switch {
		case v.over() || v.failing == nil:
			delete(logged, key)
			return
		case v.failingFor >= last && v.failingFor < 2*last:
			return // a shorter silence than the last one is a new one
		}
		logged[key] = v.failingFor
		m.p.log.Warn("the portal does not answer; trying again until the job's patience ends", "dataset", v.Dataset, "portal", v.Portal,
			"for", shortTime(v.failingFor), "error", v.failing)
	}
}

// event writes a line for machines.
func (m *monitor) event(v view) {
	if !v.over() {
		// The program reports the error of standard output at the end; the run
		// continues.
		_ = m.p.stdout.line(struct {
			Progress view `json:"progress"`
		}{v})
	}
}

// noColor reports whether the environment asks for plain text; see no-color.org.
func (p *program) noColor() bool {
	value, _ := p.lookup("NO_COLOR")
	terminal, _ := p.lookup("TERM")
	return value != "" || terminal == "dumb"
}
