package bitrix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// tokens are a client's access token and how to get the next one. All requests of the
// client share them. The first one that is refused gets the next token, and the others
// wait for it.
//
// A pair is exchanged for the next one in these steps. Each attempt repeats them:
//
//  1. Take the store's lock and read the pair. If another process has exchanged it
//     already, use that one.
//  2. Begin: record durably that the pair is about to be exchanged.
//  3. Call the authorization server. Its answer makes the old pair invalid.
//  4. Save the new pair durably, which clears the record.
//  5. Use it.
//
// If the program dies between 3 and 4, the new pair is lost and cannot be recovered: the
// next run's refresh is refused, and the record of step 2 shows why. If it dies
// elsewhere, the next run finds one pair or the other, and continues.
type tokens struct {
	app       *Application
	transport http.RoundTripper
	patience  time.Duration
	agent     string
	log       *slog.Logger

	// turn is held by the goroutine that reads or exchanges the pair.
	turn    chan struct{}
	current atomic.Pointer[pair]
	// failures counts failed exchanges. Requests that waited for one return its error.
	// failed is the last error, and belongs to turn.
	failures atomic.Int64
	failed   error
	// barren counts new tokens since the portal last accepted one.
	barren atomic.Int64

	mu     sync.Mutex
	hidden []*Secret // what redact removes; pointers: see Secret
}

// manyBarren is how many consecutive new tokens the portal may refuse.
const manyBarren = 4

// keptHidden bounds hidden. A text that quotes an older token quotes one that is no
// longer valid.
const keptHidden = 64

func newTokens(app *Application, o *Options, transport http.RoundTripper) *tokens {
	t := &tokens{
		app: app, transport: transport, patience: o.Patience, agent: o.UserAgent, log: o.Log,
		turn: make(chan struct{}, 1),
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.patience <= 0 {
		t.patience = defaultPatience
	}
	if t.agent == "" {
		t.agent = "b24export/0"
	}
	return t
}

// renewFor is renew for a call. It does not use the call's patience, because it has its
// own.
func (t *tokens) renewFor(ctx context.Context, x *exchange, refused Secret, refresh bool) error {
	start := time.Now()
	defer func() { x.waited += time.Since(start) }()
	return t.renew(ctx, refused, refresh)
}

// errNoNewer is returned if the store has no other token than the refused one.
var errNoNewer = errors.New("no newer token is stored")

// renew replaces the current pair, unless that is another one than the pair of the
// refused token. If the store has none and refresh is true, it calls the authorization
// server.
func (t *tokens) renew(ctx context.Context, refused Secret, refresh bool) error {
	failures := t.failures.Load()
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-t.turn }()
	if now := t.current.Load(); now != nil && now.access != refused {
		return nil
	}
	if t.failures.Load() != failures {
		return t.failed
	}
	if t.barren.Load() >= manyBarren {
		return t.failure(CodeTokenRefused, fmt.Sprintf("the portal has refused %d new access tokens in a row", manyBarren))
	}
	err := t.replace(ctx, refused, refresh)
	if err != nil && ctx.Err() == nil {
		t.failed = err
		t.failures.Add(1)
	}
	return err
}

// replace retries attempt until patience is exhausted.
func (t *tokens) replace(ctx context.Context, refused Secret, refresh bool) error {
	p := newPatience(t.patience)
	for {
		start := time.Now()
		err := t.attempt(ctx, refused, refresh)
		p.spend(time.Since(start))
		e, ok := errors.AsType[*Error](err)
		switch {
		case err == nil || !ok || errors.Is(err, ErrPatience):
			return err
		case e.known() && e.Class() == Stop:
			return err
		case !e.known():
			if p.unknown++; p.unknown == unknownAttempts {
				return err
			}
		}
		t.log.Info("no new access token yet", "error", e)
		if err := p.pause(ctx, e); err != nil {
			return err
		}
	}
}

