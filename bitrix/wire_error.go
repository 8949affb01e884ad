package bitrix

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// The portal writes an error as {"error": code, "error_description": text}, as
// {"error": {"code": code, "message": text}}, or as a text alone. A code is a string, a
// number or "".

// readError reads the error of one command. null, false, "" and [] mean no error.
func readError(v []byte) (*wireError, error) {
	if isAbsent(v) {
		return nil, nil
	}
	if v[0] != '{' {
		return &wireError{description: scalar(v)}, nil
	}
	code, description, err := errorMembers(v)
	if err != nil {
		return nil, err
	}
	if e := newWireError(code, description); e != nil {
		return e, nil
	}
	return &wireError{description: string(v)}, nil
}

// errorMembers returns the raw code and text of an error's map, nil if absent.
func errorMembers(v []byte) (code, description []byte, err error) {
	r := newReader(v)
	err = r.members(func(name []byte) (err error) {
		switch string(name) {
		case "error", "code":
			code, err = r.value()
		case "error_description", "message":
			description, err = r.value()
		default:
			err = r.d.SkipValue()
		}
		return err
	})
	return code, description, err
}

// newWireError returns an error for a raw code and text, nil if both are absent.
func newWireError(code, description []byte) *wireError {
	// "" is a code, so it is not absent.
	absent := func(v []byte) bool { return v == nil || v[0] != '"' && (isAbsent(v) || string(v) == "{}") }
	if absent(description) {
		description = nil
	}
	if absent(code) {
		if description == nil {
			return nil
		}
		code = nil // a text without a code
	}
	if code != nil && code[0] == '{' {
		if inner, text, err := errorMembers(code); err == nil && inner != nil {
			return &wireError{scalar(inner), scalar(text)}
		}
	}
	return &wireError{scalar(code), scalar(description)}
}

// scalar returns a string's text, and any other value unchanged.
func scalar(v []byte) string {
	if len(v) == 0 {
		return ""
	}
	if v[0] == '"' {
		text, _ := jsontext.AppendUnquote(nil, v)
		return string(text)
	}
	return string(v)
}

// isAbsent reports whether v is one of PHP's ways to write that nothing is there.
func isAbsent(v []byte) bool {
	switch v[0] {
	case 'n', 'f':
		return true
	case '"':
		return len(v) == 2
	case '[':
		return len(bytes.TrimSpace(v[1:len(v)-1])) == 0
	}
	return false
}
