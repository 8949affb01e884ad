package bitrix_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
)

const (
	appID     = "local.1"
	appSecret = "markedclientsecret"
	appPortal = "https://acme.bitrix24.com"
	appServer = "https://oauth.bitrix.info"
)

// memoryTokens is a TokenStore that several clients may share, and whose effects a test
// can prevent.
type memoryTokens struct {
	doc   *[]byte
	begun *time.Time
	turn  chan struct{}
	// effect, if set, is called before each change. It decides whether the change
	// happens, and returns what the caller receives.
	effect func(name string) (apply bool, err error)
	saves  int
}

func newMemoryTokens(doc string) *memoryTokens {
	data := []byte(doc)
	return &memoryTokens{doc: &data, begun: new(time.Time), turn: make(chan struct{}, 1)}
}

func (m *memoryTokens) String() string { return "memory" }

func (m *memoryTokens) Load(context.Context) ([]byte, error) { return *m.doc, nil }

func (m *memoryTokens) change(name string, do func()) error {
	apply, err := true, error(nil)
	if m.effect != nil {
		apply, err = m.effect(name)
	}
	if apply {
		do()
	}
	return err
}

func (m *memoryTokens) Lock(ctx context.Context) (time.Time, error) {
	select {
	case m.turn <- struct{}{}:
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
	if err := m.change("lock", func() {}); err != nil {
		<-m.turn
		return time.Time{}, err
	}
	return *m.begun, nil
}

func (m *memoryTokens) Begin(context.Context) error {
	return m.change("begin", func() { *m.begun = time.Now() })
}

func (m *memoryTokens) Save(_ context.Context, doc []byte) error {
	return m.change("save", func() { *m.doc, *m.begun, m.saves = doc, time.Time{}, m.saves+1 })
}

func (m *memoryTokens) Unlock(_ context.Context, open bool) error {
	defer func() { <-m.turn }()
	return m.change("unlock", func() {
		if !open {
			*m.begun = time.Time{}
		}
	})
}

// appOptions returns the options of a portal with an application.
func appOptions(t *testing.T) bitrixtest.Options {
	return bitrixtest.Options{
		Seed: 1, Payments: 300, Strict: t, AllowRegets: true,
		OAuth: bitrixtest.OAuth{ClientID: appID, ClientSecret: appSecret, Endpoint: appPortal + "/rest/"},
	}
}

func application(t *testing.T, store bitrix.TokenStore) *bitrix.Application {
	t.Helper()
	app, err := bitrix.NewApplication(appPortal, appID, appSecret, appServer, store)
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func appClient(t *testing.T, p *bitrixtest.Portal, store bitrix.TokenStore, opts bitrix.Options) *bitrix.Client {
	t.Helper()
	if opts.Transport == nil {
		opts.Transport = p.RoundTripper()
	}
	c := bitrix.New(application(t, store), &opts)
	t.Cleanup(c.Close)
	return c
}

// firstTokens returns the initial content of a store.
func firstTokens(p *bitrixtest.Portal) string { return `{"refresh_token":"` + p.RefreshToken() + `"}` }

// storedRefresh returns the refresh token in a store.
func storedRefresh(t *testing.T, doc []byte) string {
	t.Helper()
	var pair struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(doc, &pair); err != nil {
		t.Fatal(err)
	}
	return pair.Refresh
}

// TestTokensExpire: with a token that is valid for 20 requests and 16 workers, every
// payment is fetched, each expiry costs one refresh, and each new pair is stored before
// it is used (the strict portal reports a needless refresh).
func TestTokensExpire(t *testing.T) {
	for _, single := range []bool{true, false} {
		t.Run(fmt.Sprintf("one by one %v", single), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := appOptions(t)
				o.OAuth.ExpireAfter, o.Latency, o.Jitter = 20, 80*time.Millisecond, 200*time.Millisecond
				p := bitrixtest.New(o)
				m := newMemoryTokens(firstTokens(p))
				c := appClient(t, p, m, bitrix.Options{Limits: bitrix.Limits{Concurrency: 16}, BatchNever: single,
					Transport: storedBeforeUse{t, p, m, new(sync.Map)}})
				var ids []int64
				for page, err := range c.Pages(t.Context(), bitrix.Listing{Method: "sale.payment.list", Items: "payments", IDField: "id", Select: []string{"id"}}, 0) {
					if err != nil {
						t.Fatal(err)
					}
					ids = append(ids, page.IDs...)
				}
				var all sync.WaitGroup
				next := make(chan int64)
				var mu sync.Mutex
				got := map[int64]bool{}
				for range 16 {
					all.Go(func() {
						for id := range next {
							results, err := c.Batch(t.Context(), []bitrix.Command{{Key: "p", Method: "crm.item.payment.get", Params: bitrix.Params{"id": id}}})
							if err != nil || results[0].Err != nil {
								t.Errorf("payment %d: %v", id, err)
								continue
							}
							mu.Lock()
							got[id] = true
							mu.Unlock()
						}
					})
				}
				for _, id := range ids {
					next <- id
				}
				close(next)
				all.Wait()
				s := p.Stats()
				if len(got) != 300 {
					t.Errorf("got %d payments, want 300", len(got))
				}
				// Each token serves 20 requests; the last one fewer.
				served := s.Requests - s.Refreshes // the others were refused, or answered
				if most := served/20 + 1; s.Refreshes > most || int64(m.saves) != s.Refreshes || s.Refreshes < 15 {
					t.Errorf("%d refreshes and %d saves for %d requests, want one for 20", s.Refreshes, m.saves, s.Requests)
				}
				if storedRefresh(t, *m.doc) != p.RefreshToken() {
					t.Error("the store has another refresh token than the portal")
				}
			})
		})
	}
}

