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

// TokenStore stores the pair of tokens of one application in one portal. The pair is
// the JSON answer of the authorization server. Other processes may share the store.
// Load may be called at any time, the other methods by one goroutine at a time.
type TokenStore interface {
	// Load returns the whole stored document. It returns fs.ErrNotExist if there is
	// none.
	Load(ctx context.Context) ([]byte, error)
	// Lock waits until no other process holds the lock, and takes it. begun is when an
	// earlier holder called Begin, if the end of that exchange is unknown; else zero.
	// ctx ends the wait.
	Lock(ctx context.Context) (begun time.Time, err error)
	// Begin durably records that the stored pair is about to be exchanged. The caller
	// holds the lock.
	Begin(ctx context.Context) error
	// Save replaces the whole stored document durably. It clears the record of Begin.
	// The caller holds the lock.
	Save(ctx context.Context, doc []byte) error
	// Unlock releases the lock. If open is true, the record of Begin stays for the next
	// Lock; otherwise Unlock clears it.
	Unlock(ctx context.Context, open bool) error
	// String returns where the pair is stored, without secrets.
	String() string
}

// Application is the right to call a portal as an application. It authorizes itself
// with an access token that is valid for an hour, and gets the next one from the
// authorization server. Many clients may use it, also in several processes, as long as
// they share a TokenStore. It prints without its secrets.
type Application struct {
	scheme, host string
	server       string // the authorization server: scheme and host
	id           string
	secret       *Secret // behind a pointer: see Secret
	store        TokenStore
}

// NewApplication returns an application. portal is the address of the portal
// (https://HOST; http is allowed for this machine only). id and secret are the client id
// and the client secret. server is the authorization server's address; "" means
// DefaultServer. store contains the tokens.
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

// site parses an address that has nothing after the host.
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

// Format prints String for every verb.
func (a *Application) Format(f fmt.State, _ rune) { io.WriteString(f, a.String()) }

// MarshalText returns String.
func (a *Application) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Host returns the portal's host, with its port if the address has one.
func (a *Application) Host() string { return a.host }

func (a *Application) base() (scheme, host, prefix string) { return a.scheme, a.host, "/rest/" }

// TokenState describes stored tokens without using them.
type TokenState struct {
	// Where describes the store.
	Where string
	// Access reports whether there is an access token, not only a refresh token.
	Access bool
	// Expires is when the access token expires; zero if that is not stored.
	Expires time.Time
}

// State reads the stored tokens, and changes nothing. It returns the same errors as a
// call would.
func (a *Application) State(ctx context.Context) (TokenState, error) {
	t := newTokens(a, &Options{}, nil)
	p, err := t.load(ctx)
	if err != nil {
		return TokenState{}, err
	}
	return TokenState{Where: a.store.String(), Access: p.access != "", Expires: p.expires}, nil
}

// exchangePatience is how long Exchange retries: a code is valid for 30 s.
const exchangePatience = 25 * time.Second

// Exchange sends a code from AuthorizeURL's page to the authorization server, and
// stores the pair of tokens that it returns. Of opts it uses the transport, the log and
// the user agent.
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

// CheckStore checks that the tokens can be stored: it takes the store's lock and
// releases it.
func (a *Application) CheckStore(ctx context.Context) error {
	t := newTokens(a, &Options{Patience: exchangePatience}, nil)
	begun, err := t.lock(ctx)
	if err != nil {
		return err
	}
	return t.unlock(ctx, !begun.IsZero())
}
