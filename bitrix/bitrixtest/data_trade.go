package bitrixtest

import (
	"math"
	"sort"
)

// Data that looks like that of a shop: growth, seasons, a few payment systems that most
// customers choose, and realistic prices. See Options.Trade.

// tradeMonths is how many months of trade there are.
const tradeMonths = 72

// tradeGrown contains, for each month, the share of all payments billed before it.
var tradeGrown = func() (grown [tradeMonths + 1]float64) {
	for m := range tradeMonths {
		season := 1 + 0.28*math.Cos(2*math.Pi*float64(m%12-1)/12) // the data ends with October: a peak in December
		grown[m+1] = grown[m] + (1+float64(m)/18)*season
	}
	for m := range grown {
		grown[m] /= grown[tradeMonths]
	}
	return grown
}()

// tradeTime converts an even share of the time to the time at which that share of the
// payments was billed.
func tradeTime(share float64) float64 {
	m := sort.SearchFloat64s(tradeGrown[:], share)
	m = min(max(m, 1), tradeMonths)
	within := (share - tradeGrown[m-1]) / (tradeGrown[m] - tradeGrown[m-1])
	return (float64(m-1) + within) / tradeMonths
}

// tradeSystems is how many of a thousand payments use each payment system.
var tradeSystems = [...]uint64{20, 60, 70, 340, 50, 210, 80, 90, 10, 50, 10, 10}

// tradeRates are the exchange rates of the currencies.
var tradeRates = [...]float64{1, 1, 90, 460, 5}

// trade sets a payment's values from 64 random bits. of are the order's bits.
func (b *base) trade(r *row, h, of uint64) {
	pick := h >> 26 % 1000
	for i, share := range tradeSystems {
		if r.system = i; pick < share {
			break
		}
		pick -= share
	}
	r.currency = [...]int{0, 0, 1, 1, 1, 1, 2, 2, 3, 4}[of%10]
	more := mix(h)
	u := float64(more>>40) / (1 << 24)
	price := 18 * math.Exp(4.6*math.Pow(u, 1.5)) * tradeRates[r.currency]
	switch whole := math.Floor(price); more & 3 {
	case 0:
		r.sum = int64(whole) * 10_000
	case 1:
		r.sum = int64(whole)*10_000 + 9_900
	default:
		r.sum = int64(price*100) * 100
	}
	if handful := h & 4095; handful < 6 {
		r.sum = amount(int(h>>50&127), more) % 100_000_0000 // zero, refunds, four digits
	}
	// Recent payments are unpaid more often.
	age := float64(b.until-r.bill) / span
	if float64(h>>12&1023)/1024 < 0.96-0.55*math.Exp(-60*age) {
		r.paid = true
		r.datePaid = r.bill + int64(float64(longestDelay)*math.Pow(float64(more>>8&0xffff)/65536, 3))
		if h>>40&1023 < 300 {
			r.emp = 1 + int64(h>>20&7)
		}
	}
}
