package bitrixtest

import "strings"

// Unresolved is what becomes of a batch reference that leads nowhere.
type Unresolved string

const (
	// UnresolvedText leaves the text as it is; as a number it is 0.
	UnresolvedText Unresolved = "text"
	// UnresolvedEmpty makes it an empty text; a range without a value is ignored.
	UnresolvedEmpty Unresolved = "empty"
	// UnresolvedPart makes it what the path leads to as far as it goes, mostly an
	// array; a range with an array for its value is ignored.
	UnresolvedPart Unresolved = "part"
)

// reference begins a reference to an earlier command's result:
// $result[key][path]…
const reference = "$result["

// lookup follows a reference's path as far as it goes. It returns what stands there and
// whether that is the end.
type lookup func(path []string) (v value, resolved bool)

// resolve replaces references in all texts of v. One that is the whole text may
// become an array.
func (v *value) resolve(how Unresolved, look lookup) {
	if v.kind == kindText && strings.Contains(v.text, reference) {
		*v = resolveText(v.text, how, look)
		return
	}
	for i := range v.items {
		v.items[i].value.resolve(how, look)
	}
}

func resolveText(s string, how Unresolved, look lookup) value {
	var b strings.Builder
	for whole := s; ; {
		start := strings.Index(s, reference)
		if start < 0 {
			b.WriteString(s)
			return textValue(b.String())
		}
		path, end := referencePath(s[start:])
		b.WriteString(s[:start])
		found, ok := look(path)
		switch {
		case len(path) == 0 || !ok && how == UnresolvedText:
			b.WriteString(s[start : start+end])
		case !ok && how == UnresolvedEmpty:
		case found.kind == kindArray && end == len(whole):
			if len(found.items) == 0 {
				return value{} // nothing is not an empty list that somebody wrote
			}
			return found
		default:
			b.WriteString(found.text)
		}
		s = s[start+end:]
	}
}

// referencePath splits $result[a][b] at the start of s into its path, and returns its
// length.
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

// walkJSON follows a path through a JSON text, as far as it goes.
func walkJSON(s string, path []string) (v value, resolved bool) {
	p := jsonParser{s: s}
	resolved = true
	for _, key := range path {
		here := p.at
		if !p.enter(key) {
			p.at, resolved = here, false
			break
		}
	}
	v, ok := p.value(0)
	return v, ok && resolved
}

// enter moves to the element with that key, of a map or a list.
func (p *jsonParser) enter(key string) bool {
	switch {
	case p.next('{'):
		for p.next('"') {
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
		if key == "" || strings.Trim(key, "0123456789") != "" {
			return false
		}
		at := phpInt(key)
		for n := int64(0); p.at < len(p.s) && !p.next(']'); n++ {
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
