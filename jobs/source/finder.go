package source

import (
	"context"
	"iter"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
)

// listed is a payment as a finder lists it.
type listed = pipeline.Listed[schemas.Payment]

// finder is a way to find a portal's payments. Choose decides which one a run uses. Its
// functions may be called concurrently, except list, which is called once for each part of
// the listing.
type finder struct {
	// list yields pages of payments in strictly ascending order of id, from the first
	// one above after. It includes every payment that exists during the whole listing.
	// An error ends the sequence.
	list func(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error]
	// again lists some of the payments that list returned, at most a page of them, in
	// their current state. Payments that no longer exist are missing from the result.
	// If sure is false, a missing payment may also exist but be refused to this user.
	// If a get was refused, the item's Reject contains the portal's error.
	again func(ctx context.Context, items []listed) (there map[pipeline.PaymentID]schemas.Payment, sure bool, err error)
	// byID implements Find of pipeline.Source. nil: sale.payment.list finds payments by
	// their ids.
	byID func(ctx context.Context, ids []pipeline.PaymentID) ([]listed, error)
	// total implements Total of pipeline.Source.
	total func() int64
	// absent implements Absent of pipeline.Source.
	absent func(id pipeline.PaymentID, last *schemas.Payment) pipeline.Absence
	// same implements Same of pipeline.Table. It reports whether a row equals that of
	// the last snapshot, as far as this listing shows it.
	same func(listed, last *schemas.Payment, mark uint64) bool
	// method is the method that shows the payments' values; "" if none does.
	method string
	// owned reports whether the rows already contain their owners. Then a null owner
	// means that there is none.
	owned bool
	// sale is the listing by sale.payment.list, nil if the finder has none.
	sale *listSale
}

// always returns an absent function whose result does not depend on the payment.
func always(a pipeline.Absence) func(pipeline.PaymentID, *schemas.Payment) pipeline.Absence {
	return func(pipeline.PaymentID, *schemas.Payment) pipeline.Absence { return a }
}

// rowMaker makes rows from what the portal sends.
type rowMaker struct {
	casting *castFilters // which filters the portal casts; nil: not remembered
	fields  []string
	now     func() time.Time // nil: the times at which answers arrived
	clock   *listClock       // nil: the list shows dates as they are stored
	zone    *timeZone        // nil: not needed
}

func (r *rowMaker) stamp(at time.Time) time.Time {
	if r.now != nil {
		return r.now()
	}
	return at
}

// notEncoded describes a payment that the portal cannot encode, where its own error is not
// kept.
const notEncoded = "a text of the payment is not UTF-8"

// listedOr is like listed for an element that the portal may not be able to encode. err
// is the portal's error for it, and makes a reject.
func (r *rowMaker) listedOr(err *bitrix.Error, raw []byte, id pipeline.PaymentID, at time.Time) listed {
	if err == nil {
		return r.listed(raw, id, at)
	}
	at = r.stamp(at)
	item := listed{ID: id, Reject: &pipeline.Reject{
		ID: id, Stage: "list", Code: err.Code, Description: err.Description, Attempts: 1, SeenAt: at,
	}}
	item.Row.ID, item.Row.ExtractedAt = int64(id), schemas.Some(schemas.InstantOf(at))
	return item
}

// listed reads an element of a listing of payments.
func (r *rowMaker) listed(raw []byte, id pipeline.PaymentID, at time.Time) listed {
	r.zone.see(raw)
	at = r.stamp(at)
	item := listed{ID: id}
	if err := item.Row.ReadListed(raw, r.fields); err != nil {
		item.Reject = badValue(id, "list", err, 1, at)
	} else if r.clock != nil {
		r.clock.correct(&item.Row, raw)
	}
	item.Row.ExtractedAt = schemas.Some(schemas.InstantOf(at))
	return item
}
