package bitrixtest

import (
	"slices"
	"sort"
)

// live is the portal's current data: the base, and all changes since. Its memory grows
// only with the changes. It has no lock of its own: the portal's guards it.
//
// New payments and orders get ids above all others, as in a database. The live ids are
// therefore those of the base without the deleted ones, then the added ones.
type live struct {
	*base
	changed map[int64]row     // payments that differ from the base, and added ones
	deleted []int64           // deleted ids of the base, ascending
	added   []int64           // payments after the base, ascending
	byOrder map[int64][]int64 // added payments by order
	opened  []int64           // orders after the base, ascending
	owners  map[int64]owner   // of opened orders, and of those with a new owner
	rebound bool              // owners contains orders of the base
	gone    map[int64]bool    // orders that were deleted
	touched map[int64]int64   // when an order was last saved, in Unix seconds; only for orders saved since
	saved   []int64           // keys of touched, ascending
	lastID  int64             // highest payment id so far
	version uint64            // incremented by each change
}

func newLive(b *base) *live {
	l := &live{
		base:    b,
		changed: map[int64]row{},
		byOrder: map[int64][]int64{},
		owners:  map[int64]owner{},
		gone:    map[int64]bool{},
		touched: map[int64]int64{},
		lastID:  b.ids.first,
	}
	if b.payments > 0 {
		l.lastID = b.ids.id(b.payments - 1)
	}
	return l
}

// get returns the payment with that id, if it exists now.
func (l *live) get(id int64) (row, bool) {
	if len(l.changed) > 0 {
		if r, ok := l.changed[id]; ok {
			return r, true
		}
	}
	k, exact := l.ids.rank(id)
	if !exact || k >= l.payments || l.isDeleted(id) {
		return row{}, false
	}
	return l.row(k), true
}

func (l *live) isDeleted(id int64) bool {
	if len(l.deleted) == 0 {
		return false
	}
	_, found := slices.BinarySearch(l.deleted, id)
	return found
}

// count returns how many payments there are now.
func (l *live) count() int64 {
	return l.payments - int64(len(l.deleted)) + int64(len(l.added))
}

// below returns how many payments have an id below id.
func (l *live) below(id int64) int64 {
	k, _ := l.ids.rank(id)
	gone, _ := slices.BinarySearch(l.deleted, id)
	more, _ := slices.BinarySearch(l.added, id)
	return min(k, l.payments) - int64(gone) + int64(more)
}

// at returns the id of payment number n, 0 ≤ n < count, in ascending order.
func (l *live) at(n int64) int64 {
	kept := l.payments - int64(len(l.deleted))
	if n >= kept {
		return l.added[n-kept]
	}
	if len(l.deleted) == 0 {
		return l.ids.id(n)
	}
	// The lowest k such that n+1 live payments have an id of at most id(k).
	k := n + int64(sort.Search(len(l.deleted), func(more int) bool {
		return l.below(l.ids.id(n+int64(more))+1) > n
	}))
	return l.ids.id(k)
}

// walk calls visit with the payments whose ids are in [from, to], ascending or
// descending, until visit returns false.
func (l *live) walk(from, to int64, down bool, visit func(*row) bool) {
	if from > to {
		return
	}
	if down {
		if l.walkAdded(from, to, true, visit) {
			l.walkBase(from, to, true, visit)
		}
		return
	}
	if l.walkBase(from, to, false, visit) {
		l.walkAdded(from, to, false, visit)
	}
}

// walkBase walks payments of the base. It reports whether to continue.
func (l *live) walkBase(from, to int64, down bool, visit func(*row) bool) bool {
	low, _ := l.ids.rank(from)
	high, exact := l.ids.rank(to)
	if exact {
		high++
	}
	low, high = min(low, l.payments), min(high, l.payments)
	for i := range high - low {
		k := low + i
		if down {
			k = high - 1 - i
		}
		r := l.row(k)
		if l.isDeleted(r.id) {
			continue
		}
		if len(l.changed) > 0 {
			if changed, ok := l.changed[r.id]; ok {
				r = changed
			}
		}
		if !visit(&r) {
			return false
		}
	}
	return true
}

