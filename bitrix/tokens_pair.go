package bitrix

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// pair is the content of a token store: tokens, and where they are valid.
type pair struct {
	access   Secret // "" if there is only a refresh token at first
	refresh  Secret
	endpoint string    // the portal's REST address, "" if unknown
	server   string    // the authorization server's REST address, "" if unknown
	expires  time.Time // of the access token, zero if unknown
	doc      []byte    // as stored
}

// Limits of a stored pair. Real ones have tokens of some 70 characters, and half a KiB
// in all.
const (
	maxPair  = 64 << 10
	maxToken = 4096
)

// decodePair decodes the JSON of a token store or of the authorization server. It
// requires a refresh token, and ignores unknown members. No error shows any part of
// doc.
func decodePair(doc []byte) (*pair, error) {
	doc = bytes.TrimSpace(bytes.TrimPrefix(doc, []byte("\ufeff")))
	switch {
	case len(doc) == 0:
		return nil, errors.New("is empty")
	case len(doc) > maxPair:
		return nil, fmt.Errorf("has more than %d KiB", maxPair>>10)
	case !utf8.Valid(doc):
		return nil, errors.New("is not UTF-8")
	case doc[0] != '{':
		return nil, errors.New("is not a JSON object")
	}
	p := &pair{doc: doc}
	r := newReader(doc)
	err := r.members(func(name []byte) error {
		v, err := r.value()
		if err != nil {
			return err
		}
		switch string(name) {
		case "access_token":
			p.access, err = tokenOf(name, v)
		case "refresh_token":
			p.refresh, err = tokenOf(name, v)
		case "client_endpoint":
			var text []byte
			if text, err = unquote(v); err != nil {
				err = nil // null, or absent
			}
			p.endpoint = string(text)
		case "server_endpoint":
			if text, err := unquote(v); err == nil { // otherwise null, or absent
				p.server = string(text)
			}
		case "expires":
			if n, ok := readInt(v); ok && n > 0 && n < 1e11 {
				p.expires = time.Unix(n, 0)
			}
		}
		return err
	})
	var said *pairError
	switch {
	case errors.As(err, &said):
		return nil, said
	case err != nil:
		return nil, fmt.Errorf("is broken JSON near byte %d", r.d.InputOffset())
	case len(bytes.TrimSpace(doc[r.d.InputOffset():])) > 0:
		return nil, errors.New("has data after its JSON object")
	case p.refresh == "":
		return nil, errors.New("has no refresh_token")
	}
	return p, nil
}

// pairError describes what is wrong with a member of a pair.
type pairError struct{ text string }

func (e *pairError) Error() string { return e.text }

// tokenOf decodes a token: a text that needs no escaping in a form or a header.
func tokenOf(name, v []byte) (Secret, error) {
	if isAbsent(v) {
		return "", nil
	}
	text, err := unquote(v)
	if err != nil {
		return "", &pairError{fmt.Sprintf("has a %s that is not a text", name)}
	}
	for _, c := range text {
		if c <= ' ' || c >= 0x7f {
			return "", &pairError{fmt.Sprintf("has a %s with other than printable ASCII characters", name)}
		}
	}
	if len(text) > maxToken {
		return "", &pairError{fmt.Sprintf("has a %s of more than %d characters", name, maxToken)}
	}
	return Secret(text), nil
}

// mergePair returns the authorization server's answer together with the members of old
// that it lacks, because somebody else may need them. decodePair must have accepted
// both; old may be nil.
func mergePair(old, answer []byte) []byte {
	seen := map[string]bool{}
	b := []byte{'{'}
	take := func(doc []byte) {
		r := newReader(doc)
		err := r.members(func(name []byte) error {
			key := string(name)
			v, err := r.value()
			if err != nil || seen[key] {
				return err
			}
			seen[key] = true
			if len(b) > 1 {
				b = append(b, ',')
			}
			if b, err = jsontext.AppendQuote(b, key); err != nil {
				return err
			}
			b = append(append(b, ':'), v...)
			return nil
		})
		if err != nil {
			panic("bitrix: a pair that was read cannot be read again: " + err.Error())
		}
	}
	take(answer)
	if old != nil {
		take(old)
	}
	return append(b, '}', '\n')
}
