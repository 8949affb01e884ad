package source

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"b24export/bitrix"
	"b24export/jobs/source/spill"
	"b24export/pipeline"
	"b24export/schemas"
)

const (
	// itemsARequest is how many items' payments one request lists. The rest of the
	// batch lists the orders of these items before and after, two pages each.
	itemsARequest = bitrix.MaxCommands - 2*bindingPages
	// bindingPages is how many pages of orders are requested. If items have more
	// orders, smaller groups of items are requested.
	bindingPages = 2
	// refusalsTold is how many of the refused items an error names.
	refusalsTold = 5
)

// listItems lists the payments of owners: of each item that has an order (bindings), or
// of each item of some types. The list of an owner's payments shows the nine values of a
// get, but not their order. If an owner has only one order, the order is known
// nevertheless.
//
// Such a listing is not in the order of payment ids. It is sorted in a temporary folder,
// and starts again from its beginning when a run is resumed.
type listItems struct {
	client *bitrix.Client
	rowMaker
	log *slog.Logger
	// items yields the items, in any order. It may yield an item twice.
	items func(ctx context.Context) iter.Seq2[owner, error]
	// ordersToo reports whether the user may list the items' orders.
	ordersToo bool
	counted   atomic.Int64

	mu      sync.Mutex
	sorted  spill.Sorter // of the part of the listing that is read now
	empty   []owner      // that have an order, and whose list was empty once
	refused ItemsRefusedError
}

func (l *listItems) finder() finder {
	return finder{
		list: l.list, again: l.again, total: l.counted.Load,
		absent: always(pipeline.Gone), // every item is listed
		same:   l.same, method: bitrix.MethodItemPaymentList, owned: true,
	}
}

// ItemsRefusedError is returned if the payments of some owners could not be read.
// Which payments those are is not known, so the run fails: it would otherwise publish
// an incomplete table.
type ItemsRefusedError struct {
	Count int
	// Items names some of the items, as TYPE/ID.
	Items []string
	// First is the portal's error for the first of them.
	First *bitrix.Error
}

func (e *ItemsRefusedError) Error() string {
	return fmt.Sprintf("the payments of %d owners cannot be listed (type/id %s): %v", e.Count, strings.Join(e.Items, ", "), e.First)
}

func (e *ItemsRefusedError) Unwrap() error { return e.First }

func (l *listItems) list(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error] {
	return func(yield func([]listed, error) bool) {
		// A run may read several parts, and each of them lists from the beginning.
		l.sorted, l.empty = spill.Sorter{}, nil
		defer func() {
			if err := l.sorted.Close(); err != nil {
				l.log.Warn("clean up after a listing", "error", err)
			}
		}()
		if err := l.collect(ctx, after); err != nil {
			yield(nil, err)
			return
		}
		l.counted.Store(l.sorted.Count())
		l.log.Info("the payments of all owners are listed", "payments", l.sorted.Count())
		page := make([]listed, 0, bitrix.PageSize)
		var last itemPayment
		for rec, err := range l.sorted.Sorted() {
			if err != nil {
				yield(nil, err)
				return
			}
			p := decodeItemPayment(rec)
			if last.id == p.id {
				// The same payment is listed under another item too. The first item by
				// type and id is its owner in every run.
				last.alsoUnder(p)
				continue
			}
			if last.id != 0 {
				page = append(page, l.row(&last))
			}
			last = p
			last.raw = slices.Clone(p.raw)
			if len(page) == bitrix.PageSize {
				if !yield(page, nil) {
					return
				}
				page = make([]listed, 0, bitrix.PageSize)
			}
		}
		if last.id != 0 {
			yield(append(page, l.row(&last)), nil)
		}
	}
}

