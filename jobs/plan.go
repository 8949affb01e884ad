package jobs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"b24export/jobs/jobfile"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// PortalPlan predicts what a run of one portal will need. The prediction is based on a
// few requests to the portal, and on the last snapshot if there is one.
type PortalPlan struct {
	Portal string `json:"portal"`
	// Mode is the mode of the next run: the first run of an incremental job is full.
	Mode pipeline.Mode `json:"mode"`
	// MayDelete is how many of the last snapshot's rows the run may delete. A run that
	// would delete more publishes nothing. It is 0 if there is no snapshot.
	MayDelete int64 `json:"may_delete"`
	source.Estimate
}

// MakePlan predicts a run of one of the job's portals. It reads the portal and
// the sink, and writes nothing.
func MakePlan(ctx context.Context, spec *jobfile.Spec, portal string, opts *RunOptions) (_ PortalPlan, err error) {
	o := opts.withDefaults()
	i := slices.IndexFunc(spec.Portals, func(p jobfile.PortalSpec) bool { return p.Name == portal })
	if i < 0 {
		return PortalPlan{}, &UsageError{Text: fmt.Sprintf("the job has no portal %q", portal)}
	}
	data, closeData, err := openDataset(ctx, spec, portal, "", &o, o.Log)
	if err != nil {
		return PortalPlan{}, err
	}
	defer func() { err = errors.Join(err, closeData()) }()
	used := usedBefore(ctx, data, o.Log)
	if used == nil {
		used = o.usedByOthers(&spec.Portals[i])
	}
	client, done, err := o.newClient(ctx, spec, &spec.Portals[i], used, o.Log)
	if err != nil {
		return PortalPlan{}, err
	}
	defer done()

	status, err := data.Status(ctx)
	if err != nil {
		return PortalPlan{}, err
	}
	plan := PortalPlan{Portal: portal, Mode: spec.Mode}
	if spec.Mode == pipeline.Incremental {
		plan.Mode, _ = pipeline.ResolveIncremental(status.Newest, spec.Fingerprint(portal), spec.FullEvery, time.Now())
	}
	last := status.Newest
	if last != nil {
		rows := last.Ledger.Rows()
		plan.MayDelete = min(spec.Deletes.Max.Allowed(rows), max(0, rows-1))
	}
	if plan.Mode != pipeline.Incremental {
		last = nil
	}
	read := func(ctx context.Context, m *pipeline.Manifest, after pipeline.PaymentID) iter.Seq2[*schemas.Payment, error] {
		return data.ReadPayments(ctx, m, sinks.Above(after))
	}
	plan.Estimate, err = source.MakeEstimate(ctx, spec, client, spec.Portals[i].EffectiveLimits(), last, read, data.Marks)
	if err != nil {
		return PortalPlan{}, err
	}
	return plan, nil
}
