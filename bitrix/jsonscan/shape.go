package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// The names of an object must be distinct. That is simple to see if they are the names
// of an earlier object at the same depth, in the same order: the elements of a list, and
// the answers to the commands of a batch, are such objects. Otherwise their hashes are
// compared.

// names is what is known of the names of an object that is being read.
type names struct {
	next int    // labels of its shape from here on are still unused; -1: hashes decide
	from int    // index of the first hash in Scanner.hashes
	seen uint64 // a bit for each hash; several may share a bit
}

// shape is the distinct names of an object, in their order.
type shape struct {
	labels []label
	text   []byte // of all labels, one after the other
}

// label is a name with its quotes and a colon.
type label struct {
	// The first 16 bytes, and masks of those that belong to the label.
	w, mask  [2]uint64
	from, to int // place in shape.text
	hash     uint64
}

// longLabel is the longest label that a shape contains.
const longLabel = 64

// length returns how many bytes the label has.
func (l *label) length() int { return l.to - l.from }

// short reports whether a text of 16 bytes begins with the label, if it is no longer.
func (l *label) short(t []byte) bool {
	return (binary.LittleEndian.Uint64(t)^l.w[0])&l.mask[0]|(binary.LittleEndian.Uint64(t[8:])^l.w[1])&l.mask[1] == 0 && l.to-l.from <= 16
}

// name skips an object's name. It also returns -1 if an earlier name has the same hash
// and may therefore be the same.
func (s *Scanner) name(at int, n *names, known *shape) int {
	if uint(n.next) < uint(len(known.labels)) {
		l := &known.labels[n.next]
		if at+16 <= len(s.text) && l.short(s.text[at:at+16]) {
			n.next++
			return at + l.length() - 1
		}
		if end := at + l.length(); end <= len(s.text) && string(s.text[at:end]) == string(known.text[l.from:l.to]) {
			n.next++
			return end - 1
		}
	}
	return s.newName(at, n, known)
}

// newName is name for a name that is not the next one of the object's shape.
func (s *Scanner) newName(at int, n *names, known *shape) int {
	if n.next >= 0 {
		for _, l := range known.labels[:n.next] {
			s.hashes = append(s.hashes, l.hash)
			n.seen |= 1 << (l.hash & 63)
		}
		known.cut(n.next)
		n.next = -1
	}
	end, hash := hashName(s.text, at)
	if end < 0 {
		return -1
	}
	if bit := uint64(1) << (hash & 63); n.seen&bit == 0 {
		n.seen |= bit
	} else {
		for _, h := range s.hashes[n.from:] {
			if h == hash {
				return -1
			}
		}
	}
	s.hashes = append(s.hashes, hash)
	count := len(s.hashes) - n.from
	if count > maxNames {
		return -1
	}
	// A shape has the first names of an object without a gap.
	if count == len(known.labels)+1 && end < len(s.text) && s.text[end] == ':' && end+1-at <= longLabel {
		known.add(s.text[at:end+1], hash)
	}
	return end
}

// cut keeps the first n labels.
func (k *shape) cut(n int) {
	k.text = k.text[:0]
	if n > 0 {
		k.text = k.text[:k.labels[n-1].to]
	}
	k.labels = k.labels[:n]
}

// add adds a label, whose name must differ from the others.
func (k *shape) add(text []byte, hash uint64) {
	l := label{from: len(k.text), to: len(k.text) + len(text), hash: hash}
	var first, mask [16]byte
	for i := range copy(first[:], text) {
		mask[i] = 0xff
	}
	for i := range l.w {
		l.w[i], l.mask[i] = binary.LittleEndian.Uint64(first[8*i:]), binary.LittleEndian.Uint64(mask[8*i:])
	}
	k.text = append(k.text, text...)
	k.labels = append(k.labels, l)
}

// hashName skips a name and returns a hash of it.
func hashName(text []byte, at int) (end int, hash uint64) {
	if at >= len(text) || text[at] != '"' {
		return -1, 0
	}
	const k = 0x9E3779B97F4A7C15
	at++
	var last uint64 // the up to seven bytes after the whole words
	length := 0     // of last
	for {
		if at+8 > len(text) {
			if length = quoteIn(text[at:]); length < 0 {
				return -1, 0
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
				return -1, 0
			}
			last = w & (1<<(8*uint(length)) - 1)
			break
		}
		hash = (hash ^ w) * k
		hash ^= hash >> 29
		at += 8
	}
	hash = (hash ^ last ^ uint64(length)<<56) * k
	return at + length + 1, hash ^ hash>>32
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
