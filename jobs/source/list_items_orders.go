package source

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"b24export/bitrix"
	"b24export/schemas"
)

// bindingsOf returns the commands that list the orders of items of one type, in pages
// without a count, each after the last order of the page before. If alone is true, each
// item has a page of its own. An order has one owner, so no order is listed twice.
// readBindings reads the answers.
func bindingsOf(key string, items []owner, alone bool) []bitrix.Command {
	ids := make([]int64, len(items))
	for i, item := range items {
		ids[i] = item.id
	}
	filter := bindingsByOwner(items[0].typeID)
	var commands []bitrix.Command
	if alone {
		for i, id := range ids {
			commands = append(commands, filter.alone(key+strconv.Itoa(i), id))
		}
		return commands
	}
	for i := range bindingPages {
		page := filter.command(key+strconv.Itoa(i), ids)
		if i > 0 {
			where, ok := page.Params["filter"].(bitrix.Params)
			if !ok {
				panic("source: a filter is no map") // unreachable: listFilter makes it
			}
			where[">orderId"] = fmt.Sprintf("$result[%s%d][orderEntity][%d][orderId]", key, i-1, bitrix.PageSize-1)
			page.Optional = true
		}
		commands = append(commands, page)
	}
	return commands
}

// bindingsByOwner returns the filter for the orders of items of a type.
func bindingsByOwner(typeID int64) listFilter {
	return listFilter{
		method: bitrix.MethodOrderEntityList, items: "orderEntity", field: "ownerId", fields: []string{"orderId", "ownerId", "ownerTypeId"},
		where: bitrix.Params{"=ownerTypeId": typeID}, params: bitrix.Params{"order": bitrix.Params{"orderId": "asc"}},
	}
}

// castsBindings reports whether the portal has read the items in answers to bindingsOf
// as the number 1.
func (l *listItems) castsBindings(ctx context.Context, items []owner, answers []bitrix.Result) (bool, error) {
	filter := bindingsByOwner(items[0].typeID)
	var asked, answered []int64
	for _, item := range items {
		asked = append(asked, item.id)
	}
	raws, _, err := readBindings(answers, false)
	if err != nil {
		return false, err
	}
	for _, raw := range raws {
		_, _, id, err := schemas.ReadOwner(raw)
		if err != nil {
			return false, fmt.Errorf("list the orders of owners: %w", err)
		}
		answered = append(answered, id)
	}
	how, err := l.casting.judge(ctx, l.client, &filter, asked, answered)
	return how == asOne, err
}

// onlyOrders returns the order of each item that has exactly one in both answers, and the
// orders of each item in the second answer. agree reports whether both answers contain the
// same orders for each item.
func onlyOrders(before, after []bitrix.Result, alone bool) (only map[owner]int64, has map[owner][]int64, whole, agree bool, err error) {
	had, whole1, err := ordersIn(before, alone)
	if err != nil {
		return nil, nil, false, false, err
	}
	has, whole2, err := ordersIn(after, alone)
	if err != nil {
		return nil, nil, false, false, err
	}
	only = make(map[owner]int64, len(has))
	for item, orders := range has {
		if len(orders) == 1 && slices.Equal(orders, had[item]) {
			only[item] = orders[0]
		}
	}
	return only, has, whole1 && whole2, maps.EqualFunc(had, has, slices.Equal[[]int64]), nil
}

// ordersIn returns the orders of each item in the answers to bindingsOf. whole reports
// whether these are all orders.
func ordersIn(results []bitrix.Result, alone bool) (orders map[owner][]int64, whole bool, err error) {
	raws, whole, err := readBindings(results, alone)
	if err != nil {
		return nil, false, err
	}
	orders = make(map[owner][]int64)
	for _, raw := range raws {
		order, typeID, id, err := schemas.ReadOwner(raw)
		if err != nil {
			return nil, false, fmt.Errorf("list the orders of owners: %w", err)
		}
		item := owner{typeID, id}
		if !slices.Contains(orders[item], order) {
			orders[item] = append(orders[item], order)
		}
	}
	return orders, whole, nil
}

// readBindings returns the elements of the answers to bindingsOf. whole reports whether
// these are all elements. Results after a page that is not full do not count, because
// their cursor could not be resolved. If a cursor after a full page cannot be resolved,
// the portal returns the first page again, or an error: then there may be more.
func readBindings(results []bitrix.Result, alone bool) (raws [][]byte, whole bool, err error) {
	whole = alone
	for i, res := range results {
		if res.Err != nil && i > 0 && !alone {
			return raws, false, nil
		}
		if res.Err != nil {
			return nil, false, fmt.Errorf("list the orders of owners: %w", res.Err)
		}
		page, err := bitrix.Items(res.Value, "orderEntity")
		if err != nil {
			return nil, false, fmt.Errorf("list the orders of owners: %w", err)
		}
		raws = append(raws, page...)
		switch full := len(page) == bitrix.PageSize; {
		case alone && full:
			whole = false
		case !alone && !full:
			return raws, true, nil
		}
	}
	return raws, whole, nil
}
