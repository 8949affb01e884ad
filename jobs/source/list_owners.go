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
	"b24export/schemas"
)

// ownersKept is how many owners boundItems remembers: a few MiB.
const ownersKept = 100_000

// boundItems yields the owners of all orders, in the order of the orders, so that their
// payments are listed while the next orders are requested. It yields an owner once,
// except for an owner whose orders are far apart in a long list.
func boundItems(client *bitrix.Client) func(ctx context.Context) iter.Seq2[owner, error] {
	return func(ctx context.Context) iter.Seq2[owner, error] {
		return func(yield func(owner, error) bool) {
			listing := bitrix.Listing{
				Method: bitrix.MethodOrderEntityList, Items: "orderEntity", IDField: "orderId",
				Select:  []string{"orderId", "ownerId", "ownerTypeId"},
				Repeats: true, MayBeWhole: true,
			}
			fail := func(err error) { yield(owner{}, fmt.Errorf("list the bindings of orders: %w", err)) }
			seen := make(map[owner]bool)
			for page, err := range client.Pages(ctx, listing, 0) {
				if err != nil {
					fail(err)
					return
				}
				for _, raw := range page.Items {
					_, typeID, id, err := schemas.ReadOwner(raw)
					if err != nil {
						fail(err)
						return
					}
					item := owner{typeID, id}
					if typeID == 0 || id == 0 || seen[item] {
						continue
					}
					if len(seen) == ownersKept {
						clear(seen)
					}
					seen[item] = true
					if !yield(item, nil) {
						return
					}
				}
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
// deals, smart invoices, and the smart processes that are configured for payments. A
// portal has fewer of these than it counts, or none, only if two answers say so.
func paymentTypes(ctx context.Context, client *bitrix.Client) ([]int64, error) {
	types := []int64{dealType, invoiceType}
	seen := make(map[int64]bool)
	for range 2 {
		more, counted, err := processTypes(ctx, client, seen)
		if err != nil {
			return nil, err
		}
		types = append(types, more...)
		if counted == 0 || len(seen) > 0 && int64(len(seen)) >= counted {
			break
		}
	}
	slices.Sort(types)
	return slices.Compact(types), nil
}

// processTypes lists the smart processes once, and returns the types of those that are
// configured for payments. It adds all types to seen. counted is how many the portal
// counts, -1 if it does not.
func processTypes(ctx context.Context, client *bitrix.Client, seen map[int64]bool) (types []int64, counted int64, err error) {
	last := int64(0) // no page of a portal that has pages begins with the same type
	for start := int64(0); ; {
		res, err := client.Call(ctx, bitrix.MethodTypeList, bitrix.Params{"order": bitrix.Params{"id": "asc"}, "start": start})
		if err != nil {
			return nil, 0, fmt.Errorf("find the types of owners (source.entity_types can name them instead): %w", err)
		}
		raws, ids, err := bitrix.ItemsByID(res.Value, "types", "entityTypeId")
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", bitrix.MethodTypeList, err)
		}
		for i, raw := range raws {
			pays, err := schemas.ReadFlag(raw, "isPaymentsEnabled")
			if err != nil {
				return nil, 0, fmt.Errorf("%s: type %d: %w", bitrix.MethodTypeList, ids[i], err)
			}
			seen[ids[i]] = true
			if pays && ids[i] >= 128 {
				types = append(types, ids[i])
			}
		}
		if res.Next <= start || len(raws) == 0 || ids[0] == last {
			return types, res.Total, nil
		}
		start, last = res.Next, ids[0]
	}
}

// String returns the item as TYPE/ID.
func (a owner) String() string { return fmt.Sprintf("%d/%d", a.typeID, a.id) }
