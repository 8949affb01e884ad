package schemas

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxRaw is the number of bytes of the sent text that an error shows: enough to
// identify it, short enough for a log line.
const maxRaw = 200

// FieldError reports that a value of the portal cannot be read as its column's type.
type FieldError struct {
	// Field is the portal's name of the field, or "" if the error is about the whole
	// object.
	Field string
	// Rule is the rule that the value breaks: "must be a decimal number".
	Rule string
	// Raw is the JSON text that the portal sent, cut to 200 bytes of valid UTF-8; "" if
	// there was none.
	Raw string
}

// Error returns field and rule in one line. It does not contain the value: errors get
// into logs, notifications and --json, which must not contain payments' values. Only
// the table of rejects contains Raw.
func (e *FieldError) Error() string {
	field := e.Field
	if field == "" {
		field = "object"
	}
	return field + ": " + e.Rule
}

func fieldError(field, rule string, raw []byte) *FieldError {
	return &FieldError{Field: excerpt([]byte(field)), Rule: rule, Raw: excerpt(raw)}
}

// syntaxError translates an error of jsontext about raw.
func syntaxError(err error, raw []byte) *FieldError {
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok { // raw ends before a value
		return fieldError("", "must be an object", raw)
	}
	field, depth := "", 0
	for token := range syntax.JSONPointer.Tokens() {
		if depth == 0 {
			field = token
		}
		depth++
	}
	// Show the position and some text before it.
	from := max(0, min(int(syntax.ByteOffset), len(raw))-maxRaw/2)
	if errors.Is(err, jsontext.ErrDuplicateName) {
		if depth > 1 {
			return fieldError(field, "must not have a name twice", raw[from:])
		}
		return fieldError(field, "must not be there twice", raw[from:])
	}
	return fieldError(field, "must be valid JSON: "+syntax.Err.Error(), raw[from:])
}

// excerpt returns the beginning of b as valid UTF-8 of at most maxRaw bytes.
func excerpt(b []byte) string {
	const ellipsis = "…"
	head := b[:min(len(b), maxRaw+utf8.UTFMax)]
	text := strings.ToValidUTF8(string(head), "\uFFFD")
	if len(head) == len(b) && len(text) <= maxRaw {
		return text
	}
	cut := min(len(text), maxRaw-len(ellipsis))
	for cut < len(text) && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}
