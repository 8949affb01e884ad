package bitrixtest

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends s as PHP's encoder writes it: non-ASCII characters and those
// special in HTML as \uXXXX, and a slash as \/.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			b = appendASCII(b, c)
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if r >= 0x10000 {
			r -= 0x10000
			b = appendUnicode(b, 0xD800+r>>10)
			r = 0xDC00 + r&0x3ff
		}
		b = appendUnicode(b, r)
	}
	return append(b, '"')
}

func appendASCII(b []byte, c byte) []byte {
	switch c {
	case '/', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '"', '\'', '<', '>', '&':
		return appendUnicode(b, rune(c))
	}
	if c < ' ' {
		return appendUnicode(b, rune(c))
	}
	return append(b, c)
}

func appendUnicode(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendRaw appends s as other encoders do: only what JSON requires is escaped.
func appendRaw(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = appendASCII(b, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// appendDecimal appends a number of 1/10000 with as many digits after the point
// as it needs, but at least digits.
func appendDecimal(b []byte, units int64, digits int) []byte {
	if units < 0 {
		b = append(b, '-')
		units = -units
	}
	b = strconv.AppendInt(b, units/10_000, 10)
	fraction := units % 10_000
	if fraction == 0 && digits == 0 {
		return b
	}
	b = append(b, '.', byte('0'+fraction/1000), byte('0'+fraction/100%10), byte('0'+fraction/10%10), byte('0'+fraction%10))
	for drop := 4; drop > max(digits, 1) && b[len(b)-1] == '0'; drop-- {
		b = b[:len(b)-1]
	}
	return b
}

// floatLimit is the value from which on a float cannot represent the fourth digit of a
// sum, in 1/10000: 2^39.
const floatLimit = 1 << 39 * 10_000

// appendFloat appends a number of 1/10000 as PHP does with serialize_precision -1: the
// shortest text that parses to the same float. Below floatLimit that is the number
// itself, above it often another one.
func appendFloat(b []byte, units int64) []byte {
	if -floatLimit < units && units < floatLimit {
		return appendDecimal(b, units, 0)
	}
	return strconv.AppendFloat(b, nearestFloat(units), 'f', -1, 64)
}

// appendNoisy appends a number of 1/10000 as PHP does with serialize_precision 17: with
// all digits of its binary float.
func appendNoisy(b []byte, units int64) []byte {
	return strconv.AppendFloat(b, nearestFloat(units), 'g', 17, 64)
}

// nearestFloat returns the float that PHP parses from the text of a number of 1/10000.
func nearestFloat(units int64) float64 {
	if -1<<53 <= units && units <= 1<<53 {
		return float64(units) / 10_000 // both are exact, so this rounds once
	}
	f, _ := strconv.ParseFloat(string(appendDecimal(nil, units, 0)), 64) // a number, and in range
	return f
}

// appendTime appends a Unix time as RFC 3339 in a zone of offset seconds, with
// quotes.
func appendTime(b []byte, unix, offset int64) []byte {
	local := unix + offset
	days, rest := local/86400, local%86400
	if rest < 0 {
		days, rest = days-1, rest+86400
	}
	year, month, day := civil(days)
	b = append(b, '"', byte('0'+year/1000%10), byte('0'+year/100%10))
	b = appendTwo(b, year%100)
	b = appendTwo(append(b, '-'), month)
	b = appendTwo(append(b, '-'), day)
	b = appendTwo(append(b, 'T'), rest/3600)
	b = appendTwo(append(b, ':'), rest/60%60)
	b = appendTwo(append(b, ':'), rest%60)
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	b = appendTwo(append(b, sign), offset/3600)
	b = appendTwo(append(b, ':'), offset/60%60)
	return append(b, '"')
}

func appendTwo(b []byte, n int64) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10))
}

// civil converts days since 1970 to a date. It counts in eras of 400 years that begin
// on 1 March. The year must be positive.
func civil(days int64) (year, month, day int64) {
	days += 719_468
	era := days / 146_097
	in := days - era*146_097
	years := (in - in/1460 + in/36_524 - in/146_096) / 365
	in -= 365*years + years/4 - years/100
	fromMarch := (5*in + 2) / 153
	day = in - (153*fromMarch+2)/5 + 1
	month = fromMarch + 3
	if month > 12 {
		month -= 12
	}
	year = years + era*400
	if month <= 2 {
		year++
	}
	return year, month, day
}

// appendSeconds appends nanoseconds as PHP writes a float of seconds: below 0.0001 with
// an exponent.
func appendSeconds(b []byte, ns int64) []byte {
	if 0 < ns && ns < 100_000 {
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(float64(ns)/1e9, 'e', -1, 64), "e-0")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		return append(b, mantissa+"e-"+exponent...)
	}
	b = strconv.AppendInt(b, ns/1e9, 10)
	if ns %= 1e9; ns == 0 {
		return b
	}
	b = append(b, '.')
	for unit := int64(1e8); ns > 0; unit /= 10 {
		b = append(b, byte('0'+ns/unit))
		ns %= unit
	}
	return b
}

// phpMap writes a map as PHP does: an empty one as [], and one whose keys are
// 0, 1, 2, … in that order as a list.
type phpMap struct {
	json   []byte // "key":value,"key":value
	n      int
	list   bool  // all keys so far are 0…n-1
	starts []int // the positions of the values, while list is true
	ends   []int
}

// key starts an element. Its value must follow, and then done.
func (m *phpMap) key(key string) {
	if m.n == 0 {
		m.list = true
	} else {
		m.json = append(m.json, ',')
	}
	m.list = m.list && key == strconv.Itoa(m.n)
	m.json = append(appendString(m.json, key), ':')
	if m.list {
		m.starts = append(m.starts, len(m.json))
	}
	m.n++
}

// done ends an element.
func (m *phpMap) done() {
	if m.list {
		m.ends = append(m.ends, len(m.json))
	}
}

func (m *phpMap) appendTo(b []byte) []byte {
	switch {
	case m.n == 0:
		return append(b, "[]"...)
	case !m.list:
		b = append(b, '{')
		b = append(b, m.json...)
		return append(b, '}')
	}
	b = append(b, '[')
	for i, start := range m.starts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, m.json[start:m.ends[i]]...)
	}
	return append(b, ']')
}
