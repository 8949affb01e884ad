package parquetcheck

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The tests write Thrift by hand, so that they can write what no library writes.

// field is a field of a struct: its number, its type, and its value as bytes.
type field struct {
	id   int
	kind byte
	data []byte
}

// encode returns a struct. The fields are in the order of their numbers.
func encode(fields ...field) (b []byte) {
	last := 0
	for _, f := range fields {
		b = append(append(b, byte(f.id-last)<<4|f.kind), f.data...)
		last = f.id
	}
	return append(b, 0)
}

func zigzag(v int64) []byte { return binary.AppendUvarint(nil, uint64(v<<1)^uint64(v>>63)) }

func num(id int, v int64) field { return field{id, thriftI64, zigzag(v)} }

func bin(id int, v []byte) field {
	return field{id, thriftBinary, append(binary.AppendUvarint(nil, uint64(len(v))), v...)}
}

func obj(id int, fields ...field) field { return field{id, thriftStruct, encode(fields...)} }

// arr is a list of n elements that all have one type. elements may be fewer.
func arr(id int, kind byte, n uint64, elements ...[]byte) field {
	return field{id, thriftList, append(binary.AppendUvarint([]byte{0xf0 | kind}, n), slices.Concat(elements...)...)}
}

func TestHostileThrift(t *testing.T) {
	deep := strings.Repeat("\x1c", 100) // a struct in a struct, and so on
	for _, tt := range []struct {
		name, data, want string
	}{
		{"empty", "", "cut off"},
		{"no end", string(encode(num(1, 5))[:2]), "cut off"},
		{"structs too deep", deep, "nested too deep"},
		{"lists too deep", "\x19" + strings.Repeat("\x19", 100), "nested too deep"},
		{"a list longer than the data", string(encode(arr(1, thriftI64, 1<<40))), "a list of 1099511627776 elements in 1 bytes"},
		{"bytes longer than the data", string(encode(field{1, thriftBinary, binary.AppendUvarint(nil, 1<<62)})), "bytes announced"},
		{"a number without end", "\x16" + strings.Repeat("\xff", 20), "bad number"},
		{"a field's number without end", "\x06" + strings.Repeat("\xff", 20), "bad number"},
		{"an unknown type", "\x1f\x00", "type 15"},
		{"a double that is cut off", "\x17\x00\x00", "8 bytes announced, 2 left"},
	} {
		r := &thriftReader{data: []byte(tt.data)}
		err := r.fields(func(_ int16, kind byte) error { return r.skip(kind) })
		if !errors.Is(err, errThrift) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestThriftTypes: a value of another type than expected is an error, not a wrong value.
func TestThriftTypes(t *testing.T) {
	r := new(thriftReader)
	_, number := r.number(thriftBinary)
	_, text := r.text(thriftI64)
	_, flag := r.flag(thriftI8)
	for what, err := range map[string]error{
		"number": number, "text": text, "flag": flag, "struct": r.structure(thriftList, nil), "list": r.list(thriftStruct, nil),
	} {
		if !errors.Is(err, errThrift) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

// TestThriftLists: what a list decodes to has a limit, because an element of one byte may
// become a struct of hundreds.
func TestThriftLists(t *testing.T) {
	for _, tt := range []struct {
		n  int
		ok bool
	}{{0, true}, {14, true}, {15, true}, {maxElements, true}, {maxElements + 1, false}} {
		list := arr(1, thriftStruct, uint64(tt.n), make([]byte, tt.n))
		r := &thriftReader{data: list.data}
		all, err := thriftListOf(r, thriftList, r.chunkIndex)
		if (err == nil) != tt.ok || tt.ok && len(all) != tt.n {
			t.Errorf("%d elements: %d, %v", tt.n, len(all), err)
		}
	}
}

// mutate calls check with many damaged versions of data: one that is cut at each
// byte, and some with one byte or more of another value.
func mutate(data []byte, check func([]byte)) {
	for n := range data {
		check(data[:n:n])
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		bad := slices.Clone(data)
		for range 1 + random.IntN(3) {
			bad[random.IntN(len(bad))] = byte(random.Uint32())
		}
		check(bad)
	}
}
