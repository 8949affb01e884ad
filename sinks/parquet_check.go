package sinks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/parquet-go/parquet-go/format"
)

// What a file of this package cannot have more of. A corrupt file that claims
// more is refused before anything is allocated for it.
const (
	maxFooter     = 64 << 20
	maxColumns    = 1000
	maxRowGroups  = 1 << 15   // the format's own limit
	maxPage       = 256 << 20 // uncompressed
	maxPageValues = 1 << 20
)

// errCorrupt says that a file is not as this program wrote it.
var errCorrupt = errors.New("corrupt Parquet file")

// checkFooter makes sure that a file ends in a footer that can be decoded
// without harm.
func checkFooter(r io.ReaderAt, size int64) error {
	const magic = "PAR1"
	var head, tail [8]byte
	if size < int64(len(head)+len(tail)) {
		return fmt.Errorf("%w: %d bytes are too few", errCorrupt, size)
	}
	if err := readFull(r, head[:], 0); err != nil {
		return err
	}
	if err := readFull(r, tail[:], size-8); err != nil {
		return err
	}
	if string(head[:4]) != magic || string(tail[4:]) != magic {
		return fmt.Errorf("%w: it does not begin and end with %s", errCorrupt, magic)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size-12 || n > maxFooter {
		return fmt.Errorf("%w: a footer of %d bytes in a file of %d", errCorrupt, n, size)
	}
	footer := make([]byte, n)
	if err := readFull(r, footer, size-8-n); err != nil {
		return err
	}
	var elements, groups int64
	used, err := walkThrift(footer, func(path []int16, v int64) {
		switch {
		case len(path) == 1 && path[0] == 2:
			elements = v
		case len(path) == 1 && path[0] == 4:
			groups = v
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: footer: %w", errCorrupt, err)
	case int64(used) != n:
		return fmt.Errorf("%w: footer: %d bytes too many", errCorrupt, n-int64(used))
	case elements > 1+maxColumns || groups > maxRowGroups:
		return fmt.Errorf("%w: footer: %d columns, %d row groups", errCorrupt, elements, groups)
	}
	return nil
}

// checkFlat makes sure that a schema is a root and its columns. Arrow's reader
// allocates for as many children as a node says it has.
func checkFlat(elements []format.SchemaElement) error {
	for i, e := range elements {
		if n := int(e.NumChildren.V); i == 0 && n != len(elements)-1 || i > 0 && n != 0 {
			return fmt.Errorf("%w: column %q has %d parts", errCorrupt, e.Name, n)
		}
	}
	return nil
}

// readFull fills p or gives an error, which io.ReaderAt may leave to the next
// call.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: it ends early", errCorrupt)
	}
	return err
}

// chunkRange is where a column chunk's bytes lie, if that is inside of the file.
func chunkRange(m *format.ColumnMetaData, size int64) (start, end int64, err error) {
	start = m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		start = m.DictionaryPageOffset
	}
	if start < 4 || m.TotalCompressedSize < 0 || m.TotalCompressedSize > size-start ||
		m.DataPageOffset < start || m.DataPageOffset > start+m.TotalCompressedSize {
		return 0, 0, fmt.Errorf("%w: column %q lies outside of the file", errCorrupt, m.PathInSchema)
	}
	return start, start + m.TotalCompressedSize, nil
}

