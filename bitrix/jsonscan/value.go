package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The functions of this file take the place at which something begins, and return the
// place at which it ends. They return -1 if it is unusual.

// skip skips a value.
func (s *Scanner) skip(at, depth int) int {
	text := s.text
	if uint(at) >= uint(len(text)) || depth == maxDepth {
		return -1
	}
	switch text[at] {
	case '"':
		return s.str(at)
	case '{':
		return s.object(at, depth)
	case '[':
		return s.list(at, depth)
	case 't':
		return literal(text, at, "true")
	case 'f':
		return literal(text, at, "false")
	case 'n':
		return literal(text, at, "null")
	default:
		return number(text, at)
	}
}

func (s *Scanner) object(at, depth int) int {
	text := s.text
	at = space(text, at+1)
	if at < len(text) && text[at] == '}' {
		return at + 1
	}
	n, known := names{from: len(s.hashes)}, &s.shapes[depth]
	for {
		start, end := at+1, 0
		// What is frequent is written out here: a name of a known object, and short
		// strings. This takes a third less time than the calls.
		if uint(n.next) < uint(len(known.labels)) && at+16 <= len(text) && known.labels[n.next].short(text[at:at+16]) {
			end = at + known.labels[n.next].length() - 1
			n.next++
		} else if end = s.name(at, &n, known); end < 0 {
			return -1
		}
		if at = end + 1; at >= len(text) || text[end] != ':' || text[at] <= ' ' {
			at = colon(text, end)
		}
		from := at
		if at+9 <= len(text) && text[at] == '"' {
			m := special(binary.LittleEndian.Uint64(text[at+1:]))
			if at += 1 + bits.TrailingZeros64(m)/8; m != 0 && text[at] == '"' {
				at++
			} else {
				at = s.str(from)
			}
		} else {
			at = s.skip(from, depth+1)
		}
		if at < 0 {
			return -1
		}
		if depth == s.keyDepth && string(text[start:end-1]) == s.key {
			s.from, s.to = from, at
		}
		if at = space(text, at); at >= len(text) {
			return -1
		}
		switch text[at] {
		case ',':
			at = space(text, at+1)
		case '}':
			s.hashes = s.hashes[:n.from]
			return at + 1
		default:
			return -1
		}
	}
}

func (s *Scanner) list(at, depth int) int {
	text := s.text
	at = space(text, at+1)
	if at < len(text) && text[at] == ']' {
		return at + 1
	}
	for {
		if at = s.skip(at, depth+1); at < 0 {
			return -1
		}
		at = space(text, at)
		switch {
		case at >= len(text):
			return -1
		case text[at] == ',':
			at = space(text, at+1)
		case text[at] == ']':
			return at + 1
		default:
			return -1
		}
	}
}

// space skips white space, if there is some.
func space(text []byte, at int) int {
	if at < len(text) && text[at] <= ' ' {
		return spaces(text, at)
	}
	return at
}

func spaces(text []byte, at int) int {
	for at < len(text) && text[at] <= ' ' && (1<<text[at])&(1<<' '|1<<'\t'|1<<'\r'|1<<'\n') != 0 {
		at++
	}
	return at
}

// colon skips the colon after a name, and white space. Without a colon it returns the
// end of the text, where no value begins.
func colon(text []byte, at int) int {
	if at = space(text, at); at == len(text) || text[at] != ':' {
		return len(text)
	}
	return space(text, at+1)
}

func literal(text []byte, at int, word string) int {
	if len(text)-at < len(word) || string(text[at:at+len(word)]) != word {
		return -1
	}
	return at + len(word)
}

func number(text []byte, at int) int {
	if text[at] == '-' {
		at++
	}
	if at < len(text) && text[at] == '0' {
		at++
	} else if at = digits(text, at); at < 0 {
		return -1
	}
	if at < len(text) && text[at] == '.' {
		if at = digits(text, at+1); at < 0 {
			return -1
		}
	}
	if at < len(text) && text[at]|' ' == 'e' {
		at++
		if at < len(text) && (text[at] == '-' || text[at] == '+') {
			at++
		}
		return digits(text, at)
	}
	return at
}

// digits skips one or more digits.
func digits(text []byte, at int) int {
	start := at
	for at+8 <= len(text) {
		w := binary.LittleEndian.Uint64(text[at:]) ^ '0'*ones
		// As in special, the lowest mark is correct.
		if m := (w | (w + 0x76*ones)) & highs; m != 0 {
			if at += bits.TrailingZeros64(m) / 8; at == start {
				return -1
			}
			return at
		}
		at += 8
	}
	for at < len(text) && '0' <= text[at] && text[at] <= '9' {
		at++
	}
	if at == start {
		return -1
	}
	return at
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of w that are not plain letters of a string: quote,
// backslash, control characters, and those beyond ASCII. The lowest mark is correct;
// those above it may be wrong.
func special(w uint64) uint64 {
	// A quote and the control characters are those below '!' with one bit inverted.
	low, slash := w^('"'^' ')*ones, w^'\\'*ones
	return ((low-'!'*ones)&^low | (slash-ones)&^slash | w) & highs
}

// letters skips the letters of a string up to a special byte.
func letters(text []byte, at int) int {
	for at+8 <= len(text) {
		if m := special(binary.LittleEndian.Uint64(text[at:])); m != 0 {
			return at + bits.TrailingZeros64(m)/8
		}
		at += 8
	}
	for ; at < len(text); at++ {
		if special(' '*ones&^0xff|uint64(text[at])) != 0 {
			return at
		}
	}
	return -1
}

// str skips a string.
func (s *Scanner) str(at int) int {
	text, start, beyond := s.text, at, false
	at++
	for {
		if at = letters(text, at); at < 0 {
			return -1
		}
		switch c := text[at]; {
		case c == '"':
			at++
			if beyond && !s.AllowInvalidUTF8 && !utf8.Valid(text[start:at]) {
				return -1
			}
			return at
		case c == '\\':
			s.escaped = true
			// Texts beyond Latin are runs of escapes.
			for at < len(text) && text[at] == '\\' {
				if at = escape(text, at); at < 0 {
					return -1
				}
			}
		case c < ' ':
			return -1
		default:
			for beyond = true; at < len(text) && text[at] >= utf8.RuneSelf; at++ {
			}
		}
	}
}

// escape skips a backslash and what belongs to it.
func escape(text []byte, at int) int {
	if at+2 > len(text) {
		return -1
	}
	switch text[at+1] {
	case 'u':
		r := unit(text, at)
		switch {
		case r < 0:
			return -1
		case r < 0xD800 || r > 0xDFFF:
			return at + 6
		}
		// Half a character: the other half must follow.
		if low := unit(text, at+6); r < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF {
			return at + 12
		}
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 2
	}
	return -1
}

// unit returns the number of \uXXXX at a place, or -1.
func unit(text []byte, at int) int {
	if at+6 > len(text) || text[at] != '\\' || text[at+1] != 'u' {
		return -1
	}
	t := text[at+2 : at+6]
	return int(hex[t[0]])<<12 | int(hex[t[1]])<<8 | int(hex[t[2]])<<4 | int(hex[t[3]])
}

// hex has the value of each hexadecimal digit, and -1 for other bytes.
var hex = func() (t [256]int8) {
	for c := range t {
		t[c] = -1
	}
	for i := range int8(10) {
		t['0'+i] = i
	}
	for i := range int8(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()
