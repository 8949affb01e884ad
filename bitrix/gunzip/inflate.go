package gunzip

import "encoding/binary"

// decoder decodes deflate (RFC 1951). Its memory is reused.
type decoder struct {
	src     []byte // with eight bytes more
	symbols []entry
	places  []entry
	sizes   []entry
	lengths [maxSymbols + maxPlaces]uint8

	// The next n bits, and where the others are in src. Bits above the n are either
	// unset or those that follow.
	bits uint64
	n    uint
	at   int
}

const (
	maxSymbols, maxPlaces, maxSizes = 288, 32, 19
	maxCode                         = 15 // bits
	// How many bits the first part of each table decodes.
	symbolBits, placeBits, sizeBits = 10, 8, 7
	maxMatch                        = 258
	// slack is how many bytes may be written after the content: two literals, and a match
	// in whole words.
	slack = 2 + maxMatch + 8
)

// inflate writes the content of d.src to dst, which has room for slack bytes more than
// size. It returns where the content ended in d.src, and its size. A negative end means
// that a complete decompressor must decide.
func (d *decoder) inflate(dst []byte, size int) (end, written int) {
	d.bits, d.n, d.at = 0, 0, 0
	for {
		if !d.refill() {
			return -1, 0
		}
		final, kind := d.take(1) == 1, d.take(2)
		switch {
		case kind == 0:
			written = d.stored(dst[:size], written)
		case kind == 1 && d.fixed(), kind == 2 && d.dynamic():
			written = d.compressed(dst, written, size)
		default:
			return -1, 0
		}
		if written < 0 {
			return -1, 0
		}
		if final {
			return d.at - int(d.n>>3), written
		}
	}
}

// refill makes n at least 56. It reports false at the end of src.
func (d *decoder) refill() bool {
	if d.at > len(d.src)-8 {
		return false
	}
	d.bits |= binary.LittleEndian.Uint64(d.src[d.at:]) << (d.n & 63)
	d.at += int(63-d.n) >> 3
	d.n |= 56
	return true
}

// take returns the next bits, of which there must be enough.
func (d *decoder) take(n uint) int {
	v := int(d.bits & mask(n))
	d.bits >>= n & 63
	d.n -= n
	return v
}

// stored copies a block that is not compressed behind dst[:out], and returns the new
// size, or -1.
func (d *decoder) stored(dst []byte, out int) int {
	at := d.at - int(d.n>>3) // the rest of a byte is not used
	if at+4 > len(d.src) {
		return -1
	}
	size, check := binary.LittleEndian.Uint16(d.src[at:]), binary.LittleEndian.Uint16(d.src[at+2:])
	at += 4
	if size != ^check || at+int(size) > len(d.src) || out+int(size) > len(dst) {
		return -1
	}
	copy(dst[out:], d.src[at:at+int(size)])
	d.bits, d.n, d.at = 0, 0, at+int(size)
	return out + int(size)
}

// fixed makes the tables of a block with fixed codes.
func (d *decoder) fixed() bool {
	for i := range maxSymbols {
		switch {
		case i < 144, i >= 280:
			d.lengths[i] = 8
		case i < 256:
			d.lengths[i] = 9
		default:
			d.lengths[i] = 7
		}
	}
	for i := range maxPlaces {
		d.lengths[maxSymbols+i] = 5
	}
	return d.tables(maxSymbols, maxPlaces)
}

