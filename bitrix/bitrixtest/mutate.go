package bitrixtest

import (
	"slices"
	"strings"
	"time"
)

// Op is the kind of a mutation.
type Op string

const (
	OpPay     Op = "pay"     // an unpaid payment was paid
	OpUnpay   Op = "unpay"   // a paid payment became unpaid
	OpReprice Op = "reprice" // its sum changed
	OpDelete  Op = "delete"  // it was deleted
	OpAdd     Op = "add"     // it is new
	OpTouch   Op = "touch"   // its order was saved without a change of the payment
	OpReturn  Op = "return"  // it was refunded
)

// Mutation is one change of the portal's data. For OpTouch, Payment is 0.
type Mutation struct {
	Op      Op
	Payment int64
	Order   int64
}

// Each mutation saves the payment's order, whose dateUpdate becomes now, queues an
// event if offline events are bound, and allows another get of the payment. All
// mutations are safe for concurrent use, also while the portal answers requests.

// Pay marks a payment as paid now. It returns false, and changes nothing, if there is
// no such payment or it is paid already.
func (p *Portal) Pay(id int64) bool { return p.change(OpPay, id, p.pay) }

// PayAt marks a payment as billed and paid at a time, whatever its state was.
func (p *Portal) PayAt(id int64, at time.Time) bool {
	return p.change(OpPay, id, func(r *row, _ int64) bool {
		r.paid, r.bill, r.datePaid, r.emp, r.back = true, at.Unix(), at.Unix(), int64(p.config().User), returnedNot
		return true
	})
}

// Unpay marks a payment as not paid.
func (p *Portal) Unpay(id int64) bool { return p.change(OpUnpay, id, unpay) }

// Reprice sets a payment's sum, in 1/10000. It must not have more than fifteen digits,
// because a portal's float cannot represent more.
func (p *Portal) Reprice(id, sum int64) bool {
	return p.change(OpReprice, id, func(r *row, _ int64) bool {
		if r.sum == sum {
			return false
		}
		r.sum = sum
		return true
	})
}

func (p *Portal) change(op Op, id int64, edit func(r *row, now int64) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changeLocked(op, id, edit)
}

func (p *Portal) changeLocked(op Op, id int64, edit func(r *row, now int64) bool) bool {
	now := p.clock()
	r, ok := p.data.get(id)
	if !ok || !edit(&r, now) {
		return false
	}
	p.data.changed[id] = r
	p.saved(r.order, now)
	p.note(op, id, r.order, now)
	return true
}

// Delete deletes a payment. Its order stays.
func (p *Portal) Delete(id int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deleteLocked(id)
}

func (p *Portal) deleteLocked(id int64) bool {
	l, now := p.data, p.clock()
	r, ok := l.get(id)
	if !ok {
		return false
	}
	delete(l.changed, id)
	if at, found := slices.BinarySearch(l.added, id); found {
		l.added = slices.Delete(l.added, at, at+1)
		l.byOrder[r.order] = slices.DeleteFunc(l.byOrder[r.order], func(other int64) bool { return other == id })
	} else {
		at, _ := slices.BinarySearch(l.deleted, id)
		l.deleted = slices.Insert(l.deleted, at, id)
	}
	p.saved(r.order, now)
	p.note(OpDelete, id, r.order, now)
	return true
}

// Add adds a payment, billed now, to an order, or to a new order if order is 0. It
// returns the payment's id, or 0 if there is no such order.
func (p *Portal) Add(order int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addLocked(order)
}

func (p *Portal) addLocked(order int64) int64 {
	l, now := p.data, p.clock()
	if order == 0 {
		order = p.openOrder()
	}
	if _, ok := l.ownerOf(order); !ok {
		return 0
	}
	r := row{id: l.lastID + 1, order: order, nth: 1, bill: now}
	for _, other := range l.ofOrder(nil, order) {
		r.nth = max(r.nth, other.nth+1)
	}
	l.values(&r, l.rows.roll(uint64(r.id)<<1|1<<63))
	if r.paid {
		r.datePaid = now
	}
	l.lastID = r.id
	l.changed[r.id] = r
	l.added = append(l.added, r.id)
	l.byOrder[order] = append(l.byOrder[order], r.id)
	p.saved(order, now)
	p.note(OpAdd, r.id, order, now)
	return r.id
}

// openOrder creates an order with the owner of a seeded order of the base, and returns
// its id.
func (p *Portal) openOrder() int64 {
	l := p.data
	id := l.orderIDs.id(l.orders)
	if n := len(l.opened); n > 0 {
		id = l.opened[n-1] + 1
	}
	var own owner
	if l.orders > 0 {
		own = l.base.owner(int64(l.accounts.roll(uint64(id)) % uint64(l.orders)))
	}
	l.opened = append(l.opened, id)
	l.owners[id] = own
	return id
}

