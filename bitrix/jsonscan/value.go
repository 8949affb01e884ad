package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// skip skips the value that begins at s.at.
func (s *Scanner) skip(depth int) bool {
	if s.at == len(s.text) || depth == maxDepth {
		return false
	}
	switch s.text[s.at] {
	case '"':
		return s.str()
	case '{':
		return s.object(depth)
	case '[':
		return s.list(depth)
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *Scanner) object(depth int) bool {
	s.at++
	s.space()
	if s.take('}') {
		return true
	}
	n := names{from: len(s.hashes)}
	for {
		if !s.name(&n) {
			return false
		}
		s.space()
		if !s.take(':') {
			return false
		}
		s.space()
		if !s.skip(depth + 1) {
			return false
		}
		s.space()
		if s.take('}') {
			s.hashes = s.hashes[:n.from]
			return true
		}
		if !s.take(',') {
			return false
		}
		s.space()
	}
}

func (s *Scanner) list(depth int) bool {
	s.at++
	s.space()
	if s.take(']') {
		return true
	}
	for {
		if !s.skip(depth + 1) {
			return false
		}
		s.space()
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
		s.space()
	}
}

func (s *Scanner) literal(word string) bool {
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

func (s *Scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('-') {
			s.take('+')
		}
		return s.digits()
	}
	return true
}

// digits skips digits, and reports whether there were any.
func (s *Scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of w that are not plain letters of a string: quote,
// backslash, control characters, and those beyond ASCII. The lowest mark is correct;
// those above it may be wrong.
func special(w uint64) uint64 {
	quote, slash := w^'"'*ones, w^'\\'*ones
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-' '*ones)&^w | w) & highs
}

// letters skips the letters of a string up to a special byte, and reports whether
// there is one.
func (s *Scanner) letters() bool {
	at, text := s.at, s.text
	for at+8 <= len(text) {
		if m := special(binary.LittleEndian.Uint64(text[at:])); m != 0 {
			s.at = at + bits.TrailingZeros64(m)/8
			return true
		}
		at += 8
	}
	for ; at < len(text); at++ {
		if special(' '*ones&^0xff|uint64(text[at])) != 0 {
			s.at = at
			return true
		}
	}
	return false
}

// str skips a string.
func (s *Scanner) str() bool {
	start, beyond := s.at, false
	s.at++
	for s.letters() {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return !beyond || s.AllowInvalidUTF8 || utf8.Valid(s.text[start:s.at])
		case c == '\\':
			s.escaped = true
			if !s.escape() {
				return false
			}
		case c < ' ':
			return false
		default:
			beyond = true
			s.at++
		}
	}
	return false
}

// escape skips a backslash and what belongs to it.
func (s *Scanner) escape() bool {
	if s.at+2 > len(s.text) {
		return false
	}
	switch s.text[s.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at += 2
		return true
	case 'u':
		r, ok := s.unit(s.at)
		if !ok {
			return false
		}
		s.at += 6
		if r < 0xD800 || r > 0xDFFF {
			return true
		}
		// Half a character: the other half must follow.
		low, ok := s.unit(s.at)
		s.at += 6
		return ok && r < 0xDC00 && low >= 0xDC00 && low <= 0xDFFF
	}
	return false
}

// unit reads \uXXXX at a place, without advancing.
func (s *Scanner) unit(at int) (uint32, bool) {
	if at+6 > len(s.text) || s.text[at] != '\\' || s.text[at+1] != 'u' {
		return 0, false
	}
	r := uint32(0)
	for _, c := range s.text[at+2 : at+6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | uint32(c)
	}
	return r, true
}

// name skips an object's name. It also returns false if an earlier name has the same
// hash and may therefore be the same.
func (s *Scanner) name(n *names) bool {
	if !s.take('"') {
		return false
	}
	const k = 0x9E3779B97F4A7C15
	var hash, last uint64 // last has the up to seven bytes after the whole words
	at, text := s.at, s.text
	length := 0 // of last
	for {
		if at+8 > len(text) {
			if length = quoteIn(text[at:]); length < 0 {
				return false
			}
			for i := length; i > 0; i-- {
				last = last<<8 | uint64(text[at+i-1])
			}
			break
		}
		w := binary.LittleEndian.Uint64(text[at:])
		if m := special(w); m != 0 {
			length = bits.TrailingZeros64(m) / 8
			if text[at+length] != '"' {
				return false
			}
			last = w & (1<<(8*uint(length)) - 1)
			break
		}
		hash = (hash ^ w) * k
		hash ^= hash >> 29
		at += 8
	}
	s.at = at + length + 1
	hash = (hash ^ last ^ uint64(length)<<56) * k
	hash ^= hash >> 32
	if bit := uint64(1) << (hash & 63); n.seen&bit == 0 {
		n.seen |= bit
	} else {
		for _, h := range s.hashes[n.from:] {
			if h == hash {
				return false
			}
		}
	}
	s.hashes = append(s.hashes, hash)
	return len(s.hashes)-n.from <= maxNames
}

// quoteIn returns the position of the quote that ends a name, -1 if something special
// comes before it.
func quoteIn(text []byte) int {
	for i, c := range text {
		if special(' '*ones&^0xff|uint64(c)) != 0 {
			if c == '"' {
				return i
			}
			break
		}
	}
	return -1
}
