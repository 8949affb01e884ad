package schemas

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestParseDecimal(t *testing.T) {
	tests := []struct {
		name string
		text string
		want string // "" if rule is set
		rule string
	}{
		{name: "zero", text: "0", want: "0.0000"},
		{name: "minus zero is zero", text: "-0.000", want: "0.0000"},
		{name: "whole", text: "1250", want: "1250.0000"},
		{name: "four digits", text: "12.3456", want: "12.3456"},
		{name: "negative", text: "-0.5", want: "-0.5000"},
		{name: "leading zeros", text: "007.50", want: "7.5000"},
		{name: "float noise above", text: "0.10000000000000001", want: "0.1000"},
		{name: "float noise below", text: "1234.5599999999999", want: "1234.5600"},
		{name: "exponent", text: "1e3", want: "1000.0000"},
		{name: "exponent of a fraction", text: "1.5E2", want: "150.0000"},
		{name: "exponent with plus", text: "1.0E+13", want: "10000000000000.0000"},
		{name: "negative exponent", text: "125e-3", want: "0.1250"},
		{name: "exponent with zeros in front", text: "1e-0000000000000000000003", want: "0.0010"},
		{name: "half goes to even, down", text: "0.00005", want: "0.0000"},
		{name: "half goes to even, up", text: "0.00015", want: "0.0002"},
		{name: "half goes to even, negative", text: "-2.00025", want: "-2.0002"},
		{name: "more than half goes up", text: "0.000050000000000000000000001", want: "0.0001"},
		{name: "less than half goes down", text: "0.00014999999999999999999999", want: "0.0001"},
		{name: "half by exponent", text: "5e-5", want: "0.0000"},
		{name: "more than half by exponent", text: "51e-6", want: "0.0001"},
		{name: "rounding carries", text: "9.99999", want: "10.0000"},
		{name: "largest", text: "99999999999999.9999", want: "99999999999999.9999"},
		{name: "smallest", text: "-99999999999999.9999", want: "-99999999999999.9999"},
		{name: "largest after rounding", text: "99999999999999.99994", want: "99999999999999.9999"},
		{name: "too large by rounding", text: "99999999999999.99995", rule: ruleRange},
		{name: "too large", text: "100000000000000", rule: ruleRange},
		{name: "too small", text: "-1e14", rule: ruleRange},
		{name: "huge exponent", text: "1e999999999", rule: ruleRange},
		{name: "exponent beyond int64", text: "1e99999999999999999999999", rule: ruleRange},
		{name: "tiny", text: "1e-999999999", want: "0.0000"},
		{name: "tiny beyond int64", text: "-1e-99999999999999999999999", want: "0.0000"},
		{name: "zero with a huge exponent", text: "0.0e999999999", want: "0.0000"},
		{name: "zeros that an exponent makes up for", text: "0." + strings.Repeat("0", 500) + "125e501", want: "1.2500"},
		{name: "digits that an exponent makes up for", text: "125" + strings.Repeat("0", 500) + "e-502", want: "1.2500"},
		{name: "empty", text: "", rule: ruleDecimal},
		{name: "sign alone", text: "-", rule: ruleDecimal},
		{name: "plus", text: "+1", rule: ruleDecimal},
		{name: "point without digits before", text: ".5", rule: ruleDecimal},
		{name: "point without digits behind", text: "5.", rule: ruleDecimal},
		{name: "two points", text: "1.2.3", rule: ruleDecimal},
		{name: "comma", text: "12,50", rule: ruleDecimal},
		{name: "thousands", text: "1 250", rule: ruleDecimal},
		{name: "white space", text: " 12", rule: ruleDecimal},
		{name: "currency", text: "12 USD", rule: ruleDecimal},
		{name: "exponent without digits", text: "1e", rule: ruleDecimal},
		{name: "exponent with sign only", text: "1e+", rule: ruleDecimal},
		{name: "exponent with a fraction", text: "1e1.5", rule: ruleDecimal},
		{name: "exponent alone", text: "e5", rule: ruleDecimal},
		{name: "not a number", text: "NaN", rule: ruleDecimal},
		{name: "hexadecimal", text: "0x1p4", rule: ruleDecimal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseDecimal(tt.text)
			if tt.rule != "" {
				if err == nil || !strings.Contains(err.Error(), tt.rule) {
					t.Fatalf("ParseDecimal(%q) = %v, %v; want error %q", tt.text, got, err, tt.rule)
				}
				return
			}
			if err != nil || got.String() != tt.want {
				t.Errorf("ParseDecimal(%q) = %v, %v; want %s", tt.text, got, err, tt.want)
			}
		})
	}
}

// The time for a number must not depend on the value of its exponent, nor the length of
// its error on that of the number. If a digit were written for each power of ten, the
// first two would never end.
func TestParseDecimalIsBounded(t *testing.T) {
	for _, text := range []string{
		"1e999999999999999999", "1e-999999999999999999",
		strings.Repeat("9", 1<<20), "0." + strings.Repeat("9", 1<<20),
		"1e" + strings.Repeat("9", 1<<20), strings.Repeat("0", 1<<20) + "e9",
		strings.Repeat("x", 1<<20),
	} {
		d, err := ParseDecimal(text)
		if err != nil && len(err.Error()) > 2*maxRaw {
			t.Errorf("ParseDecimal of %d bytes = %v, with an error of %d bytes", len(text), d, len(err.Error()))
		}
	}
}

func TestDecimalString(t *testing.T) {
	tests := []struct {
		name string
		d    Decimal
		want string
	}{
		{"zero", 0, "0.0000"},
		{"last digit", 1, "0.0001"},
		{"last digit, negative", -1, "-0.0001"},
		{"first digit", 1000, "0.1000"},
		{"one", 10000, "1.0000"},
		{"negative", -123456, "-12.3456"},
		{"largest", maxDecimal, "99999999999999.9999"},
		{"beyond the range", math.MinInt64, "-922337203685477.5808"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.d.String(); got != tt.want {
				t.Errorf("Decimal(%d).String() = %q, want %q", int64(tt.d), got, tt.want)
			}
		})
	}
}

// Append writes what math/big does.
func TestDecimalAppend(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	all := []Decimal{0, 1, -1, 9999, 10_000, -9999, -10_000, 100, maxDecimal, -maxDecimal, math.MaxInt64, math.MinInt64}
	for range 2000 {
		all = append(all, Decimal(rnd.Int64()>>rnd.IntN(63))*Decimal(1-2*rnd.IntN(2)))
	}
	for _, d := range all {
		want := new(big.Rat).SetFrac64(int64(d), 10_000).FloatString(Scale)
		if got := string(d.Append([]byte("x"))); got != "x"+want {
			t.Errorf("%d: %s, want %s", int64(d), got, want)
		}
	}
}
