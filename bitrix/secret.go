package bitrix

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// hidden is what stands instead of a secret.
const hidden = "***"

// Secret is a text that no log, error or dump may show. It prints as *** under every
// verb, in JSON and in slog; only Reveal returns the text. (The two places where no
// method is asked: the verb %p, which go vet refuses for a text, and the keys of a JSON
// map. Put it into neither.)
//
// fmt cannot call the methods of unexported fields, so a struct that keeps a
// Secret in one keeps a pointer to it: fmt prints such a pointer as an address.
type Secret string

// Reveal returns the secret text. Call it where the text is put to use, and keep no
// copy.
func (s Secret) Reveal() string { return string(s) }

// Format prints *** whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// String returns ***.
func (s Secret) String() string { return hidden }

// GoString returns ***.
func (s Secret) GoString() string { return hidden }

// MarshalText returns ***, also for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns ***.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// redact returns text without the secret: what a portal, a proxy or the network says
// about a request may quote its address.
func (s Secret) redact(text string) string {
	if s == "" {
		return text
	}
	return strings.ReplaceAll(text, string(s), hidden)
}
