package source

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/jobs/source/spill"
	"b24export/pipeline"
	"b24export/schemas"
)

// sinceOrders finds changed payments by their orders. Saving a payment saves its order,
// and orders, unlike payments, have a modification time. Deleted payments are found by
// a list of ids.
type sinceOrders struct {
	client *bitrix.Client
	sale   *listSale
	log    *slog.Logger
}

var _ changes = (*sinceOrders)(nil)

// ordersOverlap is how far before the last run's watermark a listing of orders begins.
// The clocks of a portal's web servers and its database may differ, and an order that
// is saved in a long transaction has a time before it becomes visible.
const ordersOverlap = 10 * time.Minute

func (o *sinceOrders) begin(ctx context.Context, scope pipeline.Scope) (*finder, *pipeline.Since, error) {
	// The time is requested before anything is listed: the next run sees whatever is
	// saved after it.
	now, err := portalTime(ctx, o.client)
	if err != nil {
		return nil, nil, err
	}
	next := mark(markOrders, now)
	if scope.Mode != pipeline.Incremental {
		return nil, settle(scope, jobfile.SinceList, "everything is fetched again", next), nil
	}
	from, ok := markOf(sinceOf(scope.Last), markOrders)
	if !ok {
		return nil, settle(scope, jobfile.SinceList, "the last snapshot was not made with since: orders", next), nil
	}
	if err := o.sale.measure(ctx); err != nil {
		return nil, nil, err
	}
	filter := ordersFilter{client: o.client, clock: o.sale.clock, zone: now.Location()}
	why, err := filter.doubt(ctx, now)
	if refusal, ok := RefusalOf(err); ok {
		why, err = Reason(refusal), nil
	}
	if err != nil {
		return nil, nil, err
	}
	if why != "" {
		o.log.Warn("orders do not show what has changed: everything is listed", "why", why)
		return nil, settle(scope, jobfile.SinceList, why, next), nil
	}
	list := listOrders{listSale: o.sale, log: o.log, filter: filter, since: from.Add(-ordersOverlap)}
	return list.finder(), settle(scope, jobfile.SinceOrders, "", next), nil
}

func (o *sinceOrders) done(context.Context) error { return nil }

// listOrders lists the payments of the orders saved since a time, and the ids of all
// other payments.
type listOrders struct {
	*listSale
	log    *slog.Logger
	filter ordersFilter
	since  time.Time
}

func (l *listOrders) finder() *finder {
	f := l.listSale.finder()
	f.list = l.list
	return &f
}

