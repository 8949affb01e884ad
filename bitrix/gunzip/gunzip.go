// Package gunzip decompresses answers that are in memory as a whole in two thirds of the
// time of a complete decompressor, and leaves unusual ones to that decompressor.
//
// Its speed justifies its size: without it a first run takes 6 % more processor time
// (docs/speed.md). A decompressor of streams writes into a window and copies from there,
// and checks its input before each symbol. If github.com/klauspost/compress/gzip becomes
// almost as fast for bytes in memory, delete this package.
//
// # Guarantees
//
// What [Append] decompresses, a gzip reader decompresses to the same bytes: checksum and
// size are correct. Append allocates no more than the size that it is called with, and
// 268 bytes.
//
// # Testing
//
// The guarantee is fuzzed against compress/flate.
package gunzip

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync"
)

// The parts of a gzip file with one member (RFC 1952).
const (
	headerSize = 10
	footerSize = 8 // checksum and size, four bytes each
)

// Size returns the size that a gzip file claims at its end, and whether Append can
// decompress a file that begins like this.
func Size(file []byte) (size int64, ok bool) {
	if len(file) < headerSize+footerSize || file[0] != 0x1f || file[1] != 0x8b || file[2] != 8 || file[3] != 0 {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint32(file[len(file)-4:])), true
}

// Append decompresses a gzip file of one member without optional headers, whose content
// must have the size that Size returned. It returns nil, whatever the reason, if a
// complete decompressor must decide. Otherwise the result belongs to the caller.
func Append(file []byte, size int) []byte {
	if claimed, ok := Size(file); !ok || claimed != int64(size) {
		return nil
	}
	d := decoders.Get().(*decoder)
	defer d.release()
	// Words are read beyond the end, and written.
	var more [8]byte
	d.src = append(append(d.src[:0], file[headerSize:]...), more[:]...)
	dst := make([]byte, size+slack)
	end, written := d.inflate(dst, size)
	footer := file[len(file)-footerSize:]
	if end != len(file)-headerSize-footerSize || written != size || crc32.ChecksumIEEE(dst[:size]) != binary.LittleEndian.Uint32(footer) {
		return nil
	}
	return slices.Clip(dst[:size])
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// release returns the decoder to the pool.
func (d *decoder) release() {
	const large = 1 << 20
	if cap(d.src) > large {
		d.src = nil
	}
	decoders.Put(d)
}
