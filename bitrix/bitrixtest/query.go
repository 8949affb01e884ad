package bitrixtest

import (
	"strconv"
	"strings"
)

// The bounds that PHP sets itself for a query.
const (
	queryVars  = 10_000 // max_input_vars
	queryDepth = 64     // max_input_nesting_level
)

// parseQuery reads a query as PHP's parse_str does: a[b][]=c makes arrays, + is
// a space, an escape that is none stays as it is, and a name's dots and spaces
// become underscores. What goes beyond PHP's bounds is dropped, as there.
func parseQuery(query string) value {
	root := value{kind: kindArray}
	for vars := 0; query != "" && vars < queryVars; {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		vars++
		name, text, _ := strings.Cut(pair, "=")
		root.assign(unescape(name), textValue(unescape(text)))
	}
	return root
}

// assign puts v at the place that a query's name stands for.
func (root *value) assign(name string, v value) {
	name = strings.TrimLeft(name, " ")
	if i := strings.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	if name == "" {
		return
	}
	// A bracket at the very start is a character like others.
	open := strings.IndexByte(name[1:], '[') + 1
	if open == 0 || strings.IndexByte(name[open:], ']') < 0 {
		*root.set(plainName(name, open)) = v
		return
	}
	at := root.set(plainName(name[:open], 0))
	rest := name[open:]
	for depth := 0; strings.HasPrefix(rest, "["); depth++ {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			break
		}
		if depth >= queryDepth {
			return
		}
		if at.kind != kindArray {
			*at = value{kind: kindArray}
		}
		if key := rest[1:end]; key == "" {
			at = at.push()
		} else {
			at = at.set(key)
		}
		rest = rest[end+1:]
	}
	*at = v
}

// plainName replaces the characters that a PHP variable's name cannot have. A
// bracket that opens and never closes, at open, is one of them.
func plainName(name string, open int) string {
	if open == 0 && name[0] != '[' && !strings.ContainsAny(name, " .") {
		return name
	}
	b := []byte(name)
	for i, c := range b {
		if (c == ' ' || c == '.') && (open == 0 || i < open) || c == '[' && (i == 0 || i == open) {
			b[i] = '_'
		}
	}
	return string(b)
}

// unescape decodes %XX and +. What is no valid escape stays as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s):
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(n))
				i += 2
				continue
			}
			b = append(b, '%')
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}
