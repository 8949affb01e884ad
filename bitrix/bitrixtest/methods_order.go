package bitrixtest

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Fields that orders and their owners can be filtered by.
const (
	orderID = iota
	orderUpdated
	orderCreated
	orderAccount
	orderPayed
	orderCanceled
)

var orderFields = []field{
	orderID:       {"id", intField},
	orderUpdated:  {"dateUpdate", timeField},
	orderCreated:  {"dateInsert", timeField},
	orderAccount:  {"accountNumber", textField},
	orderPayed:    {"payed", boolField},
	orderCanceled: {"canceled", boolField},
}

const (
	bindOrder = iota
	bindOwner
	bindOwnerType
)

var bindingFields = []field{
	bindOrder:     {"orderId", intField},
	bindOwner:     {"ownerId", intField},
	bindOwnerType: {"ownerTypeId", intField},
}

func (l *live) orderCell(r *orderRow, field int) cell {
	switch field {
	case orderID:
		return cell{n: r.id}
	case orderUpdated:
		return cell{n: r.updated}
	case orderCreated:
		return cell{n: r.created}
	case orderAccount:
		return cell{text: strconv.FormatInt(r.id, 10)}
	case orderPayed:
		if l.payed(r.id) {
			return cell{n: 1}
		}
	}
	return cell{}
}

// payed reports whether an order has payments and all are paid.
func (l *live) payed(order int64) bool {
	rows := l.ofOrder(nil, order)
	return len(rows) > 0 && !slices.ContainsFunc(rows, func(r row) bool { return !r.paid })
}

func (l *live) orderMeets(r *orderRow, list []condition) bool {
	for i := range list {
		if !list[i].meets(l.orderCell(r, list[i].field)) {
			return false
		}
	}
	return true
}

// findOrders calls visit with the orders of one page, and returns how many meet the
// conditions. Recently saved orders, and ranges and lists of ids, are found without a search
// through all.
func (l *live) findOrders(list []condition, pg page, visit func(*orderRow)) (total int64) {
	rest, from, to := bounds(list, orderID)
	if _, ids, ok := oneOf(rest, orderID); ok && len(ids) > 0 {
		from, to = max(from, ids[0]), min(to, ids[len(ids)-1]) // rest selects among these
	}
	_, since, _ := bounds(rest, orderUpdated)
	low, high := l.ordersBelow(max(from, 0)), l.orderCount()
	if to < math.MaxInt64 {
		high = l.ordersBelow(to + 1)
	}
	if len(rest) == 0 && pg.count {
		total = max(high-low, 0)
		for id := range l.gone {
			if n := l.ordersBelow(id); low <= n && n < high {
				total--
			}
		}
		if pg.down {
			low, high = high-pg.start-pg.limit, high-pg.start
			low = max(low, l.ordersBelow(max(from, 0)))
		} else {
			low += pg.start
			high = min(high, low+pg.limit)
		}
		l.walkOrders(low, high, pg.down, func(r *orderRow) bool { visit(r); return true })
		return total
	}
	look := func(r *orderRow) bool {
		if l.orderMeets(r, rest) {
			if total >= pg.start && total < pg.start+pg.limit {
				visit(r)
			}
			total++
		}
		return pg.count || total < pg.start+pg.limit
	}
	// Below lowest, only orders saved since the start can meet them.
	lowest := low
	if since > math.MinInt64 {
		lowest = max(low, min(l.orderUpdatedFrom(since), high))
	}
	early := slices.DeleteFunc(slices.Clone(l.saved), func(id int64) bool {
		n := l.ordersBelow(id)
		return n < low || n >= lowest
	})
	if pg.down {
		slices.Reverse(early)
		if !l.walkOrders(lowest, high, true, look) {
			return total
		}
	}
	for _, id := range early {
		if r, ok := l.order(id); ok && !look(&r) {
			return total
		}
	}
	if !pg.down {
		l.walkOrders(lowest, high, false, look)
	}
	return total
}

