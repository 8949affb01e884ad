package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"b24export/jobs"
	"b24export/pipeline"
)

// metrics shows runs to Prometheus: those under way as they are at the moment of
// asking, those that have ended by what became of them. Every series has the
// labels dataset and portal. Safe for concurrent use.
type metrics struct {
	mu      sync.Mutex
	portals []*portalMetrics
}

// portalMetrics is one portal of one job.
type portalMetrics struct {
	dataset, portal string
	watch           *jobs.Watch // nil if the run ended before it had one
	outcome         *jobs.Outcome
	// newest is the newest snapshot after the run, also after one that failed;
	// nil if there is none or it is not known.
	newest *pipeline.Manifest
}

// metric is a series of each portal, or one for each of some label's values.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newMetric(name string, kind prometheus.ValueType, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("b24export_"+name, help, append([]string{"dataset", "portal"}, labels...), nil), kind}
}

// The series. Dashboards and alerts go by these names: they may get more, and
// none goes.
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

	metricExit     = newMetric("run_exit_code", prometheus.GaugeValue, "Exit code of the portal's last run: 0 complete, 3 with rejects, others failed.")
	metricHeld     = newMetric("run_deletes_held", prometheus.GaugeValue, "Rows that the portal's last run would have deleted, more than deletes.max allows; 0 if it was not held back.")
	metricDuration = newMetric("run_duration_seconds", prometheus.GaugeValue, "How long the portal's last run took.")
	metricSuccess  = newMetric("last_success_timestamp_seconds", prometheus.GaugeValue, "When the newest snapshot was finished; its age is time() less this.")
	metricRows     = newMetric("snapshot_rows", prometheus.GaugeValue, "Rows of the newest snapshot's table.")
	metricBytes    = newMetric("snapshot_bytes", prometheus.GaugeValue, "Bytes of the newest snapshot's files.")
	metricRejects  = newMetric("snapshot_rejects", prometheus.GaugeValue, "Payments that the newest snapshot could not read.")
	metricChanges  = newMetric("snapshot_changes", prometheus.GaugeValue, "Rows that the newest snapshot changed.", "op")
)

// metricList is all of them.
var metricList = []metric{
	metricRunning, metricStarted, metricTotal, metricPayments, metricSaved, metricRequests, metricCommands, metricRetries,
	metricRefused, metricReceived, metricWaits, metricTokens, metricBurst, metricOperating, metricBudget,
	metricExit, metricHeld, metricDuration, metricSuccess, metricRows, metricBytes, metricRejects, metricChanges,
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
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
	}
	if n := p.newest; n != nil {
		put(metricSuccess, float64(n.FinishedAt.UnixMilli())/1e3)
		put(metricRows, float64(n.Ledger.Rows()))
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

// watch adds a portal's run; an earlier one of the same portal makes way.
func (m *metrics) watch(dataset string, w *jobs.Watch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.of(dataset, w.Portal)
	*p = portalMetrics{dataset: dataset, portal: w.Portal, watch: w, newest: p.newest}
}

// ended notes what became of a portal's run, and its newest snapshot.
func (m *metrics) ended(dataset string, o *jobs.Outcome, newest *pipeline.Manifest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.of(dataset, o.Portal)
	p.outcome, p.newest = o, newest
}

// of gives the entry of a portal. It wants the lock.
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

// metricsEvery is how often the metrics file is written during a run: as often
// as Prometheus scrapes by default.
const metricsEvery = 15 * time.Second

// metricsFlags say where metrics go; both may be empty.
type metricsFlags struct{ file, address string }

// exporter writes metrics to a file and serves them, until it is closed.
type exporter struct {
	metrics
	registry *prometheus.Registry
	file     string
	log      *slog.Logger
	server   *http.Server
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// startMetrics begins to show metrics. The caller closes what it gives. An
// address that cannot be listened at, or a file that cannot be written, is told
// before a run begins.
func startMetrics(ctx context.Context, f metricsFlags, log *slog.Logger) (*exporter, error) {
	e := &exporter{registry: prometheus.NewRegistry(), file: f.file, log: log}
	if err := e.registry.Register(&e.metrics); err != nil {
		return nil, err
	}
	if err := e.write(); err != nil {
		return nil, &startError{fmt.Errorf("--metrics-file: %w", err)}
	}
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	if f.address != "" {
		if strings.HasPrefix(f.address, ":") {
			f.address = "127.0.0.1" + f.address // nobody else's business, unless a host says so
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.address)
		if err != nil {
			e.stop()
			return nil, &startError{fmt.Errorf("--metrics-addr: %w", err)}
		}
		mux := http.NewServeMux()
		mux.Handle("/metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{}))
		e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
		e.done.Go(func() { _ = e.server.Serve(listener) }) // it ends by Close, which is no error
		log.Info("metrics are served", "address", "http://"+listener.Addr().String()+"/metrics")
	}
	if f.file != "" {
		e.done.Go(func() {
			tick := time.NewTicker(metricsEvery)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					e.warn(e.write())
				}
			}
		})
	}
	return e, nil
}

// write replaces the file, so that a scrape never meets half of one.
func (e *exporter) write() error {
	if e.file == "" {
		return nil
	}
	return prometheus.WriteToTextfile(e.file, e.registry)
}

func (e *exporter) warn(err error) {
	if err != nil {
		e.log.Warn("metrics not written", "error", err)
	}
}

// close writes the file a last time and stops serving.
func (e *exporter) close() {
	e.stop()
	if e.server != nil {
		_ = e.server.Close() // nothing is lost with a scrape that is cut off
	}
	e.done.Wait()
	e.warn(e.write())
}

// newestLimit bounds the look for the newest snapshot after a run that failed:
// its storage may be why.
const newestLimit = 10 * time.Second

// noteEnds tells the exporter how a job's runs ended.
func (p *program) noteEnds(ctx context.Context, e *exporter, job loadedJob, outcomes []jobs.Outcome) {
	for i := range outcomes {
		o := &outcomes[i]
		if o.Portal == "" {
			continue
		}
		newest := o.Summary.Manifest
		if newest == nil {
			var err error
			if newest, err = p.newest(ctx, job, o.Portal); err != nil {
				e.log.Debug("the newest snapshot is not known", "portal", o.Portal, "error", err)
			}
		}
		e.ended(job.spec.Name, o, newest)
	}
}

func (p *program) newest(ctx context.Context, job loadedJob, portal string) (_ *pipeline.Manifest, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), newestLimit)
	defer cancel()
	data, err := p.openData(ctx, job.spec, portal)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, data.close()) }()
	return data.Newest(ctx)
}
