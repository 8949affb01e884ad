package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/push"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"b24export/jobs"
	"b24export/pipeline"
)

// metricsEvery is the time between two writes of the metrics during a run. It is the
// default interval of Prometheus' scrapes.
const metricsEvery = 15 * time.Second

// metricsFlags are the destinations of metrics; all may be empty. instance is the name
// of the run on a Pushgateway.
type metricsFlags struct{ file, address, push, instance string }

// exporter writes metrics to a file, pushes them and serves them until it is closed.
type exporter struct {
	metrics
	registry *prometheus.Registry
	file     string
	pusher   *push.Pusher // nil without a Pushgateway
	log      *slog.Logger
	server   *http.Server
	stop     context.CancelFunc
	done     sync.WaitGroup
}

// newExporter returns an exporter that has not started.
func newExporter(f metricsFlags, log *slog.Logger) (*exporter, error) {
	e := &exporter{registry: prometheus.NewRegistry(), file: f.file, log: log}
	if err := e.registry.Register(&e.metrics); err != nil {
		return nil, err
	}
	if f.push == "" {
		return e, nil
	}
	u, err := url.Parse(f.push)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, &startError{errors.New("--metrics-push: must be the address of a Pushgateway, such as http://pushgateway:9091, without a user")}
	}
	instance := cmp.Or(u.Query().Get("instance"), f.instance)
	u.RawQuery = ""
	e.pusher = push.New(u.String(), "b24export").Gatherer(e.registry).Client(&http.Client{Timeout: pushLimit}).
		Grouping("instance", cmp.Or(instance, "b24export"))
	return e, nil
}

// pushLimit is the maximum duration of a push.
const pushLimit = 10 * time.Second

// startMetrics starts to export metrics. The caller closes the exporter. It returns an
// error if it cannot listen at the address or write the file, so that the run does not
// begin.
func startMetrics(ctx context.Context, f metricsFlags, log *slog.Logger) (*exporter, error) {
	e, err := newExporter(f, log)
	if err != nil {
		return nil, err
	}
	if err := e.write(); err != nil {
		return nil, &startError{fmt.Errorf("--metrics-file: %w", err)}
	}
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	if f.address != "" {
		if strings.HasPrefix(f.address, ":") {
			f.address = "127.0.0.1" + f.address // the loopback address, unless a host is set
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.address)
		if err != nil {
			e.stop()
			return nil, &startError{fmt.Errorf("--metrics-addr: %w", err)}
		}
		mux := http.NewServeMux()
		mux.Handle("/metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{}))
		e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second}
		e.done.Go(func() { _ = e.server.Serve(listener) }) // it ends by Close, which is not an error
		log.Info("metrics are served", "address", "http://"+listener.Addr().String()+"/metrics")
	}
	if f.file != "" {
		e.every(ctx, func() { e.warn(e.write()) })
	}
	if e.pusher != nil {
		e.every(ctx, func() { e.warn(e.pusher.PushContext(ctx)) })
	}
	return e, nil
}

// every calls do every metricsEvery until ctx ends.
func (e *exporter) every(ctx context.Context, do func()) {
	e.done.Go(func() {
		tick := time.NewTicker(metricsEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				do()
			}
		}
	})
}

// write replaces the file, so that a scrape never reads half of one.
func (e *exporter) write() error {
	if e.file == "" {
		return nil
	}
	return prometheus.WriteToTextfile(e.file, e.registry)
}

func (e *exporter) warn(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		e.log.Warn("metrics not written", "error", err)
	}
}

// close writes and pushes a last time, and stops the server.
func (e *exporter) close() {
	e.stop()
	if e.server != nil {
		_ = e.server.Close() // an interrupted scrape loses nothing
	}
	e.done.Wait()
	e.warn(e.write())
	if e.pusher != nil {
		e.warn(e.pusher.Push())
	}
}

// notStarted reports exit code 2 for job files of which nothing was started. The other
// metrics stay as the last run wrote them, so that the age of a snapshot is still
// known.
func (p *program) notStarted(f metricsFlags, files []string) {
	if f.file == "" && f.push == "" {
		return
	}
	e, err := newExporter(f, p.log)
	if err != nil {
		return // the command line is wrong too; the next try reports it
	}
	for _, file := range files {
		e.jobEnded(file, jobs.ExitUsage)
	}
	if e.file != "" {
		e.warn(prometheus.WriteToTextfile(e.file, prometheus.Gatherers{e.registry, prometheus.GathererFunc(e.lastWritten)}))
	}
	if e.pusher != nil {
		e.warn(e.pusher.Add()) // it replaces only metrics of the same name
	}
}

// lastWritten returns the content of the metrics file, except the exit codes of jobs.
// It returns nothing for a missing or damaged file.
func (e *exporter) lastWritten() ([]*dto.MetricFamily, error) {
	file, err := os.Open(e.file)
	if err != nil {
		return nil, nil
	}
	defer file.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(file)
	if err != nil {
		return nil, nil
	}
	delete(families, "b24export_job_exit_code")
	return slices.Collect(maps.Values(families)), nil
}

// newestLimit is the maximum time to find the newest snapshot after a run that failed.
// Its storage may be the reason of the failure.
const newestLimit = 10 * time.Second

// noteEnds records in the exporter the results of a job's runs.
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
