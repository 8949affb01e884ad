package parquetcheck

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

func open(data []byte) File { return bytes.NewReader(data) }

// withFooter is a file of a body and a footer.
func withFooter(body, footer []byte) []byte {
	data := append([]byte("PAR1"), body...)
	data = binary.LittleEndian.AppendUint32(append(data, footer...), uint32(len(footer)))
	return append(data, "PAR1"...)
}

func TestCheckFooter(t *testing.T) {
	good := encode(arr(2, thriftStruct, 2, encode(), encode()), num(3, 5), arr(4, thriftStruct, 1, encode()))
	many := func(id, n int) []byte { return encode(arr(id, thriftStruct, uint64(n), make([]byte, n))) }
	long := withFooter(nil, good)
	binary.LittleEndian.PutUint32(long[len(long)-8:], math.MaxUint32)
	for _, tt := range []struct {
		name string
		data []byte
		want string // "" for a file that is right
	}{
		{"right", withFooter([]byte("pages"), good), ""},
		{"as many columns as there may be", withFooter(nil, many(2, 1+maxColumns)), ""},
		{"empty", nil, "0 bytes are too few"},
		{"only the magic", []byte("PAR1PAR1"), "too few"},
		{"no magic", append(withFooter(nil, good), '!'), "begin and end"},
		{"an encrypted footer", bytes.ReplaceAll(withFooter(nil, good), []byte("PAR1"), []byte("PARE")), "begin and end"},
		{"a footer longer than the file", long, "a footer of 4294967295 bytes in a file of"},
		{"bytes behind the footer's struct", withFooter(nil, append(good, 0)), "1 bytes too many"},
		{"a footer that is cut off", withFooter(nil, good[:len(good)-1]), "cut off"},
		{"too many columns", withFooter(nil, many(2, 2+maxColumns)), "1002 columns"},
		{"too many row groups", withFooter(nil, many(4, 1+maxRowGroups)), "32769 row groups"},
		{"a list longer than the file", withFooter(nil, encode(arr(4, thriftStruct, 1<<50))), "elements in 1 bytes"},
	} {
		err := CheckFooter(open(tt.data))
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestCheckFlat(t *testing.T) {
	root := format.SchemaElement{Name: "root", NumChildren: thrift.New[int32](2)}
	column := format.SchemaElement{Name: "id"}
	for name, tt := range map[string]struct {
		elements []format.SchemaElement
		ok       bool
	}{
		"flat":                    {[]format.SchemaElement{root, column, column}, true},
		"a root of more columns":  {[]format.SchemaElement{root, column}, false},
		"a nested column":         {[]format.SchemaElement{root, column, root}, false},
		"a root of many children": {[]format.SchemaElement{{NumChildren: thrift.New[int32](math.MaxInt32)}, column}, false},
		"a negative number":       {[]format.SchemaElement{{NumChildren: thrift.New[int32](-1)}}, false},
	} {
		if err := CheckFlat(tt.elements); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestChunkRange(t *testing.T) {
	for _, tt := range []struct {
		data, dictionary, length int64
		start, end               int64 // 0: outside of the file
	}{
		{4, 0, 96, 4, 100},
		{20, 4, 50, 4, 54},
		{100, 0, 0, 100, 100},
		{4, 0, 97, 0, 0},
		{3, 0, 10, 0, 0},
		{-1, 0, 10, 0, 0},
		{10, 0, -1, 0, 0},
		{101, 0, 0, 0, 0},
		{4, 20, 50, 0, 0}, // data before its dictionary
		{60, 4, 50, 0, 0}, // data behind the chunk
		{4, 0, math.MaxInt64, 0, 0},
		{math.MaxInt64, 0, 1, 0, 0},
		{math.MaxInt64, 4, math.MaxInt64, 0, 0},
		{math.MinInt64, 0, math.MaxInt64, 0, 0},
	} {
		m := &format.ColumnMetaData{DataPageOffset: tt.data, DictionaryPageOffset: tt.dictionary, TotalCompressedSize: tt.length}
		start, end, err := ChunkRange(m, 100)
		if start != tt.start || end != tt.end || (err != nil) != (tt.end == 0) {
			t.Errorf("%+v: %d to %d, %v", tt, start, end, err)
		}
	}
}

// ended is a reader that says nothing of a short read.
type ended struct{ io.ReaderAt }

func (ended) ReadAt(p []byte, _ int64) (int, error) { return len(p) - 1, nil }

func TestReadFull(t *testing.T) {
	broken := errors.New("no network")
	p := make([]byte, 4)
	if err := ReadFull(open([]byte("abcd")), p, 0); err != nil {
		t.Errorf("a whole read: %v", err)
	}
	for name, r := range map[string]io.ReaderAt{"end": open([]byte("abc")), "short": ended{}} {
		if err := ReadFull(r, p, 0); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if err := ReadFull(failing{broken}, p, 0); !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) {
		t.Errorf("an error of the storage: %v", err)
	}
}

type failing struct{ error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.error }

// page is a page to be written. What is 0 is right.
type page struct {
	kind                     format.PageType
	uncompressed, compressed int64 // more than the body has
	crc                      uint32
	values                   int64
	encoding, levels         format.Encoding
	body                     string
	stats                    []field
}

// bytes returns the page with its header.
func (p page) bytes() []byte {
	n := int64(len(p.body))
	header := []field{
		num(1, int64(p.kind)), num(2, n+p.uncompressed), num(3, n+p.compressed), num(4, int64(int32(crc32.ChecksumIEEE([]byte(p.body))^p.crc))),
	}
	if p.kind == format.DictionaryPage {
		header = append(header, obj(7, num(1, p.values), num(2, int64(p.encoding))))
	} else {
		levels := int64(p.levels)
		if levels == 0 {
			levels = int64(format.RLE)
		}
		data := []field{num(1, p.values), num(2, int64(p.encoding)), num(3, levels), num(4, int64(format.RLE))}
		if p.stats != nil {
			data = append(data, obj(5, p.stats...))
		}
		header = append(header, obj(5, data...))
	}
	return append(encode(header...), p.body...)
}

func TestCheckPages(t *testing.T) {
	const plain, delta, indexed = format.Plain, format.DeltaBinaryPacked, format.RLEDictionary
	dictionary := page{kind: format.DictionaryPage, values: 3, body: "dictionary"}
	for _, tt := range []struct {
		name  string
		pages []page
		codec format.CompressionCodec
		want  format.Encoding
		error string // "" for pages that are right
	}{
		{"right", []page{{values: 2, body: "ab"}, {values: 3, body: "cde"}}, format.Uncompressed, plain, ""},
		{"delta where plain is written", []page{{values: 5, encoding: delta}}, format.Uncompressed, plain, ""},
		{"a dictionary", []page{dictionary, {values: 5, encoding: indexed}}, format.Uncompressed, indexed, ""},
		{"plain where a dictionary was left out", []page{{values: 5}}, format.Uncompressed, indexed, ""},
		{"snappy", []page{{values: 5, body: "\x05\x10hello", uncompressed: -2}}, format.Snappy, plain, ""},
		{"zstd without a size", []page{{values: 5, body: "\x28\xb5\x2f\xfd\x00\x58", uncompressed: 1000}}, format.Zstd, plain, ""},

		{"a checksum", []page{{values: 5, body: "ab", crc: 1}}, format.Uncompressed, plain, "page 0: checksum mismatch"},
		{"more bytes than there are", []page{{values: 5, compressed: 1}}, format.Uncompressed, plain, "1 bytes announced, 0 left"},
		{"a negative length", []page{{values: 5, compressed: -1}}, format.Uncompressed, plain, "-1 bytes announced"},
		{"gigabytes uncompressed", []page{{values: 5, uncompressed: 1 << 31}}, format.Uncompressed, plain, "bytes uncompressed"},
		{"a negative length uncompressed", []page{{values: 5, uncompressed: -1}}, format.Uncompressed, plain, "-1 bytes uncompressed"},
		{"too many values", []page{{values: MaxPageValues + 1}}, format.Uncompressed, plain, "1048577 values"},
		{"a negative number of values", []page{{values: 6}, {values: -1}}, format.Uncompressed, plain, "page 1: -1 values"},
		{"another length than its codec's", []page{{values: 5, body: "ab", uncompressed: 1}}, format.Uncompressed, plain, "not of 3 bytes"},
		{"a snappy bomb", []page{{values: 5, body: "\xff\xff\xff\xff\x0f"}}, format.Snappy, plain, "not of 5 bytes compressed by SNAPPY"},
		{"no snappy", []page{{values: 5, body: "\xff"}}, format.Snappy, plain, "not of 1 bytes"},
		{"a zstd bomb", []page{{values: 5, body: "\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f"}}, format.Zstd, plain, "compressed by ZSTD"},
		{"no zstd", []page{{values: 5, body: "PK\x03\x04\x00\x00"}}, format.Zstd, plain, "compressed by ZSTD"},
		{"a zstd header that is cut off", []page{{values: 5, body: "\x28\xb5\x2f\xfd\xe0"}}, format.Zstd, plain, "compressed by ZSTD"},
		{"a codec of others", []page{{values: 5, body: "ab"}}, format.Gzip, plain, "compressed by GZIP"},
		{"a second dictionary", []page{dictionary, dictionary}, format.Uncompressed, indexed, "page 1: a dictionary of 3 values"},
		{"a dictionary of more values than bytes", []page{{kind: format.DictionaryPage, values: 9, body: "ab"}}, format.Uncompressed, indexed, "a dictionary of 9 values"},
		{"a dictionary of a plain column", []page{dictionary}, format.Uncompressed, plain, "a dictionary of 3 values"},
		{"another encoding", []page{{values: 5, encoding: format.DeltaByteArray}}, format.Uncompressed, plain, "encoding DELTA_BYTE_ARRAY"},
		{"levels in another encoding", []page{{values: 5, levels: format.BitPacked}}, format.Uncompressed, plain, "page 0: encoding"},
		{"a page of another type", []page{{kind: format.DataPageV2, values: 5}}, format.Uncompressed, plain, "of type 3"},
		{"too few values", []page{{values: 4}}, format.Uncompressed, plain, "4 values for 5 rows"},
		{"no page", nil, format.Uncompressed, plain, "0 values for 5 rows"},
		{"too many pages", make([]page, maxPages+1), format.Uncompressed, plain, "more than 65536 pages"},
	} {
		var data []byte
		for _, p := range tt.pages {
			data = append(data, p.bytes()...)
		}
		pages, err := CheckPages(data, &format.ColumnMetaData{Codec: tt.codec, Type: format.Int64}, tt.want, 5)
		switch {
		case tt.error == "" && (err != nil || len(pages) != len(tt.pages)):
			t.Errorf("%s: %d pages, %v", tt.name, len(pages), err)
		case tt.error != "" && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), tt.error)):
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.error)
		}
	}
}

// TestDamagedPages: pages that are damaged in any way are an error or right; nothing
// panics.
func TestDamagedPages(t *testing.T) {
	good := append(page{values: 2, body: "ab"}.bytes(), page{values: 3, body: "cde", stats: []field{num(3, 1)}}.bytes()...)
	for _, codec := range []format.CompressionCodec{format.Uncompressed, format.Snappy, format.Zstd} {
		mutate(good, func(bad []byte) {
			pages, err := CheckPages(bad, &format.ColumnMetaData{Codec: codec}, format.Plain, 5)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%x: error %v", bad, err)
			}
			values := int64(0)
			for _, p := range pages {
				values += p.values
			}
			if err == nil && (values != 5 || len(bad) < len(good)) {
				t.Fatalf("%x: %+v", bad, pages)
			}
		})
	}
}
