package bitrixtest

import "strings"

// Unresolved is what becomes of a batch reference that leads nowhere.
type Unresolved string

const (
	UnresolvedText  Unresolved = "text"  // the text stays as it is; as a number it is 0
	UnresolvedEmpty Unresolved = "empty" // it becomes an empty text
)

// reference begins a reference to an earlier command's result:
// $result[key][path]…
const reference = "$result["

// resolve replaces references in all texts of v by what lookup gives for their
// path. A reference that is the whole text may become an array.
func (v *value) resolve(how Unresolved, lookup func(path []string) (value, bool)) {
	if v.kind == kindText && strings.Contains(v.text, reference) {
		*v = resolveText(v.text, how, lookup)
		return
	}
	for i := range v.items {
		v.items[i].value.resolve(how, lookup)
	}
}

func resolveText(s string, how Unresolved, lookup func(path []string) (value, bool)) value {
	var b strings.Builder
	for whole := s; ; {
		start := strings.Index(s, reference)
		if start < 0 {
			b.WriteString(s)
			return textValue(b.String())
		}
		path, end := referencePath(s[start:])
		found, ok := lookup(path)
		switch {
		case ok && found.kind == kindArray && end == len(whole):
			return found
		case ok && found.kind == kindText:
			b.WriteString(s[:start] + found.text)
		case ok || how == UnresolvedEmpty:
			b.WriteString(s[:start])
		default:
			b.WriteString(s[:start+end])
		}
		s = s[start+end:]
	}
}

// referencePath splits $result[a][b] at the start of s into its path, and gives
// its length.
func referencePath(s string) (path []string, length int) {
	length = len("$result")
	for length < len(s) && s[length] == '[' {
		end := strings.IndexByte(s[length:], ']')
		if end < 0 {
			break
		}
		path = append(path, s[length+1:length+end])
		length += end + 1
	}
	return path, max(length, len(reference))
}

// walkJSON follows a path through a JSON text.
func walkJSON(s string, path []string) (value, bool) {
	p := jsonParser{s: s}
	for _, key := range path {
		if !p.enter(key) {
			return value{}, false
		}
	}
	return p.value(0)
}

// enter moves to the element with that key, of a map or a list.
func (p *jsonParser) enter(key string) bool {
	switch {
	case p.next('{'):
		for !p.next('}') {
			if !p.next('"') {
				return false
			}
			name, ok := p.string()
			if !ok || !p.next(':') {
				return false
			}
			if name == key {
				return true
			}
			p.skip()
			p.next(',')
		}
	case p.next('['):
		at := phpInt(key)
		if len(key) == 0 || key[0] < '0' || key[0] > '9' {
			return false
		}
		for n := int64(0); !p.next(']') && p.at < len(p.s); n++ {
			if n == at {
				return true
			}
			p.skip()
			p.next(',')
		}
	}
	return false
}

// skip passes over one value of a text that is well-formed, as our own are.
func (p *jsonParser) skip() {
	depth := 0
	for p.space(); p.at < len(p.s); {
		switch p.s[p.at] {
		case '"':
			p.at++
			p.string()
			if depth == 0 {
				return
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return // the end of what holds a number or a word
			}
			depth--
			if depth == 0 {
				p.at++
				return
			}
		case ',':
			if depth == 0 {
				return
			}
		}
		p.at++
	}
}
