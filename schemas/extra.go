package schemas

import (
	"bytes"
	"errors"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// appendMember appends a member to an object under construction: a comma or brace,
// name, and value. raw must be valid JSON.
func appendMember(object, name, raw []byte) []byte {
	if len(object) == 0 {
		object = append(object, '{')
	} else {
		object = append(object, ',')
	}
	// Its error is for an invalid name, which the reader refuses.
	object, _ = jsontext.AppendQuote(object, name)
	object = append(object, ':')
	return append(object, raw...)
}

// addExtra adds the members that appendMember has collected to p.Extra, except those
// that p.Extra already has.
func (p *Payment) addExtra(members []byte) error {
	object := append(members, '}')
	if p.Extra.Valid {
		merged, err := mergeExtra(p.Extra.V, object)
		if err != nil {
			return err
		}
		object = merged
	}
	// The canonical form has one order of names, one spelling of strings, and no white
	// space: equal values are equal texts. Numbers stay unchanged, because many are not
	// floats.
	canonical, err := jsontext.AppendFormat(nil, object, jsontext.ReorderRawObjects(true))
	if err != nil {
		return syntaxError(err, object) // unreachable: each member was read, and none is a duplicate
	}
	p.Extra = Some(string(canonical))
	return nil
}

// fillExtra replaces the members of p.Extra that fields names with those of listed.
func (p *Payment) fillExtra(listed Null[string], fields []string) error {
	if sameMembers(listed, p.Extra, fields) {
		return nil
	}
	var object []byte
	add := func(extra Null[string], wanted bool) error {
		if !extra.Valid {
			return nil
		}
		return eachMember([]byte(extra.V), func(name, raw []byte) {
			if slices.Contains(fields, string(name)) == wanted {
				object = appendMember(object, name, raw)
			}
		})
	}
	if err := errors.Join(add(p.Extra, false), add(listed, true)); err != nil {
		return err
	}
	p.Extra = Null[string]{}
	if len(object) == 0 {
		return nil
	}
	return p.addExtra(object)
}

// mergeExtra adds to the object old the members of more that it does not have.
func mergeExtra(old string, more []byte) ([]byte, error) {
	var object []byte
	var names []string
	err := eachMember([]byte(old), func(name, raw []byte) {
		names = append(names, string(name))
		object = appendMember(object, name, raw)
	})
	if err != nil {
		return nil, err
	}
	err = eachMember(more, func(name, raw []byte) {
		if !slices.Contains(names, string(name)) {
			object = appendMember(object, name, raw)
		}
	})
	return append(object, '}'), err
}

// sameMembers reports whether the fields have equal values in two Extra columns. Both
// must be canonical. A text that is not JSON is equal to nothing.
func sameMembers(a, b Null[string], fields []string) bool {
	if a == b || len(fields) == 0 {
		return true
	}
	onlyA, errA := project(a, fields)
	onlyB, errB := project(b, fields)
	return errA == nil && errB == nil && bytes.Equal(onlyA, onlyB)
}

// HasExtra reports whether Extra has a member of that name, with any value.
func (p *Payment) HasExtra(name string) bool {
	member, err := project(p.Extra, []string{name})
	return err == nil && len(member) > 0
}

// project returns the members of extra that fields names.
func project(extra Null[string], fields []string) ([]byte, error) {
	if !extra.Valid {
		return nil, nil
	}
	var object []byte
	err := eachMember([]byte(extra.V), func(name, raw []byte) {
		if slices.Contains(fields, string(name)) {
			object = appendMember(object, name, raw)
		}
	})
	return object, err
}

// eachMember calls f for the members of an object, in order. The arguments are valid
// only during the call.
func eachMember(object []byte, f func(name, raw []byte)) error {
	r := newReader(otherObject)
	defer r.release()
	if err := r.begin(object); err != nil {
		return err
	}
	for {
		more, err := r.next()
		if err != nil || !more {
			return err
		}
		f(r.name, r.value.raw)
	}
}