// dynamic reads the codes of a block, and makes its tables.
func (d *decoder) dynamic() bool {
	symbols, places, sizes := d.take(5)+257, d.take(5)+1, d.take(4)+4
	if symbols > 286 || places > 30 {
		return false
	}
	var lengths [maxSizes]uint8
	for _, i := range sizeOrder[:sizes] {
		if !d.refill() {
			return false
		}
		lengths[i] = uint8(d.take(3))
	}
	var ok bool
	if d.sizes, ok = makeTable(d.sizes, lengths[:], sizeBits, sizeEntries[:]); !ok {
		return false
	}
	for i := 0; i < symbols+places; {
		if !d.refill() {
			return false
		}
		e := d.sizes[d.bits&mask(sizeBits)]
		if e == 0 {
			return false
		}
		d.take(e.bits())
		length, times := uint8(e.value()), 1
		switch length {
		case 16:
			if i == 0 {
				return false
			}
			length, times = d.lengths[i-1], 3+d.take(2)
		case 17:
			length, times = 0, 3+d.take(3)
		case 18:
			length, times = 0, 11+d.take(7)
		}
		if i+times > symbols+places {
			return false
		}
		for range times {
			d.lengths[i] = length
			i++
		}
	}
	return d.tables(symbols, places)
}

// tables makes the tables for the codes whose lengths are in d.lengths.
func (d *decoder) tables(symbols, places int) (ok bool) {
	if d.symbols, ok = makeTable(d.symbols, d.lengths[:symbols], symbolBits, symbolEntries[:]); !ok {
		return false
	}
	d.places, ok = makeTable(d.places, d.lengths[symbols:symbols+places], placeBits, placeEntries[:])
	return ok
}

// compressed decodes a block's symbols behind dst[:out], and returns the new size, or
// -1. It is the loop that nearly all the time goes to. Its state is therefore in
// variables. After a refill there are 56 bits. A match has at most 48.
func (d *decoder) compressed(dst []byte, out, size int) int {
	src, last := d.src, len(d.src)-8
	symbols, places := d.symbols, d.places
	first, near := (*[1 << symbolBits]entry)(symbols), (*[1 << placeBits]entry)(places)
	buf, n, at := d.bits, d.n, d.at
	for {
		if at > last || out > size {
			return -1
		}
		buf |= binary.LittleEndian.Uint64(src[at:]) << (n & 63)
		at += int(63-n) >> 3
		n |= 56
		e := first[buf&(1<<symbolBits-1)]
		if e&isLiteral != 0 {
			buf >>= e.bits()
			n -= e.bits()
			dst[out] = byte(e.value())
			out++
			e = first[buf&(1<<symbolBits-1)]
			if e&isLiteral != 0 {
				buf >>= e.bits()
				n -= e.bits()
				dst[out] = byte(e.value())
				out++
				continue
			}
			if at > last {
				return -1
			}
			buf |= binary.LittleEndian.Uint64(src[at:]) << (n & 63)
			at += int(63-n) >> 3
			n |= 56
		}
		if e&isTable != 0 {
			buf >>= e.bits()
			n -= e.bits()
			e = symbols[e.value()+int(buf&mask(e.extra()))]
		}
		buf >>= e.bits()
		n -= e.bits()
		switch {
		case e&isBase != 0:
		case e&isLiteral != 0: // with a long code
			dst[out] = byte(e.value())
			out++
			continue
		case e&isEnd != 0:
			d.bits, d.n, d.at = buf, n, at
			return out
		default:
			return -1
		}
		length := e.value() + int(buf&mask(e.extra()))
		buf >>= e.extra()
		n -= e.extra()

		e = near[buf&(1<<placeBits-1)]
		if e&isTable != 0 {
			buf >>= e.bits()
			n -= e.bits()
			e = places[e.value()+int(buf&mask(e.extra()))]
		}
		if e&isBase == 0 {
			return -1
		}
		buf >>= e.bits()
		n -= e.bits()
		distance := e.value() + int(buf&mask(e.extra()))
		buf >>= e.extra()
		n -= e.extra()
		from := out - distance
		if from < 0 {
			return -1
		}
		switch {
		case distance < 8: // what is copied may be part of the copy
			for i := range length {
				dst[out+i] = dst[from+i]
			}
		case length > 64 && distance >= length:
			copy(dst[out:out+length], dst[from:])
		default:
			for i := 0; i < length; i += 8 {
				binary.LittleEndian.PutUint64(dst[out+i:], binary.LittleEndian.Uint64(dst[from+i:]))
			}
		}
		out += length
	}
}
