package jobs

import (
	"context"
	"iter"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"b24export/pipeline"
	"b24export/schemas"
)

// spans starts the spans below one span. They travel in no context: whatever
// sends requests below would take them for its own, and tell of addresses that
// are nobody's business.
type spans struct {
	tracer trace.Tracer
	parent trace.Span
}

// spansOf begins a span, with those below it; nil if there is no tracer.
func spansOf(ctx context.Context, tracer trace.Tracer, name string, attrs ...attribute.KeyValue) *spans {
	if tracer == nil {
		return nil
	}
	_, span := tracer.Start(ctx, name, trace.WithAttributes(attrs...))
	return &spans{tracer: tracer, parent: span}
}

// start begins a span below.
func (s *spans) start(ctx context.Context, name string, attrs ...attribute.KeyValue) trace.Span {
	_, span := s.tracer.Start(trace.ContextWithSpan(ctx, s.parent), name, trace.WithAttributes(attrs...))
	return span
}

// below is a span with its own spans below it.
func (s *spans) below(ctx context.Context, name string, attrs ...attribute.KeyValue) *spans {
	if s == nil {
		return nil
	}
	return &spans{tracer: s.tracer, parent: s.start(ctx, name, attrs...)}
}

// end ends the span itself.
func (s *spans) end(err error, attrs ...attribute.KeyValue) {
	if s != nil {
		endSpan(s.parent, err, attrs...)
	}
}

func endSpan(span trace.Span, err error, attrs ...attribute.KeyValue) {
	span.SetAttributes(attrs...)
	if err != nil {
		// No error of ours has a secret in its text.
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// The attributes of spans.
const (
	attrDataset  = attribute.Key("b24export.dataset")
	attrPortal   = attribute.Key("b24export.portal")
	attrPortals  = attribute.Key("b24export.portals")
	attrExit     = attribute.Key("b24export.exit")
	attrSnapshot = attribute.Key("b24export.snapshot")
	attrResumed  = attribute.Key("b24export.resumed")
	attrRequests = attribute.Key("b24export.requests")
	attrCommands = attribute.Key("b24export.commands")
	attrRetries  = attribute.Key("b24export.retries")
	attrRateWait = attribute.Key("b24export.rate_wait_s")
	attrOpWait   = attribute.Key("b24export.operating_wait_s")
	attrWait     = attribute.Key("b24export.wait_s")
	attrPayments = attribute.Key("b24export.payments")
	attrFirst    = attribute.Key("b24export.first_id")
	attrPages    = attribute.Key("b24export.pages")
	attrRows     = attribute.Key("b24export.rows")
	attrCarried  = attribute.Key("b24export.carried")
	attrRejects  = attribute.Key("b24export.rejects")
	attrVanished = attribute.Key("b24export.vanished")
	attrNumber   = attribute.Key("b24export.checkpoint")
	attrFiles    = attribute.Key("b24export.files")
)

// outcomeAttrs are what became of a portal.
func outcomeAttrs(o *Outcome) []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		attrExit.Int(o.Exit), attrSnapshot.String(string(o.Summary.Snapshot)), attrResumed.Bool(o.Summary.Resumed),
		attrRequests.Int64(o.Summary.Use.Requests), attrCommands.Int64(o.Summary.Use.Commands), attrRetries.Int64(o.Summary.Use.Retries),
		attrRateWait.Float64(o.Summary.Use.RateWaitS), attrOpWait.Float64(o.Summary.Use.OperatingWaitS),
		attrPayments.Int64(o.Summary.Ledger.Listed), attrRejects.Int64(o.Summary.Ledger.Rejected),
	}
	return attrs
}

// tracedSource has a span for a listing and for each chunk that is got.
type tracedSource struct {
	pipeline.Source[schemas.Payment]
	spans *spans
}

func (s *tracedSource) List(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]pipeline.Listed[schemas.Payment], error] {
	pages := s.Source.List(ctx, after)
	return func(yield func([]pipeline.Listed[schemas.Payment], error) bool) {
		span := s.spans.start(ctx, "list")
		var n, payments int64
		var failed error
		// The listing stands still while what it listed is got: its own time is
		// that between asking for a page and having it.
		var waited time.Duration
		defer func() {
			endSpan(span, failed, attrPages.Int64(n), attrPayments.Int64(payments), attrWait.Float64(waited.Seconds()))
		}()
		asked := time.Now()
		for page, err := range pages {
			waited += time.Since(asked)
			n, payments, failed = n+1, payments+int64(len(page)), err
			if !yield(page, err) {
				return
			}
			asked = time.Now()
		}
	}
}

func (s *tracedSource) Get(ctx context.Context, chunk []pipeline.Listed[schemas.Payment]) (pipeline.Got[schemas.Payment], error) {
	span := s.spans.start(ctx, "get", attrPayments.Int(len(chunk)))
	if len(chunk) > 0 {
		span.SetAttributes(attrFirst.Int64(int64(chunk[0].ID)))
	}
	got, err := s.Source.Get(ctx, chunk)
	endSpan(span, err, attrRows.Int(len(got.Rows)), attrRejects.Int(len(got.Rejects)), attrVanished.Int(len(got.Vanished)))
	return got, err
}

// tracedSink has a span for each thing that is written.
type tracedSink struct {
	pipeline.Sink[schemas.Payment]
	spans *spans
}

func (s *tracedSink) Begin(ctx context.Context) (pipeline.State, error) {
	span := s.spans.start(ctx, "begin")
	state, err := s.Sink.Begin(ctx)
	endSpan(span, err)
	return state, err
}

func (s *tracedSink) WriteSegment(ctx context.Context, number int64, part pipeline.Part[schemas.Payment]) (pipeline.Segment, error) {
	span := s.spans.start(ctx, "segment", attrNumber.Int64(number), attrRows.Int(len(part.Rows)), attrRejects.Int(len(part.Rejects)))
	segment, err := s.Sink.WriteSegment(ctx, number, part)
	endSpan(span, err)
	return segment, err
}

func (s *tracedSink) Commit(ctx context.Context, cp pipeline.Checkpoint) error {
	span := s.spans.start(ctx, "checkpoint", attrNumber.Int64(cp.Number))
	err := s.Sink.Commit(ctx, cp)
	endSpan(span, err)
	return err
}

func (s *tracedSink) Merge(ctx context.Context, cp pipeline.Checkpoint, last *pipeline.Manifest) (pipeline.MergeResult, error) {
	span := s.spans.start(ctx, "merge", attrSnapshot.String(string(cp.Snapshot)))
	made, err := s.Sink.Merge(ctx, cp, last)
	endSpan(span, err, attrRows.Int64(made.Rows), attrCarried.Int64(made.Carried), attrFiles.Int(len(made.Files)))
	return made, err
}

func (s *tracedSink) Publish(ctx context.Context, m *pipeline.Manifest) error {
	span := s.spans.start(ctx, "publish", attrSnapshot.String(string(m.Snapshot)))
	err := s.Sink.Publish(ctx, m)
	endSpan(span, err)
	return err
}

func (s *tracedSink) Sweep(ctx context.Context, cp pipeline.Checkpoint) error {
	span := s.spans.start(ctx, "sweep")
	err := s.Sink.Sweep(ctx, cp)
	endSpan(span, err)
	return err
}
