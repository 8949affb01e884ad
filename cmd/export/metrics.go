package main

import (
	"errors"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"b24export/jobs"
	"b24export/pipeline"
)

// metrics exports runs to Prometheus: the present state of runs under way, and the
// result of runs that have ended. Every series has the labels dataset and portal. It is
// safe for concurrent use.
type metrics struct {
	mu      sync.Mutex
	portals []*portalMetrics
	jobs    map[string]int // exit codes by job file, of jobs that have ended
}

// portalMetrics is a portal of a job.
type portalMetrics struct {
	dataset, portal string
	watch           *jobs.Watch // nil if the run ended before it had one
	outcome         *jobs.Outcome
	// newest is the newest snapshot after the run, also after a run that failed. It is
	// nil if there is none or if it is not known.
	newest *pipeline.Manifest
}

// metric is a series of each portal, or a series for each value of a label.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newMetric(name string, kind prometheus.ValueType, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("b24export_"+name, help, append([]string{"dataset", "portal"}, labels...), nil), kind}
}

// The series. Dashboards and alerts use these names, so series may be added but never
// removed.
var (
	metricRunning   = newMetric("running", prometheus.GaugeValue, "Whether the portal's run is under way.")
	metricStarted   = newMetric("run_start_timestamp_seconds", prometheus.GaugeValue, "When the run began.")
	metricTotal     = newMetric("portal_payments", prometheus.GaugeValue, "Payments that the portal lists, as far as is known.")
	metricPayments  = newMetric("payments_total", prometheus.CounterValue, "Payments accounted for by the snapshot under way, resumed work included.", "result")
	metricSaved     = newMetric("payments_saved_total", prometheus.CounterValue, "Payments accounted for by the newest checkpoint.")
	metricRequests  = newMetric("requests_total", prometheus.CounterValue, "HTTP requests sent to the portal.")
	metricCommands  = newMetric("commands_total", prometheus.CounterValue, "Commands sent to the portal, one by one or in batches.")
	metricRetries   = newMetric("retries_total", prometheus.CounterValue, "Requests repeated.")
	metricRefused   = newMetric("refused_requests_total", prometheus.CounterValue, "Requests that the portal refused for its rate limit: others use it too.")
	metricReceived  = newMetric("received_bytes_total", prometheus.CounterValue, "Bytes received from the portal, as sent over the network.")
	metricWaits     = newMetric("limit_wait_seconds_total", prometheus.CounterValue, "Seconds that requests waited for a limit of the portal, summed over requests.", "limit")
	metricTokens    = newMetric("rate_free_requests", prometheus.GaugeValue, "Requests that could be sent at once.")
	metricBurst     = newMetric("rate_burst_requests", prometheus.GaugeValue, "Requests that the rate limit allows at once.")
	metricOperating = newMetric("operating_used_seconds", prometheus.GaugeValue, "Operating time spent of a method's budget.", "method")
	metricBudget    = newMetric("operating_budget_seconds", prometheus.GaugeValue, "A method's operating budget.", "method")

	metricJobExit  = prometheus.NewDesc("b24export_job_exit_code", "Exit code of a job file's last run; 2: it was wrong, and nothing was started.", []string{"file"}, nil)
	metricExit     = newMetric("run_exit_code", prometheus.GaugeValue, "Exit code of the portal's last run: 0 complete, 3 with rejects, others failed.")
	metricHeld     = newMetric("run_deletes_held", prometheus.GaugeValue, "Rows that the portal's last run would have deleted, more than deletes.max allows; 0 if it was not held back.")
	metricDuration = newMetric("run_duration_seconds", prometheus.GaugeValue, "How long the portal's last run took.")
	metricSuccess  = newMetric("last_success_timestamp_seconds", prometheus.GaugeValue, "When the newest snapshot was finished; its age is time() less this.")
	metricRows     = newMetric("snapshot_rows", prometheus.GaugeValue, "Rows of the newest snapshot's table.")
	metricListing  = newMetric("snapshot_listing", prometheus.GaugeValue, "1, with the way in which the newest snapshot's payments were found (a value of source.list), and whether the job or auto chose it.", "listing", "chosen_by")
	metricBytes    = newMetric("snapshot_bytes", prometheus.GaugeValue, "Bytes of the newest snapshot's files.")
	metricRejects  = newMetric("snapshot_rejects", prometheus.GaugeValue, "Payments that the newest snapshot could not read.")
	metricNew      = newMetric("snapshot_new_rejects", prometheus.GaugeValue, "Rejects of the newest snapshot that the one before did not have.")
	metricChanges  = newMetric("snapshot_changes", prometheus.GaugeValue, "Rows that the newest snapshot changed.", "op")
)

