package bitrix

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"golang.org/x/net/publicsuffix"
)

// maxRedirects bounds how often a portal may have been renamed.
const maxRedirects = 5

// endpoint is where the portal is now: the webhook's host, or the one that it
// was renamed to since. It is safe for concurrent use.
type endpoint struct {
	hook  Webhook
	moved atomic.Pointer[string] // the new host, nil while it is the webhook's
}

func (e *endpoint) host() string {
	if host := e.moved.Load(); host != nil {
		return *host
	}
	return e.hook.host
}

func (e *endpoint) secret() Secret { return *e.hook.secret }

// request is a method's full address, secret included.
func (e *endpoint) request(method string) string {
	return e.hook.scheme + "://" + e.host() + e.hook.path(method)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow is the layer that repeats a request where a renamed portal is now. The
// POST and its body stay what they are, as a browser would not have it. The new
// host is kept, so that only the first request takes the detour.
func follow(e *endpoint, log *slog.Logger, next handler) handler {
	return func(ctx context.Context, x *exchange) (*answer, error) {
		x.url = e.request(x.method)
		for range maxRedirects {
			a, err := next(ctx, x)
			if err != nil || a.location == "" {
				return a, err
			}
			to, err := e.resolve(x.url, a.location)
			if err != nil {
				f := x.failure(CodeForeignRedirect, err.Error())
				f.Status = a.status
				return nil, f
			}
			x.url = to.String()
			if to.Path == e.hook.path(x.method) {
				e.move(strings.ToLower(to.Host), log)
			}
		}
		return nil, x.failure(CodeForeignRedirect, fmt.Sprintf("redirected %d times", maxRedirects))
	}
}

// move notes the portal's new host.
func (e *endpoint) move(host string, log *slog.Logger) {
	old := e.host()
	if old == host {
		return
	}
	if e.moved.Swap(&host) == nil {
		log.Warn("the portal was renamed: update the job", "old_host", old, "new_host", host)
	}
}

// resolve gives the address that location means, seen from the address of a
// request, if the secret may be sent there: over the same scheme, and to the
// same registrable domain. Its errors name hosts and schemes only, since a path
// may have the secret in it.
func (e *endpoint) resolve(from, location string) (*url.URL, error) {
	base, err := url.Parse(from)
	if err != nil {
		return nil, errors.New("redirected from an unreadable address")
	}
	to, err := base.Parse(location)
	if err != nil {
		return nil, errors.New("redirected to an unreadable address")
	}
	switch {
	case to.Hostname() == "" || to.User != nil:
		return nil, errors.New("redirected to an address without a host, or with a user")
	case to.Scheme != e.hook.scheme:
		return nil, fmt.Errorf("redirected from %s to %s", e.hook.scheme, oneLine(to.Scheme, e.secret()))
	case !sameSite(base.Hostname(), to.Hostname()):
		return nil, fmt.Errorf("redirected to %s, which is not the portal's domain", oneLine(to.Host, e.secret()))
	}
	return to, nil
}

// sameSite reports whether two hosts belong to whoever registered the one
// domain. An address without a domain, or this machine, is a site of its own.
func sameSite(a, b string) bool {
	a, b = strings.ToLower(strings.TrimSuffix(a, ".")), strings.ToLower(strings.TrimSuffix(b, "."))
	if a == b || isLoopback(a) && isLoopback(b) {
		return true
	}
	siteA, err := publicsuffix.EffectiveTLDPlusOne(a)
	if err != nil {
		return false
	}
	siteB, err := publicsuffix.EffectiveTLDPlusOne(b)
	return err == nil && siteA == siteB
}