// attempt executes the steps once.
func (t *tokens) attempt(ctx context.Context, refused Secret, refresh bool) (err error) {
	begun, err := t.lock(ctx)
	if err != nil {
		return err
	}
	open := !begun.IsZero() // whether the end of an exchange is unknown
	// A received pair must be stored, even if the caller has stopped.
	firm := context.WithoutCancel(ctx)
	defer func() {
		if uerr := t.unlock(firm, open); uerr != nil && err == nil {
			t.log.Warn("the lock of the tokens was not given back", "error", uerr)
		}
	}()
	old, err := t.load(ctx)
	if err != nil {
		return err
	}
	if old.access != "" && old.access != refused {
		return t.adopt(old)
	}
	if !refresh {
		return errNoNewer
	}
	if err := t.fits(old); err != nil {
		return err
	}
	if err := t.app.store.Begin(ctx); err != nil {
		return t.broken("note in the store of tokens that they are about to be refreshed", err)
	}
	open = true
	answer, err := t.ask(firm, t.serverOf(old), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.refresh.Reveal()}})
	if e, ok := errors.AsType[*Error](err); ok && e.Class() == Stop {
		if !strings.EqualFold(e.Code, CodeInvalidGrant) {
			open = !begun.IsZero() // nothing was exchanged
			return err
		}
		// Another process whose lock had expired may have stored the next pair.
		if now, lerr := t.load(ctx); lerr == nil && now.access != "" && now.access != old.access {
			open = false
			return t.adopt(now)
		}
		if open = !begun.IsZero(); open {
			e.Description += fmt.Sprintf("; a refresh that began at %s was interrupted before its tokens were stored, and they are lost",
				begun.UTC().Format(time.RFC3339))
		}
	}
	if err != nil {
		return err
	}
	now, err := t.keep(firm, old, answer)
	if err != nil {
		return err
	}
	open = false
	t.barren.Add(1)
	t.log.Info("access token refreshed", "tokens", t.app.store.String())
	return t.adopt(now)
}

// keep stores the authorization server's answer. It is the only copy, so keep retries a
// failing store until patience is exhausted, even if the caller has stopped. The second
// signal ends that too.
func (t *tokens) keep(ctx context.Context, old, answer *pair) (*pair, error) {
	var doc []byte
	if old != nil {
		doc = old.doc
	}
	doc = mergePair(doc, answer.doc)
	p := newPatience(t.patience)
	for {
		start := time.Now()
		err := t.app.store.Save(ctx, doc)
		if err == nil {
			break
		}
		p.spend(time.Since(start))
		t.log.Error("the new tokens cannot be stored: trying again, since the old ones are void", "tokens", t.app.store.String(), "error", err)
		if perr := p.pause(ctx, err); perr != nil {
			return nil, t.failure(CodeTokensLost, fmt.Sprintf("the new tokens could not be stored in %s, and the old ones are void: %v", t.app.store, err))
		}
	}
	return decodePair(doc)
}

// exchange gets the first pair for a code, and stores it.
func (t *tokens) exchange(ctx context.Context, code Secret) error {
	begun, err := t.lock(ctx)
	if err != nil {
		return err
	}
	open := !begun.IsZero()
	firm := context.WithoutCancel(ctx)
	defer func() {
		if uerr := t.unlock(firm, open); uerr != nil && err == nil {
			t.log.Warn("the lock of the tokens was not given back", "error", uerr)
		}
	}()
	old, _ := t.load(ctx) // only for its other members
	p := newPatience(t.patience)
	for {
		start := time.Now()
		answer, err := t.ask(firm, t.app.server, url.Values{"grant_type": {"authorization_code"}, "code": {code.Reveal()}})
		if err == nil {
			if err := t.fits(answer); err != nil {
				return err
			}
			if _, err = t.keep(firm, old, answer); err == nil {
				open = false
			}
			return err
		}
		p.spend(time.Since(start))
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Class() == Stop {
			if ok && strings.EqualFold(e.Code, CodeInvalidGrant) {
				return t.failure(CodeBadCode, "the authorization server does not take the code: "+e.Description)
			}
			return err
		}
		if perr := p.pause(ctx, e); perr != nil {
			return perr
		}
	}
}

