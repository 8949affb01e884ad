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

// maxRedirects bounds how many redirects are followed.
const maxRedirects = 5

// endpoint is where the portal is now: the job's host, or the one to which it was
// renamed since. It is safe for concurrent use.
type endpoint struct {
	access       Access
	secrets      redactor
	scheme, host string
	moved        atomic.Pointer[string] // the new host, nil while it is the job's
}

func newEndpoint(access Access, secrets redactor) *endpoint {
	scheme, host, _ := access.base()
	return &endpoint{access: access, secrets: secrets, scheme: scheme, host: host}
}

func (e *endpoint) now() string {
	if host := e.moved.Load(); host != nil {
		return *host
	}
	return e.host
}

// path returns the address's path for a method, secret included.
func (e *endpoint) path(method string) string {
	_, _, prefix := e.access.base()
	return prefix + method
}

// request returns a method's full address, secret included.
func (e *endpoint) request(method string) string {
	return e.scheme + "://" + e.now() + e.path(method)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow is the layer that repeats a request at the new address of a renamed portal.
// Unlike a browser, it keeps the POST and its body. It remembers the new host, so only
// the first request is redirected.
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
			if to.Path == e.path(x.method) {
				e.move(strings.ToLower(to.Host), log)
			}
		}
		return nil, x.failure(CodeForeignRedirect, fmt.Sprintf("redirected %d times", maxRedirects))
	}
}

// move records the portal's new host.
func (e *endpoint) move(host string, log *slog.Logger) {
	old := e.now()
	if old == host {
		return
	}
	if e.moved.Swap(&host) == nil {
		log.Warn("the portal was renamed: update the job", "old_host", old, "new_host", host)
	}
}

// resolve resolves location, relative to the address of a request. It returns an error
// unless the secret may be sent there: over the same scheme, and to the same
// registrable domain. Its errors contain only hosts and schemes, because a path may
// contain the secret.
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
	case to.Scheme != e.scheme:
		return nil, fmt.Errorf("redirected from %s to %s", e.scheme, oneLine(to.Scheme, e.secrets))
	case !sameSite(base.Hostname(), to.Hostname()):
		return nil, fmt.Errorf("redirected to %s, which is not the portal's domain", oneLine(to.Host, e.secrets))
	}
	return to, nil
}

// sameSite reports whether two hosts have the same registrable domain. A host without a
// domain, or this machine, matches only itself.
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
