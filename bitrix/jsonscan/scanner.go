// Package jsonscan reads common JSON in half the time of a complete decoder, and leaves
// other JSON to that decoder.
//
// Its speed justifies its size: a batch of 50 takes 0.36 of the time of jsontext, a
// page of ids 0.34, a row 0.63 (go test -bench Decode ./bitrix, -bench Read ./schemas;
// docs/speed.md). If jsontext becomes almost as fast, delete this package.
//
// # Overview
//
// A [Scanner] reads a text as a jsontext.Decoder does, with methods of the same names.
// It reads what portals usually write. Everything else, an error or only rare, ends in
// [ErrUnusual]: names with escapes or letters beyond ASCII, names that may be
// duplicates, objects of very many names, values that nest deeply, escapes that form no
// character, and invalid JSON. The caller then starts again with a jsontext.Decoder,
// which decides and provides the error's text.
//
// # Guarantees
//
// What a Scanner reads without an error, a jsontext.Decoder with default options reads
// too, and both return the same bytes. That includes that no object has a duplicate
// name.
//
// # Testing
//
// The guarantee is fuzzed against jsontext.
package jsonscan

import (
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrUnusual means that a complete decoder must read the text.
var ErrUnusual = errors.New("unusual JSON")

const (
	// maxDepth is how deep values may nest.
	maxDepth = 64
	// maxNames bounds the time to find duplicate names.
	maxNames = 256
)

// Scanner reads the tokens of one JSON text. The zero Scanner has an empty text. It is
// not safe for concurrent use. Reset starts another text and reuses the memory.
type Scanner struct {
	// AllowInvalidUTF8 accepts strings, though not names, that are not UTF-8.
	AllowInvalidUTF8 bool

	text  []byte
	at    int
	ready bool // at is the start of a token: the separator before it is read
	ended bool // the outermost value is read
	// escaped is set by any string with an escape.
	escaped bool
	frames  []frame
	hashes  []uint64 // of the names of open objects, if their shape is not known
	shapes  [maxDepth]shape
	// Skipping an object at depth keyDepth sets from and to to the place of the value of
	// its member key.
	key      string
	keyDepth int
	from, to int
}

// frame is an open object or list.
type frame struct {
	kind  byte // '{' or '['
	count int  // of values; in an object, names count too
	names names
}

// Reset starts a text, which must not change while it is read.
func (s *Scanner) Reset(text []byte) {
	s.text, s.at, s.ready, s.ended, s.keyDepth = text, 0, false, false, -1
	s.frames, s.hashes = s.frames[:0], s.hashes[:0]
}

// InputOffset returns where the last token or value ended.
func (s *Scanner) InputOffset() int64 {
	return int64(s.at)
}

// PeekKind returns the kind of the next token without reading it, or 0 if there is none
// or it is unusual.
func (s *Scanner) PeekKind() jsontext.Kind {
	if !s.prepare() {
		return jsontext.KindInvalid
	}
	switch c := s.text[s.at]; c {
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return jsontext.KindNumber
	default:
		return jsontext.Kind(c)
	}
}

// ReadToken reads a bracket. Any other token is ErrUnusual.
func (s *Scanner) ReadToken() (jsontext.Token, error) {
	if !s.prepare() {
		return jsontext.Token{}, ErrUnusual
	}
	top := s.top()
	named := top != nil && top.kind == '{' && top.count%2 == 1
	switch c := s.text[s.at]; c {
	case '{', '[':
		if top != nil && top.kind == '{' && !named || len(s.frames) == maxDepth {
			break
		}
		s.at++
		s.ready = false
		s.frames = append(s.frames, frame{kind: c, names: names{from: len(s.hashes)}})
		if c == '{' {
			return jsontext.BeginObject, nil
		}
		return jsontext.BeginArray, nil
	case '}', ']':
		if top == nil || c != top.kind+2 || named {
			break
		}
		s.hashes = s.hashes[:top.names.from]
		s.frames = s.frames[:len(s.frames)-1]
		s.at++
		s.done()
		if c == '}' {
			return jsontext.EndObject, nil
		}
		return jsontext.EndArray, nil
	}
	return jsontext.Token{}, ErrUnusual
}

// ReadValue reads a whole value, or an object's name, and returns it as a part of the
// text.
func (s *Scanner) ReadValue() (jsontext.Value, error) {
	if !s.prepare() {
		return nil, ErrUnusual
	}
	start, end := s.at, 0
	if top := s.top(); top != nil && top.kind == '{' && top.count%2 == 0 {
		end = s.name(start, &top.names, &s.shapes[len(s.frames)-1])
	} else {
		end = s.skip(start, len(s.frames))
	}
	if end < 0 {
		return nil, ErrUnusual
	}
	s.at = end
	s.done()
	return s.text[start:end:end], nil
}

// SkipValue skips a whole value.
func (s *Scanner) SkipValue() error {
	_, err := s.ReadValue()
	return err
}

// ReadObject reads a whole object like ReadValue, and also returns the value of its
// member key, or nil if there is none. Any other value is ErrUnusual.
func (s *Scanner) ReadObject(key string) (object, member jsontext.Value, err error) {
	if s.PeekKind() != jsontext.KindBeginObject {
		return nil, nil, ErrUnusual
	}
	s.key, s.keyDepth, s.from, s.to = key, len(s.frames), 0, 0
	object, err = s.ReadValue()
	s.key, s.keyDepth = "", -1
	if err == nil && s.to > 0 {
		member = s.text[s.from:s.to:s.to]
	}
	return object, member, err
}

// Member reads a name and its value at once, in an object that ReadToken has opened. At
// the object's end, which it also reads, name is nil. The name is without its quotes.
// escaped reports whether the value is a string with escapes.
func (s *Scanner) Member() (name []byte, value jsontext.Value, escaped bool, err error) {
	top := s.top()
	if top == nil || top.kind != '{' || top.count%2 == 1 || s.ready && top.count > 0 {
		return nil, nil, false, ErrUnusual
	}
	text := s.text
	at := space(text, s.at)
	switch {
	case at == len(text):
		return nil, nil, false, ErrUnusual
	case text[at] == '}':
		s.at = at + 1
		s.hashes = s.hashes[:top.names.from]
		s.frames = s.frames[:len(s.frames)-1]
		s.done()
		return nil, nil, false, nil
	case top.count == 0:
	case text[at] != ',':
		return nil, nil, false, ErrUnusual
	default:
		at = space(text, at+1)
	}
	start := at + 1
	end := s.name(at, &top.names, &s.shapes[len(s.frames)-1])
	if end < 0 {
		return nil, nil, false, ErrUnusual
	}
	from := colon(text, end)
	s.escaped = false
	to := s.skip(from, len(s.frames))
	if to < 0 {
		return nil, nil, false, ErrUnusual
	}
	s.at, s.ready = to, false
	top.count += 2
	return text[start : end-1 : end-1], text[from:to:to], s.escaped && text[from] == '"', nil
}

func (s *Scanner) top() *frame {
	if len(s.frames) == 0 {
		return nil
	}
	return &s.frames[len(s.frames)-1]
}

// done counts a value that was read.
func (s *Scanner) done() {
	s.ready = false
	if top := s.top(); top != nil {
		top.count++
	} else {
		s.ended = true
	}
}

// prepare advances to the next token, and reports whether there is one.
func (s *Scanner) prepare() bool {
	if s.ready {
		return true
	}
	s.at = space(s.text, s.at)
	top := s.top()
	switch {
	case s.ended:
		return false
	case top == nil || top.count == 0:
	case top.kind == '{' && top.count%2 == 1:
		if !s.take(':') {
			return false
		}
		s.at = space(s.text, s.at)
	case s.take(','):
		s.at = space(s.text, s.at)
		if s.at < len(s.text) && s.text[s.at] == top.kind+2 {
			return false
		}
	default:
		if s.at == len(s.text) || s.text[s.at] != top.kind+2 {
			return false
		}
	}
	s.ready = s.at < len(s.text)
	return s.ready
}

// take skips the byte c, and reports whether it is next.
func (s *Scanner) take(c byte) bool {
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}
