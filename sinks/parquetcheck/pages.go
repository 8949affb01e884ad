package parquetcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go/format"
)

// The limits of a file that this program writes. A corrupt file that claims more is
// rejected before memory is allocated for it.
const (
	maxFooter    = 64 << 20
	maxColumns   = 1000
	maxRowGroups = 1 << 15 // the format's own limit
	// MaxPage is the maximum size in bytes of an uncompressed page.
	MaxPage = 256 << 20
	// MaxPageValues is the maximum number of values of a page.
	MaxPageValues = 1 << 20
	maxPages      = 1 << 16 // of a column chunk
)

// CheckFooter returns an error unless a file ends with a footer that the libraries can
// decode safely.
func CheckFooter(file File) error {
	footer, err := readFooter(file)
	if err != nil {
		return err
	}
	var elements, groups int
	r := &thriftReader{data: footer}
	err = r.fields(func(id int16, kind byte) error {
		count := func(n *int) error {
			return r.list(kind, func(kind byte) error {
				*n++
				return r.skip(kind)
			})
		}
		switch id {
		case 2:
			return count(&elements)
		case 4:
			return count(&groups)
		}
		return r.skip(kind)
	})
	switch {
	case err != nil:
		return fmt.Errorf("%w: footer: %w", ErrCorrupt, err)
	case r.at != len(footer):
		return fmt.Errorf("%w: footer: %d bytes too many", ErrCorrupt, len(footer)-r.at)
	case elements > 1+maxColumns || groups > maxRowGroups:
		return fmt.Errorf("%w: footer: %d columns, %d row groups", ErrCorrupt, elements, groups)
	}
	return nil
}

// readFooter reads a file's footer. It does not rely on the length of the footer.
func readFooter(file File) ([]byte, error) {
	size := file.Size()
	const magic = "PAR1"
	var head, tail [8]byte
	if size < int64(len(head)+len(tail)) {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrCorrupt, size)
	}
	if err := ReadFull(file, head[:], 0); err != nil {
		return nil, err
	}
	if err := ReadFull(file, tail[:], size-8); err != nil {
		return nil, err
	}
	if string(head[:4]) != magic || string(tail[4:]) != magic {
		return nil, fmt.Errorf("%w: it does not begin and end with %s", ErrCorrupt, magic)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	if n > size-12 || n > maxFooter {
		return nil, fmt.Errorf("%w: a footer of %d bytes in a file of %d", ErrCorrupt, n, size)
	}
	footer := make([]byte, n)
	return footer, ReadFull(file, footer, size-8-n)
}

// CheckFlat returns an error unless a schema is a root and its columns. Arrow's reader
// allocates memory for as many children as a node claims.
func CheckFlat(elements []format.SchemaElement) error {
	for i, e := range elements {
		if n := int(e.NumChildren.V); i == 0 && n != len(elements)-1 || i > 0 && n != 0 {
			return fmt.Errorf("%w: column %q has %d parts", ErrCorrupt, e.Name, n)
		}
	}
	return nil
}

// ReadFull fills p or returns an error. An io.ReaderAt may return the error only at the
// next call. The end of the file is ErrCorrupt.
func ReadFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: it ends early", ErrCorrupt)
	}
	return err
}

// ChunkRange returns the range of a column chunk's bytes in a file of size bytes.
func ChunkRange(m *format.ColumnMetaData, size int64) (start, end int64, err error) {
	start = m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		start = m.DictionaryPageOffset
	}
	if start < 4 || m.TotalCompressedSize < 0 || m.TotalCompressedSize > size-start ||
		m.DataPageOffset < start || m.DataPageOffset > start+m.TotalCompressedSize {
		return 0, 0, fmt.Errorf("%w: column %q lies outside of the file", ErrCorrupt, m.PathInSchema)
	}
	return start, start + m.TotalCompressedSize, nil
}

