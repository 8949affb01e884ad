package source

import (
	"context"
	"iter"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
)

// listed is a payment as a finder shows it.
type listed = pipeline.Listed[schemas.Payment]

// finder is a way to find a portal's payments. Choose says which one a run uses. Its
// functions may be called concurrently, list once.
type finder struct {
	// list yields pages of payments in strictly ascending order of id, from the
	// first one above after. What exists all the while is in it. An error ends
	// the sequence.
	list func(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error]
	// again lists some of the payments that list returned, at most a page of them,
	// as they are now. Those that are no longer there are missing; if sure is
	// false, a missing one may also be there and not be for this user. Where a get
	// was refused, the item's Reject has what the portal said.
	again func(ctx context.Context, items []listed) (there map[pipeline.PaymentID]schemas.Payment, sure bool, err error)
	// total is what pipeline.Source's Total is.
	total func() int64
	// absent is what pipeline.Source's Absent is.
	absent func(id pipeline.PaymentID, last *schemas.Payment) pipeline.Absence
	// same is pipeline.Table's Same: whether a row is as the last snapshot has
	// it, as far as this listing knows.
	same func(listed, last *schemas.Payment, mark uint64) bool
	// method is the one that shows the payments' values; "" if none does.
	method string
	// owned is whether the rows have their owners already. If so, an owner that
	// is null is none.
	owned bool
	// sale is what lists by sale.payment.list; nil: nothing does.
	sale *listSale
}

// always is a finder's absent for a way where the answer never depends on the
// payment.
func always(a pipeline.Absence) func(pipeline.PaymentID, *schemas.Payment) pipeline.Absence {
	return func(pipeline.PaymentID, *schemas.Payment) pipeline.Absence { return a }
}

// rowMaker is how rows are made of what the portal sends.
type rowMaker struct {
	casting *castFilters // what the portal is known to cast; nil: not remembered
	fields  []string
	now     func() time.Time // nil: the instants at which answers came
	clock   *listClock       // nil: the list shows dates as they are stored
	zone    *timeZone        // nil: nobody asks for it
}

func (r *rowMaker) stamp(at time.Time) time.Time {
	if r.now != nil {
		return r.now()
	}
	return at
}

// listedOr is listed for an element that err may stand for, because the portal cannot
// encode it. That makes a reject.
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
