package bitrix

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
)

// webhookForm is the hint for an address of another form.
const webhookForm = "must look like https://HOST/rest/USER/SECRET/ (Bitrix24: Developer resources, Other, Inbound webhook)"

// Webhook is the address of a portal and the right to call it. The zero Webhook is not
// usable; ParseWebhook returns a usable one. It prints without its secret.
type Webhook struct {
	scheme string
	host   string // with the port, if there is one
	user   string
	secret *Secret // behind a pointer: see Secret
}

// ParseWebhook parses an inbound webhook's address, as Bitrix24 shows it. The scheme
// must be https; http is allowed only for this machine's loopback addresses. No error
// shows any part of s, because in a malformed address the secret can be anywhere.
func ParseWebhook(s string) (Webhook, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil { // the error's text quotes s
		return Webhook{}, fmt.Errorf("webhook: not an address: %s", webhookForm)
	}
	if u.Host == "" || u.Hostname() == "" || u.Opaque != "" {
		return Webhook{}, fmt.Errorf("webhook: no host: %s", webhookForm)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Webhook{}, fmt.Errorf("webhook: has a user, a query or a fragment: %s", webhookForm)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return Webhook{}, errors.New("webhook: http would send the secret in the clear: use https")
	default:
		return Webhook{}, fmt.Errorf("webhook: neither https nor http: %s", webhookForm)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) != 3 || parts[0] != "rest" {
		return Webhook{}, fmt.Errorf("webhook: the path is not /rest/USER/SECRET/: %s", webhookForm)
	}
	if !consistsOf(parts[1], digits) {
		return Webhook{}, fmt.Errorf("webhook: the user is not a number: %s", webhookForm)
	}
	if !consistsOf(parts[2], digits+letters+"_-") {
		return Webhook{}, fmt.Errorf("webhook: the secret has characters other than letters and digits: %s", webhookForm)
	}
	secret := Secret(parts[2])
	return Webhook{scheme: u.Scheme, host: strings.ToLower(u.Host), user: parts[1], secret: &secret}, nil
}

// Host returns the portal's host, with its port if the address has one.
func (w Webhook) Host() string { return w.host }

// User returns the number of the user on whose behalf the webhook calls.
func (w Webhook) User() string { return w.user }

// String returns the address with *** for the secret.
func (w Webhook) String() string {
	if w.secret == nil {
		return ""
	}
	return w.scheme + "://" + w.host + "/rest/" + w.user + "/" + hidden + "/"
}

// Format prints String for every verb.
func (w Webhook) Format(f fmt.State, _ rune) { io.WriteString(f, w.String()) }

// MarshalText returns String.
func (w Webhook) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// path returns the address's path for a method, secret included.
func (w Webhook) path(method string) string {
	return "/rest/" + w.user + "/" + w.secret.Reveal() + "/" + method
}

func (w Webhook) base() (scheme, host, prefix string) { return w.scheme, w.host, w.path("") }

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// consistsOf reports whether s is not empty and contains only bytes of set.
func consistsOf(s, set string) bool {
	for i := range len(s) {
		if strings.IndexByte(set, s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// isLoopback reports whether host (without a port) is this machine.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