// storedBeforeUse fails the test if a token is used that was not stored.
type storedBeforeUse struct {
	t      *testing.T
	p      *bitrixtest.Portal
	m      *memoryTokens
	stored *sync.Map // access tokens that were in the store
}

func (s storedBeforeUse) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if strings.HasPrefix(r.URL.Path, "/rest/") {
		var sent struct{ Auth string }
		var now struct {
			Access string `json:"access_token"`
		}
		if err := errors.Join(json.Unmarshal(body, &sent), json.Unmarshal(*s.m.doc, &now)); err != nil {
			s.t.Errorf("%s: %v", r.URL.Path, err)
		}
		s.stored.Store(now.Access, true)
		if _, ok := s.stored.Load(sent.Auth); !ok || sent.Auth == "" {
			s.t.Errorf("%s: a token that was never stored", r.URL.Path)
		}
		if strings.Contains(string(body), appSecret) || r.URL.RawQuery != "" {
			s.t.Errorf("%s: secrets where they must not be", r.URL.Path)
		}
	}
	return s.p.RoundTripper().RoundTrip(r)
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*bitrix.Error](err); ok {
		return e.Code
	}
	return ""
}

// TestStopAtEveryTokenEffect stops a refresh at each of the store's effects in turn, in
// four variants. Then another process continues. It works, or the error says precisely
// that the tokens were lost, and only if the authorization server has issued new ones.
func TestStopAtEveryTokenEffect(t *testing.T) {
	errStopped := errors.New("stopped")
	for _, variant := range []struct {
		name    string
		applied bool // the effect happens
		told    bool // the caller gets an error
		dead    bool // nothing after it happens
	}{
		{"not done", false, true, false},
		{"done but reported as failed", true, true, false},
		{"gone before it", false, true, true},
		{"gone after it", true, true, true},
	} {
		t.Run(variant.name, func(t *testing.T) {
			for k, stopped := 0, true; stopped; k++ {
				synctest.Test(t, func(t *testing.T) {
					o := appOptions(t)
					p := bitrixtest.New(o)
					m := newMemoryTokens(firstTokens(p))
					first := appClient(t, p, m, bitrix.Options{Patience: time.Minute})
					if _, err := first.Call(t.Context(), "profile", nil); err != nil {
						t.Fatal(err)
					}
					p.ExpireTokens()
					stopped = false
					n, dead, at := 0, false, ""
					m.effect = func(name string) (bool, error) {
						if dead {
							return false, errStopped
						}
						n++
						if n-1 != k {
							return true, nil
						}
						stopped, dead, at = true, variant.dead, name
						return variant.applied, errStopped
					}
					_, err := first.Call(t.Context(), "profile", nil)
					if strings.Contains(fmt.Sprint(err), appSecret) {
						t.Errorf("the secret is in %v", err)
					}
					m.effect = nil
					given := p.Stats().Refreshes > 1
					lost := given && storedRefresh(t, *m.doc) != p.RefreshToken()
					second := appClient(t, p, m, bitrix.Options{Patience: time.Minute})
					_, err = second.Call(t.Context(), "profile", nil)
					switch {
					case !lost && err != nil:
						t.Errorf("stopped at effect %d (%s): the next process: %v", k, at, err)
					case lost && (codeOf(err) != bitrix.CodeInvalidGrant || !strings.Contains(err.Error(), "interrupted before its tokens were stored")):
						t.Errorf("stopped at effect %d (%s): the next process is told: %v", k, at, err)
					case lost && !variant.dead:
						t.Errorf("stopped at effect %d (%s): a process that lives on lost its tokens", k, at)
					}
				})
				if t.Failed() || k > 20 {
					t.Fatalf("stopped at effect %d", k)
				}
			}
		})
	}
}

