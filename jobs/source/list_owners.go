package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"

	"b24export/bitrix"
	"b24export/jobs/source/spill"
	"b24export/schemas"
)

// boundItems yields the owners of all orders, by type and id, each once. They are
// sorted in a temporary folder.
func boundItems(client *bitrix.Client) func(ctx context.Context) iter.Seq2[owner, error] {
	return func(ctx context.Context) iter.Seq2[owner, error] {
		return func(yield func(owner, error) bool) {
			var sorted spill.Sorter
			fail := func(err error) { yield(owner{}, fmt.Errorf("list the bindings of orders: %w", err)) }
			// An error of Close only concerns a temporary folder that remains.
			defer func() { _ = sorted.Close() }()
			listing := bitrix.Listing{
				Method: bitrix.MethodOrderEntityList, Items: "orderEntity", IDField: "orderId",
				Select:  []string{"orderId", "ownerId", "ownerTypeId"},
				Repeats: true, MayBeWhole: true,
			}
			for page, err := range client.Pages(ctx, listing, 0) {
				if err != nil {
					fail(err)
					return
				}
				for _, raw := range page.Items {
					_, typeID, id, err := schemas.ReadOwner(raw)
					if err == nil && typeID != 0 && id != 0 {
						err = sorted.Add(spill.Key{typeID, id}, nil)
					}
					if err != nil {
						fail(err)
						return
					}
				}
			}
			var last owner
			for rec, err := range sorted.Sorted() {
				if err != nil {
					fail(err)
					return
				}
				item := owner{rec.Key[0], rec.Key[1]}
				if item != last && !yield(item, nil) {
					return
				}
				last = item
			}
		}
	}
}

// typedItems yields the items of the given types or, if there are none, of every type
// that can have payments.
func typedItems(client *bitrix.Client, types []int64, log *slog.Logger) func(ctx context.Context) iter.Seq2[owner, error] {
	return func(ctx context.Context) iter.Seq2[owner, error] {
		return func(yield func(owner, error) bool) {
			given := len(types) > 0
			types := slices.Compact(slices.Sorted(slices.Values(types)))
			if !given {
				var err error
				types, err = paymentTypes(ctx, client)
				if refusal, ok := RefusalOf(err); ok {
					// Only CRM administrators may call it. Every portal has these two
					// types.
					log.Warn("smart processes are not listed; name them in source.entity_types", "why", Reason(refusal))
					types, err = []int64{dealType, invoiceType}, nil
				}
				if err != nil {
					yield(owner{}, err)
					return
				}
			}
			for _, typeID := range types {
				listing := bitrix.Listing{
					Method: bitrix.MethodItemList, Items: "items", IDField: "id",
					Select: []string{"id"}, Params: bitrix.Params{"entityTypeId": typeID},
				}
				for page, err := range client.Pages(ctx, listing, 0) {
					if e, ok := errors.AsType[*bitrix.Error](err); ok && !given && strings.EqualFold(e.Code, bitrix.CodeNotFound) {
						log.Info("the portal has no owners of a type", "type", typeID)
						break
					}
					if err != nil {
						yield(owner{}, fmt.Errorf("list the owners of type %d: %w", typeID, err))
						return
					}
					for _, id := range page.IDs {
						if !yield(owner{typeID, id}, nil) {
							return
						}
					}
				}
			}
		}
	}
}

// The CRM types that every portal has and that have payments.
const (
	dealType    = 2
	invoiceType = 31
)

// paymentTypes returns the types of items that can have payments, in ascending order:
// deals, smart invoices, and the smart processes that are configured for payments.
func paymentTypes(ctx context.Context, client *bitrix.Client) ([]int64, error) {
	types := []int64{dealType, invoiceType}
	for start := int64(0); ; {
		res, err := client.Call(ctx, bitrix.MethodTypeList, bitrix.Params{"order": bitrix.Params{"id": "asc"}, "start": start})
		if err != nil {
			return nil, fmt.Errorf("find the types of owners (source.entity_types can name them instead): %w", err)
		}
		raws, ids, err := bitrix.ItemsByID(res.Value, "types", "entityTypeId")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", bitrix.MethodTypeList, err)
		}
		for i, raw := range raws {
			pays, err := schemas.ReadFlag(raw, "isPaymentsEnabled")
			if err != nil {
				return nil, fmt.Errorf("%s: type %d: %w", bitrix.MethodTypeList, ids[i], err)
			}
			if pays && ids[i] >= 128 {
				types = append(types, ids[i])
			}
		}
		if res.Next <= start || len(raws) == 0 {
			break
		}
		start = res.Next
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

// String returns the item as TYPE/ID.
func (a owner) String() string { return fmt.Sprintf("%d/%d", a.typeID, a.id) }