// walkOrders calls visit with orders number low to high-1 until it returns false. It
// reports whether visit never returned false.
func (l *live) walkOrders(low, high int64, down bool, visit func(*orderRow) bool) bool {
	for i := range max(high-low, 0) {
		n := low + i
		if down {
			n = high - 1 - i
		}
		if r, ok := l.order(l.orderID(n)); ok && !visit(&r) {
			return false
		}
	}
	return true
}

// saleOrderList implements sale.order.list.
func (c *call) saleOrderList() *apiError {
	x := c.x
	if x.c.Rights.NotAdmin {
		return errSaleAccess
	}
	conditions := x.c.conditions(c.args.param("filter"), orderFields, c.ignored)
	pg := c.page(orderFields)
	chosen := c.args.param("select").texts()
	x.p.mu.RLock()
	defer x.p.mu.RUnlock()
	l := x.p.data
	w := x.writer(append(c.out, `{"orders":[`...))
	total := l.findOrders(conditions, pg, func(r *orderRow) {
		w.separate()
		w.order(r, chosen)
	})
	c.out = append(w.b, "]}"...)
	c.turned(pg, total)
	return nil
}

func wants(chosen []string, name string) bool {
	return len(chosen) == 0 || slices.Contains(chosen, name) || slices.Contains(chosen, "*")
}

// order writes an order as sale.order.list does, with the fields that the program uses
// and some others.
func (w *writer) order(r *orderRow, chosen []string) {
	w.about = uint64(r.id)<<1 | spelledByList
	w.lists = true
	w.b = append(w.b, '{')
	payed := wants(chosen, "payed") && w.l.payed(r.id)
	for _, f := range [...]struct {
		name  string
		write func(name string)
	}{
		{"accountNumber", func(name string) {
			w.badRow(r.id)
			w.fixed(name, `"`+strconv.FormatInt(r.id, 10)+`"`)
		}},
		{"canceled", func(name string) { w.flag(name, false) }},
		{"comments", func(name string) { w.fixed(name, `""`) }},
		{"companyId", func(name string) { w.optional(name, 0) }},
		{"dateInsert", func(name string) { w.date(name, r.created) }},
		{"dateUpdate", func(name string) { w.date(name, r.updated) }},
		{"id", func(name string) { w.id(name, r.id) }},
		{"lid", func(name string) { w.fixed(name, `"s1"`) }},
		{"payed", func(name string) { w.flag(name, payed) }},
		{"currency", func(name string) {
			_, currency := w.l.price(r.id)
			w.fixed(name, `"`+currencies[currency]+`"`)
		}},
		{"price", func(name string) {
			price, _ := w.l.price(r.id)
			w.money(name, price)
		}},
		{"personTypeId", func(name string) { w.id(name, 4) }},
		{"responsibleId", func(name string) { w.id(name, 1+r.id%7) }},
		{"statusId", func(name string) { w.fixed(name, `"N"`) }},
		{"userId", func(name string) { w.id(name, 2) }},
		{"version", func(name string) { w.fixed(name, `0`) }},
	} {
		if wants(chosen, f.name) {
			f.write(f.name)
		}
	}
	w.b = append(w.b, '}')
}

// badRow marks the answer as one that cannot be encoded, if the row has such a text.
func (w *writer) badRow(id int64) {
	w.x.garbled = w.x.garbled || slices.Contains(w.c.Server.BadRows, id)
}

// bindingCell returns a field of the row for an order's owner.
func bindingCell(r *orderRow, field int) cell {
	switch field {
	case bindOwner:
		return cell{n: r.owner.id}
	case bindOwnerType:
		return cell{n: r.owner.kind}
	}
	return cell{n: r.id}
}

func bindingMeets(r *orderRow, list []condition) bool {
	if r.owner == (owner{}) {
		return false
	}
	for i := range list {
		if !list[i].meets(bindingCell(r, list[i].field)) {
			return false
		}
	}
	return true
}

// sortedAtMost is how many rows the fake portal sorts by owner.
const sortedAtMost = 10_000

