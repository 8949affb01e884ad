package bitrix

import "fmt"

// wirePage is a list's page as the portal writes it.
type wirePage struct {
	items [][]byte // parts of the answer, not copies
	ids   []int64
}

// decodePage reads the list that stands under items in a result, or that is the
// result itself if items is "", and the ids of its elements. PHP may write the
// list as a map. An element without a readable id is an error: nobody could say
// where the list goes on.
func decodePage(result []byte, items, idField string) (wirePage, error) {
	p := wirePage{make([][]byte, 0, pageSize), make([]int64, 0, pageSize)}
	r := newReader(result)
	if items == "" {
		return p, r.page(&p, idField)
	}
	found := false
	err := r.members(func(name []byte) error {
		if string(name) != items {
			return r.d.SkipValue()
		}
		found = true
		return r.page(&p, idField)
	})
	if err == nil && !found && len(result) > 0 && result[0] == '{' {
		err = fmt.Errorf("no %q in it: %w", items, errShape)
	}
	return p, err
}

// page reads a list's elements, or the values of a map.
func (r reader) page(p *wirePage, idField string) error {
	if r.d.PeekKind() != '[' {
		return r.members(func([]byte) error { return r.element(p, idField) })
	}
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	for r.d.PeekKind() != ']' {
		if err := r.element(p, idField); err != nil {
			return err
		}
	}
	_, err := r.d.ReadToken()
	return err
}

// element reads one element and finds its id on the way.
func (r reader) element(p *wirePage, idField string) error {
	if kind := r.d.PeekKind(); kind != '{' {
		if _, err := r.value(); err != nil {
			return err
		}
		return fmt.Errorf("element %d: %w", len(p.ids), errShape)
	}
	var start int
	var id int64
	ok := false
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	start = int(r.d.InputOffset()) - 1
	for r.d.PeekKind() != '}' {
		name, err := r.name()
		if err != nil {
			return err
		}
		if string(name) != idField {
			if err := r.d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		v, err := r.value()
		if err != nil {
			return err
		}
		id, ok = readInt(v)
	}
	if _, err := r.d.ReadToken(); err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("element %d has no readable %s: %w", len(p.ids), idField, errShape)
	}
	end := int(r.d.InputOffset())
	p.items, p.ids = append(p.items, r.body[start:end:end]), append(p.ids, id)
	return nil
}
