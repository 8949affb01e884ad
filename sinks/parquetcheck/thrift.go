package parquetcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Footers, page headers and page indexes of Parquet are structs of Thrift's compact
// protocol. Both Parquet libraries rely on the lengths in them, and allocate memory
// before they check whether so many bytes are left. thriftReader relies on no length.
// What it has read can be passed to the libraries.

// maxThriftDepth is the maximum depth of nested structs and lists. A footer needs seven
// levels.
const maxThriftDepth = 16

var errThrift = errors.New("broken Thrift struct")

// thriftReader reads the values at the beginning of data. Its slices of bytes are parts
// of data.
type thriftReader struct {
	data  []byte
	at    int
	depth int
}

// Wire types of the compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftI8     = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftStruct = 12
)

// fields calls field for each field of the next struct. field must read the value with
// the method for its kind, or skip it.
func (r *thriftReader) fields(field func(id int16, kind byte) error) error {
	if r.depth == maxThriftDepth {
		return fmt.Errorf("%w: nested too deep", errThrift)
	}
	r.depth++
	defer func() { r.depth-- }()
	id := int16(0)
	for {
		b, err := r.byte()
		if err != nil {
			return err
		}
		kind := b & 0x0f
		switch delta := int16(b >> 4); {
		case kind == 0:
			return nil
		case delta != 0:
			id += delta
		default:
			v, err := r.varint()
			if err != nil {
				return err
			}
			id = int16(v)
		}
		if err := field(id, kind); err != nil {
			return err
		}
	}
}

// structure is fields for a value that must be a struct.
func (r *thriftReader) structure(kind byte, field func(id int16, kind byte) error) error {
	if kind != thriftStruct {
		return fmt.Errorf("%w: type %d for a struct", errThrift, kind)
	}
	return r.fields(field)
}

// list calls element for each element of a list. element must read the value with the
// method for its kind, or skip it.
func (r *thriftReader) list(kind byte, element func(kind byte) error) error {
	if kind != thriftList && kind != thriftSet {
		return fmt.Errorf("%w: type %d for a list", errThrift, kind)
	}
	if r.depth == maxThriftDepth {
		return fmt.Errorf("%w: nested too deep", errThrift)
	}
	r.depth++
	defer func() { r.depth-- }()
	b, err := r.byte()
	if err != nil {
		return err
	}
	of, n := b&0x0f, uint64(b>>4)
	if n == 15 {
		if n, err = r.uvarint(); err != nil {
			return err
		}
	}
	if n > uint64(len(r.data)-r.at) { // an element needs at least one byte
		return fmt.Errorf("%w: a list of %d elements in %d bytes", errThrift, n, len(r.data)-r.at)
	}
	for range n {
		kind := of
		if of == thriftTrue || of == thriftFalse { // in a list, the value is a byte of its own
			b, err := r.byte()
			if err != nil {
				return err
			}
			kind = thriftFalse
			if b == thriftTrue {
				kind = thriftTrue
			}
		}
		if err := element(kind); err != nil {
			return err
		}
	}
	return nil
}

// maxElements is the maximum number of elements that thriftListOf returns. The longest
// list has the counts by level of the pages of a column chunk. Without a limit, a list of
// one byte per element could need hundreds of times its length in memory.
const maxElements = 2 * maxPages

// thriftListOf reads a list. read reads each element.
func thriftListOf[T any](r *thriftReader, kind byte, read func(kind byte) (T, error)) ([]T, error) {
	var all []T
	err := r.list(kind, func(kind byte) error {
		if len(all) == maxElements {
			return fmt.Errorf("%w: a list of more than %d elements", errThrift, maxElements)
		}
		v, err := read(kind)
		all = append(all, v)
		return err
	})
	return all, err
}

// skip skips a value.
func (r *thriftReader) skip(kind byte) error {
	switch kind {
	case thriftTrue, thriftFalse: // the kind is the value
		return nil
	case thriftI8, thriftI16, thriftI32, thriftI64:
		_, err := r.number(kind)
		return err
	case thriftDouble:
		_, err := r.take(8)
		return err
	case thriftBinary:
		_, err := r.text(kind)
		return err
	case thriftList, thriftSet:
		return r.list(kind, r.skip)
	case thriftStruct:
		return r.fields(func(_ int16, kind byte) error { return r.skip(kind) })
	}
	return fmt.Errorf("%w: type %d", errThrift, kind)
}

// flag reads a boolean.
func (r *thriftReader) flag(kind byte) (bool, error) {
	if kind != thriftTrue && kind != thriftFalse {
		return false, fmt.Errorf("%w: type %d for a boolean", errThrift, kind)
	}
	return kind == thriftTrue, nil
}

// number reads a whole number.
func (r *thriftReader) number(kind byte) (int64, error) {
	switch kind {
	case thriftI8:
		b, err := r.byte()
		return int64(int8(b)), err
	case thriftI16, thriftI32, thriftI64:
		return r.varint()
	}
	return 0, fmt.Errorf("%w: type %d for a number", errThrift, kind)
}

// text reads bytes. The result is not nil.
func (r *thriftReader) text(kind byte) ([]byte, error) {
	if kind != thriftBinary {
		return nil, fmt.Errorf("%w: type %d for bytes", errThrift, kind)
	}
	n, err := r.uvarint()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

func (r *thriftReader) byte() (byte, error) {
	if r.at >= len(r.data) {
		return 0, fmt.Errorf("%w: cut off", errThrift)
	}
	b := r.data[r.at]
	r.at++
	return b, nil
}

func (r *thriftReader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.data)-r.at) {
		return nil, fmt.Errorf("%w: %d bytes announced, %d left", errThrift, n, len(r.data)-r.at)
	}
	p := r.data[r.at : r.at+int(n) : r.at+int(n)]
	r.at += int(n)
	return p, nil
}

func (r *thriftReader) uvarint() (uint64, error) {
	v, n := binary.Uvarint(r.data[r.at:])
	if n <= 0 {
		return 0, fmt.Errorf("%w: bad number", errThrift)
	}
	r.at += n
	return v, nil
}

func (r *thriftReader) varint() (int64, error) {
	u, err := r.uvarint()
	return int64(u>>1) ^ -int64(u&1), err // zigzag
}
