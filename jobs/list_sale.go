package jobs

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
)

// listSale lists the whole portal by id with sale.payment.list, which shows
// order and date of bill besides the values.
type listSale struct {
	client *bitrix.Client
	rowMaker
	// filter is what else the payments have to match; nil: nothing.
	filter  bitrix.Params
	counted atomic.Int64
}

var _ finder = (*listSale)(nil)

func (l *listSale) listing(filter bitrix.Params) bitrix.Listing {
	return bitrix.Listing{Method: methodList, Items: "payments", IDField: "id", Select: schemas.ListFields(l.fields), Filter: filter}
}

func (l *listSale) list(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error] {
	return func(yield func([]listed, error) bool) {
		for page, err := range l.client.Pages(ctx, l.listing(l.filter), int64(after)) {
			if err != nil {
				yield(nil, err)
				return
			}
			if page.Total >= 0 {
				l.counted.Store(page.Total)
			}
			items := make([]listed, len(page.Items))
			for i, raw := range page.Items {
				items[i] = l.listed(raw, pipeline.PaymentID(page.IDs[i]), page.At)
			}
			if !yield(items, nil) {
				return
			}
		}
	}
}

func (l *listSale) again(ctx context.Context, items []listed) (map[pipeline.PaymentID]schemas.Payment, error) {
	ids := make([]int64, len(items))
	for i, item := range items {
		ids[i] = int64(item.ID)
	}
	found, err := l.byID(ctx, ids)
	if err != nil {
		return nil, err
	}
	rows := make(map[pipeline.PaymentID]schemas.Payment, len(found))
	for _, item := range found {
		// A row that cannot be read is there all the same.
		rows[item.ID] = item.Row
	}
	return rows, nil
}

// byID lists those of the payments of at most a page of ids that exist, by id.
func (l *listSale) byID(ctx context.Context, ids []int64) ([]listed, error) {
	var found []listed
	for page, err := range l.client.Pages(ctx, l.listing(bitrix.Params{"@id": ids}), 0) {
		if err != nil {
			return nil, err
		}
		items, err := l.only(page.Items, page.IDs, page.At, ids)
		if err != nil {
			return nil, err
		}
		found = append(found, items...)
	}
	return found, nil
}

// read reads a page that was asked for by ids.
func (l *listSale) read(res bitrix.Result, ids []int64) ([]listed, error) {
	if res.Err != nil {
		return nil, res.Err
	}
	raws, found, err := bitrix.ItemsByID(res.Value, "payments", "id")
	if err != nil {
		return nil, err
	}
	return l.only(raws, found, res.At, ids)
}

// only makes sure that a page has nothing but the ids that were asked for.
func (l *listSale) only(raws [][]byte, found []int64, at time.Time, ids []int64) ([]listed, error) {
	items := make([]listed, len(raws))
	for i, raw := range raws {
		if !slices.Contains(ids, found[i]) {
			return nil, fmt.Errorf("got payment %d, which was not asked for: %s ignores its filter", found[i], methodList)
		}
		items[i] = l.listed(raw, pipeline.PaymentID(found[i]), at)
	}
	return items, nil
}

func (l *listSale) total() int64   { return l.counted.Load() }
func (l *listSale) method() string { return methodList }
func (l *listSale) owned() bool    { return false }

func (l *listSale) same(listed, last *schemas.Payment) bool {
	return schemas.SameListed(listed, last, l.fields)
}