// checkPages goes through the pages of a column chunk, whose bytes are data:
// sizes must fit, checksums hold, compression and encoding be what this program
// gives the column, and values as many as the row group has rows.
func checkPages(data []byte, m *format.ColumnMetaData, rows int64) error {
	if len(m.PathInSchema) != 1 {
		return fmt.Errorf("%w: a nested column", errCorrupt)
	}
	want := encodingOf(m.PathInSchema[0]).Encoding()
	values := int64(0)
	for page := 0; len(data) > 0; page++ {
		h, n, err := pageHeader(data)
		if err != nil {
			return fmt.Errorf("%w: page %d: %w", errCorrupt, page, err)
		}
		data = data[n:]
		switch {
		case h.compressed < 0 || h.compressed > int64(len(data)):
			return fmt.Errorf("%w: page %d: %d bytes announced, %d left", errCorrupt, page, h.compressed, len(data))
		case h.uncompressed < 0 || h.uncompressed > maxPage:
			return fmt.Errorf("%w: page %d: %d bytes uncompressed", errCorrupt, page, h.uncompressed)
		case h.values < 0 || h.values > maxPageValues:
			return fmt.Errorf("%w: page %d: %d values", errCorrupt, page, h.values)
		}
		body := data[:h.compressed]
		data = data[h.compressed:]
		if crc32.ChecksumIEEE(body) != uint32(h.crc) {
			return fmt.Errorf("%w: page %d: checksum mismatch", errCorrupt, page)
		}
		if n, ok := uncompressedSize(m.Codec, body, uint64(h.uncompressed)); !ok || n != uint64(h.uncompressed) {
			return fmt.Errorf("%w: page %d: not of %d bytes compressed by %s", errCorrupt, page, h.uncompressed, m.Codec)
		}
		switch format.PageType(h.kind) {
		case format.DictionaryPage:
			// Each value takes a byte at least, and only the first page is one.
			if page != 0 || h.values > h.uncompressed || want != format.RLEDictionary || format.Encoding(h.encoding) != format.Plain {
				return fmt.Errorf("%w: page %d: a dictionary of %d values", errCorrupt, page, h.values)
			}
		case format.DataPage:
			if !fits(format.Encoding(h.encoding), want, m.Type) || format.Encoding(h.levels) != format.RLE {
				return fmt.Errorf("%w: page %d: encoding %s", errCorrupt, page, format.Encoding(h.encoding))
			}
			values += h.values
		default:
			return fmt.Errorf("%w: page %d: of type %d", errCorrupt, page, h.kind)
		}
	}
	if values != rows {
		return fmt.Errorf("%w: %d values for %d rows", errCorrupt, values, rows)
	}
	return nil
}

// fits reports whether a column that is written with one encoding may be read with
// another. Integers have changed theirs from one version to the next.
func fits(got, want format.Encoding, t format.Type) bool {
	simple := func(e format.Encoding) bool { return e == format.Plain || e == format.DeltaBinaryPacked }
	return got == want || t == format.Int64 && simple(got) && simple(want)
}

// pageInfo is what a page's header says.
type pageInfo struct {
	kind, uncompressed, compressed, crc, values, encoding, levels int64
}

// pageHeader decodes the page header that data begins with, and its length.
func pageHeader(data []byte) (pageInfo, int, error) {
	var h pageInfo
	n, err := walkThrift(data, func(path []int16, v int64) {
		switch {
		case len(path) == 1 && path[0] == 1:
			h.kind = v
		case len(path) == 1 && path[0] == 2:
			h.uncompressed = v
		case len(path) == 1 && path[0] == 3:
			h.compressed = v
		case len(path) == 1 && path[0] == 4:
			h.crc = v
		case len(path) == 2 && (path[0] == 5 || path[0] == 7): // of a data page, of a dictionary page
			switch path[1] {
			case 1:
				h.values = v
			case 2:
				h.encoding = v
			case 3:
				h.levels = v
			}
		}
	})
	return h, n, err
}

// uncompressedSize is what compressed bytes say that they expand to, and
// unknown if they do not say. The decoders allocate as much before they find
// out that it is not so. ok is false for codecs that this program does not use,
// and for bytes that are not of theirs.
func uncompressedSize(codec format.CompressionCodec, body []byte, unknown uint64) (_ uint64, ok bool) {
	switch codec {
	case format.Uncompressed:
		return uint64(len(body)), true
	case format.Snappy:
		n, used := binary.Uvarint(body)
		return n, used > 0
	case format.Zstd:
		return zstdSize(body, unknown)
	}
	return 0, false
}

// zstdSize reads the content size in the header of a Zstandard frame. Small
// frames may leave it out; then the decoder goes by what it finds.
func zstdSize(body []byte, unknown uint64) (_ uint64, ok bool) {
	if len(body) < 5 || binary.LittleEndian.Uint32(body) != 0xFD2FB528 {
		return 0, false
	}
	flags := body[4]
	body = body[5:]
	single := flags&0x20 != 0
	skip := [4]int{0, 1, 2, 4}[flags&3] // the dictionary's id
	if !single {
		skip++ // the window's size
	}
	n := [4]int{0, 2, 4, 8}[flags>>6]
	if n == 0 && single {
		n = 1
	}
	if len(body) < skip+n {
		return 0, false
	}
	if n == 0 {
		return unknown, true
	}
	var field [8]byte
	copy(field[:], body[skip:skip+n])
	size := binary.LittleEndian.Uint64(field[:])
	if n == 2 {
		size += 256
	}
	return size, true
}
