package bitrix

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"b24export/bitrix/jsonscan"
)

// wireAnswer is an answer as the portal writes it. Its raw values are parts of
// the body, not copies.
type wireAnswer struct {
	err    *wireError
	result []byte // nil if there is none
	total  int64  // -1 if absent
	next   int64  // -1 if absent
	time   wireTime

	// commands has an entry for each of a batch's commands, in their order.
	commands []wireCommand
}

// wireCommand is the answer to one command of a batch.
type wireCommand struct {
	result      []byte
	err         *wireError
	total, next int64
	time        wireTime
	page        *wirePage // of a command with a Listing, unless err is set
}

// wireCommands are reused, because they are a twentieth of what a run allocates.
var wireCommands = sync.Pool{New: func() any { return new([MaxCommands]wireCommand) }}

func newWireCommands(n int) []wireCommand {
	if n > MaxCommands {
		return make([]wireCommand, n)
	}
	return wireCommands.Get().(*[MaxCommands]wireCommand)[:n]
}

// release lets other answers use the memory of a.commands, of which nothing may be used
// afterwards. Their results and pages remain.
func (a *wireAnswer) release() {
	if cap(a.commands) == MaxCommands {
		clear(a.commands) // it must not keep the answer in memory
		wireCommands.Put((*[MaxCommands]wireCommand)(a.commands[:MaxCommands]))
	}
	a.commands = nil
}

type wireError struct{ code, description string }

// wireTime is what an answer reports about its own processing. Absent figures are NaN.
// All are seconds, or seconds since 1970.
type wireTime struct {
	start, finish, duration, processing, operating, resetAt float64
}

var noTime = wireTime{math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()}

// cost returns the portal's operating time, NaN if it does not report it.
func (t wireTime) cost() float64 {
	for _, c := range [...]float64{t.processing, t.duration, t.finish - t.start} {
		if c >= 0 { // false for NaN
			return c
		}
	}
	return math.NaN()
}

// ErrShape is returned for an answer that is JSON, but not in the portal's form.
var ErrShape = errors.New("not of the expected shape")

// reader reads an answer's JSON once. Its tokenizer bounds the depth, and a duplicate
// name in a map is an error.
type reader struct {
	d    tokenReader
	body []byte
}

// tokenReader returns a text's tokens: jsontext's for any text, jsonscan's for the
// usual ones.
type tokenReader interface {
	PeekKind() jsontext.Kind
	ReadToken() (jsontext.Token, error)
	ReadValue() (jsontext.Value, error)
	SkipValue() error
	InputOffset() int64
}

var (
	_ tokenReader = (*jsontext.Decoder)(nil)
	_ tokenReader = (*jsonscan.Scanner)(nil)
)

var scanners = sync.Pool{New: func() any { return &jsonscan.Scanner{AllowInvalidUTF8: true} }}

// decode calls f to read a body with the fast decoder, and again with the complete one
// if that fails for any reason. f starts from the beginning each time.
func decode[T any](body []byte, f func(reader) (T, error)) (T, error) {
	s := scanners.Get().(*jsonscan.Scanner)
	s.Reset(body)
	v, err := f(reader{s, body})
	s.Reset(nil)
	scanners.Put(s)
	if err == nil {
		return v, nil
	}
	return f(newReader(body))
}

func newReader(body []byte) reader {
	// A value that is not UTF-8 is a problem of that value, not of the whole answer.
	return reader{jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowInvalidUTF8(true)), body}
}

// value returns the next value as a part of the body.
func (r reader) value() ([]byte, error) {
	v, err := r.d.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(r.d.InputOffset())
	return r.body[end-len(v) : end : end], nil
}

// members calls f for each name of the next map, with the reader before the value,
// which f must read. PHP writes an empty map as a list, and has several ways to write
// that there is none. For anything else, such as a list whose values have no names,
// members skips the value and returns ErrShape.
func (r reader) members(f func(name []byte) error) error {
	switch r.d.PeekKind() {
	case '{':
		if _, err := r.d.ReadToken(); err != nil {
			return err
		}
		for r.d.PeekKind() != '}' {
			name, err := r.name()
			if err != nil {
				return err
			}
			if err := f(name); err != nil {
				return err
			}
		}
		_, err := r.d.ReadToken()
		return err
	default:
		v, err := r.value()
		if err != nil {
			return err // invalid JSON, not only another form
		}
		if !isAbsent(v) {
			return ErrShape
		}
		return nil
	}
}

// fields is like members, for whole values.
func (r reader) fields(f func(name, value []byte)) error {
	s, ok := r.d.(*jsonscan.Scanner)
	if !ok || s.PeekKind() != '{' {
		return r.members(func(name []byte) error {
			v, err := r.value()
			if err == nil {
				f(name, v)
			}
			return err
		})
	}
	if _, err := s.ReadToken(); err != nil {
		return err
	}
	for {
		name, v, _, err := s.Member()
		if err != nil || name == nil {
			return err
		}
		f(name, v)
	}
}

