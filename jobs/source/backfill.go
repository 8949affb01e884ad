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

// SpanOf returns the part of the past that a backfill gets, in words, as the manifest
// has it. It is empty for other modes. A file of ids that cannot be read is an error.
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

// within makes the listing one of the backfill's days, in the time zone that the
// portal has now.
//
// It goes by id all the same, not day by day: one cursor says how far it is, a
// day with a million payments is no harder than a year with none, and a payment
// whose date changes meanwhile cannot come twice.
func (l *listSale) within(ctx context.Context, b *jobfile.BackfillSpec) error {
	now, err := portalTime(ctx, l.client)
	if err != nil {
		return err
	}
	field, days := "dateBill", b.Billed
	date := func(p *schemas.Payment) schemas.Null[schemas.Instant] { return p.DateBill }
	if days.IsZero() {
		field, days = "datePaid", b.Paid
		date = func(p *schemas.Payment) schemas.Null[schemas.Instant] { return p.DatePaid }
	}
	from, to := days.From.In(now.Location()), days.To.In(now.Location())
	l.filter = bitrix.Params{">=" + field: from.Format(time.RFC3339), "<" + field: to.Format(time.RFC3339)}
	// A row with a date in the range that is not listed: the payment is gone, or
	// has another date now. A reject without a row may belong here.
	first, end := schemas.InstantOf(from), schemas.InstantOf(to)
	l.absence = func(_ pipeline.PaymentID, last *schemas.Payment) pipeline.Absence {
		if last == nil {
			return pipeline.Doubtful
		}
		if at := date(last); at.Valid && first <= at.V && at.V < end {
			return pipeline.Doubtful
		}
		return pipeline.Outside
	}
	return nil
}
