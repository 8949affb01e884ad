package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep arrays and objects in a field may nest: far deeper than
// a payment's fields go, and well within what engines read that take extra as
// JSON.
const maxDepth = 64

// reader walks the members of one JSON object. All its memory is used again.
type reader struct {
	raw     []byte
	buf     bytes.Buffer // over raw; the decoder reads from it without copying
	dec     jsontext.Decoder
	name    []byte // of the current member
	text    []byte // of its value, where the raw text has escapes
	extra   []byte // members without a column
	strings *interner
}

var readers = sync.Pool{New: func() any { return &reader{strings: newInterner()} }}

func newReader() *reader { return readers.Get().(*reader) }

// release gives the reader back. It lets go of raw, which may be part of a much
// larger answer.
func (r *reader) release() {
	const large = 64 << 10
	if cap(r.text) > large {
		r.text = nil
	}
	if cap(r.extra) > large {
		r.extra = nil
	}
	r.raw, r.buf = nil, bytes.Buffer{}
	r.dec.Reset(&r.buf)
	readers.Put(r)
}

// begin enters the object that raw has to be. The decoder's defaults refuse
// duplicate names and invalid UTF-8.
func (r *reader) begin(raw []byte) error {
	r.raw = raw
	r.buf = *bytes.NewBuffer(raw)
	r.dec.Reset(&r.buf)
	r.extra = r.extra[:0]
	start, err := r.dec.ReadToken()
	if err != nil {
		return syntaxError(err, raw)
	}
	if start.Kind() != jsontext.KindBeginObject {
		return fieldError("", "must be an object", raw)
	}
	return nil
}

// next reads a member; r.name is its name. At the object's end, more is false.
// Name and value are valid until the next call.
func (r *reader) next() (v value, more bool, err error) {
	token, err := r.dec.ReadToken()
	if err != nil {
		return v, false, syntaxError(err, r.raw)
	}
	if token.Kind() == jsontext.KindEndObject {
		if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
			return v, false, fieldError("", "must be one object and nothing behind it", r.raw)
		}
		return v, false, nil
	}
	r.name = append(r.name[:0], token.String()...)

	v.raw, err = r.dec.ReadValue()
	if err != nil {
		return v, false, syntaxError(err, r.raw)
	}
	v.kind, v.text = v.raw.Kind(), v.raw
	switch v.kind {
	case jsontext.KindString:
		if bytes.IndexByte(v.raw, '\\') < 0 {
			v.text = v.raw[1 : len(v.raw)-1]
			break
		}
		// Its error is that of an invalid string, which ReadValue refuses.
		r.text, _ = jsontext.AppendUnquote(r.text[:0], v.raw)
		v.text = r.text
	case jsontext.KindBeginArray, jsontext.KindBeginObject:
		if depth(v.raw) > maxDepth {
			return v, false, fieldError(string(r.name), fmt.Sprintf("must not nest deeper than %d levels", maxDepth), v.raw)
		}
	}
	return v, true, nil
}

// depth tells how deep a valid array or object nests.
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
