package bitrixtest

// owner is the CRM item that an order belongs to. The zero owner means that it has
// none.
type owner struct{ kind, id int64 }

// itemType is a kind of CRM item.
type itemType struct {
	id       int64
	title    string
	payments bool  // items can have payments
	custom   bool  // it is a smart process, listed by crm.type.list
	each     int64 // items in each group of ownerGroup orders, including those without orders
}

// itemTypes are the portal's kinds of items. The last has no payments.
var itemTypes = [...]itemType{
	{id: 2, title: "Сделка", payments: true, each: 10},
	{id: 31, title: "Счёт", payments: true, each: 4},
	{id: 128, title: "Аренда / Rent", payments: true, custom: true, each: 1},
	{id: 142, title: `Ремонт "под ключ"`, payments: true, custom: true, each: 1},
	{id: 1050, title: "Заявки", custom: true, each: 2},
}

// typeNumber returns the index of a type in itemTypes.
func typeNumber(id int64) (int, bool) {
	for i := range itemTypes {
		if itemTypes[i].id == id {
			return i, true
		}
	}
	return 0, false
}

// ownerGroup is the number of orders that are assigned to owners by one pattern,
// rotated by a seeded number, so that the owner and the owned orders can both be
// computed.
const ownerGroup = 16

// slot is an order's owner in its group: the type's index in itemTypes and the item's
// number in the group. Two orders have no owner; one deal has two orders.
type slot struct {
	kind int // -1: no owner
	item int64
}

var slots = [ownerGroup]slot{
	{0, 0}, {0, 1}, {1, 0}, {-1, 0}, {0, 2}, {0, 2}, {2, 0}, {0, 3},
	{1, 1}, {0, 4}, {-1, 0}, {0, 5}, {3, 0}, {0, 6}, {1, 2}, {0, 7},
}

// boundOfGroup is how many of a group's orders have an owner.
const boundOfGroup = ownerGroup - 2

func (b *base) turn(group int64) int64 {
	return int64(b.owners.roll(uint64(group)) % ownerGroup)
}

// owner returns the item that owns order number o.
func (b *base) owner(o int64) owner {
	group := o / ownerGroup
	s := slots[(o+b.turn(group))%ownerGroup]
	if s.kind < 0 {
		return owner{}
	}
	t := &itemTypes[s.kind]
	return owner{t.id, b.items[s.kind].id(group*t.each + s.item)}
}

// itemCount returns how many items of a type there are.
func (b *base) itemCount(kind int) int64 {
	return (b.orders + ownerGroup - 1) / ownerGroup * itemTypes[kind].each
}

// itemOrders appends the ids of the orders that an item owns, in ascending order.
func (b *base) itemOrders(ids []int64, kind int, id int64) []int64 {
	n, exact := b.items[kind].rank(id)
	if !exact || n >= b.itemCount(kind) {
		return ids
	}
	each := itemTypes[kind].each
	group := n / each
	for in := range int64(ownerGroup) {
		o := group*ownerGroup + in
		if s := slots[(in+b.turn(group))%ownerGroup]; s.kind == kind && s.item == n%each && o < b.orders {
			ids = append(ids, b.orderIDs.id(o))
		}
	}
	return ids
}

// orderNumber returns the number of the order with that id.
func (b *base) orderNumber(id int64) (int64, bool) {
	o, exact := b.orderIDs.rank(id)
	return o, exact && o < b.orders
}

// orderPayments returns the range [from, to) of the payments of order number o.
func (b *base) orderPayments(o int64) (from, to int64) {
	group := o / groupOrders
	split := splits[b.groups.roll(uint64(group))%uint64(len(splits))]
	from = group * groupPayments
	for i := range o % groupOrders {
		from += int64(split[i])
	}
	to = from + int64(split[o%groupOrders])
	return from, min(to, b.payments)
}

// orderUpdated returns when order number o was last saved: the latest time at which one
// of its payments was billed or paid.
func (b *base) orderUpdated(o int64) int64 {
	var last int64
	from, to := b.orderPayments(o)
	for k := from; k < to; k++ {
		r := b.row(k)
		last = max(last, r.bill, r.datePaid)
	}
	return last
}

// orderUpdatedFrom returns an order number below which none was saved at t or later.
func (b *base) orderUpdatedFrom(t int64) int64 {
	if t > b.until {
		return b.orders
	}
	k := b.billedFrom(t - longestDelay)
	if k >= b.payments {
		return b.orders
	}
	return k/groupPayments*groupOrders + b.place(k).order
}
