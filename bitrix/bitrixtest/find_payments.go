package bitrixtest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Fields that payments can be filtered by. Payments are in the order of the first one.
const (
	payID = iota
	payOrder
	payPaid
	payDatePaid
	payDateBill
	paySystemField
	payEmp
	paySum
	payCurrency
	payAccount
	paySystemNameField
	payReturn
	payMarked
	payExternal
	payCompany
)

var paymentFields = []field{
	payID:              {"id", intField},
	payOrder:           {"orderId", intField},
	payPaid:            {"paid", boolField},
	payDatePaid:        {"datePaid", timeField},
	payDateBill:        {"dateBill", timeField},
	paySystemField:     {"paySystemId", intField},
	payEmp:             {"empPaidId", intField},
	paySum:             {"sum", moneyField},
	payCurrency:        {"currency", textField},
	payAccount:         {"accountNumber", textField},
	paySystemNameField: {"paySystemName", textField},
	payReturn:          {"isReturn", boolField},
	payMarked:          {"marked", boolField},
	payExternal:        {"externalPayment", boolField},
	payCompany:         {"companyId", intField},
}

func (l *live) paymentCell(r *row, field int) cell {
	switch field {
	case payID:
		return cell{n: r.id}
	case payOrder:
		return cell{n: r.order}
	case payPaid:
		if r.paid {
			return cell{n: 1}
		}
	case payDatePaid:
		return cell{n: r.datePaid, null: r.datePaid == 0}
	case payDateBill:
		return cell{n: r.bill}
	case paySystemField:
		return cell{n: paySystems[r.system].id}
	case payEmp:
		return cell{n: r.emp, null: r.emp == 0}
	case paySum:
		return cell{n: r.sum}
	case payCurrency:
		return cell{text: currencies[r.currency]}
	case payAccount:
		return cell{text: string(l.appendAccount(nil, r))}
	case paySystemNameField:
		return cell{text: paySystems[r.system].name}
	case payCompany:
		return cell{null: true}
	}
	return cell{}
}

func (l *live) paymentMeets(r *row, list []condition) bool {
	for i := range list {
		if !list[i].meets(l.paymentCell(r, list[i].field)) {
			return false
		}
	}
	return true
}

// findPayments calls visit with the payments of one page. It returns how many payments
// meet the conditions, if the page requests the count. Ranges of ids cost nothing; ids,
// orders and dates of billing are found without a search. For other conditions it
// checks every payment in between.
func (l *live) findPayments(list []condition, pg page, counts *countCache, visit func(*row)) (total int64) {
	if rest, ids, ok := oneOf(list, payID); ok {
		var rows []row
		for _, id := range ids {
			if r, ok := l.get(id); ok {
				rows = append(rows, r)
			}
		}
		return l.pickPayments(rows, rest, pg, visit)
	}
	if rest, orders, ok := oneOf(list, payOrder); ok {
		var rows []row
		for _, order := range orders {
			rows = l.ofOrder(rows, order)
		}
		sortRows(rows)
		return l.pickPayments(rows, rest, pg, visit)
	}
	rest, from, to := bounds(list, payID)
	from, to = max(from, 0), min(to, l.lastID)
	low, high := l.billedBetween(rest)
	from, to = max(from, low), min(to, high)
	if from > to {
		return 0
	}
	if len(rest) == 0 {
		return l.pagePayments(from, to, pg, visit)
	}
	key := fmt.Sprint(l.version, from, to, rest)
	known, cached := counts.get(key)
	seen := int64(0)
	l.walk(from, to, pg.down, func(r *row) bool {
		if !l.paymentMeets(r, rest) {
			return true
		}
		if seen >= pg.start && seen < pg.start+pg.limit {
			visit(r)
		}
		seen++
		return seen < pg.start+pg.limit || pg.count && !cached
	})
	if !pg.count {
		return seen
	}
	if cached {
		return known
	}
	counts.put(key, seen)
	return seen
}

// pagePayments visits the page of all payments in a range of ids.
func (l *live) pagePayments(from, to int64, pg page, visit func(*row)) int64 {
	first := l.below(from)
	total := l.below(to+1) - first
	if pg.start >= total {
		return total
	}
	if pg.down {
		to = l.at(first + total - 1 - pg.start)
	} else if pg.start > 0 {
		from = l.at(first + pg.start)
	}
	left := pg.limit
	l.walk(from, to, pg.down, func(r *row) bool {
		visit(r)
		left--
		return left > 0
	})
	return total
}

// pickPayments visits the page of some rows that are in order of id.
func (l *live) pickPayments(rows []row, list []condition, pg page, visit func(*row)) (total int64) {
	if pg.down {
		slices.Reverse(rows)
	}
	for i := range rows {
		if !l.paymentMeets(&rows[i], list) {
			continue
		}
		if total >= pg.start && total < pg.start+pg.limit {
			visit(&rows[i])
		}
		total++
	}
	return total
}

func sortRows(rows []row) {
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.id, b.id) })
}

// billedBetween returns bounds on the ids of payments whose date of billing is in the
// range of the conditions, because that date never decreases as ids increase. The
// bounds may contain other payments too: the conditions must still be checked.
func (l *live) billedBetween(list []condition) (from, to int64) {
	_, early, late := bounds(list, payDateBill)
	if _, days, ok := oneOf(list, payDateBill); ok && len(days) > 0 {
		early, late = max(early, days[0]), min(late, days[len(days)-1])
	}
	from, to = 0, l.lastID
	if l.payments == 0 || early == math.MinInt64 && late == math.MaxInt64 {
		return from, to
	}
	if k := l.billedFrom(early); k < l.payments {
		from = l.ids.id(k)
	} else {
		from = l.ids.id(l.payments-1) + 1
	}
	if late < l.until {
		k := l.billedFrom(late + 1)
		if k == 0 {
			return 1, 0
		}
		to = min(to, l.ids.id(k-1))
	}
	return from, to
}

// countCache caches a few totals. Otherwise, paging through a filter that needs a
// search would count everything again for each page.
type countCache struct {
	mu     sync.Mutex
	counts map[string]int64
}

func (c *countCache) get(key string) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.counts[key]
	return n, ok
}

func (c *countCache) put(key string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil || len(c.counts) >= 64 {
		c.counts = map[string]int64{}
	}
	c.counts[key] = n
}
