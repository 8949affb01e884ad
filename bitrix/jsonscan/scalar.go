package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Scalar returns where the string, number or literal ends that begins at a place of the
// text, from 0 to its length. escaped reports whether it is a string with escapes. end
// is -1 if there is something else, or something unusual. The place is the caller's: it
// need not be where the Scanner is, which stays there.
func (s *Scanner) Scalar(at int) (end int, escaped bool) {
	text := s.text
	if at >= len(text) {
		return -1, false
	}
	switch text[at] {
	case '"':
		// Strings without escapes and short whole numbers are frequent.
		for to := at + 1; to+8 <= len(text); to += 8 {
			m := special(binary.LittleEndian.Uint64(text[to:]))
			if m == 0 {
				continue
			}
			if to += bits.TrailingZeros64(m) / 8; text[to] == '"' {
				return to + 1, false
			}
			break
		}
		s.escaped = false
		end = s.str(at)
		return end, s.escaped
	case '{', '[':
		return -1, false
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		to := at + 1
		for to < len(text) && '0' <= text[to] && text[to] <= '9' {
			to++
		}
		if to == len(text) || text[to] != '.' && text[to]|' ' != 'e' {
			return to, false
		}
	}
	return s.skip(at, 0), false
}

// AppendUnquote appends the letters of a string, which a Scanner has read with its
// quotes, to b. It returns what jsontext.AppendUnquote returns, in less time. The text
// of an invalid string is undefined.
func AppendUnquote(b, quoted []byte) []byte {
	if len(quoted) < 2 {
		return b
	}
	for in := quoted[1 : len(quoted)-1]; len(in) > 0; {
		c := in[0]
		if c != '\\' {
			n := 1
			for n < len(in) && in[n] != '\\' {
				n++
			}
			b = append(b, in[:n]...)
			in = in[n:]
			continue
		}
		r := unit(in, 0)
		if r >= 0 && (r < 0xD800 || r > 0xDFFF) {
			b = utf8.AppendRune(b, rune(r))
			in = in[6:]
			continue
		}
		if len(in) >= 2 && (in[1] == '/' || in[1] == '"' || in[1] == '\\') {
			b = append(b, in[1])
			in = in[2:]
			continue
		}
		// What is rare is left to jsontext, which needs both quotes.
		rest := append(append([]byte{'"'}, in...), '"')
		b, _ = jsontext.AppendUnquote(b, rest)
		return b
	}
	return b
}