// orderEntityList implements crm.orderentity.list. Without an order, its rows are
// sorted by owner, so that paging by order id fails, as in reality.
func (c *call) orderEntityList() *apiError {
	x := c.x
	if x.c.Rights.NoBindings {
		return errSaleAccess
	}
	conditions := x.c.conditions(c.args.param("filter"), bindingFields, c.ignored)
	pg := c.page(bindingFields)
	if !pg.count && x.c.BindingsAtOnce {
		pg.limit = math.MaxInt64
	}
	chosen := c.args.param("select").texts()
	x.p.mu.RLock()
	defer x.p.mu.RUnlock()
	w := x.writer(append(c.out, `{"orderEntity":[`...))
	visit := func(r *orderRow) {
		w.separate()
		w.binding(r, chosen)
	}
	var total int64
	if len(c.args.param("order").items) > 0 {
		total = x.p.data.findBindings(conditions, pg, visit)
	} else {
		all := page{limit: sortedAtMost + 1}
		var rows []orderRow
		x.p.data.findBindings(conditions, all, func(r *orderRow) { rows = append(rows, *r) })
		if len(rows) > sortedAtMost {
			c.ignored("nothing, but without an order so many rows come in one that the fake portal cannot make")
			total = x.p.data.findBindings(conditions, pg, visit)
		} else {
			slices.SortFunc(rows, func(a, b orderRow) int {
				return cmp.Or(cmp.Compare(a.owner.id, b.owner.id), cmp.Compare(a.id, b.id))
			})
			total = int64(len(rows))
			for i := pg.start; i < min(pg.start+min(pg.limit, total), total); i++ {
				visit(&rows[i])
			}
		}
	}
	c.out = append(w.b, "]}"...)
	c.turned(pg, total)
	return nil
}

// findBindings calls visit with one page of the orders that have an owner, in order of
// ids.
func (l *live) findBindings(list []condition, pg page, visit func(*orderRow)) (total int64) {
	look := func(r *orderRow) bool {
		if bindingMeets(r, list) {
			if total >= pg.start && total-pg.start < pg.limit {
				visit(r)
			}
			total++
		}
		return pg.count || total-pg.start < pg.limit
	}
	bind := func(id int64) (r orderRow, ok bool) {
		r.id = id
		r.owner, ok = l.ownerOf(id)
		return r, ok
	}
	_, ids, ok := oneOf(list, bindOrder)
	if !ok {
		ids, ok = l.ordersOfOwners(list)
	}
	if ok {
		if pg.down {
			slices.Reverse(ids)
		}
		for _, id := range ids {
			if r, ok := bind(id); ok && !look(&r) {
				break
			}
		}
		return total
	}
	rest, from, to := bounds(list, bindOrder)
	low, high := l.ordersBelow(max(from, 0)), l.orderCount()
	if to < math.MaxInt64 {
		high = l.ordersBelow(to + 1)
	}
	known := int64(-1) // how many there are, if that need not be counted
	if len(rest) == 0 && pg.count && !l.rebound && len(l.gone) == 0 {
		known, pg.count = l.boundBetween(low, high), false
	}
	for i := range max(high-low, 0) {
		n := low + i
		if pg.down {
			n = high - 1 - i
		}
		if r, ok := bind(l.orderID(n)); ok && !look(&r) {
			break
		}
	}
	return max(total, known)
}

// ordersOfOwners returns the orders, in ascending order, of the items of one type that
// the conditions name, without a search through all. ok is false if they name none.
func (l *live) ordersOfOwners(list []condition) (orders []int64, ok bool) {
	_, owners, ok := oneOf(list, bindOwner)
	_, types, one := oneOf(list, bindOwnerType)
	if !ok || !one || len(types) != 1 {
		return nil, false
	}
	if kind, known := typeNumber(types[0]); known {
		for _, id := range owners {
			orders = l.ordersOf(orders, kind, id)
		}
	}
	slices.Sort(orders)
	return orders, true
}

func (w *writer) binding(r *orderRow, chosen []string) {
	w.about = uint64(r.id)<<1 | spelledByList
	w.b = append(w.b, '{')
	if wants(chosen, "orderId") {
		w.id("orderId", r.id)
	}
	if wants(chosen, "ownerId") {
		w.id("ownerId", r.owner.id)
	}
	if wants(chosen, "ownerTypeId") {
		w.id("ownerTypeId", r.owner.kind)
	}
	w.b = append(w.b, '}')
}
