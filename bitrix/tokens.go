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

// tokens are a client's access token and the way to the next one. All requests of the
// client share them: whoever is refused first asks for the next, the others wait for
// it.
//
// A pair is exchanged for the next one in this order, each attempt again:
//
//  1. Take the store's lock; read the pair. If another process has exchanged it
//     already, that is all.
//  2. Begin: note durably that it is about to be exchanged.
//  3. Ask the authorization server. From its answer on, the old pair is void.
//  4. Save the new pair durably, which ends the note.
//  5. Use it.
//
// Died between 3 and 4, the new pair is lost, and nothing can get it back: the next
// run's refresh is refused, and the note of 2 shows why. Died elsewhere, the next run
// finds the one pair or the other, and continues.
type tokens struct {
	app       *Application
	transport http.RoundTripper
	patience  time.Duration
	agent     string
	log       *slog.Logger

	// turn is held by whoever reads or exchanges the pair.
	turn    chan struct{}
	current atomic.Pointer[pair]
	// failures counts exchanges that have failed, so that those who waited for
	// one take its error for their own; failed is the last, and belongs to turn.
	failures atomic.Int64
	failed   error
	// barren counts new tokens since the portal has accepted one.
	barren atomic.Int64

	mu     sync.Mutex
	hidden []*Secret // what redact takes out; pointers: see Secret
}

// manyBarren new tokens in a row that the portal refuses are no matter of time.
const manyBarren = 4

// keptHidden bounds hidden: a text that quotes a token older than that quotes
// what is void.
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

// renewFor is renew for a call, whose patience it leaves alone: it has one of
// its own.
func (t *tokens) renewFor(ctx context.Context, x *exchange, refused Secret, refresh bool) error {
	start := time.Now()
	defer func() { x.waited += time.Since(start) }()
	return t.renew(ctx, refused, refresh)
}

// errNoNewer says that the store has no other token than the refused one.
var errNoNewer = errors.New("no newer token is stored")

// renew makes current another pair than that of the refused token, unless it is
// another one already. If there is none in the store and refresh is true, the
// authorization server is asked.
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

// replace repeats attempts for as long as patience lasts.
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

// attempt goes through the steps once.
func (t *tokens) attempt(ctx context.Context, refused Secret, refresh bool) (err error) {
	begun, err := t.lock(ctx)
	if err != nil {
		return err
	}
	open := !begun.IsZero() // whether an exchange's end is unknown
	// Whatever the caller does, a pair that was given must be stored.
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
		// Whoever had a lock on it that ran out may have stored the next pair.
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

// keep stores what the authorization server has given. It is the only copy, so
// that a store that fails is tried again for as long as patience lasts, whatever
// the caller does; the second signal ends that too.
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
	old, _ := t.load(ctx) // only for what else is in it
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

// lock takes the store's lock, and waits for it for as long as patience lasts.
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

// broken is the error of a store. What a person has to fix there is a Stop; all else is
// the storage's own.
func (t *tokens) broken(doing string, err error) error {
	if m, ok := errors.AsType[*StoreProblem](err); ok {
		return t.failure(CodeBadTokens, m.Error())
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// StoreProblem is the error of a TokenStore for what a person has to fix: rights,
// links, a folder that is not there. Its text names the place.
type StoreProblem struct{ Text string }

func (e *StoreProblem) Error() string { return e.Text }

// adopt makes a stored pair the one to use, if it is this portal's.
func (t *tokens) adopt(p *pair) error {
	if err := t.fits(p); err != nil {
		return err
	}
	t.current.Store(p)
	return nil
}

// fits reports whether a pair is one of the application's portal. A portal that was
// renamed returns its new address; then the old one still leads there, as for a
// webhook, so that the job's address is the one that is called.
func (t *tokens) fits(p *pair) error {
	if p.endpoint == "" {
		return nil
	}
	u, err := url.Parse(p.endpoint)
	own, _ := url.Parse(t.app.scheme + "://" + t.app.host)
	// An endpoint without a host says nothing.
	if err == nil && u.Hostname() != "" && !sameSite(own.Hostname(), u.Hostname()) {
		return t.failure(CodeBadTokens, fmt.Sprintf("%s has tokens of the portal %s, the job says %s", t.app.store, oneLine(u.Host, t), t.app.host))
	}
	return nil
}

// TokenMethod is what stands for a method in errors of the authorization server
// and of the store of tokens.
const TokenMethod = "oauth/token"

func (t *tokens) failure(code, description string) *Error {
	return &Error{Code: code, Description: description, Method: TokenMethod, where: atServer, app: true}
}

// hide adds to what redact takes out.
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
