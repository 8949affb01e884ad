package source

import (
	"context"
	"log/slog"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
	"b24export/schemas"
)

// SpanOf returns a description of the range that a backfill fetches, as the manifest
// contains it. It is empty for other modes. A file of ids that cannot be read is an
// error.
func SpanOf(spec *jobfile.Spec) (string, error) {
	ids, err := idsOf(spec, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	return spanOf(spec, ids), nil
}

func spanOf(spec *jobfile.Spec, ids *givenIDs) string {
	switch {
	case spec.Mode != pipeline.Backfill:
		return ""
	case ids != nil:
		return ids.String()
	}
	return spec.Backfill.String()
}

// within restricts the listing to the backfill's days.
//
// The listing is still by id, not day by day. One cursor is then the whole progress, a
// day with a million payments is no harder than a year with none, and a payment whose
// date changes meanwhile cannot be listed twice.
func (l *listSale) within(ctx context.Context, b *jobfile.BackfillSpec) error {
	now, err := portalTime(ctx, l.client)
	if err != nil {
		return err
	}
	d := &days{DateRange: b.Billed, field: "dateBill", date: func(p *schemas.Payment) schemas.Null[schemas.Instant] { return p.DateBill }}
	if d.IsZero() {
		d.DateRange, d.field = b.Paid, "datePaid"
		d.date = func(p *schemas.Payment) schemas.Null[schemas.Instant] { return p.DatePaid }
	}
	d.filter = func(from, to schemas.Instant) bitrix.Params {
		text := func(at schemas.Instant) string { return at.Time().In(now.Location()).Format(time.RFC3339) }
		return bitrix.Params{">=" + d.field: text(from), "<" + d.field: text(to)}
	}
	l.days = d
	l.filter = d.filter(wallOf(d.From)-daysSlack, wallOf(d.To)+daysSlack)
	// A reject without a row may belong to the days.
	l.absence = func(_ pipeline.PaymentID, last *schemas.Payment) pipeline.Absence {
		if last == nil || d.had(last) {
			return pipeline.Doubtful
		}
		return pipeline.Outside
	}
	return nil
}
