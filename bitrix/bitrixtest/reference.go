package bitrixtest

import (
	"strconv"
	"strings"
)

// Unresolved is how a batch reference without a target is resolved.
type Unresolved string

const (
	// UnresolvedText leaves the text unchanged; as a number it is 0.
	UnresolvedText Unresolved = "text"
	// UnresolvedEmpty returns an empty text; a range without a value is ignored.
	UnresolvedEmpty Unresolved = "empty"
	// UnresolvedPart returns the value at the end of the longest path that exists,
	// mostly an array; a range with an array as its value is ignored.
	UnresolvedPart Unresolved = "part"
)

// A reference to the result of an earlier command is $result[key][path]…, up to the
// next white space. It can start with any map that a batch collects. References are
// recognized in any case, but a map's name in another case has no target.
var referenceRoots = []string{"result", "next", "total", "time", "error"}

// lookup resolves a reference's path in the map named root, as far as the path exists.
// It returns the value there, and whether that is the end of the path.
type lookup func(root string, path []string) (v value, resolved bool)

// resolve replaces references in all texts of v. A reference that is the whole text may
// become an array.
func (v *value) resolve(how Unresolved, look lookup) {
	if v.kind == kindText && strings.Contains(v.text, "$") {
		*v = resolveText(v.text, how, look)
		return
	}
	for i := range v.items {
		v.items[i].value.resolve(how, look)
	}
}

func resolveText(text string, how Unresolved, look lookup) value {
	for rest := text; ; {
		root, path, whole := nextReference(rest)
		if root == "" {
			return textValue(text)
		}
		rest = rest[strings.Index(rest, whole)+len(whole):]
		if len(path) == 0 {
			continue
		}
		found, resolved := look(root, path)
		switch {
		case !resolved && how == UnresolvedText:
			continue
		case !resolved && how == UnresolvedEmpty:
			found = textValue("")
		}
		if whole == text {
			found.referred = true
			return found
		}
		if found.kind == kindText && !found.number { // a number is not inserted into a text
			text = strings.ReplaceAll(text, whole, found.text)
		}
	}
}

// nextReference returns the first reference in s: its map's name, its path, and its
// whole text. root is "" if there is none.
func nextReference(s string) (root string, path []string, whole string) {
	for start := strings.IndexByte(s, '$'); start >= 0; {
		whole = s[start:]
		for _, name := range referenceRoots {
			if len(whole) > len(name) && strings.EqualFold(whole[1:1+len(name)], name) {
				if end := strings.IndexAny(whole, " \t\n\v\f\r"); end >= 0 {
					whole = whole[:end]
				}
				return whole[1 : 1+len(name)], referencePath(whole[1+len(name):]), whole
			}
		}
		next := strings.IndexByte(s[start+1:], '$')
		if next < 0 {
			break
		}
		start += 1 + next
	}
	return "", nil, ""
}

// referencePath returns the texts in brackets in s. It ignores empty brackets, and text
// between brackets.
func referencePath(s string) (path []string) {
	for {
		_, rest, found := strings.Cut(s, "[")
		if !found {
			return path
		}
		s = rest
		if end := strings.IndexByte(s, ']'); end > 0 {
			path = append(path, s[:end])
			s = s[end+1:]
		}
	}
}

// walkJSON follows a path through a JSON text as far as it exists: to an element that
// is not null, or to a byte of a text.
func walkJSON(s string, path []string) (v value, resolved bool) {
	p := jsonParser{s: s}
	for len(path) > 0 {
		here := p.at
		if !p.enter(path[0]) || p.null() {
			p.at = here
			break
		}
		path = path[1:]
	}
	v, ok := p.value(0)
	for ; ok && len(path) > 0 && v.kind == kindText && !v.number; path = path[1:] {
		at, isOffset := stringOffset(path[0], len(v.text))
		if !isOffset {
			break
		}
		v.text = v.text[at : at+1]
	}
	return v, ok && len(path) == 0
}

// stringOffset returns the position of the byte that a key refers to in a text of
// length bytes. Negative keys count from the end.
func stringOffset(key string, length int) (at int, ok bool) {
	n, err := strconv.Atoi(key)
	if err != nil || strings.Contains(key, "_") {
		return 0, false
	}
	if n < 0 {
		n += length
	}
	return n, n >= 0 && n < length
}

// null reports whether null is next.
func (p *jsonParser) null() bool {
	p.space()
	return strings.HasPrefix(p.s[p.at:], "null")
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
		at, ok := arrayNumber(key)
		if !ok {
			return false
		}
		for n := 0; p.at < len(p.s) && !p.next(']'); n++ {
			if n == at {
				return true
			}
			p.skip()
			p.next(',')
		}
	}
	return false
}

// skip skips one value of a valid text, as our own texts are.
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
				return // the end of the list or map that has a number or a word
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