// lock takes the store's lock. It waits for it until patience is exhausted.
func (t *tokens) lock(ctx context.Context) (begun time.Time, err error) {
	waiting, cancel := context.WithTimeout(ctx, t.patience)
	defer cancel()
	begun, err = t.app.store.Lock(waiting)
	switch {
	case err == nil:
		return begun, nil
	case ctx.Err() != nil:
		return begun, context.Cause(ctx)
	case waiting.Err() != nil:
		return begun, exhausted(t.patience, fmt.Errorf("another process holds the lock of the tokens in %s", t.app.store))
	}
	return begun, t.broken("lock the tokens", err)
}

func (t *tokens) unlock(ctx context.Context, open bool) error {
	if err := t.app.store.Unlock(ctx, open); err != nil {
		return t.broken("give back the lock of the tokens", err)
	}
	return nil
}

// load reads the stored pair.
func (t *tokens) load(ctx context.Context) (*pair, error) {
	t.hide(*t.app.secret)
	doc, err := t.app.store.Load(ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, t.failure(CodeNoTokens, t.app.store.String()+" does not exist")
	case err != nil:
		return nil, t.broken("read the tokens", err)
	}
	p, err := decodePair(doc)
	if err != nil {
		return nil, t.failure(CodeBadTokens, t.app.store.String()+" "+err.Error())
	}
	t.hide(p.access, p.refresh)
	return p, nil
}

// broken returns the error of a store. Problems that a person must fix are a Stop. All
// other errors come from the storage itself.
func (t *tokens) broken(doing string, err error) error {
	if m, ok := errors.AsType[*StoreProblem](err); ok {
		return t.failure(CodeBadTokens, m.Error())
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// StoreProblem is the error of a TokenStore that a person must fix: rights, links, a
// missing folder. Its text names the place.
type StoreProblem struct{ Text string }

func (e *StoreProblem) Error() string { return e.Text }

// adopt uses a stored pair, if it is for this portal.
func (t *tokens) adopt(p *pair) error {
	if err := t.fits(p); err != nil {
		return err
	}
	t.current.Store(p)
	return nil
}

// fits reports whether a pair is for the application's portal. A renamed portal returns
// its new address. The old address is redirected there, as for a webhook, so the client
// calls the job's address.
func (t *tokens) fits(p *pair) error {
	if p.endpoint == "" {
		return nil
	}
	u, err := url.Parse(p.endpoint)
	own, _ := url.Parse(t.app.scheme + "://" + t.app.host)
	// An endpoint without a host proves nothing.
	if err == nil && u.Hostname() != "" && !sameSite(own.Hostname(), u.Hostname()) {
		return t.failure(CodeBadTokens, fmt.Sprintf("%s has tokens of the portal %s, the job says %s", t.app.store, oneLine(u.Host, t), t.app.host))
	}
	return nil
}

// TokenMethod replaces a method in errors of the authorization server and of the store
// of tokens.
const TokenMethod = "oauth/token"

func (t *tokens) failure(code, description string) *Error {
	return &Error{Code: code, Description: description, Method: TokenMethod, where: atServer, app: true}
}

// hide adds secrets that redact removes.
func (t *tokens) hide(secrets ...Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
next:
	for _, s := range secrets {
		for _, known := range t.hidden {
			if *known == s {
				continue next
			}
		}
		if s != "" {
			t.hidden = append(t.hidden, &s)
		}
	}
	if extra := len(t.hidden) - keptHidden; extra > 0 {
		t.hidden = append(t.hidden[:1:1], t.hidden[1+extra:]...) // the first one is the client secret
	}
}

// redact returns text without any of the secrets.
func (t *tokens) redact(text string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.hidden {
		text = s.redact(text)
	}
	return text
}
