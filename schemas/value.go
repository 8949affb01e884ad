package schemas

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	ruleID    = "must be a whole number from 1"
	ruleWhole = "must be a whole number"
	ruleBool  = `must be "Y" or "N"`
	ruleText  = "must be a text"
	ruleThere = "must be there"
)

// value is a JSON value. Its type depends on the method that reads it. Each method also
// returns the rule that the value breaks, or "" if none.
type value struct {
	raw  jsontext.Value // as sent
	kind jsontext.Kind  // of raw
	text []byte         // of a string without quotes and escapes, else raw
}

// absent reports whether the value is one of the spellings of "none". PHP writes an
// empty array as [], even for an object.
func (v *value) absent() bool {
	switch v.kind {
	case jsontext.KindNull, jsontext.KindFalse:
		return true
	case jsontext.KindString:
		return len(v.text) == 0
	case jsontext.KindBeginArray, jsontext.KindBeginObject:
		return len(bytes.TrimSpace(v.raw[1:len(v.raw)-1])) == 0
	}
	return false
}

// scalar reports whether the value is a string or a number.
func (v *value) scalar() bool {
	return v.kind == jsontext.KindString || v.kind == jsontext.KindNumber
}

// id reads an id that must be present.
func (v *value) id() (int64, string) {
	n, rule := v.ref()
	if rule != "" || n.V < 1 {
		return 0, ruleID
	}
	return n.V, ""
}

// ref reads an id that may be absent. The portal also writes 0 for none.
func (v *value) ref() (Null[int64], string) {
	switch {
	case v.absent():
		return Null[int64]{}, ""
	case len(v.text) < 19 && countDigits(v.text) == len(v.text):
		n := int64(number(v.text)) // less than 10^18
		return Null[int64]{V: n, Valid: n != 0}, ""
	case !v.scalar() || v.text[0] == '+': // ParseInt would accept the sign
		return Null[int64]{}, ruleWhole
	}
	n, err := strconv.ParseInt(string(v.text), 10, 64)
	switch {
	case err != nil:
		return Null[int64]{}, ruleWhole
	case n == 0:
		return Null[int64]{}, ""
	}
	return Some(n), ""
}

// whole reads a whole number in which 0 is an ordinary value.
func (v *value) whole() (Null[int64], string) {
	if v.kind == jsontext.KindNumber && string(v.raw) == "0" || v.kind == jsontext.KindString && string(v.text) == "0" {
		return Some(int64(0)), ""
	}
	return v.ref()
}

// owner reads an id that is 0 if there is none.
func (v *value) owner() (int64, string) {
	n, rule := v.ref()
	if rule == "" && n.V < 0 {
		rule = ruleID
	}
	return n.V, rule
}

func (v *value) flag() (Null[bool], string) {
	if v.kind == jsontext.KindTrue {
		return Some(true), ""
	}
	if v.kind == jsontext.KindFalse {
		return Some(false), ""
	}
	if v.absent() {
		return Null[bool]{}, ""
	}
	if v.scalar() && len(v.text) == 1 {
		switch v.text[0] {
		case 'Y', 'y', '1':
			return Some(true), ""
		case 'N', 'n', '0':
			return Some(false), ""
		}
	}
	return Null[bool]{}, ruleBool
}

func (v *value) decimal() (Null[Decimal], string) {
	if v.absent() {
		return Null[Decimal]{}, ""
	}
	if !v.scalar() {
		return Null[Decimal]{}, ruleDecimal
	}
	d, rule := parseDecimal(v.text)
	if rule != "" {
		return Null[Decimal]{}, rule
	}
	return Some(d), ""
}

func (v *value) instant() (Null[Instant], string) {
	if v.absent() {
		return Null[Instant]{}, ""
	}
	if v.kind != jsontext.KindString {
		return Null[Instant]{}, ruleTime
	}
	i, rule := parseInstant(v.text)
	if rule != "" {
		return Null[Instant]{}, rule
	}
	return Some(i), ""
}

// str reads a text. It returns had if that is the same text. Otherwise the text comes
// from pool unless pool is nil.
func (v *value) str(pool *interner, had Null[string]) (Null[string], string) {
	if v.absent() {
		return Null[string]{}, ""
	}
	if !v.scalar() {
		return Null[string]{}, ruleText
	}
	if had.Valid && had.V == string(v.text) {
		return had, ""
	}
	if pool != nil {
		return Some(pool.str(v.text)), ""
	}
	return Some(string(v.text)), ""
}

// code reads one of the codes in words and returns its name. A code of yes or no may be
// a boolean or a number, as in flags.
func (v *value) code(words map[string]string) (Null[string], string) {
	word, known := "", false
	switch {
	case v.kind == jsontext.KindFalse:
		word, known = words["N"], true
	case v.absent():
		known = true
	case v.kind == jsontext.KindTrue:
		word, known = words["Y"], true
	case !v.scalar():
	case string(v.text) == "1":
		word, known = words["Y"], true
	case string(v.text) == "0":
		word, known = words["N"], true
	default:
		// Portals write capitals. ToUpper would allocate them.
		if word, known = words[string(v.text)]; !known {
			word, known = words[string(bytes.ToUpper(v.text))]
		}
	}
	switch {
	case !known:
		return Null[string]{}, "must be one of " + strings.Join(slices.Sorted(maps.Keys(words)), ", ")
	case word == "":
		return Null[string]{}, ""
	}
	return Some(word), ""
}
