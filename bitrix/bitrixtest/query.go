package bitrixtest

import (
	"strconv"
	"strings"
)

// PHP's limits for a query.
const (
	queryVars  = 1000 // max_input_vars
	queryDepth = 64   // max_input_nesting_level
)

// parseQuery parses a query as PHP's parse_str does: a[b][]=c creates arrays, + is a
// space, an invalid escape is unchanged, and dots and spaces in a name become
// underscores. What exceeds PHP's limits is dropped, as in PHP.
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

// assign sets the element that a query's name refers to.
func (root *value) assign(name string, v value) {
	name = strings.TrimLeft(name, " ")
	if i := strings.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	if name == "" || name[0] == '[' { // a name that begins with a bracket is invalid
		return
	}
	open := strings.IndexByte(name[1:], '[') + 1
	if open == 0 || strings.IndexByte(name[open:], ']') < 0 {
		*root.set(plainName(name)) = v
		return
	}
	if bracketsOf(name[open:]) > queryDepth {
		return
	}
	at := root.set(plainName(name[:open]))
	rest := name[open:]
	for strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			break
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

// bracketsOf counts the pairs of brackets after a name.
func bracketsOf(rest string) (n int) {
	for strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			break
		}
		n++
		rest = rest[end+1:]
	}
	return n
}

// plainName replaces the characters that the name of a PHP variable cannot have.
func plainName(name string) string {
	return strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(name)
}

// unescape decodes %XX and +. It leaves invalid escapes unchanged.
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