func (l *listOrders) list(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error] {
	return func(yield func([]listed, error) bool) {
		// Changes come first, ids after them: a payment that is deleted in between is
		// missing, and one that is created is new.
		var sorted spill.Sorter
		defer func() {
			if err := sorted.Close(); err != nil {
				l.log.Warn("clean up after a listing", "error", err)
			}
		}()
		err := l.measure(ctx)
		if err == nil {
			err = l.collect(ctx, after, &sorted)
		}
		if err == nil {
			err = l.merge(ctx, after, &sorted, yield)
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// collect adds the payments above after of the saved orders to sorted.
func (l *listOrders) collect(ctx context.Context, after pipeline.PaymentID, sorted *spill.Sorter) error {
	orders := bitrix.Listing{
		Method: bitrix.MethodOrderList, Items: "orders", IDField: "id", Select: []string{"id"},
		Filter: l.filter.from(l.since),
	}
	part := make([]int64, 0, idsARequest)
	for page, err := range l.client.Pages(ctx, orders, 0) {
		if err != nil {
			return fmt.Errorf("list the orders saved since %s: %w", l.since.Format(time.RFC3339), err)
		}
		for _, id := range page.IDs {
			if part = append(part, id); len(part) == cap(part) {
				if err := l.payments(ctx, part, after, sorted); err != nil {
					return err
				}
				part = part[:0]
			}
		}
	}
	return l.payments(ctx, part, after, sorted)
}

// payments adds the payments of at most idsARequest orders to sorted. It requests
// further pages if a page is full. Where the portal cannot encode an answer, it requests
// the ids, and then the payments by their ids, which shows whose text it is.
func (l *listOrders) payments(ctx context.Context, orders []int64, after pipeline.PaymentID, sorted *spill.Sorter) error {
	type group struct {
		orders []int64
		after  int64
		again  bool // the answer was empty once
		bare   bool // only ids are requested
	}
	fields := schemas.ListFields(l.fields)
	filter := paymentsByOrder(fields, int64(after))
	var open []group
	split := func(orders []int64) {
		size := bitrix.PageSize
		if l.casting.has(&filter) {
			size = 1
		}
		for part := range slices.Chunk(orders, size) {
			open = append(open, group{orders: part, after: int64(after)})
		}
	}
	split(orders)
	var bare []int64 // payments to request by their ids
	for len(open) > 0 {
		commands := make([]bitrix.Command, len(open))
		for i, g := range open {
			filter := paymentsByOrder(fields, g.after)
			if g.bare {
				filter.fields = []string{"id", filter.field}
			}
			if len(g.orders) == 1 {
				commands[i] = filter.alone("o"+strconv.Itoa(i), g.orders[0])
			} else {
				commands[i] = filter.command("o"+strconv.Itoa(i), g.orders)
			}
		}
		results, err := l.client.Batch(ctx, commands)
		if err != nil {
			return fmt.Errorf("list the payments of %d orders: %w", len(orders), err)
		}
		var full []group
		var cast []int64 // orders whose answers come from a portal that casts lists
		for i, res := range results {
			g := open[i]
			if res.Err != nil && res.Err.BadEncoding() && !g.bare {
				g.bare = true
				full = append(full, g)
				continue
			}
			if res.Err != nil {
				return fmt.Errorf("list the payments of orders %d to %d: %w", g.orders[0], g.orders[len(g.orders)-1], res.Err)
			}
			raws, ids, err := bitrix.ItemsByID(res.Value, filter.items, "id")
			if err != nil {
				return fmt.Errorf("list the payments of orders %d to %d: %w", g.orders[0], g.orders[len(g.orders)-1], err)
			}
			_, of, err := bitrix.ItemsByID(res.Value, filter.items, filter.field)
			if err != nil {
				return fmt.Errorf("list the payments of orders %d to %d: %w", g.orders[0], g.orders[len(g.orders)-1], err)
			}
			if g.after == int64(after) {
				how := unknown
				if len(g.orders) > 1 {
					if how, err = l.casting.judge(ctx, l.client, &filter, g.orders, of); err != nil {
						return err
					}
				}
				switch {
				case how == asOne:
					cast = append(cast, g.orders...)
					continue
				case len(of) == 0 && !g.again:
					// Orders without a payment are rare, so an empty answer must be
					// received twice.
					g.again = true
					full = append(full, g)
					continue
				}
			}
			if err := filter.only(g.orders, of); err != nil {
				return err
			}
			last := g.after
			for k, raw := range raws {
				if ids[k] <= last {
					return fmt.Errorf("list the payments of orders behind payment %d: got payment %d; %s ignores its filter or its order", last, ids[k], bitrix.MethodPaymentList)
				}
				last = ids[k]
				if g.bare {
					bare = append(bare, last)
				} else if err := addSaved(sorted, element{last, raw, res.At, nil}); err != nil {
					return err
				}
			}
			if len(raws) >= bitrix.PageSize {
				full = append(full, group{orders: g.orders, after: last, bare: g.bare})
			}
		}
		open = full
		split(cast)
	}
	slices.Sort(bare)
	byID := paymentsByID(fields)
	for part := range slices.Chunk(slices.Compact(bare), idsARequest) {
		found, err := byID.each(ctx, l.client, l.casting, part)
		if err != nil {
			return fmt.Errorf("list payments %d to %d: %w", part[0], part[len(part)-1], err)
		}
		for _, e := range found {
			if err := addSaved(sorted, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// addSaved adds a payment of a saved order to sorted. savedOf reads it.
func addSaved(sorted *spill.Sorter, e element) error {
	value := binary.AppendVarint(nil, e.at.UnixMicro())
	return sorted.Add(spill.Key{e.number}, append(value, e.raw...)) // no bytes: it cannot be encoded
}

// savedOf returns the payment that addSaved added.
func (l *listOrders) savedOf(rec spill.Record) listed {
	at, n := binary.Varint(rec.Value)
	var bad *bitrix.Error
	if n == len(rec.Value) {
		bad = &bitrix.Error{Code: bitrix.CodeWrongEncoding, Description: notEncoded, Method: bitrix.MethodPaymentList}
	}
	return l.listedOr(bad, slices.Clone(rec.Value[n:]), pipeline.PaymentID(rec.Key[0]), time.UnixMicro(at))
}

// merge lists the ids above after, with the values of those that are in sorted. It ends
// early if yield returns false.
func (l *listOrders) merge(ctx context.Context, after pipeline.PaymentID, sorted *spill.Sorter, yield func([]listed, error) bool) error {
	next, stop := iter.Pull2(sorted.Sorted())
	defer stop()
	rec, err, ok := next()
	all := paymentListing(nil, nil)
	all.Select = []string{"id"}
	for page, pageErr := range l.client.Pages(ctx, all, int64(after)) {
		if pageErr != nil {
			return pageErr
		}
		if page.Total >= 0 {
			l.counted.Store(page.Total)
		}
		items := make([]listed, len(page.IDs))
		for i, id := range page.IDs {
			items[i] = listed{ID: pipeline.PaymentID(id), Unread: true}
			for ok && err == nil && rec.Key[0] <= id {
				// A payment that moved to another order meanwhile may occur twice.
				// Either both have the same values, or the next run sees the later
				// ones.
				if rec.Key[0] == id {
					items[i] = l.savedOf(rec)
				}
				rec, err, ok = next()
			}
			if err != nil {
				return err
			}
		}
		l.clock.count(items)
		if !yield(items, nil) {
			return nil
		}
	}
	return nil
}

// OrdersSaved returns when orders were last saved, as far as the list of orders shows
// that. The time is zero if the list does not show it. Some portals show the dates of
// lists by another clock, so OrdersSaved measures that clock first. zone is the
// server's zone if the job names it, else nil. Orders that no longer exist are missing.
func OrdersSaved(ctx context.Context, client *bitrix.Client, zone *time.Location, orders []int64) (map[int64]time.Time, error) {
	clock, _, err := measureClock(ctx, client, zone)
	if err != nil {
		return nil, err
	}
	filter := listFilter{method: bitrix.MethodOrderList, items: "orders", field: "id", fields: []string{"id", "dateUpdate"}}
	found, err := filter.each(ctx, client, new(castFilters), orders)
	if err != nil {
		return nil, fmt.Errorf("ask %d orders when they were saved: %w", len(orders), err)
	}
	saved := make(map[int64]time.Time, len(found))
	for _, e := range found {
		if e.err != nil {
			return nil, fmt.Errorf("ask %d orders when they were saved: %w", len(orders), e.err)
		}
		shown, _, err := schemas.ReadDate(e.raw, "dateUpdate")
		if err != nil {
			return nil, fmt.Errorf("%s: order %d: dateUpdate: %w", bitrix.MethodOrderList, e.number, err)
		}
		saved[e.number] = time.Time{}
		if at, ok := clock.savedAt(shown, e.raw); ok {
			saved[e.number] = at.Time()
		}
	}
	return saved, nil
}

// savedAt returns when an order was saved, from the dateUpdate that a list shows. ok is
// false if that is not known to the minute.
func (c *listClock) savedAt(shown schemas.Null[schemas.Instant], raw []byte) (at schemas.Instant, ok bool) {
	stored := c.stored(shown, raw, "dateUpdate")
	return stored.V, stored.Valid && c.form != formDays && c.twiceAt(stored.V+c.shift) == nil
}
