package bitrix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// DefaultServer is the vendor's authorization server.
const DefaultServer = "https://oauth.bitrix.info"

// TokenStore keeps the pair of tokens of one application in one portal, as JSON:
// the authorization server's own answer. It may be shared with other processes.
// Load may be called at any time; the others by one goroutine at a time.
type TokenStore interface {
	// Load returns what is stored, whole. What is absent is fs.ErrNotExist.
	Load(ctx context.Context) ([]byte, error)
	// Lock waits until no other process holds the lock, and takes it. begun is
	// when an earlier holder called Begin whose end is unknown, else zero. ctx
	// ends the wait.
	Lock(ctx context.Context) (begun time.Time, err error)
	// Begin notes durably that the stored pair is about to be exchanged for
	// another one. It is called with the lock held.
	Begin(ctx context.Context) error
	// Save replaces what is stored, whole and durably. It is called with the
	// lock held, and ends what Begin has noted.
	Save(ctx context.Context, doc []byte) error
	// Unlock releases the lock. What Begin has noted stays for the next Lock if open,
	// and is forgotten otherwise.
	Unlock(ctx context.Context, open bool) error
	// String says where the pair is, without secrets.
	String() string
}

// Application is the right to call a portal as an application: it authorizes
// itself by a token that lives for an hour, and gets the next one from the
// authorization server. Clients of it may be many, also in many processes, as
// long as they share a TokenStore. It prints without its secrets.
type Application struct {
	scheme, host string
	server       string // of authorization: scheme and host
	id           string
	secret       *Secret // behind a pointer: see Secret
	store        TokenStore
}

// NewApplication makes an application of a portal's address (https://HOST; http
// for this machine only), its client id and secret, and the authorization
// server's address ("": DefaultServer). The store has the tokens.
func NewApplication(portal, id string, secret Secret, server string, store TokenStore) (*Application, error) {
	if server == "" {
		server = DefaultServer
	}
	scheme, host, err := site(portal)
	if err != nil {
		return nil, fmt.Errorf("portal's address: %w", err)
	}
	serverScheme, serverHost, err := site(server)
	if err != nil {
		return nil, fmt.Errorf("authorization server's address: %w", err)
	}
	if id == "" || secret == "" {
		return nil, errors.New("client id and client secret: must not be empty")
	}
	return &Application{
		scheme: scheme, host: host, server: serverScheme + "://" + serverHost, id: id, secret: &secret, store: store,
	}, nil
}

// site reads an address that ends behind the host.
func site(address string) (scheme, host string, err error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return "", "", errors.New("must look like https://HOST")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return "", "", errors.New("must begin with https://")
	}
	return u.Scheme, strings.ToLower(u.Host), nil
}

// AuthorizeURL returns the address of the page where an administrator of the portal
// approves the application.
func (a *Application) AuthorizeURL(state string) string {
	query := url.Values{"client_id": {a.id}, "state": {state}}
	return a.scheme + "://" + a.host + "/oauth/authorize/?" + query.Encode()
}

// String returns the portal's REST address and the application's id.
func (a *Application) String() string {
	return a.scheme + "://" + a.host + "/rest/ as " + a.id
}

// Format prints String whatever the verb.
func (a *Application) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

// MarshalText returns String.
func (a *Application) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Host is the portal's host, with its port if the address had one.
func (a *Application) Host() string { return a.host }

func (a *Application) base() (scheme, host, prefix string) { return a.scheme, a.host, "/rest/" }

// TokenState describes stored tokens without using them.
type TokenState struct {
	// Where is the store.
	Where string
	// Access: there is an access token, not only a refresh token.
	Access bool
	// Expires is the time at which the access token expires, if the file has it, else
	// zero.
	Expires time.Time
}

// State reads the stored tokens, and changes nothing. Its errors are those that
// a call would end in.
func (a *Application) State(ctx context.Context) (TokenState, error) {
	t := newTokens(a, &Options{}, nil)
	p, err := t.load(ctx)
	if err != nil {
		return TokenState{}, err
	}
	return TokenState{Where: a.store.String(), Access: p.access != "", Expires: p.expires}, nil
}

// exchangePatience is how long a code is worth the while: it lives for 30 s.
const exchangePatience = 25 * time.Second

// Exchange returns a code, as AuthorizeURL's page hands it out, to the authorization
// server, and stores the pair of tokens that comes for it. Of opts the transport, the
// log and the user agent count.
func (a *Application) Exchange(ctx context.Context, code Secret, opts *Options) error {
	if opts == nil {
		opts = &Options{}
	}
	o := *opts
	o.Patience = exchangePatience
	transport := o.Transport
	if transport == nil {
		own := newTransport(1)
		defer own.CloseIdleConnections()
		transport = own
	}
	t := newTokens(a, &o, transport)
	t.hide(code)
	return t.exchange(ctx, code)
}

// CheckStore reports whether the tokens can be stored: it takes the store's lock and
// releases it.
func (a *Application) CheckStore(ctx context.Context) error {
	t := newTokens(a, &Options{Patience: exchangePatience}, nil)
	begun, err := t.lock(ctx)
	if err != nil {
		return err
	}
	return t.unlock(ctx, !begun.IsZero())
}
