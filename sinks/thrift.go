package sinks

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Footers and page headers of Parquet are structs of Thrift's compact protocol.
// Both Parquet libraries believe the lengths in there and allocate for them
// before they look whether so much is left. walkThrift is a reader that
// believes nothing; what it has gone through can be given to them.

// maxThriftDepth is how deep structs may nest; a footer needs seven levels.
const maxThriftDepth = 16

var errThrift = errors.New("broken Thrift struct")

// walkThrift goes through the struct that data begins with and gives its
// length. visit, if not nil, is called with each whole number in it, and each
// list's length, and the field numbers that lead there, counted from the
// outermost struct; what is in lists is left out.
func walkThrift(data []byte, visit func(path []int16, v int64)) (int, error) {
	w := thriftWalker{data: data, visit: visit}
	if err := w.structure(0); err != nil {
		return 0, err
	}
	return w.at, nil
}

type thriftWalker struct {
	data  []byte
	at    int
	path  [maxThriftDepth]int16
	visit func(path []int16, v int64)
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

func (w *thriftWalker) structure(depth int) error {
	if depth == maxThriftDepth {
		return fmt.Errorf("%w: nested too deep", errThrift)
	}
	id := int16(0)
	for {
		b, err := w.byte()
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
			v, err := w.varint()
			if err != nil {
				return err
			}
			id = int16(v)
		}
		w.path[depth] = id
		if err := w.value(kind, depth); err != nil {
			return err
		}
	}
}

// value goes through one value. Of a bool field, the type is the value.
func (w *thriftWalker) value(kind byte, depth int) error {
	switch kind {
	case thriftTrue, thriftFalse:
		return nil
	case thriftI8:
		_, err := w.byte()
		return err
	case thriftI16, thriftI32, thriftI64:
		v, err := w.varint()
		if err == nil && w.visit != nil {
			w.visit(w.path[:depth+1], v)
		}
		return err
	case thriftDouble:
		return w.skip(8)
	case thriftBinary:
		n, err := w.uvarint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case thriftList, thriftSet:
		return w.list(depth)
	case thriftStruct:
		return w.structure(depth + 1)
	}
	return fmt.Errorf("%w: type %d", errThrift, kind)
}

func (w *thriftWalker) list(depth int) error {
	if depth+1 == maxThriftDepth {
		return fmt.Errorf("%w: nested too deep", errThrift)
	}
	b, err := w.byte()
	if err != nil {
		return err
	}
	kind, n := b&0x0f, uint64(b>>4)
	if n == 15 {
		if n, err = w.uvarint(); err != nil {
			return err
		}
	}
	if n > uint64(len(w.data)-w.at) { // an element takes a byte at least
		return fmt.Errorf("%w: a list of %d elements in %d bytes", errThrift, n, len(w.data)-w.at)
	}
	visit := w.visit
	if visit != nil {
		visit(w.path[:depth+1], int64(n))
	}
	w.visit = nil
	defer func() { w.visit = visit }()
	for range n {
		if kind == thriftTrue || kind == thriftFalse {
			err = w.skip(1)
		} else {
			err = w.value(kind, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *thriftWalker) byte() (byte, error) {
	if w.at >= len(w.data) {
		return 0, fmt.Errorf("%w: cut off", errThrift)
	}
	b := w.data[w.at]
	w.at++
	return b, nil
}

func (w *thriftWalker) skip(n uint64) error {
	if n > uint64(len(w.data)-w.at) {
		return fmt.Errorf("%w: %d bytes announced, %d left", errThrift, n, len(w.data)-w.at)
	}
	w.at += int(n)
	return nil
}

func (w *thriftWalker) uvarint() (uint64, error) {
	v, n := binary.Uvarint(w.data[w.at:])
	if n <= 0 {
		return 0, fmt.Errorf("%w: bad number", errThrift)
	}
	w.at += n
	return v, nil
}

func (w *thriftWalker) varint() (int64, error) {
	u, err := w.uvarint()
	return int64(u>>1) ^ -int64(u&1), err // zigzag
}