// TestSharedTokens: two clients with one file refresh only once.
func TestSharedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := appOptions(t)
		o.OAuth.ExpireAfter, o.Latency, o.Jitter = 10, 50*time.Millisecond, 100*time.Millisecond
		p := bitrixtest.New(o)
		name := filepath.Join(t.TempDir(), "tokens.json")
		if err := os.WriteFile(name, []byte(firstTokens(p)), 0o600); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 2 {
			c := appClient(t, p, bitrix.NewTokenFile(name), bitrix.Options{Limits: bitrix.Limits{Concurrency: 8}})
			for range 8 {
				all.Go(func() {
					for range 15 {
						if _, err := c.Call(t.Context(), "profile", nil); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
		}
		all.Wait()
		doc, err := os.ReadFile(name)
		if err != nil || storedRefresh(t, doc) != p.RefreshToken() {
			t.Errorf("the file has another refresh token than the portal (%v)", err)
		}
		if s := p.Stats(); s.Refreshes < 24 || s.Refreshes > 26 {
			t.Errorf("%d refreshes for 240 calls of 10 a token", s.Refreshes)
		}
	})
}

// TestTokenOfAnotherProcess: a token that the portal no longer knows, because another
// process has refreshed it, is replaced by the stored one, without a refresh. If the
// stored token is unknown too, the error is of class Stop.
func TestTokenOfAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := appOptions(t)
		p := bitrixtest.New(o)
		m := newMemoryTokens(firstTokens(p))
		c := appClient(t, p, m, bitrix.Options{})
		if _, err := c.Call(t.Context(), "profile", nil); err != nil {
			t.Fatal(err)
		}
		good := string(*m.doc)
		*m.doc = []byte(`{"access_token":"unknown.to.the.portal","refresh_token":"r"}`)
		other := appClient(t, p, m, bitrix.Options{})
		_, err := other.Call(t.Context(), "profile", nil)
		if e, ok := errors.AsType[*bitrix.Error](err); !ok || e.Code != bitrix.CodeInvalidToken || e.Class() != bitrix.Stop || e.AtServer() || !e.Application() {
			t.Errorf("an unknown token: %v", err)
		}
		*m.doc = []byte(good)
		if _, err := other.Call(t.Context(), "profile", nil); err != nil {
			t.Errorf("with what is stored by now: %v", err)
		}
		if n := p.Stats().Refreshes; n != 1 {
			t.Errorf("%d refreshes, want 1", n)
		}
	})
}

