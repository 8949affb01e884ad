package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// Found is a Way that is ready for one run.
type Found struct {
	Way
	// Span describes the range that a backfill fetches.
	Span string

	finder finder
	since  changes // nil: the listing itself shows the changes
	job    job
}

// job is what a way is made from.
type job struct {
	spec   *jobfile.Spec
	client *bitrix.Client
	days   *time.Location // the zone that the job names, or nil
	rowMaker
	log *slog.Logger
}

// Find decides how a run finds payments. It asks the portal only what it must know in
// advance. It does not ask whether the whole list may be read, because the list itself
// shows that; see Else. now is the clock of extracted_at; nil means the times at which
// answers arrived. The caller closes client.
func Find(ctx context.Context, spec *jobfile.Spec, portal *jobfile.PortalSpec, client *bitrix.Client, now func() time.Time, log *slog.Logger) (*Found, error) {
	j := job{
		spec: spec, days: portal.TimeZone, client: client, log: log,
		rowMaker: rowMaker{fields: spec.Source.Fields, now: now, zone: new(timeZone), casting: new(castFilters)},
	}
	part, err := partOf(ctx, &j)
	if err != nil {
		return nil, err
	}
	var refused Refusals
	switch spec.Source.List {
	case jobfile.ListIDs:
		refused.Payments, err = probe(ctx, client, bitrix.MethodPaymentList, "id")
	case jobfile.ListItems:
		refused.Owners, err = probe(ctx, client, bitrix.MethodOrderEntityList, "orderId")
	case jobfile.ListAuto, jobfile.ListSale, jobfile.ListBindings:
	}
	if err != nil {
		return nil, err
	}
	return j.find(part, refused)
}

// Else returns another way for a run that ended in err, or nil if there is none. If the
// portal refused the list of the whole portal at once, the run has changed nothing. If
// an unfinished snapshot of another job prevented the run, that may have begun with
// other rights.
func (f *Found) Else(ctx context.Context, err error) (*Found, error) {
	j := &f.job
	if j.spec.Source.List != jobfile.ListAuto {
		return nil, nil
	}
	_, changed := errors.AsType[*pipeline.JobChangedError](err)
	if refusal, ok := RefusalOf(err); !changed && (!ok || refusal.Method != bitrix.MethodPaymentList) {
		return nil, nil
	}
	var refused Refusals
	if refused.Payments, err = probe(ctx, j.client, bitrix.MethodPaymentList, "id"); err != nil {
		return nil, err
	}
	if refused.Payments != nil {
		if refused.Owners, err = probe(ctx, j.client, bitrix.MethodOrderEntityList, "orderId"); err != nil {
			return nil, err
		}
	}
	part, err := partOf(ctx, j)
	if err != nil {
		return nil, err
	}
	other, err := j.find(part, refused)
	if err != nil || other.List == f.List {
		return nil, err
	}
	return other, nil
}

// find creates what the way that Choose returns needs.
func (j *job) find(part *part, refused Refusals) (*Found, error) {
	way, err := Choose(j.spec, refused)
	if err != nil {
		return nil, err
	}
	if way.Lacks != "" {
		level := slog.LevelWarn
		if refused == (Refusals{}) {
			level = slog.LevelInfo // the job names the way
		}
		j.log.Log(context.Background(), level, way.Lacks, "why", way.Why)
	}
	f := &Found{Way: way, Span: part.span, job: *j}
	if f.finder, err = j.finder(&way, part); err != nil {
		return nil, err
	}
	f.since, err = j.changes(part.sale)
	return f, err
}

// finder returns the finder of a way.
func (j *job) finder(way *Way, part *part) (finder, error) {
	byItem := &listItems{client: j.client, rowMaker: j.rowMaker, log: j.log, ordersToo: way.ordersToo}
	switch way.List {
	case jobfile.ListSale:
		return part.sale.finder(), nil
	case jobfile.ListBindings:
		byItem.items = boundItems(j.client)
		return byItem.finder(), nil
	case jobfile.ListItems:
		byItem.items = typedItems(j.client, j.spec.Source.EntityTypes, j.log)
		return byItem.finder(), nil
	case jobfile.ListIDs:
		if way.Bare {
			return (&listBare{client: j.client, ids: part.ids, rest: part.rest}).finder(), nil
		}
		return (&listIDs{listSale: part.sale, ids: part.ids, rest: part.rest}).finder(), nil
	case jobfile.ListAuto: // Choose never returns it
	}
	return finder{}, fmt.Errorf("source.list: %s: unknown way to find payments", way.List)
}

// Done must be called when the snapshot of the run is published. If it fails, the next
// run has some work to repeat, and nothing is lost.
func (f *Found) Done(ctx context.Context) error {
	if f.since == nil {
		return nil
	}
	return f.since.done(ctx)
}

// part is the part of a portal that a job reads.
type part struct {
	sale *listSale // restricted to a backfill's days
	ids  *givenIDs // nil if the job names no ids
	// rest is what it means if a payment is not among ids.
	rest pipeline.Absence
	// span describes the range that a backfill reads.
	span string
}

// partOf reads a job's file of ids, or asks the portal for the time zone of a
// backfill's days.
func partOf(ctx context.Context, j *job) (p *part, err error) {
	p = &part{sale: &listSale{client: j.client, rowMaker: j.rowMaker, zone: j.days, log: j.log}, rest: pipeline.Gone}
	if p.ids, err = idsOf(j.spec, j.log); err != nil {
		return nil, err
	}
	if j.spec.Mode == pipeline.Backfill {
		p.rest = pipeline.Outside
		if p.ids == nil {
			err = p.sale.within(ctx, &j.spec.Backfill)
		}
	}
	p.span = spanOf(j.spec, p.ids)
	return p, err
}

// idsOf returns the checked ids of a job, nil if it has none.
func idsOf(spec *jobfile.Spec, log *slog.Logger) (*givenIDs, error) {
	if spec.Source.List != jobfile.ListIDs {
		return nil, nil
	}
	ids := &givenIDs{IDsSpec: spec.Source.IDs, log: log}
	return ids, ids.check()
}
