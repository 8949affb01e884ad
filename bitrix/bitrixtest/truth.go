package bitrixtest

import (
	"iter"
	"math"
	"time"
)

// Payment is the true state of a payment, typed. Zero values mean absent: a zero date,
// an id of 0.
type Payment struct {
	ID            int64
	AccountNumber string
	Paid          bool
	DatePaid      time.Time // UTC, whole seconds
	EmpPaidID     int64
	PaySystemID   int64
	PaySystemName string
	Sum           string // decimal with four digits after the point, such as "-12.3400"
	Currency      string
	OrderID       int64
	OwnerTypeID   int64 // of the CRM item that the order belongs to
	OwnerID       int64
	DateBill      time.Time // UTC, whole seconds
	IsReturn      string    // N, Y or P
	ResponsibleID int64

	// Refused reports whether lists show the payment and a get refuses it.
	Refused bool
	// Poisoned reports whether one of its values is sent in a form that cannot be read.
	// The value here is the one that it should have.
	Poisoned bool
}

func (p *Portal) truth(c *config, r *row) Payment {
	_, _, poisoned := c.poisoned(r.id)
	own, _ := p.data.ownerOf(r.order)
	return Payment{
		ID:            r.id,
		AccountNumber: string(p.data.appendAccount(nil, r)),
		Paid:          r.paid,
		DatePaid:      instant(r.datePaid),
		EmpPaidID:     r.emp,
		PaySystemID:   paySystems[r.system].id,
		PaySystemName: paySystems[r.system].name,
		Sum:           string(appendDecimal(nil, r.sum, 4)),
		Currency:      currencies[r.currency],
		OrderID:       r.order,
		OwnerTypeID:   own.kind,
		OwnerID:       own.id,
		DateBill:      instant(r.bill),
		IsReturn:      string("NYP"[r.back]),
		ResponsibleID: r.responsible(),
		Refused:       c.refusal(r.id, r.order) != nil,
		Poisoned:      poisoned,
	}
}

func instant(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0).UTC()
}

// Truth returns a payment in its current state, and whether it exists.
func (p *Portal) Truth(id int64) (Payment, bool) {
	c := p.config()
	p.mu.RLock()
	defer p.mu.RUnlock()
	r, ok := p.data.get(id)
	if !ok {
		return Payment{}, false
	}
	return p.truth(c, &r), true
}

// All returns all payments in ascending order of id. It holds no lock while it yields,
// so later payments show changes that are made meanwhile.
func (p *Portal) All() iter.Seq[Payment] { return p.From(0) }

// From is like All, for the payments with an id of at least id.
func (p *Portal) From(id int64) iter.Seq[Payment] {
	return func(yield func(Payment) bool) {
		c := p.config()
		page := make([]Payment, 0, 256)
		for next := id; ; {
			page = page[:0]
			p.mu.RLock()
			p.data.walk(next, math.MaxInt64, false, func(r *row) bool {
				page = append(page, p.truth(c, r))
				return len(page) < cap(page)
			})
			p.mu.RUnlock()
			for _, payment := range page {
				if !yield(payment) {
					return
				}
			}
			if len(page) < cap(page) {
				return
			}
			next = page[len(page)-1].ID + 1
		}
	}
}

// Count returns how many payments there are now.
func (p *Portal) Count() int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.data.count()
}

// ID returns the id of payment number n, 0 ≤ n < Count, in ascending order.
func (p *Portal) ID(n int64) int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.data.at(n)
}

// Owner returns the owner of an order, 0 and 0 if it has none. ok reports whether the
// order exists.
func (p *Portal) Owner(order int64) (typeID, id int64, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	own, ok := p.data.ownerOf(order)
	return own.kind, own.id, ok
}

// Updated returns when an order was last saved, and whether it exists.
func (p *Portal) Updated(order int64) (time.Time, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	r, ok := p.data.order(order)
	return instant(r.updated), ok
}

// Refused reports whether lists show a payment and a get refuses it.
func (p *Portal) Refused(id int64) bool {
	payment, ok := p.Truth(id)
	return ok && payment.Refused
}

// Listed returns a payment's element of sale.payment.list with the named fields, or
// with all fields if none is named. It returns nil if there is no such payment.
func (p *Portal) Listed(id int64, fields ...string) []byte {
	x := &exchange{p: p, c: p.config()}
	list := value{kind: kindArray}
	for _, name := range fields {
		list.items = append(list.items, item{name, textValue(name)})
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	r, ok := p.data.get(id)
	if !ok {
		return nil
	}
	w := x.writer(nil)
	w.listed(&r, selected(&list, func(string) {}))
	return w.b
}
