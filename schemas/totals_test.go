package schemas

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"b24export/schemas/totals"
)

func TestTotals(t *testing.T) {
	var sums Totals
	if got := sums.ByCurrency(); len(got) != 0 {
		t.Errorf("totals of nothing: %v", got)
	}
	paid, unpaid := Some(true), Some(false)
	for _, p := range []Payment{
		{Currency: Some("USD"), Sum: Some(Decimal(1)), Paid: paid},
		{Currency: Some("USD"), Sum: Some(Decimal(10000)), Paid: unpaid},
		{Currency: Some("USD"), Sum: Some(Decimal(-50000)), Paid: paid},
		{Currency: Some("USD"), Paid: paid},
		{Currency: Some("RUB"), Sum: Some(Decimal(maxDecimal))},
		{Currency: Some("RUB"), Sum: Some(Decimal(maxDecimal)), Paid: paid},
		{Sum: Some(Decimal(25000))},
		{Paid: paid},
	} {
		sums.Add(&p)
	}
	want := map[string]totals.Total{
		"USD": {Payments: 4, Sum: "-3.9999", Paid: 3, PaidSum: "-4.9999"},
		"RUB": {Payments: 2, Sum: "199999999999999.9998", Paid: 1, PaidSum: "99999999999999.9999"},
		"":    {Payments: 2, Sum: "2.5000", Paid: 1, PaidSum: "0.0000"},
	}
	if diff := cmp.Diff(want, sums.ByCurrency()); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

// The sum of any number of decimals of any sign equals that of math/big.
func TestWideSum(t *testing.T) {
	tests := []struct {
		name string
		draw func(*rand.Rand) Decimal
	}{
		{"large", func(*rand.Rand) Decimal { return maxDecimal }},
		{"large negative", func(*rand.Rand) Decimal { return -maxDecimal }},
		{"mixed", func(r *rand.Rand) Decimal { return Decimal(r.Int64N(2*maxDecimal+1) - maxDecimal) }},
		{"around zero", func(r *rand.Rand) Decimal { return Decimal(r.Int64N(3) - 1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var got wide
			exact := new(big.Int)
			for range 5000 {
				d := tt.draw(r)
				got.add(d)
				exact.Add(exact, big.NewInt(int64(d)))
				want := new(big.Rat).SetFrac(exact, big.NewInt(10000)).FloatString(4)
				if got.String() != want {
					t.Fatalf("sum %s, want %s", got.String(), want)
				}
			}
		})
	}
}

// Totals continue from those of a manifest, in either direction.
func TestTotalsContinue(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	rows := make([]Payment, 400)
	for i := range rows {
		rows[i] = Payment{
			ID: int64(i) + 1, Paid: Some(rnd.IntN(2) == 0), Currency: Some([]string{"USD", "RUB", ""}[rnd.IntN(3)]),
			Sum: Some(Decimal(rnd.Int64N(2*maxDecimal+1) - maxDecimal)),
		}
	}
	add := func(sums *Totals, rows []Payment) *Totals {
		for i := range rows {
			sums.Add(&rows[i])
		}
		return sums
	}
	for _, n := range []int{0, 1, 2, 100, 400} {
		sums, err := TotalsOf(add(new(Totals), rows[:n]).ByCurrency())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(add(new(Totals), rows).ByCurrency(), add(sums, rows[n:]).ByCurrency()); diff != "" {
			t.Errorf("continued from %d (-want +got):\n%s", n, diff)
		}
		for i := range rows[:n] {
			sums.Remove(&rows[i])
		}
		if diff := cmp.Diff(add(new(Totals), rows[n:]).ByCurrency(), sums.ByCurrency()); diff != "" {
			t.Errorf("without the first %d (-want +got):\n%s", n, diff)
		}
	}
	for _, text := range []string{"", "1", "1.5", "1.23456", "x.0000", "1.2.3456", "99999999999999999999999999999999999999.0000"} {
		if _, err := TotalsOf(map[string]totals.Total{"USD": {Sum: text, PaidSum: "0.0000"}}); err == nil {
			t.Errorf("total %q was accepted", text)
		}
	}
}
