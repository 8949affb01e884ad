package bitrixtest

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// value is a parameter as PHP has it: nothing, a text, or an array, which is a
// list and a map in one and keeps its order. Numbers and booleans are texts, as
// in a query: true is "1", false is "".
type value struct {
	kind  kind
	text  string
	items []item
	next  int // number that PHP assigns to an element pushed without a key
}

type kind uint8

const (
	kindNone kind = iota // absent, or JSON's null
	kindText
	kindArray
)

type item struct {
	key   string
	value value
}

func textValue(s string) value { return value{kind: kindText, text: s} }

// get returns the element with that key, and whether there is one.
func (v *value) get(key string) (*value, bool) {
	for i := range v.items {
		if v.items[i].key == key {
			return &v.items[i].value, true
		}
	}
	return nil, false
}

// param returns the element with that key, in lower case or in capitals as some clients
// write it; absent ones are a value of kindNone.
func (v *value) param(key string) *value {
	if found, ok := v.get(key); ok {
		return found
	}
	if found, ok := v.get(strings.ToUpper(key)); ok {
		return found
	}
	return &value{}
}

// set returns the element with that key, which it makes if there is none.
func (v *value) set(key string) *value {
	if found, ok := v.get(key); ok {
		return found
	}
	if n, ok := arrayNumber(key); ok && n >= v.next {
		v.next = n + 1
	}
	v.items = append(v.items, item{key: key})
	return &v.items[len(v.items)-1].value
}

// arrayNumber returns the number that PHP takes an array's key for, if it does.
func arrayNumber(key string) (int, bool) {
	if key == "" || len(key) > 9 || key[0] == '0' && key != "0" || strings.Trim(key, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(key)
	return n, err == nil
}

// push makes an element with the next number for its key.
func (v *value) push() *value {
	v.items = append(v.items, item{key: strconv.Itoa(v.next)})
	v.next++
	return &v.items[len(v.items)-1].value
}

// texts returns the texts of an array, or of a single text.
func (v *value) texts() []string {
	if v.kind == kindText {
		return []string{v.text}
	}
	list := make([]string, 0, len(v.items))
	for i := range v.items {
		if v.items[i].value.kind == kindText {
			list = append(list, v.items[i].value.text)
		}
	}
	return list
}

// int returns the result of PHP's cast to an integer: the number that the text begins
// with, or 0.
func (v *value) int() int64 { return phpInt(v.text) }

func phpInt(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\r")
	end := 0
	if end < len(s) && (s[end] == '-' || s[end] == '+') {
		end++
	}
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.ParseInt(s[:end], 10, 64) // out of range: the nearest
	return n
}

// jsonDepth is the deepest nesting that a body may have.
const jsonDepth = 64

var errJSON = errors.New("read JSON: malformed")

// parseJSON reads a JSON text.
func parseJSON(s string) (value, error) {
	p := jsonParser{s: s}
	v, ok := p.value(0)
	p.space()
	if !ok || p.at != len(s) {
		return value{}, errJSON
	}
	return v, nil
}

// jsonParser cuts texts out of s and copies only those that have escapes.
type jsonParser struct {
	s  string
	at int
}

func (p *jsonParser) space() {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\t' || p.s[p.at] == '\n' || p.s[p.at] == '\r') {
		p.at++
	}
}

// next skips space and reports whether c follows, which it then takes.
func (p *jsonParser) next(c byte) bool {
	p.space()
	if p.at < len(p.s) && p.s[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *jsonParser) word(w string) bool {
	if strings.HasPrefix(p.s[p.at:], w) {
		p.at += len(w)
		return true
	}
	return false
}

func (p *jsonParser) value(depth int) (value, bool) {
	if depth > jsonDepth {
		return value{}, false
	}
	switch {
	case p.next('"'):
		s, ok := p.string()
		return textValue(s), ok
	case p.next('{'):
		return p.array('}', depth, true)
	case p.next('['):
		return p.array(']', depth, false)
	case p.word("null"):
		return value{}, true
	case p.word("true"):
		return textValue("1"), true
	case p.word("false"):
		return textValue(""), true
	}
	return p.number()
}

func (p *jsonParser) array(end byte, depth int, keyed bool) (value, bool) {
	v := value{kind: kindArray}
	if p.next(end) {
		return v, true
	}
	for {
		key := ""
		if keyed {
			ok := p.next('"')
			if ok {
				key, ok = p.string()
			}
			if !ok || !p.next(':') {
				return value{}, false
			}
		} else {
			key = strconv.Itoa(len(v.items))
		}
		element, ok := p.value(depth + 1)
		if !ok {
			return value{}, false
		}
		// The last of equal keys counts. Large maps are not searched for them.
		if keyed && len(v.items) < 256 {
			*v.set(key) = element
		} else {
			v.items = append(v.items, item{key, element})
		}
		if p.next(end) {
			return v, true
		}
		if !p.next(',') {
			return value{}, false
		}
	}
}

func (p *jsonParser) number() (value, bool) {
	start := p.at
	for p.at < len(p.s) && strings.IndexByte("+-.eE0123456789", p.s[p.at]) >= 0 {
		p.at++
	}
	s := p.s[start:p.at]
	if _, err := strconv.ParseFloat(s, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return value{}, false
	}
	return textValue(s), true
}

// string reads what follows an opening quote.
func (p *jsonParser) string() (string, bool) {
	start := p.at
	for ; p.at < len(p.s); p.at++ {
		switch c := p.s[p.at]; {
		case c == '"':
			p.at++
			return p.s[start : p.at-1], true
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// escaped continues with a string that has an escape.
func (p *jsonParser) escaped(start int) (string, bool) {
	b := []byte(p.s[start:p.at])
	for p.at < len(p.s) {
		c := p.s[p.at]
		p.at++
		switch {
		case c == '"':
			return string(b), true
		case c < ' ':
			return "", false
		case c != '\\':
			b = append(b, c)
			continue
		}
		if p.at == len(p.s) {
			return "", false
		}
		c = p.s[p.at]
		p.at++
		if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
			b = append(b, "\"\\/\b\f\n\r\t"[i])
			continue
		}
		if c != 'u' {
			return "", false
		}
		r, ok := p.rune()
		if !ok {
			return "", false
		}
		b = utf8.AppendRune(b, r)
	}
	return "", false
}

// rune reads the digits after \u, and the second half of a surrogate pair.
func (p *jsonParser) rune() (rune, bool) {
	hex := func(at int) (rune, bool) {
		if at+4 > len(p.s) {
			return 0, false
		}
		n, err := strconv.ParseUint(p.s[at:at+4], 16, 16)
		return rune(n), err == nil
	}
	r, ok := hex(p.at)
	if !ok {
		return 0, false
	}
	p.at += 4
	if r>>10 == 0xD800>>10 && strings.HasPrefix(p.s[p.at:], `\u`) {
		if low, ok := hex(p.at + 2); ok && low>>10 == 0xDC00>>10 {
			p.at += 6
			return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, true
		}
	}
	return r, true
}
