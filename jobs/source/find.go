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

// Found is a Way, ready to be used for one run.
type Found struct {
	Way
	// Span is the part of the past that a backfill gets, in words.
	Span string

	finder finder
	since  changes // nil: the listing itself shows the changes
	job    job
}

// job is what a way is made for.
type job struct {
	spec   *jobfile.Spec
	client *bitrix.Client
	days   *time.Location // the zone that the job names; nil: none
	rowMaker
	log *slog.Logger
}

// Find finds out how a run finds payments. It asks the portal only what it must
// know beforehand: whether the whole list may be read, the list itself shows; see
// Else. now is the clock of extracted_at; nil: the instants at which answers came.
// The caller closes client.
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

// Else is another way for a run that ended in err; nil if there is none. A run that
// finds the whole portal's list refused at once has changed nothing. One that finds
// an unfinished snapshot in its way may have begun it with other rights.
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

// find makes what the way that Choose decides for needs.
func (j *job) find(part *part, refused Refusals) (*Found, error) {
	way, err := Choose(j.spec, refused)
	if err != nil {
		return nil, err
	}
	if way.Lacks != "" {
		level := slog.LevelWarn
		if refused == (Refusals{}) {
			level = slog.LevelInfo // as the job says
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

// finder makes a way's finder.
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
	case jobfile.ListAuto: // Choose has decided
	}
	return finder{}, fmt.Errorf("source.list: %s: nothing finds payments so", way.List)
}

// Done is to be called when the snapshot of a run that found payments so is
// published. An error costs the next run some work, and nothing else.
func (f *Found) Done(ctx context.Context) error {
	if f.since == nil {
		return nil
	}
	return f.since.done(ctx)
}

// part is the part of a portal that a job reads.
type part struct {
	sale *listSale // narrowed to a backfill's days
	ids  *givenIDs // nil: the job returns none
	// rest is what it means that a payment is not among ids.
	rest pipeline.Absence
	// span says in words which part of the past a backfill reads.
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

// idsOf returns the ids in a job, checked; nil if it has none.
func idsOf(spec *jobfile.Spec, log *slog.Logger) (*givenIDs, error) {
	if spec.Source.List != jobfile.ListIDs {
		return nil, nil
	}
	ids := &givenIDs{IDsSpec: spec.Source.IDs, log: log}
	return ids, ids.check()
}
