package bitrix

import "bytes"

var byteOrderMark = []byte("\ufeff")

// trimmed returns an answer's body without what can surround its JSON: a byte order
// mark, white space, HTML comments.
func trimmed(body []byte) []byte {
	for {
		before := len(body)
		body = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), byteOrderMark))
		body = bytes.TrimSuffix(body, byteOrderMark)
		if rest, ok := bytes.CutPrefix(body, []byte("<!--")); ok {
			if _, after, ok := bytes.Cut(rest, []byte("-->")); ok {
				body = after
			}
		}
		if rest, ok := bytes.CutSuffix(body, []byte("-->")); ok {
			if start := bytes.LastIndex(rest, []byte("<!--")); start >= 0 {
				body = rest[:start]
			}
		}
		if len(body) == before {
			return body
		}
	}
}

// decodeAround is decodeAnswer for a body with text around its JSON. On servers that
// show PHP's warnings, they precede the answer. decodeAround removes them if the rest
// is complete.
func decodeAround(body []byte, batch []Command) (wireAnswer, error) {
	a, err := decodeAnswer(body, batch)
	if err == nil {
		return a, nil
	}
	rest := trimmed(body)
	if len(rest) < len(body) {
		if b, err := decodeAnswer(rest, batch); err == nil {
			return b, nil
		}
	}
	if len(rest) == 0 || rest[0] != '<' && !bytes.HasPrefix(rest, []byte("Warning")) && !bytes.HasPrefix(rest, []byte("Notice")) &&
		!bytes.HasPrefix(rest, []byte("Deprecated")) && !bytes.HasPrefix(rest, []byte("PHP ")) {
		return a, err
	}
	for _, start := range [][]byte{[]byte(`{"result"`), []byte(`{"error"`)} {
		if i := bytes.Index(rest, start); i > 0 {
			if b, err := decodeAnswer(rest[i:], batch); err == nil {
				return b, nil
			}
		}
	}
	return a, err
}