// TestAuthorizationServer checks the possible answers to a refresh.
func TestAuthorizationServer(t *testing.T) {
	token := func(f bitrixtest.Fault) []bitrixtest.Fault {
		f.Method = bitrixtest.TokenMethod
		return []bitrixtest.Fault{f}
	}
	says := func(code string, status int) []bitrixtest.Fault {
		return token(bitrixtest.Fault{Kind: bitrixtest.FaultError, Code: code, Status: status, Description: "so it is"})
	}
	for _, tt := range []struct {
		name   string
		faults []bitrixtest.Fault
		edit   func(*bitrixtest.Options)
		code   string // of the error; "" for none
		temp   bool   // patience is exhausted
		asked  int    // how often, at least
	}{
		{name: "tokens"},
		{name: "invalid_grant", faults: says("invalid_grant", 400), code: "invalid_grant"},
		{name: "invalid_client", faults: says("invalid_client", 401), code: "invalid_client"},
		{name: "invalid_request", faults: says("invalid_request", 400), code: "invalid_request"},
		{name: "insufficient_scope", faults: says("insufficient_scope", 403), code: "insufficient_scope"},
		{name: "invalid_scope", faults: says("invalid_scope", 400), code: "invalid_scope"},
		{name: "PAYMENT_REQUIRED", faults: says("PAYMENT_REQUIRED", 402), code: "PAYMENT_REQUIRED"},
		{name: "a code that nobody knows", faults: says("NOT_INSTALLED", 400), code: "NOT_INSTALLED"},
		{name: "the same, and then not", faults: token(bitrixtest.Fault{Kind: bitrixtest.FaultError, Code: "WHIM", Status: 400, Times: 2})},
		{name: "a stumble", faults: token(bitrixtest.Fault{Kind: bitrixtest.FaultError, Times: 4})},
		{name: "HTML for a while", faults: token(bitrixtest.Fault{Kind: bitrixtest.FaultHTML, Times: 4})},
		{name: "requests lost", faults: token(bitrixtest.Fault{Kind: bitrixtest.FaultLostRequest, Times: 3})},
		{name: "rate limit", faults: token(bitrixtest.Fault{Kind: bitrixtest.FaultError, Code: "QUERY_LIMIT_EXCEEDED", Times: 2})},
		{name: "HTML for ever", faults: token(bitrixtest.Fault{Kind: bitrixtest.FaultHTML}), code: "BAD_ANSWER", temp: true},
		{name: "gone", faults: token(bitrixtest.Fault{Kind: bitrixtest.FaultLostRequest}), code: "NO_ANSWER", temp: true},
		{name: "the answer is lost", faults: token(bitrixtest.Fault{Kind: bitrixtest.FaultLostAnswer, Times: 1}), code: "invalid_grant"},
		{name: "half an answer", faults: token(bitrixtest.Fault{Kind: bitrixtest.FaultTruncated, Times: 1}), code: "invalid_grant"},
		{name: "another portal's tokens", edit: func(o *bitrixtest.Options) { o.OAuth.Endpoint = "https://other.example/rest/" },
			code: "BAD_TOKENS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := appOptions(t)
				o.Faults = tt.faults
				if tt.edit != nil {
					tt.edit(&o)
				}
				p := bitrixtest.New(o)
				m := newMemoryTokens(firstTokens(p))
				c := appClient(t, p, m, bitrix.Options{Patience: 5 * time.Minute})
				start := time.Now()
				_, err := c.Call(t.Context(), "profile", nil)
				e, _ := errors.AsType[*bitrix.Error](err)
				switch {
				case tt.code == "":
					if err != nil {
						t.Error(err)
					}
				case e == nil || e.Code != tt.code || errors.Is(err, bitrix.ErrPatience) != tt.temp || !tt.temp && (e.Class() != bitrix.Stop || !e.AtServer()):
					t.Errorf("error %v, want %s about the tokens", err, tt.code)
				case tt.temp && time.Since(start) < 5*time.Minute:
					t.Errorf("gave up after %v", time.Since(start))
				}
				if strings.Contains(fmt.Sprint(err), appSecret) || strings.Contains(fmt.Sprint(err), storedRefresh(t, *m.doc)) {
					t.Errorf("a secret is in %v", err)
				}
			})
		})
	}
}