func (l *live) walkAdded(from, to int64, down bool, visit func(*row) bool) bool {
	low, _ := slices.BinarySearch(l.added, from)
	high, exact := slices.BinarySearch(l.added, to)
	if exact {
		high++
	}
	ids := l.added[low:high]
	for i := range ids {
		id := ids[i]
		if down {
			id = ids[len(ids)-1-i]
		}
		r := l.changed[id]
		if !visit(&r) {
			return false
		}
	}
	return true
}

// ofOrder appends the payments of an order, ascending by id.
func (l *live) ofOrder(rows []row, order int64) []row {
	if o, ok := l.orderNumber(order); ok {
		from, to := l.orderPayments(o)
		for k := from; k < to; k++ {
			if r, ok := l.get(l.ids.id(k)); ok {
				rows = append(rows, r)
			}
		}
	}
	for _, id := range l.byOrder[order] {
		rows = append(rows, l.changed[id])
	}
	return rows
}

// orderRow is an order with typed values.
type orderRow struct {
	id      int64
	owner   owner
	updated int64 // Unix seconds
	created int64
}

// orderCount returns how many orders there are, including deleted ones.
func (l *live) orderCount() int64 { return l.orders + int64(len(l.opened)) }

// orderID returns the id of order number n, 0 ≤ n < orderCount.
func (l *live) orderID(n int64) int64 {
	if n < l.orders {
		return l.orderIDs.id(n)
	}
	return l.opened[n-l.orders]
}

// ordersBelow returns how many orders have an id below id.
func (l *live) ordersBelow(id int64) int64 {
	o, _ := l.orderIDs.rank(id)
	more, _ := slices.BinarySearch(l.opened, id)
	return min(o, l.orders) + int64(more)
}

// ownerOf returns the owner of an order; false if there is no such order.
func (l *live) ownerOf(order int64) (owner, bool) {
	if l.gone[order] {
		return owner{}, false
	}
	if own, ok := l.owners[order]; ok {
		return own, true
	}
	if o, ok := l.orderNumber(order); ok {
		return l.base.owner(o), true
	}
	return owner{}, false
}

// ordersOf appends the orders that an item owns, in no defined order.
func (l *live) ordersOf(orders []int64, kind int, id int64) []int64 {
	for _, order := range l.itemOrders(nil, kind, id) {
		if _, moved := l.owners[order]; !moved && !l.gone[order] {
			orders = append(orders, order)
		}
	}
	for order, own := range l.owners {
		if own == (owner{itemTypes[kind].id, id}) && !l.gone[order] {
			orders = append(orders, order)
		}
	}
	return orders
}

// order returns the order with that id.
func (l *live) order(id int64) (orderRow, bool) {
	r := orderRow{id: id}
	own, ok := l.ownerOf(id)
	if !ok {
		return orderRow{}, false
	}
	r.owner = own
	if o, ok := l.orderNumber(id); ok {
		from, _ := l.orderPayments(o)
		r.created = l.billed(from)
		if at, ok := l.touched[id]; ok {
			r.updated = at
		} else {
			r.updated = l.orderUpdated(o)
		}
		return r, true
	}
	r.updated = l.touched[id]
	r.created = r.updated
	if ids := l.byOrder[id]; len(ids) > 0 {
		r.created = l.changed[ids[0]].bill
	}
	return r, true
}

// boundBetween returns how many of the orders number low to high-1 have an owner.
func (l *live) boundBetween(low, high int64) (n int64) {
	bound := func(own owner) int64 {
		if own == (owner{}) {
			return 0
		}
		return 1
	}
	for low < high {
		switch {
		case low >= l.orders:
			n += bound(l.owners[l.opened[low-l.orders]])
			low++
		case low%ownerGroup == 0 && low+ownerGroup <= min(high, l.orders):
			groups := (min(high, l.orders) - low) / ownerGroup
			n += groups * boundOfGroup
			low += groups * ownerGroup
		default:
			n += bound(l.base.owner(low))
			low++
		}
	}
	return n
}
