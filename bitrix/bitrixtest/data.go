package bitrixtest

import (
	"sort"
	"strconv"
	"time"
)

// span is how long before the last date the oldest payment was billed.
const span = 6 * 365 * 24 * 60 * 60 // seconds

// longestDelay is the longest time between billing and paying a payment.
const longestDelay = 30 * 24 * 60 * 60 // seconds

// base is the portal's data before any change. Nothing is stored: everything is
// computed from the seed. Its methods are safe for concurrent use.
type base struct {
	payments int64 // how many
	orders   int64
	until    int64 // Unix seconds: no date is later
	ids      idMap // of payments
	orderIDs idMap
	items    [len(itemTypes)]idMap
	rows     dice // values of payments
	groups   dice // which payments share an order
	accounts dice // numbers of orders
	owners   dice // owners of orders
	returned dice // which payments were returned
	returns  float64
	related  dice // values of owners
	shop     bool // the data looks like a shop's
}

// row is a payment with typed values. It contains no text, so millions of rows can be
// computed and discarded.
type row struct {
	id       int64
	order    int64 // id
	nth      int64 // position among the payments of its order, from 1
	system   int   // index in paySystems
	currency int   // index in currencies
	emp      int64 // 0: none
	sum      int64 // in 1/10000
	bill     int64 // Unix seconds
	datePaid int64 // Unix seconds; 0: none
	paid     bool
	back     returned
}

// paySystem is a payment system. Names are like those that people use: with quotes,
// slashes and all alphabets.
type paySystem struct {
	id   int64
	name string
	json string // the name as PHP writes it, with its quotes
	cash bool
}

var paySystems = func() []paySystem {
	systems := []paySystem{
		{id: 1, name: "Внутренний счёт"},
		{id: 2, name: "Cash", cash: true},
		{id: 3, name: "Наличные", cash: true},
		{id: 5, name: "Visa/Mastercard"},
		{id: 6, name: "Überweisung (SEPA)"},
		{id: 8, name: `ЮKassa "СБП"`},
		{id: 9, name: "PayPal & Co <online>"},
		{id: 11, name: "Счёт для юр. лиц / ИП"},
		{id: 12, name: "現金"},
		{id: 14, name: `Apple Pay \ Google Pay`},
		{id: 15, name: "L'acompte 💶"},
		{id: 20, name: "Pagamento à vista"},
	}
	for i := range systems {
		systems[i].json = string(appendString(nil, systems[i].name))
	}
	return systems
}()

var currencies = []string{"USD", "EUR", "RUB", "KZT", "BRL"}

// splits lists how eight consecutive payments can be divided into four orders. Each
// split has four orders, so that an order's number can be computed.
var splits = [8][4]int{
	{2, 2, 2, 2}, {1, 3, 2, 2}, {1, 2, 1, 4}, {3, 1, 2, 2},
	{2, 1, 4, 1}, {1, 1, 3, 3}, {2, 3, 1, 2}, {1, 1, 1, 5},
}

const (
	groupPayments = 8
	groupOrders   = 4
)

// place is the position of a payment in its group's split.
type place struct{ order, nth int64 }

var places = func() (t [len(splits)][groupPayments]place) {
	for s, split := range splits {
		k := 0
		for order, n := range split {
			for nth := range n {
				t[s][k] = place{int64(order), int64(nth + 1)}
				k++
			}
		}
	}
	return t
}()

func newBase(seed uint64, payments, first, gap, until int64) *base {
	b := &base{
		payments: payments,
		until:    until,
		ids:      idMap{newDice(seed, saltPaymentID), first, gap},
		orderIDs: idMap{newDice(seed, saltOrderID), 1, 1},
		rows:     newDice(seed, saltPayment),
		groups:   newDice(seed, saltGroup),
		accounts: newDice(seed, saltOrder),
		owners:   newDice(seed, saltOwners),
		returned: newDice(seed, saltReturns),
		related:  newDice(seed, saltRelated),
	}
	for t := range itemTypes {
		b.items[t] = idMap{newDice(seed, saltItemID+uint64(t)<<8), 1, 1}
	}
	b.orders = payments / groupPayments * groupOrders
	if rest := payments % groupPayments; rest > 0 {
		b.orders += b.place(payments-1).order + 1
	}
	return b
}

