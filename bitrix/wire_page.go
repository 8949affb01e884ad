package bitrix

import (
	"bytes"
	"errors"
	"fmt"

	"b24export/bitrix/jsonscan"
)

// wirePage is a page of a list as the portal writes it.
type wirePage struct {
	items [][]byte // parts of the answer, not copies
	ids   []int64
	err   error // why there are no more of them, although the JSON is valid
}

// decodePage reads a list as Items does, together with the ids of its elements. An
// element without a readable id is an error: the position in the list would not be
// known.
func decodePage(result []byte, items, idField string) (wirePage, error) {
	p, err := decode(result, func(r reader) (p wirePage, err error) {
		_, err = r.page(items, idField, &p)
		return p, err
	})
	if err == nil {
		err = p.err
	}
	return p, err
}

// page reads the next value, whose elements become those of p, and returns it.
func (r reader) page(items, idField string, p *wirePage) ([]byte, error) {
	p.items, p.ids = make([][]byte, 0, PageSize), make([]int64, 0, PageSize)
	start := int(r.d.InputOffset())
	err := r.list(items, func() error {
		item, id, err := r.element(idField)
		switch {
		case p.err != nil:
		case err != nil:
			p.err = fmt.Errorf("element %d: %w", len(p.ids), err)
		default:
			p.items, p.ids = append(p.items, item), append(p.ids, id)
		}
		return figures(err)
	})
	if p.err == nil {
		p.err = err
	}
	end := int(r.d.InputOffset())
	return bytes.TrimLeft(r.body[start:end:end], ":, \t\r\n"), figures(err)
}

// Items returns the elements of the list under name in a method's result, or of the
// result itself if name is "". They are parts of result, not copies. PHP may write the
// list as a map. Values that mean "nothing" elsewhere (null, false, "", {}, or []
// instead of a result with a name) are errors: only an empty list is an empty list.
func Items(result []byte, name string) ([][]byte, error) {
	items, err := decode(result, func(r reader) ([][]byte, error) {
		var items [][]byte
		err := r.list(name, func() error {
			v, err := r.value()
			items = append(items, v)
			return err
		})
		return items, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the list %q of an answer: %w", name, err)
	}
	return items, nil
}

// list calls f for each element of the list under name, with the reader before the
// element, which f must read. After ErrShape the reader is behind the value.
func (r reader) list(name string, f func() error) error {
	if name == "" {
		return r.elements(f)
	}
	var shape error
	found := false
	err := r.members(func(key []byte) error {
		if string(key) != name {
			return r.d.SkipValue()
		}
		found = true
		err := r.elements(f)
		if errors.Is(err, ErrShape) {
			shape, err = err, nil // the rest must be read
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("no %q in it: %w", name, ErrShape)
	}
	return shape
}

// elements calls f for each element of the next list, or for each value of a map that
// has some.
func (r reader) elements(f func() error) error {
	if r.d.PeekKind() != '[' {
		found := false
		err := r.members(func([]byte) error {
			found = true
			return f()
		})
		if err == nil && !found {
			err = ErrShape
		}
		return err
	}
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	for r.d.PeekKind() != ']' {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := r.d.ReadToken()
	return err
}

// element reads a map, together with its id. After ErrShape the reader is behind the
// value.
func (r reader) element(idField string) (item []byte, id int64, err error) {
	if r.d.PeekKind() != '{' {
		if _, err := r.value(); err != nil {
			return nil, 0, err
		}
		return nil, 0, ErrShape
	}
	var raw []byte
	if s, ok := r.d.(*jsonscan.Scanner); ok {
		object, member, err := s.ReadObject(idField)
		if err != nil {
			return nil, 0, err
		}
		item, raw = object, member
	} else {
		if _, err := r.d.ReadToken(); err != nil {
			return nil, 0, err
		}
		start := int(r.d.InputOffset()) - 1
		for r.d.PeekKind() != '}' {
			name, err := r.name()
			if err != nil {
				return nil, 0, err
			}
			v, err := r.value()
			if err != nil {
				return nil, 0, err
			}
			if string(name) == idField {
				raw = v
			}
		}
		if _, err := r.d.ReadToken(); err != nil {
			return nil, 0, err
		}
		end := int(r.d.InputOffset())
		item = r.body[start:end:end]
	}
	id, found := readInt(raw)
	if !found {
		return nil, 0, fmt.Errorf("no readable %s: %w", idField, ErrShape)
	}
	return item, id, nil
}

// ItemsByID is like Items, and also returns the whole number in the field idField of
// each element. An element without one is an error.
func ItemsByID(result []byte, name, idField string) (items [][]byte, ids []int64, err error) {
	p, err := decodePage(result, name, idField)
	if err != nil {
		return nil, nil, fmt.Errorf("read the list %q of an answer: %w", name, err)
	}
	return p.items, p.ids, nil
}
