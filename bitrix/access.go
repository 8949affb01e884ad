package bitrix

import "fmt"

// Access is how to access a portal: a Webhook, or an *Application.
type Access interface {
	fmt.Stringer
	// Host returns the portal's host, with its port if the address has one.
	Host() string
	// base returns the parts of a request's address: scheme://host, then prefix and the
	// method's name. The prefix may be a secret.
	base() (scheme, host, prefix string)
}

var (
	_ Access = Webhook{}
	_ Access = (*Application)(nil)
)

// redactor removes the secrets that it knows from a text.
type redactor interface {
	redact(text string) string
}

var (
	_ redactor = (*Secret)(nil)
	_ redactor = (*tokens)(nil)
)
