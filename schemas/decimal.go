package schemas

import (
	"fmt"
	"strconv"
)

// Decimal is a number with four digits after the point, stored as its number of
// ten-thousandths: 12.34 is 123400.
type Decimal int64

const (
	// Precision and Scale of a Decimal in SQL: DECIMAL(18,4).
	Precision = 18
	Scale     = 4

	// FloatLimit is the absolute value from which on a portal's sum is not exact: the
	// portal sends a PHP float, which cannot represent a fourth digit from 2^39 on.
	FloatLimit Decimal = 1 << 39 * 10_000

	maxDecimal = 1e18 - 1

	ruleDecimal = "must be a decimal number"
	ruleRange   = "must fit DECIMAL(18,4)"
)

// String returns the number with all four decimals: "12.3400".
func (d Decimal) String() string { return string(d.Append(nil)) }

// Append appends the text of String to b.
func (d Decimal) Append(b []byte) []byte {
	magnitude := uint64(d)
	if d < 0 {
		magnitude = -magnitude
		b = append(b, '-')
	}
	const one = 10_000 // ten to the power of Scale
	b = append(strconv.AppendUint(b, magnitude/one, 10), '.')
	rest := int(magnitude % one)
	return appendTwo(appendTwo(b, rest/100), rest%100)
}

// formatScaled inserts the point Scale digits before the end.
func formatScaled(negative bool, digits []byte) string {
	out := make([]byte, 0, len(digits)+Scale+2)
	if negative {
		out = append(out, '-')
	}
	whole := len(digits) - Scale
	if whole <= 0 {
		out = append(out, '0')
	} else {
		out = append(out, digits[:whole]...)
	}
	out = append(out, '.')
	for i := whole; i < 0; i++ {
		out = append(out, '0')
	}
	return string(append(out, digits[max(whole, 0):]...))
}

// ParseDecimal parses a number such as 12, -0.5 or 1.5E2 exactly, with any number of
// digits, and rounds it half to even to four decimals. It returns an error if the
// result has more than 14 digits before the point.
func ParseDecimal(text string) (Decimal, error) {
	d, rule := parseDecimal([]byte(text))
	if rule != "" {
		return 0, fmt.Errorf("decimal %q: %s", excerpt([]byte(text)), rule)
	}
	return d, nil
}

// parseDecimal returns the number in b and the rule that b breaks, or "" if none. Its
// time depends on the length of b, but not on the size of the exponent.
func parseDecimal(b []byte) (Decimal, string) {
	if d, ok := parsePlain(b); ok {
		return d, ""
	}
	n, ok := scanNumeral(b)
	if !ok {
		return 0, ruleDecimal
	}
	zeros := 0
	for zeros < n.count && n.digit(zeros) == 0 {
		zeros++
	}
	if zeros == n.count {
		return 0, "" // zero, whatever the exponent
	}
	keep := n.point + Scale // the ten-thousandths need so many of the digits
	if keep-int64(zeros) > Precision {
		return 0, ruleRange
	}
	if keep < 0 {
		return 0, "" // less than half of the last digit
	}
	var v int64
	for i := range int(keep) { // at most Precision more than the existing digits
		v *= 10
		if i < n.count {
			v += int64(n.digit(i))
		}
	}
	if i := int(keep); i < n.count {
		half := n.digit(i) == 5
		up := n.digit(i) > 5 || half && v%2 == 1
		for i++; half && !up && i < n.count; i++ {
			up = n.digit(i) != 0 // more than half
		}
		if up {
			v++
		}
	}
	if v > maxDecimal {
		return 0, ruleRange
	}
	if n.negative {
		v = -v
	}
	return Decimal(v), ""
}

// parsePlain parses a usual number: up to 14 digits, a point, up to four digits.
func parsePlain(b []byte) (Decimal, bool) {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	var v int64
	whole := 0
	for whole < len(b) && isDigit(b[whole]) {
		v = v*10 + int64(b[whole]-'0') // may overflow, and then is not used
		whole++
	}
	if whole == 0 || whole > Precision-Scale {
		return 0, false
	}
	decimals := 0
	if whole < len(b) {
		fraction := b[whole+1:]
		decimals = len(fraction)
		if b[whole] != '.' || decimals == 0 || decimals > Scale || countDigits(fraction) != decimals {
			return 0, false
		}
		for _, c := range fraction {
			v = v*10 + int64(c-'0')
		}
	}
	for ; decimals < Scale; decimals++ {
		v *= 10
	}
	if negative {
		v = -v
	}
	return Decimal(v), true
}

// numeral is a parsed number: 0.d₀d₁d₂… × 10^point.
type numeral struct {
	negative bool
	text     []byte // the digits before and after the point, with the point
	whole    int    // how many are before it
	count    int    // how many there are
	point    int64
}

// digit returns the i-th digit, for 0 ≤ i < count.
func (n *numeral) digit(i int) byte {
	if i >= n.whole {
		i++ // the point
	}
	return n.text[i] - '0'
}

// scanNumeral parses the grammar of a JSON number, but also accepts leading zeros,
// which numbers in strings may have.
func scanNumeral(b []byte) (numeral, bool) {
	var n numeral
	if len(b) > 0 && b[0] == '-' {
		n.negative = true
		b = b[1:]
	}
	n.whole = countDigits(b)
	n.count = n.whole
	end := n.whole
	if end < len(b) && b[end] == '.' {
		fraction := countDigits(b[end+1:])
		if fraction == 0 {
			return n, false
		}
		n.count += fraction
		end += 1 + fraction
	}
	n.text, b = b[:end], b[end:]
	if n.whole == 0 {
		return n, false
	}
	n.point = int64(n.whole)
	if len(b) == 0 {
		return n, true
	}

	if b[0] != 'e' && b[0] != 'E' {
		return n, false
	}
	b = b[1:]
	sign := int64(1)
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		if b[0] == '-' {
			sign = -1
		}
		b = b[1:]
	}
	if len(b) == 0 || countDigits(b) != len(b) {
		return n, false
	}
	// More than the digits of any text can compensate, and far from an overflow. The
	// exponent is limited to this.
	const limit = 1 << 50
	exponent := int64(0)
	for _, c := range b {
		exponent = min(exponent*10+int64(c-'0'), limit)
	}
	n.point += sign * exponent
	return n, true
}

// countDigits returns the number of digits at the start of b.
func countDigits(b []byte) int {
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	return n
}