// metricList has all series.
var metricList = []metric{
	metricRunning, metricStarted, metricTotal, metricPayments, metricSaved, metricRequests, metricCommands, metricRetries,
	metricRefused, metricReceived, metricWaits, metricTokens, metricBurst, metricOperating, metricBudget,
	metricExit, metricHeld, metricDuration, metricSuccess, metricRows, metricListing, metricBytes, metricRejects, metricNew, metricChanges,
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	to <- metricJobExit
	for _, s := range metricList {
		to <- s.desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	portals := make([]portalMetrics, len(m.portals))
	for i, p := range m.portals {
		portals[i] = *p
	}
	for file, code := range m.jobs {
		to <- prometheus.MustNewConstMetric(metricJobExit, prometheus.GaugeValue, float64(code), file)
	}
	m.mu.Unlock()
	for i := range portals {
		portals[i].collect(func(s metric, value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(s.desc, s.kind, value, append([]string{portals[i].dataset, portals[i].portal}, labels...)...)
		})
	}
}

func (p *portalMetrics) collect(put func(s metric, value float64, labels ...string)) {
	running := 0.0
	if p.outcome == nil {
		running = 1
	}
	put(metricRunning, running)
	if w := p.watch; w != nil {
		put(metricStarted, float64(w.Started.UnixMilli())/1e3)
		put(metricTotal, float64(max(w.Total(), w.Progress.Listed.Load())))
		put(metricPayments, float64(w.Progress.Got.Load()), "got")
		put(metricPayments, float64(w.Progress.Carried.Load()), "carried")
		put(metricPayments, float64(w.Progress.Rejected.Load()), "rejected")
		put(metricPayments, float64(w.Progress.Vanished.Load()), "vanished")
		put(metricSaved, float64(w.Progress.Saved.Load()))
		use := w.Use()
		put(metricRequests, float64(use.Requests))
		put(metricCommands, float64(use.Commands))
		put(metricRetries, float64(use.Retries))
		put(metricRefused, float64(use.Refused))
		put(metricReceived, float64(use.BytesReceived))
		put(metricWaits, use.RateWaitS, "rate")
		put(metricWaits, use.OperatingWaitS, "operating")
		gauge := w.Gauge()
		if gauge.Burst > 0 {
			put(metricTokens, gauge.Tokens)
			put(metricBurst, gauge.Burst)
		}
		for _, method := range gauge.Methods {
			if method.Budget > 0 {
				put(metricOperating, method.Used.Seconds(), method.Method)
				put(metricBudget, method.Budget.Seconds(), method.Method)
			}
		}
	}
	if o := p.outcome; o != nil {
		put(metricExit, float64(o.Exit))
		held, _ := errors.AsType[*pipeline.DeletesError](o.Err)
		if held == nil {
			held = new(pipeline.DeletesError)
		}
		put(metricHeld, float64(held.Deleted))
		put(metricDuration, o.Seconds)
		put(metricNew, float64(o.NewRejects))
	}
	if n := p.newest; n != nil {
		put(metricSuccess, float64(n.FinishedAt.UnixMilli())/1e3)
		put(metricRows, float64(n.Ledger.Rows()))
		chosenBy := "job"
		if strings.HasPrefix(n.SourceWhy, "auto:") {
			chosenBy = "auto"
		}
		put(metricListing, 1, n.Source, chosenBy)
		var bytes int64
		for _, f := range n.Files {
			bytes += f.Bytes
		}
		put(metricBytes, float64(bytes))
		put(metricRejects, float64(n.Ledger.Rejected))
		put(metricChanges, float64(n.Changes.Insert), "insert")
		put(metricChanges, float64(n.Changes.Update), "update")
		put(metricChanges, float64(n.Changes.Delete), "delete")
	}
}

// watch adds a portal's run. It replaces an earlier run of the same portal.
func (m *metrics) watch(dataset string, w *jobs.Watch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.of(dataset, w.Portal)
	*p = portalMetrics{dataset: dataset, portal: w.Portal, watch: w, newest: p.newest}
}

// ended records the result of a portal's run, and its newest snapshot.
func (m *metrics) ended(dataset string, o *jobs.Outcome, newest *pipeline.Manifest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.of(dataset, o.Portal)
	p.outcome, p.newest = o, newest
}

// jobEnded records the exit code of a job file's run.
func (m *metrics) jobEnded(file string, code int) {
	if file == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.jobs == nil {
		m.jobs = make(map[string]int)
	}
	m.jobs[strings.ToValidUTF8(file, "\ufffd")] = code // other texts cannot be labels
}

// of returns the entry of a portal. The caller holds the lock.
func (m *metrics) of(dataset, portal string) *portalMetrics {
	for _, p := range m.portals {
		if p.dataset == dataset && p.portal == portal {
			return p
		}
	}
	p := &portalMetrics{dataset: dataset, portal: portal}
	m.portals = append(m.portals, p)
	return p
}
