package bitrix

import "fmt"

// Access is a way into a portal: a Webhook, or an *Application.
type Access interface {
	fmt.Stringer
	// Host is the portal's host, with its port if the address had one.
	Host() string
	// base is where requests go: to scheme://host, at prefix and the method's
	// name. The prefix may be a secret.
	base() (scheme, host, prefix string)
}

var (
	_ Access = Webhook{}
	_ Access = (*Application)(nil)
)

// redactor takes the secrets that it knows out of a text.
type redactor interface {
	redact(text string) string
}

var (
	_ redactor = (*Secret)(nil)
	_ redactor = (*tokens)(nil)
)
