package gunzip

import "math/bits"

// entry is what a table has for the next bits. From the low bits on it has: how many
// bits the code has, its kind, how many extra bits follow it, and in the upper half a
// value. 0: no code begins with these bits.
type entry uint32

const (
	isLiteral entry = 1 << (iota + 6) // the value is a byte
	isBase                            // the value is the least length or distance
	isTable                           // the value is the place of the entries for the extra bits
	isEnd
)

func (e entry) bits() uint  { return uint(e & 63) }
func (e entry) extra() uint { return uint(e >> 10 & 31) }
func (e entry) value() int  { return int(e >> 16) }

func mask(n uint) uint64 { return 1<<(n&63) - 1 }

// The entries for the symbols of the three codes (RFC 1951, 3.2.5 and 3.2.7), without
// the lengths of the codes. Symbols without an entry are invalid.
var symbolEntries, placeEntries, sizeEntries = func() (symbols [maxSymbols]entry, places [maxPlaces]entry, sizes [maxSizes]entry) {
	for i := range sizes {
		sizes[i] = isLiteral | entry(i)<<16
	}
	for i := range 256 {
		symbols[i] = isLiteral | entry(i)<<16
	}
	symbols[256] = isEnd
	length := 3
	for i := range 28 {
		extra := max(0, i/4-1)
		symbols[257+i] = isBase | entry(extra)<<10 | entry(length)<<16
		length += 1 << extra
	}
	symbols[285] = isBase | maxMatch<<16
	distance := 1
	for i := range 30 {
		extra := max(0, i/2-1)
		places[i] = isBase | entry(extra)<<10 | entry(distance)<<16
		distance += 1 << extra
	}
	return symbols, places, sizes
}()

// sizeOrder is the order in which the lengths of the code lengths' codes are written.
var sizeOrder = [maxSizes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// makeTable makes the table of a code from the lengths of its symbols' codes, and
// reports whether it is valid. The first 1<<first entries are for the next bits. Each
// prefix of longer codes has entries for further bits after them.
func makeTable(t []entry, lengths []uint8, first uint, symbols []entry) ([]entry, bool) {
	var count, next [maxCode + 1]int
	longest := uint(0)
	for _, n := range lengths {
		count[n]++
		longest = max(longest, uint(n))
	}
	count[0] = 0
	code, used := 0, 0
	for n := 1; n <= maxCode; n++ {
		code = (code + count[n-1]) << 1
		next[n] = code
		used += count[n] << (maxCode - n)
	}
	// A code must be complete. Only distances may have one code of one bit, or none.
	if used != 1<<maxCode && used != 0 && !(longest == 1 && count[1] == 1) {
		return t, false
	}
	size := 1 << first
	if cap(t) < size {
		t = make([]entry, size)
	}
	t = t[:size]
	clear(t)
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		n := uint(n)
		prefix := int(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		e := symbols[symbol]
		if n <= first {
			for i := prefix; i < size; i += 1 << n {
				t[i] = e | entry(n)
			}
			continue
		}
		if e != 0 {
			e |= entry(n - first)
		}
		more := longest - first
		head := &t[prefix&(size-1)]
		if *head == 0 {
			*head = isTable | entry(first) | entry(more)<<10 | entry(len(t))<<16
			for range 1 << more {
				t = append(t, 0)
			}
			head = &t[prefix&(size-1)]
		}
		part := t[head.value():]
		for i := prefix >> first; i < 1<<more; i += 1 << (n - first) {
			part[i] = e
		}
	}
	return t, true
}
