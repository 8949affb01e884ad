package bitrix

import (
	"math"
	"strconv"
)

// readInt parses a whole number, or a string with one.
func readInt(v []byte) (int64, bool) {
	if len(v) > 1 && v[0] == '"' {
		v = v[1 : len(v)-1]
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

// readFloat parses a number, or a string with one. It returns NaN for anything else.
func readFloat(v []byte) float64 {
	if len(v) > 1 && v[0] == '"' {
		v = v[1 : len(v)-1]
	}
	if f, ok := readDecimal(v); ok {
		return f
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || math.IsInf(f, 0) {
		return math.NaN()
	}
	return f
}

// readDecimal parses digits, perhaps with a point between them. It leaves all that needs
// more than one rounding to strconv, which takes three times longer.
func readDecimal(v []byte) (float64, bool) {
	if len(v) == 0 || len(v) > 17 {
		return 0, false
	}
	whole, decimals, point := int64(0), 0, -1
	for i, c := range v {
		switch {
		case '0' <= c && c <= '9':
			whole = whole*10 + int64(c-'0')
		case c == '.' && point < 0 && i > 0 && i < len(v)-1:
			point = i
		default:
			return 0, false
		}
	}
	if point >= 0 {
		decimals = len(v) - 1 - point
	}
	if whole >= 1<<53 {
		return 0, false
	}
	return float64(whole) / tens[decimals], true
}

// tens are powers of ten without an error.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}