// Rebind sets the owner of an order to an item of the portal, or to none for 0 and 0.
// This saves no order and queues no event. It reports whether the order and the item
// exist.
func (p *Portal) Rebind(order, typeID, id int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.data
	if kind, known := typeNumber(typeID); known {
		if n, exact := l.items[kind].rank(id); !exact || n >= l.itemCount(kind) {
			return false
		}
	} else if typeID != 0 || id != 0 {
		return false
	}
	if _, ok := l.ownerOf(order); !ok {
		return false
	}
	_, base := l.orderNumber(order)
	l.rebound = l.rebound || base
	l.owners[order] = owner{typeID, id}
	l.version++
	return true
}

// DeleteOrder deletes an order with its payments. It reports whether the order existed.
func (p *Portal) DeleteOrder(order int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.data
	if _, ok := l.ownerOf(order); !ok {
		return false
	}
	for _, r := range l.ofOrder(nil, order) {
		p.deleteLocked(r.id)
	}
	l.gone[order] = true
	l.version++
	return true
}

// Touch saves an order without changing any payment of it. It reports whether the order
// exists.
func (p *Portal) Touch(order int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.data.ownerOf(order); !ok {
		return false
	}
	now := p.clock()
	p.saved(order, now)
	p.note(OpTouch, 0, order, now)
	return true
}

// saved records that an order was saved.
func (p *Portal) saved(order, now int64) {
	l := p.data
	if _, known := l.touched[order]; !known {
		at, _ := slices.BinarySearch(l.saved, order)
		l.saved = slices.Insert(l.saved, at, order)
	}
	l.touched[order] = now
	l.version++
}

// note passes a mutation to the event queue and the rules.
func (p *Portal) note(op Op, payment, order, now int64) {
	p.events.changed(op, payment, order, now)
	if payment != 0 {
		p.gets.forgive(payment)
	}
}

// clock returns the time of a mutation in Unix seconds. No mutation has a date before
// the data's last day, so that later mutations always have later dates.
func (p *Portal) clock() int64 { return max(time.Now().Unix(), p.data.until) }

// Mutate makes n changes, chosen by seed: of ten, three pay, one unpays, two reprice,
// one deletes, two add (one of them to a new order) and one only touches an order. It
// returns the changes in order. On a portal without payments it can only add.
func (p *Portal) Mutate(n int, seed uint64) []Mutation {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := newDice(seed, saltMutate)
	var done []Mutation
	for i := range uint64(max(n, 0)) {
		done = append(done, p.mutateLocked(int(d.roll(3*i)%10), d.roll(3*i+1), d.roll(3*i+2)))
	}
	return done
}

func (p *Portal) mutateLocked(kind int, pick, value uint64) Mutation {
	l := p.data
	add := func(order int64) Mutation {
		id := p.addLocked(order)
		return Mutation{OpAdd, id, l.changed[id].order}
	}
	if l.count() == 0 || kind == 0 {
		return add(0)
	}
	id := l.at(int64(pick % uint64(l.count())))
	r, _ := l.get(id)
	switch {
	case kind == 1:
		return add(r.order)
	case kind == 2:
		p.deleteLocked(id)
		return Mutation{OpDelete, id, r.order}
	case kind == 3:
		now := p.clock()
		p.saved(r.order, now)
		p.note(OpTouch, 0, r.order, now)
		return Mutation{OpTouch, 0, r.order}
	case kind <= 5:
		p.changeLocked(OpReprice, id, func(r *row, _ int64) bool {
			sum := amount(int(value&1023), value>>10)
			if sum == r.sum {
				sum += 100 // it must differ from the old sum
			}
			r.sum = sum
			return true
		})
		return Mutation{OpReprice, id, r.order}
	}
	// Four of five payments are paid, so search for an unpaid one nearby.
	near := 0
	l.walk(id, l.lastID, false, func(other *row) bool {
		near++
		if other.paid == (kind == 9) {
			r = *other
			return false
		}
		return near < 100
	})
	if r.paid {
		p.changeLocked(OpUnpay, r.id, unpay)
		return Mutation{OpUnpay, r.id, r.order}
	}
	p.changeLocked(OpPay, r.id, p.pay)
	return Mutation{OpPay, r.id, r.order}
}

func (p *Portal) pay(r *row, now int64) bool {
	if r.paid {
		return false
	}
	r.paid, r.datePaid, r.emp, r.back = true, now, int64(p.config().User), returnedNot
	return true
}

func unpay(r *row, _ int64) bool {
	if !r.paid {
		return false
	}
	r.paid, r.datePaid, r.emp = false, 0, 0
	return true
}

// ParseSum parses a sum such as "-12.34" into 1/10000, for Reprice. It returns false
// for anything else, and for more than four digits after the point.
func ParseSum(text string) (int64, bool) {
	digits, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if digits == "" || len(digits) > 11 || len(fraction) > 4 {
		return 0, false
	}
	var units int64
	for _, c := range digits + fraction + "0000"[len(fraction):] {
		if c < '0' || c > '9' {
			return 0, false
		}
		units = units*10 + int64(c-'0')
	}
	if strings.HasPrefix(text, "-") {
		units = -units
	}
	return units, true
}
