package schemas

import (
	"math/big"
	"math/bits"

	"b24export/schemas/totals"
)

// Totals sums payments by currency, exactly. The zero Totals is empty and ready for
// use. It must not be used concurrently.
type Totals struct {
	currencies map[string]*tally
}

type tally struct {
	payments, paid int64
	sum, paidSum   wide
}

// Add adds p to the totals. A payment without a currency counts under "".
func (t *Totals) Add(p *Payment) {
	c := t.currencies[p.Currency.V]
	if c == nil {
		if t.currencies == nil {
			t.currencies = make(map[string]*tally)
		}
		c = new(tally)
		t.currencies[p.Currency.V] = c
	}
	c.payments++
	c.sum.add(p.Sum.V)
	if p.Paid.V {
		c.paid++
		c.paidSum.add(p.Sum.V)
	}
}

// ByCurrency returns the totals so far.
func (t *Totals) ByCurrency() map[string]totals.Total {
	by := make(map[string]totals.Total, len(t.currencies))
	for currency, c := range t.currencies {
		by[currency] = totals.Total{Payments: c.payments, Sum: c.sum.String(), Paid: c.paid, PaidSum: c.paidSum.String()}
	}
	return by
}

// wide is a sum of decimals in 128 bits, two's complement: 2⁶³ of them cannot overflow
// it.
type wide struct {
	high int64
	low  uint64
}

func (w *wide) add(d Decimal) {
	low, carry := bits.Add64(w.low, uint64(d), 0)
	w.low = low
	w.high += int64(d)>>63 + int64(carry)
}

// String returns the sum in the format of Decimal.String.
func (w *wide) String() string {
	n := big.NewInt(w.high)
	n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(w.low))
	negative := n.Sign() < 0
	return formatScaled(negative, n.Abs(n).Append(nil, 10))
}
