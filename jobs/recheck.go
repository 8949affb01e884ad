package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/schemas"
)

// Verdict is the result of comparing a row with its payment, fetched again.
type Verdict string

// The verdicts. Only Differs means that the table is wrong.
const (
	Equal Verdict = "equal"
	// ChangedSince: the payment's order was saved after the row was read.
	ChangedSince Verdict = "changed since"
	// Refused: the payment cannot be fetched: deleted since, or not for this user.
	Refused Verdict = "refused"
	// Differs: its order was not saved since, or the portal does not show it.
	Differs Verdict = "differs"
)

// Rechecked is the comparison of one row with the portal.
type Rechecked struct {
	ID      pipeline.PaymentID `json:"id"`
	Verdict Verdict            `json:"verdict"`
	// Columns are the columns that differ.
	Columns []string `json:"columns,omitempty"`
	// ReadAt is when the row was read.
	ReadAt time.Time `json:"read_at"`
	// Detail is what the portal answered, or what is not known.
	Detail string `json:"detail,omitempty"`
}

// clockDoubt is how far the portal's clock may be behind ours before Recheck takes a
// change after the row was read for a change before it.
const clockDoubt = 5 * time.Minute

// Recheck fetches the payments of rows again from a portal of the job, and compares the
// columns that crm.item.payment.get returns. A payment has no modification time, but
// saving a payment saves its order. For payments that differ, Recheck therefore fetches
// the time at which the order was saved. The result has the order of rows.
func Recheck(ctx context.Context, spec *jobfile.Spec, portal string, rows []schemas.Payment, opts *RunOptions) ([]Rechecked, error) {
	o := opts.withDefaults()
	i := slices.IndexFunc(spec.Portals, func(p jobfile.PortalSpec) bool { return p.Name == portal })
	if i < 0 {
		return nil, &UsageError{Text: fmt.Sprintf("the job has no portal %q", portal)}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	client, done, err := o.newClient(ctx, spec, &spec.Portals[i], o.usedByOthers(&spec.Portals[i]), o.Log)
	if err != nil {
		return nil, err
	}
	defer done()
	commands := make([]bitrix.Command, len(rows))
	for i, row := range rows {
		commands[i] = source.GetCommand(pipeline.PaymentID(row.ID))
	}
	results, err := client.Batch(ctx, commands)
	if err != nil {
		return nil, err
	}
	list := make([]Rechecked, len(rows))
	doubtful := make(map[int64][]int) // order → places in list
	for i, row := range rows {
		r := &list[i]
		*r = Rechecked{ID: pipeline.PaymentID(row.ID), Verdict: Equal, ReadAt: row.ExtractedAt.V.Time()}
		if err := results[i].Err; err != nil {
			r.Verdict, r.Detail = Refused, err.Error()
			continue
		}
		now := row
		if err := now.ReadGot(results[i].Value); err != nil {
			r.Verdict, r.Detail = Differs, err.Error()
			continue
		}
		if r.Columns = schemas.Changed(&row, &now); len(r.Columns) == 0 {
			continue
		}
		r.Verdict = Differs
		if row.OrderID.Valid {
			doubtful[row.OrderID.V] = append(doubtful[row.OrderID.V], i)
		} else {
			r.Detail = "its order is not known, so whether it was changed since is not known"
		}
	}
	return list, judgeByOrders(ctx, client, spec.Portals[i].TimeZone, list, doubtful)
}

// judgeByOrders separates payments that have changed since from those that differ
// without a reason.
func judgeByOrders(ctx context.Context, client *bitrix.Client, zone *time.Location, list []Rechecked, doubtful map[int64][]int) error {
	var orders []int64
	for id := range doubtful {
		orders = append(orders, id)
	}
	slices.Sort(orders)
	if len(orders) == 0 {
		return nil
	}
	saved, err := source.OrdersSaved(ctx, client, zone, orders)
	refusal, refused := source.RefusalOf(err)
	if err != nil && !refused {
		return err
	}
	for _, id := range orders {
		at, known := saved[id]
		for _, i := range doubtful[id] {
			switch r := &list[i]; {
			case refused:
				r.Detail = source.Reason(refusal) + ": whether it was changed since is not known"
			case !known:
				r.Detail = "its order no longer exists"
			case at.IsZero():
				r.Detail = "when its order was saved last is not known: the list of orders does not show it"
			case at.After(r.ReadAt.Add(-clockDoubt)):
				r.Verdict, r.Detail = ChangedSince, "its order was saved at "+at.UTC().Format(time.RFC3339)
			default:
				r.Detail = "its order was last saved at " + at.UTC().Format(time.RFC3339)
			}
		}
	}
	return nil
}