// TestPortalRefusesEveryToken: the call ends soon.
func TestPortalRefusesEveryToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := appOptions(t)
		o.Faults = []bitrixtest.Fault{{Kind: bitrixtest.FaultError, Code: "expired_token", Method: "profile"}}
		p := bitrixtest.New(o)
		c := appClient(t, p, newMemoryTokens(firstTokens(p)), bitrix.Options{})
		_, err := c.Call(t.Context(), "profile", nil)
		if codeOf(err) != bitrix.CodeTokenRefused || p.Stats().Refreshes > 5 {
			t.Errorf("%v after %d refreshes", err, p.Stats().Refreshes)
		}
	})
}

// TestTokenExpiresInsideABatch: only the commands that were refused because of the
// token are sent again, after one refresh.
func TestTokenExpiresInsideABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := appOptions(t)
		o.AllowRegets = false
		o.Faults = []bitrixtest.Fault{{Kind: bitrixtest.FaultCommand, Code: "expired_token", Places: []int{3, 4}, Times: 2}}
		p := bitrixtest.New(o)
		c := appClient(t, p, newMemoryTokens(firstTokens(p)), bitrix.Options{})
		var cmds []bitrix.Command
		for n := range int64(10) {
			cmds = append(cmds, bitrix.Command{Key: fmt.Sprint("p", n), Method: "crm.item.payment.get", Params: bitrix.Params{"id": p.ID(n)}})
		}
		results, err := c.Batch(t.Context(), cmds)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			want := 1
			if i == 3 || i == 4 {
				want = 2
			}
			if r.Err != nil || r.Attempts != want {
				t.Errorf("command %d: %v, %d attempts", i, r.Err, r.Attempts)
			}
		}
		if s := p.Stats(); s.Refreshes != 2 || s.Batches != 2 {
			t.Errorf("%d refreshes, %d batches", s.Refreshes, s.Batches)
		}
	})
}

// TestRenamedPortalOfAnApplication: the token is sent to the new host within the same
// domain.
func TestRenamedPortalOfAnApplication(t *testing.T) {
	for _, tt := range []struct{ to, code string }{
		{"https://newname.bitrix24.com", ""},
		{"https://acme.example", bitrix.CodeForeignRedirect},
	} {
		o := appOptions(t)
		o.MovedTo, o.OAuth.Endpoint = tt.to, ""
		if tt.code == "" {
			o.OAuth.Endpoint = tt.to + "/rest/"
		} else {
			o.OAuth.Endpoint = appPortal + "/rest/"
		}
		p := bitrixtest.New(o)
		c := appClient(t, p, newMemoryTokens(firstTokens(p)), bitrix.Options{})
		for range 2 {
			_, err := c.Call(t.Context(), "profile", nil)
			if codeOf(err) != tt.code || (err == nil) != (tt.code == "") {
				t.Errorf("to %s: %v", tt.to, err)
			}
			if e, ok := errors.AsType[*bitrix.Error](err); ok && (e.AtServer() || !e.Application()) {
				t.Errorf("error %v is about the tokens", e)
			}
		}
	}
}

// TestExchange: a code becomes tokens once. Other members of the store's document stay.
func TestExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := bitrixtest.New(appOptions(t))
		m := newMemoryTokens(`{"refresh_token":"old","note":"keep me"}`)
		app := application(t, m)
		code := bitrix.Secret(p.AuthCode())
		opts := &bitrix.Options{Transport: p.RoundTripper()}
		if err := app.Exchange(t.Context(), code, opts); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(*m.doc), `"note":"keep me"`) || storedRefresh(t, *m.doc) != p.RefreshToken() {
			t.Errorf("the store has %s", *m.doc)
		}
		err := app.Exchange(t.Context(), code, opts)
		if e, ok := errors.AsType[*bitrix.Error](err); !ok || e.Code != bitrix.CodeBadCode || e.Class() != bitrix.Stop || !e.AtServer() || strings.Contains(err.Error(), code.Reveal()) {
			t.Errorf("the code again: %v", err)
		}
		if _, err := bitrix.New(app, opts).Call(t.Context(), "profile", nil); err != nil {
			t.Errorf("the tokens do not work: %v", err)
		}
		if got := app.AuthorizeURL("a b"); got != appPortal+"/oauth/authorize/?client_id=local.1&state=a+b" {
			t.Errorf("page %s", got)
		}
	})
}
