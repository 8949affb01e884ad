package bitrix

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Params are a method's parameters. Values may be string, int, int64, bool, []string,
// []int64, []any and Params, to any reasonable depth. Anything else is an error of the
// call. Outside a batch they are sent as JSON, inside one as a PHP query. Both forms
// have sorted keys, so that equal parameters are equal bytes.
type Params map[string]any

// names appends the sorted keys to names, which must be empty.
func (p Params) names(names []string) []string {
	for name := range p {
		names = append(names, name)
	}
	if len(names) > 1 {
		slices.Sort(names)
	}
	return names
}

// paramsDepth bounds nesting: a Params that contains itself must not hang.
const paramsDepth = 16

// appendJSON appends v as JSON.
func appendJSON(b []byte, v any, depth int) ([]byte, error) {
	if depth > paramsDepth {
		return nil, fmt.Errorf("parameters: nested deeper than %d", paramsDepth)
	}
	var err error
	switch v := v.(type) {
	case string:
		// Bytes that are not UTF-8 become U+FFFD, because the portal would refuse them.
		b, _ = jsontext.AppendQuote(b, v)
	case int:
		b = strconv.AppendInt(b, int64(v), 10)
	case int64:
		b = strconv.AppendInt(b, v, 10)
	case bool:
		b = strconv.AppendBool(b, v)
	case []string:
		b, err = appendJSONList(b, v, depth)
	case []int64:
		b, err = appendJSONList(b, v, depth)
	case []any:
		b, err = appendJSONList(b, v, depth)
	case Params:
		b = append(b, '{')
		var few [4]string
		for i, key := range v.names(few[:0]) {
			if i > 0 {
				b = append(b, ',')
			}
			b, _ = jsontext.AppendQuote(b, key)
			b = append(b, ':')
			if b, err = appendJSON(b, v[key], depth+1); err != nil {
				return nil, err
			}
		}
		b = append(b, '}')
	default:
		return nil, fmt.Errorf("parameters: a value of type %T: want string, int, int64, bool, a list or Params", v)
	}
	return b, err
}

func appendJSONList[T any](b []byte, list []T, depth int) ([]byte, error) {
	b = append(b, '[')
	var err error
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, any(v), depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// appendQuery appends v as PHP parses a query: a[b][0]=c. Booleans are 1 and 0, as PHP
// itself writes them. An empty map cannot be written and is left out. An empty list is
// an error, because a filter that is left out matches everything instead of nothing.
//
// name is the escaped name of v. What follows it in its array is overwritten.
func appendQuery(b, name []byte, v any, depth int) ([]byte, error) {
	if depth > paramsDepth {
		return nil, fmt.Errorf("parameters: nested deeper than %d", paramsDepth)
	}
	switch v := v.(type) {
	case string:
		return appendEscaped(appendName(b, name), v), nil
	case int:
		return strconv.AppendInt(appendName(b, name), int64(v), 10), nil
	case int64:
		return strconv.AppendInt(appendName(b, name), v, 10), nil
	case bool:
		digit := byte('0')
		if v {
			digit = '1'
		}
		return append(appendName(b, name), digit), nil
	case []string:
		return appendQueryList(b, name, v, func(b, one []byte, v string) ([]byte, error) {
			return appendEscaped(appendName(b, one), v), nil
		})
	case []int64:
		return appendQueryList(b, name, v, func(b, one []byte, v int64) ([]byte, error) {
			return strconv.AppendInt(appendName(b, one), v, 10), nil
		})
	case []any:
		return appendQueryList(b, name, v, func(b, one []byte, v any) ([]byte, error) {
			return appendQuery(b, one, v, depth+1)
		})
	case Params:
		var err error
		var few [4]string
		for _, key := range v.names(few[:0]) {
			one := appendEscaped(name, key)
			if len(name) > 0 {
				one = append(appendEscaped(append(name, "%5B"...), key), "%5D"...)
			}
			if b, err = appendQuery(b, one, v[key], depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	default:
		return nil, fmt.Errorf("parameters: a value of type %T: want string, int, int64, bool, a list or Params", v)
	}
}

// appendName appends the name of a value, which is escaped, to a command with its query.
func appendName(b, name []byte) []byte {
	if len(b) > 0 && b[len(b)-1] != '?' {
		b = append(b, '&')
	}
	return append(append(b, name...), '=')
}

// appendQueryList appends a list with f, which appends an element under its name.
func appendQueryList[T any](b, name []byte, list []T, f func(b, one []byte, v T) ([]byte, error)) ([]byte, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("parameters: an empty list cannot be sent in a batch")
	}
	var err error
	name = append(name, "%5B"...)
	for i, v := range list {
		one := append(strconv.AppendInt(name, int64(i), 10), "%5D"...)
		if b, err = f(b, one, v); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// appendEscaped appends s as url.QueryEscape returns it.
func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}
