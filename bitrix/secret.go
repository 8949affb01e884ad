package bitrix

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// hidden is printed instead of a secret.
const hidden = "***"

// Secret is a text that no log, error or dump may show. It prints as *** under every
// verb, in JSON and in slog. Only Reveal returns the text. There are two places where
// no method is called: the verb %p, which go vet refuses for a string, and the keys of a
// JSON map. Do not use a Secret there.
//
// fmt cannot call the methods of unexported fields. A struct with a Secret in such a
// field therefore has a pointer to it: fmt prints a pointer as an address.
type Secret string

// Reveal returns the secret text. Call it only where the text is used, and keep no
// copy.
func (s Secret) Reveal() string { return string(s) }

// Format prints *** for every verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// String returns ***.
func (s Secret) String() string { return hidden }

// GoString returns ***.
func (s Secret) GoString() string { return hidden }

// MarshalText returns ***, also for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue returns ***.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// redact returns text without the secret. Texts of a portal, a proxy or the network
// about a request may quote its address.
func (s Secret) redact(text string) string {
	if s == "" {
		return text
	}
	return strings.ReplaceAll(text, string(s), hidden)
}
