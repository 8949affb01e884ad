package jobs

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// refreshRelated reads the related tables that the job names and that are due, for the
// payments of a published snapshot. The run still holds the lease. No error here fails
// the run: a table that cannot be read stays as it was, and its description says why.
func refreshRelated(ctx context.Context, spec *jobfile.Spec, client *bitrix.Client, data *sinks.Dataset, m *pipeline.Manifest, o *RunOptions, log *slog.Logger) {
	if m.Mode == pipeline.Backfill {
		return // the nights read them
	}
	r := &relatedRefresh{spec: spec, client: client, data: data, snapshot: m, log: log, now: time.Now}
	if o.Now != nil {
		r.now = o.Now
	}
	dropped, err := data.DropRelated(ctx, r.wanted)
	if err != nil {
		log.Warn("related tables that the job no longer names cannot be deleted", "error", err)
	}
	for _, table := range dropped {
		log.Info("related table deleted, since source.related does not name it any more", "table", table)
	}
	due, err := r.due(ctx)
	if err == nil && len(due) > 0 {
		err = r.refresh(ctx, due, o.Now)
	}
	if err != nil {
		log.Warn("related tables stay as they were", "error", err)
	}
}

type relatedRefresh struct {
	spec     *jobfile.Spec
	client   *bitrix.Client
	data     *sinks.Dataset
	snapshot *pipeline.Manifest
	log      *slog.Logger
	now      func() time.Time
}

func (r *relatedRefresh) wanted(table string) bool {
	return slices.Contains(r.spec.Source.Related, table)
}

// due returns the tables to read now. Companies and contacts are read together with
// owners, which contain their ids.
func (r *relatedRefresh) due(ctx context.Context) (map[string]bool, error) {
	due := make(map[string]bool)
	for _, table := range r.spec.Source.Related {
		d, err := r.data.Related(ctx, table)
		switch {
		case err == nil && d.Missing == "" && !pipeline.Due(d.ReadAt, r.spec.Source.RelatedEvery, r.now()):
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, sinks.ErrDamaged):
			due[table] = true
		default:
			return nil, err
		}
	}
	together := []string{"owners", "companies", "contacts"}
	if slices.ContainsFunc(together, func(table string) bool { return due[table] }) {
		for _, table := range together {
			due[table] = r.wanted(table)
		}
	}
	return due, nil
}

func (r *relatedRefresh) refresh(ctx context.Context, due map[string]bool, now func() time.Time) (err error) {
	reader := source.NewRelated(r.client, now)
	defer func() { err = errors.Join(err, reader.Close()) }()
	for p, err := range r.data.ReadPayments(ctx, r.snapshot, sinks.Above(0)) {
		if err != nil {
			return err
		}
		if err := reader.Refer(p); err != nil {
			return err
		}
	}
	if due["orders"] {
		put(ctx, r, schemas.OrderTable, reader.Orders)
	}
	if due["owners"] && put(ctx, r, schemas.OwnerTable, reader.Owners) {
		if due["companies"] {
			put(ctx, r, schemas.CompanyTable, reader.Companies)
		}
		if due["contacts"] {
			put(ctx, r, schemas.ContactTable, reader.Contacts)
		}
	}
	before := source.UseOf(r.client).Requests
	small := reader.Small(ctx, func(table string) bool { return due[table] })
	defer func() { err = errors.Join(err, small.Close()) }()
	requests := source.UseOf(r.client).Requests - before
	if due["users"] {
		store(ctx, r, schemas.UserTable, small.Users, small.Errs["users"], requests)
	}
	if due["stages"] {
		store(ctx, r, schemas.StageTable, small.Stages, small.Errs["stages"], requests)
	}
	if due["pay_systems"] {
		store(ctx, r, schemas.PaySystemTable, small.Pays, small.Errs["pay_systems"], requests)
	}
	return nil
}

// put reads a table and stores it. It reports whether that succeeded.
func put[R any](ctx context.Context, r *relatedRefresh, t *schemas.Table[R], read func(context.Context) (*source.Rows[R], error)) bool {
	before := source.UseOf(r.client).Requests
	rows, err := read(ctx)
	ok := store(ctx, r, t, rows, err, source.UseOf(r.client).Requests-before)
	if cerr := rows.Close(); cerr != nil {
		r.log.Warn("clean up after a related table", "table", t.Short(), "error", cerr)
	}
	return ok
}

// store replaces the table by the rows that were read, or records why they could not be
// read.
func store[R any](ctx context.Context, r *relatedRefresh, t *schemas.Table[R], rows *source.Rows[R], err error, requests int64) bool {
	name := t.Short()
	if err == nil {
		var d sinks.Related
		d, err = sinks.PutRelated(ctx, r.data, t, sinks.Related{
			Snapshot: r.snapshot.Snapshot, ReadAt: r.now().UTC().Truncate(time.Microsecond), Unreadable: rows.Unreadable, Requests: requests,
		}, rows.Each)
		if err == nil {
			if rows.Unreadable > 0 {
				r.log.Warn("rows of a related table cannot be read, and are left out", "table", name, "rows", rows.Unreadable, "first", rows.First)
			}
			r.log.Info("related table read", "table", name, "rows", d.Rows)
			return true
		}
	}
	why := err.Error()
	attrs := []any{"table", name, "error", err}
	if hint := relatedHint(name, err); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	r.log.Warn("related table not read; it stays as it was", attrs...)
	if ctx.Err() == nil {
		if err := r.data.MissRelated(ctx, name, why, r.now()); err != nil {
			r.log.Warn("the reason why a related table is missing cannot be stored", "table", name, "error", err)
		}
	}
	return false
}

// relatedScopes are the scopes that related tables need besides those of the payments.
var relatedScopes = map[string]string{"users": "user", "pay_systems": "pay_system"}

// relatedHint returns what to do about a related table that the portal refuses, or ""
// if that is not known.
func relatedHint(table string, err error) string {
	e, ok := errors.AsType[*bitrix.Error](err)
	if !ok || errors.Is(err, bitrix.ErrPatience) {
		return ""
	}
	scope := relatedScopes[table]
	switch {
	case e.Code == bitrix.CodeInsufficientScope && scope != "":
		return "add the scope " + scope + " to the webhook or application, or take " + table + " out of source.related"
	case table == "pay_systems" && e.Code == bitrix.CodeAccessDenied:
		return "its user must be a CRM administrator, or take pay_systems out of source.related"
	}
	return "take " + table + " out of source.related if it is not needed"
}
