package schemas

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strings"

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

// TotalsOf returns totals that begin with those of a manifest.
func TotalsOf(by map[string]totals.Total) (*Totals, error) {
	t := &Totals{currencies: make(map[string]*tally, len(by))}
	for currency, from := range by {
		c := &tally{payments: from.Payments, paid: from.Paid}
		if err := errors.Join(c.sum.parse(from.Sum), c.paidSum.parse(from.PaidSum)); err != nil {
			return nil, err
		}
		t.currencies[currency] = c
	}
	return t, nil
}

// Add adds p to the totals. A payment without a currency counts under "".
func (t *Totals) Add(p *Payment) { t.count(p, 1) }

// Remove takes p out of the totals, to which it must have been added.
func (t *Totals) Remove(p *Payment) { t.count(p, -1) }

func (t *Totals) count(p *Payment, n int64) {
	c := t.currencies[p.Currency.V]
	if c == nil {
		if t.currencies == nil {
			t.currencies = make(map[string]*tally)
		}
		c = new(tally)
		t.currencies[p.Currency.V] = c
	}
	sum := p.Sum.V * Decimal(n)
	c.payments += n
	c.sum.add(sum)
	if p.Paid.V {
		c.paid += n
		c.paidSum.add(sum)
	}
}

// ByCurrency returns the totals so far, without currencies that no payment has.
func (t *Totals) ByCurrency() map[string]totals.Total {
	by := make(map[string]totals.Total, len(t.currencies))
	for currency, c := range t.currencies {
		if c.payments != 0 {
			by[currency] = totals.Total{Payments: c.payments, Sum: c.sum.String(), Paid: c.paid, PaidSum: c.paidSum.String()}
		}
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

// parse sets the sum to what String returned.
func (w *wide) parse(text string) error {
	before, after, _ := strings.Cut(text, ".")
	n, ok := new(big.Int).SetString(before+after, 10)
	if !ok || len(after) != Scale || n.BitLen() > 127 {
		return fmt.Errorf("total %q: not a sum with %d digits after the point", text, Scale)
	}
	low, high := new(big.Int), new(big.Int)
	low.And(n, new(big.Int).SetUint64(math.MaxUint64))
	w.low, w.high = low.Uint64(), high.Rsh(n, 64).Int64()
	return nil
}