// CheckPages checks the pages of a column chunk. data has the bytes of the chunk. Sizes
// must be consistent, checksums must match, the encoding must be want, this program
// must use the codec, and the number of values must be the number of rows. It returns
// the pages, with offsets in the chunk.
func CheckPages(data []byte, m *format.ColumnMetaData, want format.Encoding, rows int64) (pages []Page, err error) {
	whole := len(data)
	values, dictionary := int64(0), false
	for page := 0; len(data) > 0; page++ {
		h, n, err := pageHeader(data)
		if err != nil {
			return nil, fmt.Errorf("%w: page %d: %w", ErrCorrupt, page, err)
		}
		h.offset = int64(whole - len(data))
		h.size = int64(n) + h.compressed
		data = data[n:]
		switch {
		case h.compressed < 0 || h.compressed > int64(len(data)):
			return nil, fmt.Errorf("%w: page %d: %d bytes announced, %d left", ErrCorrupt, page, h.compressed, len(data))
		case h.uncompressed < 0 || h.uncompressed > MaxPage:
			return nil, fmt.Errorf("%w: page %d: %d bytes uncompressed", ErrCorrupt, page, h.uncompressed)
		case h.values < 0 || h.values > MaxPageValues:
			return nil, fmt.Errorf("%w: page %d: %d values", ErrCorrupt, page, h.values)
		case page == maxPages:
			return nil, fmt.Errorf("%w: more than %d pages", ErrCorrupt, page)
		}
		body := data[:h.compressed]
		data = data[h.compressed:]
		if crc32.ChecksumIEEE(body) != uint32(h.crc) {
			return nil, fmt.Errorf("%w: page %d: checksum mismatch", ErrCorrupt, page)
		}
		if n, ok := uncompressedSize(m.Codec, body, uint64(h.uncompressed)); !ok || n != uint64(h.uncompressed) {
			return nil, fmt.Errorf("%w: page %d: not of %d bytes compressed by %s", ErrCorrupt, page, h.uncompressed, m.Codec)
		}
		switch h.Kind {
		case format.DictionaryPage:
			// Each value needs at least one byte, and only the first page is a
			// dictionary.
			if page != 0 || h.values > h.uncompressed || want != format.RLEDictionary || h.Encoding != format.Plain {
				return nil, fmt.Errorf("%w: page %d: a dictionary of %d values", ErrCorrupt, page, h.values)
			}
			dictionary = true
		case format.DataPage:
			if want == format.RLEDictionary && !dictionary {
				want = format.Plain // as in files of the profile compatible
			}
			if !fits(h.Encoding, want, m.Type) || format.Encoding(h.levels) != format.RLE {
				return nil, fmt.Errorf("%w: page %d: encoding %s", ErrCorrupt, page, h.Encoding)
			}
			values += h.values
		default:
			return nil, fmt.Errorf("%w: page %d: of type %d", ErrCorrupt, page, int64(h.Kind))
		}
		pages = append(pages, h)
	}
	if values != rows {
		return nil, fmt.Errorf("%w: %d values for %d rows", ErrCorrupt, values, rows)
	}
	return pages, nil
}

// KeepPages returns the pages of a column chunk that have its values from from, up to but
// not including to, after its dictionary. pages are what CheckPages returned for data.
// first is the number of the first value in them.
func KeepPages(data []byte, pages []Page, from, to int64) (kept []byte, first int64) {
	dictionary, start, end := int64(0), int64(-1), int64(0)
	value := int64(0)
	for i := range pages {
		p := &pages[i]
		if p.Kind != format.DataPage {
			dictionary = p.offset + p.size
			continue
		}
		if value < to && value+p.values > from {
			if start < 0 {
				start, first = p.offset, value
			}
			end = p.offset + p.size
		}
		value += p.values
	}
	return slices.Concat(data[:dictionary], data[max(start, 0):end]), first
}

// fits reports whether a column may have the encoding got although want is expected.
// The encoding of integers differs between versions of the program.
func fits(got, want format.Encoding, t format.Type) bool {
	simple := func(e format.Encoding) bool { return e == format.Plain || e == format.DeltaBinaryPacked }
	return got == want || t == format.Int64 && simple(got) && simple(want)
}

// Page has the contents of a page header, and the position of the page in its column
// chunk.
type Page struct {
	Kind     format.PageType
	Encoding format.Encoding

	uncompressed, compressed, crc, values, levels int64
	offset, size                                  int64 // with the header
	stats                                         statistics
	statsAt                                       int // position in the header; 0 if missing
}

// pageHeader decodes the page header at the beginning of data, and returns its length.
func pageHeader(data []byte) (Page, int, error) {
	var h Page
	r := &thriftReader{data: data}
	err := r.fields(func(id int16, kind byte) (err error) {
		switch id {
		case 1:
			var n int64
			n, err = r.number(kind)
			h.Kind = format.PageType(n)
		case 2:
			h.uncompressed, err = r.number(kind)
		case 3:
			h.compressed, err = r.number(kind)
		case 4:
			h.crc, err = r.number(kind)
		case 5, 7: // of a data page, of a dictionary page
			data := id == 5
			err = r.structure(kind, func(id int16, kind byte) (err error) {
				switch {
				case id == 1:
					h.values, err = r.number(kind)
				case id == 2:
					var n int64
					n, err = r.number(kind)
					h.Encoding = format.Encoding(n)
				case id == 3 && data:
					h.levels, err = r.number(kind)
				case id == 5 && data:
					h.statsAt = r.at - 1
					h.stats, err = r.statistics(kind)
				default:
					err = r.skip(kind)
				}
				return err
			})
		default:
			err = r.skip(kind)
		}
		return err
	})
	return h, r.at, err
}

// uncompressedSize returns the size that compressed bytes claim after decompression,
// and unknown if they claim none. The decoders allocate that much before they know
// whether it is true. ok is false for codecs that this program does not use, and for
// bytes that are not of the codec.
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

// zstdSize returns the content size in the header of a Zstandard frame. Small frames
// may omit it; the decoder then uses the actual size.
func zstdSize(body []byte, unknown uint64) (_ uint64, ok bool) {
	if len(body) < 5 || binary.LittleEndian.Uint32(body) != 0xFD2FB528 {
		return 0, false
	}
	flags := body[4]
	body = body[5:]
	single := flags&0x20 != 0
	skip := [4]int{0, 1, 2, 4}[flags&3] // the id of the dictionary
	if !single {
		skip++ // the size of the window
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