func (b *base) place(k int64) place {
	group := k / groupPayments
	return places[b.groups.roll(uint64(group))%uint64(len(splits))][k%groupPayments]
}

// billed returns when payment k was billed. It never decreases as k increases.
func (b *base) billed(k int64) int64 {
	// The jitter is below one step, so that the next k is never earlier.
	jitter := int64(b.rows.roll(uint64(k)<<1|1) % span)
	at := (k*span + jitter) / b.payments
	if b.shop {
		at = int64(tradeTime(float64(at)/span) * span)
	}
	return b.until - span + at
}

// billedFrom returns the lowest k that was billed at t or later.
func (b *base) billedFrom(t int64) int64 {
	return int64(sort.Search(int(b.payments), func(k int) bool { return b.billed(int64(k)) >= t }))
}

// row computes payment k, 0 ≤ k < payments.
func (b *base) row(k int64) row {
	place := b.place(k)
	order := k/groupPayments*groupOrders + place.order
	r := row{
		id:    b.ids.id(k),
		order: b.orderIDs.id(order),
		nth:   place.nth,
		bill:  b.billed(k),
	}
	b.values(&r, b.rows.roll(uint64(k)<<1))
	r.datePaid = min(r.datePaid, b.until)
	if r.paid && b.returned.hit(uint64(k), b.returns) {
		r.giveBack(returnedInner + returned(b.returned.roll(uint64(k)^1<<63)&1))
	}
	return r
}

// values sets a payment's values from 64 random bits.
func (b *base) values(r *row, h uint64) {
	if b.shop {
		b.trade(r, h, b.accounts.roll(uint64(r.order)))
		return
	}
	r.system = int(h >> 26 & 0xffff % uint64(len(paySystems)))
	r.currency = int(h >> 42 & 0xff % uint64(len(currencies)))
	more := mix(h)
	r.sum = amount(int(h>>50&1023), more)
	if h&1023 < 819 { // 80 %
		r.paid = true
		r.datePaid = r.bill + int64(more>>40)%longestDelay
		if h>>10&1023 < 410 { // 40 % of them: 32 % of all
			r.emp = 1 + int64(h>>20&63)
		}
	}
}

// amount returns a sum in 1/10000: mostly whole or with two digits, sometimes zero,
// negative, very large or with all four digits. None has more than fifteen digits,
// because a portal sends a binary float.
func amount(kind int, h uint64) int64 {
	digits, h := h%64, h>>6
	step := int64(10_000) // whole
	switch {
	case digits < 29:
	case digits < 58:
		step = 100
	case digits < 60:
		step = 1000
	case digits < 62:
		step = 10
	default:
		step = 1
	}
	limit := uint64(200_000_0000)
	if h&1 == 0 {
		limit = 2_000_0000
	}
	sign := int64(1)
	switch {
	case kind < 20: // 2 %
		return 0
	case kind < 60: // 4 %: a refund
		sign = -1
	case kind < 80: // 2 %
		limit = 99_999_999_999_0000
	}
	units := int64((h >> 1) % limit)
	return sign * max(units-units%step, step)
}

// appendAccount appends the payment's account number: the order's number, a slash and
// the position of the payment in the order. Some orders are numbered by a template with
// letters, and some payments by a number alone.
func (b *base) appendAccount(out []byte, r *row) []byte {
	h := b.accounts.roll(uint64(r.order)) & 63
	switch {
	case h < 2:
		out = append(out, "ЗАК-"...)
	case h < 3:
		out = append(out, "№ "...)
	case h < 4:
		return strconv.AppendInt(out, 100*r.order+r.nth, 10)
	}
	out = strconv.AppendInt(out, r.order, 10)
	out = append(out, '/')
	return strconv.AppendInt(out, r.nth, 10)
}

// anchors are the days before which all data is. The later one is used if the clock has
// passed it. A synctest bubble's clock starts in 2000.
var anchors = [2]time.Time{
	time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
	time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC),
}
