package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"b24export/bitrix/jsonscan"
)

// maxDepth is the most levels of arrays and objects in a field: many more than a
// payment's fields have, and within the limits of engines that read extra as JSON.
const maxDepth = 64

// reader iterates over the members of one JSON object. It reuses all its memory.
type reader struct {
	raw     []byte
	buf     bytes.Buffer // over raw; the decoder reads it without a copy
	dec     jsontext.Decoder
	scan    jsonscan.Scanner
	known   bool   // next reads by order; otherwise by scan or dec
	plain   bool   // scan reads; otherwise dec
	decoded bool   // dec has something of raw
	count   int    // members read
	at      int    // where next reads by order
	order   *order // of the names of such objects
	orders  [kinds]order
	name    []byte // of the current member
	value   value
	text    []byte // of the value, if the raw text has escapes
	extra   []byte // members without a column
	strings *interner
}

var readers = sync.Pool{New: func() any { return &reader{strings: newInterner()} }}

// newReader returns a reader for objects of a kind.
func newReader(k kind) *reader {
	r := readers.Get().(*reader)
	r.order = &r.orders[k]
	return r
}

// release returns the reader to the pool. It drops raw, which may be part of a much
// larger answer.
func (r *reader) release() {
	const large = 64 << 10
	if cap(r.text) > large {
		r.text = nil
	}
	if cap(r.extra) > large {
		r.extra = nil
	}
	r.raw, r.name, r.value = nil, nil, value{}
	if r.decoded {
		r.buf, r.decoded = bytes.Buffer{}, false
		r.dec.Reset(&r.buf)
	}
	r.scan.Reset(nil)
	readers.Put(r)
}

// begin enters the object in raw.
func (r *reader) begin(raw []byte) error {
	r.raw, r.count, r.at = raw, 0, 0
	r.extra = r.extra[:0]
	r.scan.Reset(raw)
	if r.known = len(r.order.labels) > 0; r.known {
		return nil // next checks it
	}
	return r.check()
}

// check switches to the scanner, which reads again from the start.
func (r *reader) check() error {
	r.known = false
	r.scan.Reset(r.raw)
	start, err := r.scan.ReadToken()
	r.plain = err == nil && start.Kind() == jsontext.KindBeginObject
	for range r.count {
		if r.plain {
			_, _, _, err = r.scan.Member()
			r.plain = err == nil
		}
	}
	if r.plain {
		return nil
	}
	return r.decode()
}

// decode switches to the complete decoder, which reads again from the start. Its
// defaults refuse duplicate names and invalid UTF-8.
func (r *reader) decode() error {
	r.plain, r.decoded = false, true
	r.buf = *bytes.NewBuffer(r.raw)
	r.dec.Reset(&r.buf)
	start, err := r.dec.ReadToken()
	if err != nil {
		return syntaxError(err, r.raw)
	}
	if start.Kind() != jsontext.KindBeginObject {
		return fieldError("", "must be an object", r.raw)
	}
	for range 2 * r.count {
		if err := r.dec.SkipValue(); err != nil {
			return syntaxError(err, r.raw) // unreachable: the scanner accepts less
		}
	}
	return nil
}

// next reads a member into r.name and r.value, which are valid until the next call. It
// returns false at the object's end.
func (r *reader) next() (more bool, err error) {
	if r.known {
		switch end := r.ordered(); {
		case end:
			return false, nil
		case r.known:
			return true, nil
		}
		if err := r.check(); err != nil {
			return false, err
		}
	}
	if r.plain {
		name, raw, escaped, err := r.scan.Member()
		switch {
		case err == nil && name != nil:
			r.order.learn(r.count, name)
			r.count++
			r.name = name
			r.interpret(raw, escaped)
			return true, nil
		case err == nil && len(bytes.TrimLeft(r.raw[r.scan.InputOffset():], " \t\r\n")) == 0:
			return false, nil
		}
		if err := r.decode(); err != nil {
			return false, err
		}
	}
	token, err := r.dec.ReadToken()
	if err != nil {
		return false, syntaxError(err, r.raw)
	}
	if token.Kind() == jsontext.KindEndObject {
		if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
			return false, fieldError("", "must be one object and nothing behind it", r.raw)
		}
		return false, nil
	}
	r.name = []byte(token.String())

	raw, err := r.dec.ReadValue()
	if err != nil {
		return false, syntaxError(err, r.raw)
	}
	r.interpret(raw, bytes.IndexByte(raw, '\\') >= 0)
	if k := r.value.kind; (k == jsontext.KindBeginArray || k == jsontext.KindBeginObject) && depth(raw) > maxDepth {
		return false, fieldError(string(r.name), fmt.Sprintf("must not nest deeper than %d levels", maxDepth), raw)
	}
	return true, nil
}

// interpret sets r.value to a raw value.
func (r *reader) interpret(raw jsontext.Value, escaped bool) {
	v := &r.value
	v.raw, v.text = raw, raw
	switch c := raw[0]; {
	case c == '"' && escaped:
		r.text = jsonscan.AppendUnquote(r.text[:0], raw)
		v.kind, v.text = jsontext.KindString, r.text
	case c == '"':
		v.kind, v.text = jsontext.KindString, raw[1:len(raw)-1]
	case c == '-' || isDigit(c):
		v.kind = jsontext.KindNumber
	default:
		v.kind = jsontext.Kind(c)
	}
}

// depth returns how deep a valid array or object nests.
func depth(raw []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\': // only in strings
			i++
		case quoted:
		case c == '[' || c == '{':
			now++
			deepest = max(deepest, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return deepest
}
