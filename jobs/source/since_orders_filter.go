package source

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"b24export/bitrix"
	"b24export/schemas"
)

const (
	// ordersTried is how many orders are used to try a filter by dateUpdate.
	ordersTried = 3
	// ordersCalm is for how long such an order should have been unchanged.
	ordersCalm = time.Hour
)

// ordersFilter finds out whether a portal obeys a filter by dateUpdate. A portal may
// read its date by another clock, ignore the condition, or match nothing, all without
// an error. A run that trusted such a filter would miss changes.
type ordersFilter struct {
	client *bitrix.Client
	clock  *listClock     // converts the dates of lists to the stored ones
	zone   *time.Location // the zone of the filter's dates
}

// from returns the filter for orders that were saved at a time or later.
func (f *ordersFilter) from(at time.Time) bitrix.Params {
	return bitrix.Params{">=dateUpdate": at.In(f.zone).Format(time.RFC3339)}
}

// doubt returns why the filter cannot be trusted. It returns "" if the filter matches
// orders exactly from the second at which they were saved.
func (f *ordersFilter) doubt(ctx context.Context, now time.Time) (why string, err error) {
	orders, err := f.known(ctx, now)
	if err != nil {
		return "", err
	}
	if len(orders) == 0 {
		return "the portal shows no order whose dateUpdate is known", nil
	}
	var commands []bitrix.Command
	for i, o := range orders {
		for k, at := range []time.Time{o.at.Time(), o.at.Time().Add(time.Minute)} {
			filter := f.from(at)
			filter["=id"] = o.id
			commands = append(commands, bitrix.Command{Key: fmt.Sprintf("o%d_%d", i, k), Method: bitrix.MethodOrderList, Params: bitrix.Params{
				"select": []string{"id"}, "filter": filter, "order": bitrix.Params{"id": "asc"}, "start": -1,
			}})
		}
	}
	results, err := f.client.Batch(ctx, commands)
	if err != nil {
		return "", fmt.Errorf("try a filter by dateUpdate: %w", err)
	}
	for i, res := range results {
		if res.Err != nil {
			return "", fmt.Errorf("try a filter by dateUpdate: %w", res.Err)
		}
		raws, err := bitrix.Items(res.Value, "orders")
		switch {
		case err != nil:
			return "", fmt.Errorf("%s: %w", bitrix.MethodOrderList, err)
		case i%2 == 0 && len(raws) == 0:
			return bitrix.MethodOrderList + " does not show an order that its filter by dateUpdate matches", nil
		case i%2 == 1 && len(raws) > 0:
			return bitrix.MethodOrderList + " shows an order that its filter by dateUpdate does not match", nil
		}
	}
	return "", nil
}

// savedOrder is an order and when it was last saved.
type savedOrder struct {
	id int64
	at schemas.Instant
}

// known lists the oldest and the newest orders and returns a few whose dateUpdate is
// known: those saved last, except orders that may be in work, and one that was saved
// long ago, possibly in another season.
func (f *ordersFilter) known(ctx context.Context, now time.Time) ([]savedOrder, error) {
	var commands []bitrix.Command
	for _, way := range []string{"asc", "desc"} {
		commands = append(commands, bitrix.Command{Key: way, Method: bitrix.MethodOrderList, Params: bitrix.Params{
			"select": []string{"id", "dateUpdate"}, "filter": bitrix.Params{">id": 0}, "order": bitrix.Params{"id": way}, "start": -1,
		}})
	}
	results, err := f.client.Batch(ctx, commands)
	if err != nil {
		return nil, fmt.Errorf("ask when orders were saved: %w", err)
	}
	var calm, busy []savedOrder
	for _, res := range results {
		if res.Err != nil {
			return nil, fmt.Errorf("ask when orders were saved: %w", res.Err)
		}
		raws, ids, err := bitrix.ItemsByID(res.Value, "orders", "id")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", bitrix.MethodOrderList, err)
		}
		for i, raw := range raws {
			shown, _, err := schemas.ReadDate(raw, "dateUpdate")
			if err != nil {
				continue
			}
			at, ok := f.clock.savedAt(shown, raw)
			if !ok {
				continue
			}
			if o := (savedOrder{ids[i], at}); now.Sub(o.at.Time()) < ordersCalm {
				busy = append(busy, o)
			} else {
				calm = append(calm, o)
			}
		}
	}
	if len(calm) == 0 {
		calm = busy
	}
	slices.SortFunc(calm, func(a, b savedOrder) int { return cmp.Compare(b.at, a.at) })
	calm = slices.Compact(calm) // on a small portal both pages have the same orders
	if len(calm) > ordersTried {
		calm[ordersTried-1] = calm[len(calm)-1]
		calm = calm[:ordersTried]
	}
	return calm, nil
}
