package bitrixtest

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// value is a parameter as in PHP: null, a string, or an array, which is both a list and
// a map and keeps its order. Numbers and booleans are the strings that PHP converts
// them to.
type value struct {
	kind  kind
	text  string
	items []item

	number   bool // a number or a boolean of JSON: true is "1", false is ""
	referred bool // the result of a batch's reference, not written by the client
	next     int  // key that PHP assigns to the next element without a key
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
// write it. It returns a value of kindNone if there is none.
func (v *value) param(key string) *value {
	if found, ok := v.get(key); ok {
		return found
	}
	if found, ok := v.get(strings.ToUpper(key)); ok {
		return found
	}
	return &value{}
}

// set returns the element with that key. It creates it if there is none.
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

// arrayNumber returns the number to which PHP converts an array's key, if it does.
func arrayNumber(key string) (int, bool) {
	if key == "" || len(key) > 9 || key[0] == '0' && key != "0" || strings.Trim(key, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(key)
	return n, err == nil
}

// push adds an element with the next number as its key.
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

// anyCase returns the last element with that key in any case. It returns a value of
// kindNone if there is none.
func (v *value) anyCase(key string) *value {
	for i := len(v.items) - 1; i >= 0; i-- {
		if strings.EqualFold(v.items[i].key, key) {
			return &v.items[i].value
		}
	}
	return &value{}
}

// truth returns the result of PHP's cast to a boolean.
func (v *value) truth() bool {
	switch {
	case v.kind == kindArray:
		return len(v.items) > 0
	case v.number && v.text == "-0": // the float
		return false
	}
	return v.text != "" && v.text != "0"
}

// int returns the result of PHP's cast to an integer: the number at the start of the
// text, or 0.
func (v *value) int() int64 { return phpInt(v.text) }

// jsonDepth is the deepest nesting that a body may have.
const jsonDepth = 511

var errJSON = errors.New("read JSON: malformed")

// parseJSON parses a JSON text.
func parseJSON(s string) (value, error) {
	p := jsonParser{s: s}
	v, ok := p.value(0)
	p.space()
	if !ok || p.at != len(s) {
		return value{}, errJSON
	}
	return v, nil
}

// jsonParser parses s. It copies only texts that have escapes.
type jsonParser struct {
	s  string
	at int
}

func (p *jsonParser) space() {
	for p.at < len(p.s) && (p.s[p.at] == ' ' || p.s[p.at] == '\t' || p.s[p.at] == '\n' || p.s[p.at] == '\r') {
		p.at++
	}
}

// next skips space. If c is next, it skips it and returns true.
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
		return value{kind: kindText, text: "1", number: true}, true
	case p.word("false"):
		return value{kind: kindText, number: true}, true
	}
	return p.number()
}

func (p *jsonParser) array(end byte, depth int, keyed bool) (value, bool) {
	v := value{kind: kindArray}
	if depth >= jsonDepth {
		return value{}, false
	}
	if p.next(end) {
		return v, true
	}
	var places map[string]int // of the keys of a large map
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
		// Of equal keys the last value counts, at the position of the first.
		switch at, known := places[key]; {
		case !keyed:
			v.items = append(v.items, item{key, element})
		case known:
			v.items[at].value = element
		case places != nil:
			places[key] = len(v.items)
			v.items = append(v.items, item{key, element})
		default:
			*v.set(key) = element
			if len(v.items) == 64 {
				places = map[string]int{}
				for i := range v.items {
					places[v.items[i].key] = i
				}
			}
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
	s := p.s[p.at:]
	s = s[:numberLength(s)]
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || // no number begins with + or .
		len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' ||
		strings.HasSuffix(digits, ".") || strings.Contains(digits, ".e") || strings.Contains(digits, ".E") {
		return value{}, false
	}
	p.at += len(s)
	v := value{kind: kindText, text: s, number: true}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		v.text = strconv.FormatInt(n, 10) // -0 is 0
	} else {
		f, _ := strconv.ParseFloat(s, 64) // out of range: infinite
		v.text = floatText(f)
	}
	return v, true
}

// string reads the rest of a string after its opening quote.
func (p *jsonParser) string() (string, bool) {
	start := p.at
	for ; p.at < len(p.s); p.at++ {
		switch c := p.s[p.at]; {
		case c == '"':
			p.at++
			return p.s[start : p.at-1], utf8.ValidString(p.s[start : p.at-1])
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// escaped reads the rest of a string that has an escape.
func (p *jsonParser) escaped(start int) (string, bool) {
	b := []byte(p.s[start:p.at])
	for p.at < len(p.s) {
		c := p.s[p.at]
		p.at++
		switch {
		case c == '"':
			return string(b), utf8.Valid(b)
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
		return rune(n), err == nil // no sign, no underscore: ParseUint with a base accepts neither
	}
	r, ok := hex(p.at)
	if !ok {
		return 0, false
	}
	p.at += 4
	if r>>11 != 0xD800>>11 {
		return r, true
	}
	// Half of a pair alone is not a character.
	if r>>10 == 0xD800>>10 && strings.HasPrefix(p.s[p.at:], `\u`) {
		if low, ok := hex(p.at + 2); ok && low>>10 == 0xDC00>>10 {
			p.at += 6
			return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, true
		}
	}
	return 0, false
}