// collect lists the payments above after of all items into l.sorted.
func (l *listItems) collect(ctx context.Context, after pipeline.PaymentID) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(l.client.Concurrency())
	most := bitrix.MaxCommands
	if l.ordersToo {
		most = itemsARequest
	}
	var walkErr error
	parts := make(map[int64][]owner) // by type, for the next requests
	// Each goroutine lists the payments of some items. The group ends with the last
	// goroutine, or at the first error.
	flush := func(typeID int64) {
		items := parts[typeID]
		delete(parts, typeID)
		group.Go(func() error { return l.take(gctx, items, after) })
	}
	for item, err := range l.items(gctx) {
		if err != nil {
			walkErr = err
			break
		}
		if slices.Contains(parts[item.typeID], item) {
			continue // a batch cannot have the same command twice
		}
		parts[item.typeID] = append(parts[item.typeID], item)
		if len(parts[item.typeID]) == most {
			flush(item.typeID)
		}
	}
	if walkErr == nil {
		for _, typeID := range slices.Sorted(maps.Keys(parts)) {
			flush(typeID)
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if walkErr != nil {
		return walkErr
	}
	if err := l.confirm(ctx, l.empty, after); err != nil {
		return err
	}
	if l.refused.Count > 0 {
		return &l.refused
	}
	return nil
}

// take lists the payments of items of one type into l.sorted, and those of owners whose
// list was empty once more.
func (l *listItems) take(ctx context.Context, items []owner, after pipeline.PaymentID) error {
	found, empty, whole, err := l.payments(ctx, items)
	if err != nil {
		return err
	}
	if !whole && len(items) > 1 {
		half := len(items) / 2
		if err := l.take(ctx, items[:half], after); err != nil {
			return err
		}
		return l.take(ctx, items[half:], after)
	}
	if err := l.add(found, after); err != nil {
		return err
	}
	return l.confirm(ctx, l.doubt(empty), after)
}

// add adds payments above after to l.sorted.
func (l *listItems) add(found []itemPayment, after pipeline.PaymentID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var value []byte
	for i := range found {
		if found[i].id > int64(after) {
			value = found[i].appendTo(value[:0])
			if err := l.sorted.Add(spill.Key{found[i].id, found[i].of.typeID, found[i].of.id}, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// payments lists the payments of at most itemsARequest items of one type, and records
// the items that the portal refuses. empty are the items with an order whose list is
// empty. whole reports whether the portal returned all the orders of these items; if not,
// the caller must use smaller groups.
//
// A payment certainly belongs to its item's only order if the item had no other order
// before its payments were listed, and none afterwards. The orders are therefore listed
// twice, before and after the payments.
func (l *listItems) payments(ctx context.Context, items []owner) (found []itemPayment, empty []owner, whole bool, err error) {
	return l.paymentsBetween(ctx, items, false)
}

// paymentsBetween implements payments. again reports whether the orders before and
// after have already differed once. They are then listed once more: an empty answer may
// have been wrong.
func (l *listItems) paymentsBetween(ctx context.Context, items []owner, again bool) (found []itemPayment, empty []owner, whole bool, err error) {
	var commands []bitrix.Command
	byOwner := bindingsByOwner(items[0].typeID)
	alone := l.casting.has(&byOwner)
	if l.ordersToo {
		commands = bindingsOf("b", items, alone)
	}
	first := len(commands)
	for _, item := range items {
		commands = append(commands, itemPaymentsCommand(item))
	}
	behind := len(commands)
	if l.ordersToo {
		commands = append(commands, bindingsOf("a", items, alone)...)
	}
	results, err := l.client.Batch(ctx, commands)
	if err != nil {
		return nil, nil, false, err
	}
	only, ordered := map[owner]int64{}, map[owner][]int64{}
	whole = true
	if l.ordersToo {
		after := results[behind:]
		if slices.ContainsFunc(results, func(r bitrix.Result) bool { return r.Attempts > 1 || !r.At.Equal(results[0].At) }) {
			// Commands that were retried, or are in another request, may have been answered
			// after the orders.
			if after, err = l.client.Batch(ctx, bindingsOf("a", items, alone)); err != nil {
				return nil, nil, false, err
			}
		}
		if !alone {
			casts, err := l.castsBindings(ctx, items, results[:first])
			if err != nil {
				return nil, nil, false, err
			}
			if casts && l.casting.has(&byOwner) {
				return l.paymentsBetween(ctx, items, again) // each item by itself
			}
		}
		var agree bool
		if only, ordered, whole, agree, err = onlyOrders(results[:first], after, alone); err != nil {
			return nil, nil, false, err
		}
		if !agree && !again {
			return l.paymentsBetween(ctx, items, true)
		}
		if !whole && len(items) > 1 {
			return nil, nil, false, nil
		}
	}
	var refusals []int
	for i, item := range items {
		res := &results[first+i]
		if res.Err != nil && res.Err.BadEncoding() {
			readable, honoured, err := l.readable(ctx, item)
			if err != nil {
				return nil, nil, false, err
			}
			for _, e := range readable {
				found = append(found, itemPayment{id: e.number, of: item, order: only[item], at: e.at, raw: e.raw, bad: e.err != nil})
			}
			if honoured {
				continue
			}
		}
		if res.Err != nil {
			refusals = append(refusals, i)
			continue
		}
		raws, ids, err := bitrix.ItemsByID(res.Value, "", "id")
		if err != nil {
			return nil, nil, false, fmt.Errorf("list the payments of owner %v: %w", item, err)
		}
		if len(raws) == 0 && len(ordered[item]) > 0 {
			empty = append(empty, item)
		}
		for k, raw := range raws {
			found = append(found, itemPayment{id: ids[k], of: item, order: only[item], at: res.At, raw: raw})
		}
	}
	if len(refusals) == 0 {
		return found, empty, whole, nil
	}
	return found, empty, whole, l.judge(ctx, items, refusals, results[first:])
}

// judge separates items that were deleted together with their payments from items that
// this user may not read.
func (l *listItems) judge(ctx context.Context, items []owner, refusals []int, results []bitrix.Result) error {
	commands := make([]bitrix.Command, len(refusals))
	for k, i := range refusals {
		commands[k] = bitrix.Command{Key: "i" + strconv.FormatInt(items[i].id, 10), Method: bitrix.MethodItemGet, Params: bitrix.Params{
			"entityTypeId": items[i].typeID, "id": items[i].id,
		}}
	}
	there, err := l.client.Batch(ctx, commands)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, i := range refusals {
		if e := there[k].Err; e != nil && strings.EqualFold(e.Code, bitrix.CodeNotFound) {
			l.log.Debug("an owner is gone", "type", items[i].typeID, "id", items[i].id)
			continue
		}
		if l.refused.Count++; l.refused.Count == 1 {
			l.refused.First = results[i].Err
		}
		if len(l.refused.Items) < refusalsTold {
			l.refused.Items = append(l.refused.Items, items[i].String())
		}
	}
	return nil
}

func itemPaymentsCommand(item owner) bitrix.Command {
	return bitrix.Command{Key: "i" + strconv.FormatInt(item.id, 10), Method: bitrix.MethodItemPaymentList, Params: bitrix.Params{
		"entityTypeId": item.typeID, "entityId": item.id,
	}}
}

// itemPayment is a payment as the list of an item shows it.
type itemPayment struct {
	id    int64
	of    owner
	order int64 // 0: not known
	at    time.Time
	raw   []byte
	bad   bool // the portal cannot encode it; raw is then empty
}

func (p *itemPayment) appendTo(b []byte) []byte {
	b = binary.AppendVarint(b, p.at.UnixMicro())
	b = binary.AppendUvarint(b, uint64(p.order))
	if p.bad {
		return append(b, 1)
	}
	return append(append(b, 0), p.raw...)
}

// decodeItemPayment decodes what appendTo wrote. The result shares the raw bytes of rec.
func decodeItemPayment(rec spill.Record) itemPayment {
	at, n := binary.Varint(rec.Value)
	order, m := binary.Uvarint(rec.Value[n:])
	return itemPayment{
		id: rec.Key[0], of: owner{rec.Key[1], rec.Key[2]}, order: int64(order),
		at: time.UnixMicro(at), raw: rec.Value[n+m+1:], bad: rec.Value[n+m] == 1,
	}
}

// alsoUnder merges the values that the same payment has under another item.
func (p *itemPayment) alsoUnder(other itemPayment) {
	switch {
	case p.order == 0:
		p.order = other.order
	case other.order != 0 && other.order != p.order:
		p.order = 0
	}
}

func (l *listItems) row(p *itemPayment) listed {
	var bad *bitrix.Error
	if p.bad {
		bad = &bitrix.Error{Code: bitrix.CodeWrongEncoding, Description: notEncoded, Method: bitrix.MethodItemPaymentList}
	}
	item := l.listedOr(bad, p.raw, pipeline.PaymentID(p.id), p.at)
	item.Row.EntityTypeID, item.Row.EntityID = schemas.Some(p.of.typeID), schemas.Some(p.of.id)
	if p.order != 0 {
		item.Row.OrderID = schemas.Some(p.order)
	}
	return item
}

func (l *listItems) again(ctx context.Context, asked []listed) (there map[pipeline.PaymentID]schemas.Payment, sure bool, err error) {
	wanted := make(map[pipeline.PaymentID]bool, len(asked))
	var items []owner
	for _, item := range asked {
		wanted[item.ID] = true
		items = append(items, owner{item.Row.EntityTypeID.V, item.Row.EntityID.V})
	}
	slices.SortFunc(items, func(a, b owner) int {
		if a.less(b) {
			return -1
		}
		return 1
	})
	items = slices.Compact(items)
	rows := make(map[pipeline.PaymentID]schemas.Payment, len(asked))
	for len(items) > 0 {
		n := 1
		for n < len(items) && n < itemsARequest && items[n].typeID == items[0].typeID {
			n++
		}
		one := listItems{client: l.client, rowMaker: l.rowMaker, log: l.log}
		found, _, _, err := one.payments(ctx, items[:n])
		if err != nil {
			return nil, false, err
		}
		if one.refused.Count > 0 {
			return nil, false, &one.refused
		}
		for i := range found {
			if id := pipeline.PaymentID(found[i].id); wanted[id] {
				rows[id] = l.row(&found[i]).Row
			}
		}
		items = items[n:]
	}
	for _, item := range asked {
		// This listing does not request orders again.
		if row, ok := rows[item.ID]; ok {
			row.OrderID = item.Row.OrderID
			rows[item.ID] = row
		}
	}
	return rows, true, nil
}

func (l *listItems) same(listed, last *schemas.Payment, mark uint64) bool {
	return schemas.SameMarked(listed, last, nil, mark) && listed.EntityTypeID == last.EntityTypeID && listed.EntityID == last.EntityID
}
