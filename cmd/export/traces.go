package main

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracesPatience is how long a run's end waits for a collector to take the last
// spans.
const tracesPatience = 5 * time.Second

// startTraces gives the tracer that OpenTelemetry's variables ask for, nil if they
// ask for none, and the function that sends what is left and ends it. Whatever
// is wrong with traces is a warning: no run fails by them, or waits for them
// longer than tracesPatience.
func (p *program) startTraces(ctx context.Context) (trace.Tracer, func()) {
	none := func() {}
	if !p.wantsTraces() {
		return nil, none
	}
	log := p.log.With("part", "traces")
	otel.SetLogger(logr.FromSlogHandler(log.Handler()))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces are lost", "error", hideSecrets(err.Error())) }))
	// The exporter, the batches and the sampler read their variables themselves.
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		log.Warn("no traces", "error", hideSecrets(err.Error()))
		return nil, none
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "b24export"), attribute.String("service.version", buildInfo().Version)),
		resource.WithFromEnv()) // last: what the variables say counts more
	if err != nil {
		log.Warn("OTEL_RESOURCE_ATTRIBUTES is not as it should be", "error", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return provider.Tracer("b24export"), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tracesPatience)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last traces are lost", "error", hideSecrets(err.Error()))
		}
	}
}

// wantsTraces reports whether the variables name a collector that this program
// can send to.
func (p *program) wantsTraces() bool {
	get := func(names ...string) (name, value string) {
		for _, name := range names {
			if value, _ := p.lookup(name); strings.TrimSpace(value) != "" {
				return name, strings.TrimSpace(value)
			}
		}
		return "", ""
	}
	if _, disabled := get("OTEL_SDK_DISABLED"); strings.EqualFold(disabled, "true") {
		return false
	}
	name, endpoint := get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if endpoint == "" {
		return false
	}
	warn := func(name, value, why string) bool {
		p.log.Warn("no traces: "+why, slog.String(name, value))
		return false
	}
	if name, exporter := get("OTEL_TRACES_EXPORTER"); exporter == "none" {
		return false
	} else if exporter != "" && exporter != "otlp" {
		return warn(name, exporter, "only otlp is known")
	}
	if name, protocol := get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol == "grpc" {
		return warn(name, protocol, "only http/protobuf is spoken, usually at port 4318")
	}
	// It may have credentials in it, and is not shown.
	if u, err := url.Parse(endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return warn(name, "***", "it must be an address such as http://collector:4318")
	}
	return true
}
