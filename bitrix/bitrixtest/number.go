package bitrixtest

import (
	"math"
	"strconv"
	"strings"
)

// phpInt returns the result of PHP's cast of a string to an integer.
func phpInt(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\r\v\f")
	end := numberLength(s)
	if n, err := strconv.ParseInt(s[:end], 10, 64); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(s[:end], 64)
	switch {
	case err != nil: // infinite
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// numberLength returns the length of the number at the start of s, as PHP parses it:
// digits with a point and an exponent, if these have digits.
func numberLength(s string) int {
	digits := func(at int) int {
		for at < len(s) && s[at] >= '0' && s[at] <= '9' {
			at++
		}
		return at
	}
	start := 0
	if s != "" && (s[0] == '-' || s[0] == '+') {
		start = 1
	}
	end := digits(start)
	whole := end > start
	if end < len(s) && s[end] == '.' {
		after := digits(end + 1)
		if !whole && after == end+1 {
			return 0
		}
		end, whole = after, true
	}
	if !whole {
		return 0
	}
	if end < len(s) && (s[end] == 'e' || s[end] == 'E') {
		at := end + 1
		if at < len(s) && (s[at] == '-' || s[at] == '+') {
			at++
		}
		if after := digits(at); after > at {
			end = after
		}
	}
	return end
}

// floatText returns the text of a float in PHP, with a precision of 14.
func floatText(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "INF"
	case math.IsInf(f, -1):
		return "-INF"
	}
	digits := strconv.FormatFloat(f, 'e', 13, 64)
	mantissa, exponent, _ := strings.Cut(digits, "e")
	n, _ := strconv.Atoi(exponent) // written by FormatFloat
	if n >= -5 && n < 15 {
		s := strconv.FormatFloat(f, 'f', max(13-n, 0), 64)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s
	}
	mantissa = strings.TrimRight(mantissa, "0")
	if strings.HasSuffix(mantissa, ".") {
		mantissa += "0"
	}
	if n < 0 {
		return mantissa + "E-" + strconv.Itoa(-n)
	}
	return mantissa + "E+" + strconv.Itoa(n)
}