// name reads a map's next name. The result may be part of the body.
func (r reader) name() ([]byte, error) {
	v, err := r.d.ReadValue()
	if err != nil {
		return nil, err
	}
	return unquote(v)
}

// unquote returns a JSON string's text. It is part of v if nothing is escaped.
func unquote(v []byte) ([]byte, error) {
	if len(v) < 2 || v[0] != '"' {
		return nil, ErrShape
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1], nil
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil && len(text) == 0 {
		return nil, ErrShape
	}
	return text, nil
}

// decodeAnswer reads an answer in one pass. batch are the commands of a batch, nil for
// any other call.
func decodeAnswer(body []byte, batch []Command) (wireAnswer, error) {
	return decode(body, func(r reader) (wireAnswer, error) { return r.answer(batch) })
}

func (r reader) answer(batch []Command) (wireAnswer, error) {
	a := wireAnswer{total: -1, next: -1, time: noTime}
	if batch != nil {
		a.commands = newWireCommands(len(batch))
		for i := range a.commands {
			a.commands[i] = wireCommand{total: -1, next: -1, time: noTime}
		}
	}
	if r.d.PeekKind() != '{' {
		if _, err := r.value(); err != nil {
			return a, err
		}
		return a, ErrShape
	}
	var code, description []byte
	hasResult := false
	err := r.members(func(name []byte) (err error) {
		switch string(name) {
		case "result":
			hasResult = true
			if batch != nil {
				return r.batch(&a, batch)
			}
			a.result, err = r.value()
		case "error":
			code, err = r.value()
		case "error_description":
			description, err = r.value()
		case "total":
			a.total, err = r.count()
		case "next":
			a.next, err = r.count()
		case "time":
			a.time, err = r.time(true)
		default:
			err = r.d.SkipValue()
		}
		return err
	})
	if err != nil {
		return a, err
	}
	if rest := bytes.TrimLeft(r.body[r.d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return a, fmt.Errorf("%d bytes follow the answer", len(rest))
	}
	if e := newWireError(code, description); e != nil && !(hasResult && e.code == "" && e.description == "") {
		a.err = e
	} else if !hasResult {
		return a, ErrShape // neither a result nor an error
	}
	return a, nil
}

// batch reads the result of a batch into a.commands.
func (r reader) batch(a *wireAnswer, batch []Command) error {
	// each calls f for the entry of each name that is a key of a command. Portals write
	// them in the order of the commands.
	each := func(f func(c *wireCommand, list *Listing) error) error {
		next := 0
		return r.members(func(name []byte) error {
			i := next
			if i >= len(batch) || batch[i].Key != string(name) {
				i = slices.IndexFunc(batch, func(cmd Command) bool { return cmd.Key == string(name) })
			}
			if i < 0 {
				return r.d.SkipValue()
			}
			next = i + 1
			return f(&a.commands[i], batch[i].list)
		})
	}
	return r.members(func(name []byte) error {
		switch string(name) {
		case "result":
			return each(func(c *wireCommand, list *Listing) (err error) {
				if list != nil {
					c.page = &wirePage{}
					c.result, err = r.page(list.Items, list.IDField, c.page)
				} else {
					c.result, err = r.value()
				}
				return err
			})
		case "result_error":
			return each(func(c *wireCommand, _ *Listing) error {
				v, err := r.value()
				if err != nil {
					return err
				}
				c.err, err = readError(v)
				return err
			})
		case "result_total":
			return figures(each(func(c *wireCommand, _ *Listing) (err error) {
				c.total, err = r.count()
				return err
			}))
		case "result_next":
			return figures(each(func(c *wireCommand, _ *Listing) (err error) {
				c.next, err = r.count()
				return err
			}))
		case "result_time":
			return figures(each(func(c *wireCommand, _ *Listing) (err error) {
				c.time, err = r.time(false)
				return err
			}))
		default:
			return r.d.SkipValue()
		}
	})
}

// time reads the needed figures of a `time` map. It reads when a command of a batch ran
// only if when is true or its cost does not follow from the others.
func (r reader) time(when bool) (wireTime, error) {
	t := noTime
	var start, finish, duration []byte
	err := r.fields(func(name, v []byte) {
		switch string(name) {
		case "start":
			start = v
		case "finish":
			finish = v
		case "duration":
			duration = v
		case "processing":
			t.processing = readFloat(v)
		case "operating":
			t.operating = readFloat(v)
		case "operating_reset_at":
			t.resetAt = readFloat(v)
		}
	})
	if when || !(t.processing >= 0) { // true for NaN too
		t.start, t.finish, t.duration = readFloat(start), readFloat(finish), readFloat(duration)
	}
	return t, figures(err)
}

// figures accepts an unexpected form of values that are only informative.
func figures(err error) error {
	if errors.Is(err, ErrShape) {
		return nil
	}
	return err
}

// count reads a number of rows. It returns -1 for anything else.
func (r reader) count() (int64, error) {
	v, err := r.value()
	if err != nil {
		return -1, err
	}
	n, ok := readInt(v)
	if !ok || n < 0 {
		n = -1
	}
	return n, nil
}
