package bitrixtest

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// tokens are the access and refresh tokens of the only application. They are safe for
// concurrent use.
type tokens struct {
	mu      sync.Mutex
	given   uint64 // pairs and codes issued; seeds new ones
	refresh string // the valid one
	access  map[string]*accessToken
	current string // access token issued last
	codes   map[string]bool
}

type accessToken struct {
	expires time.Time
	uses    int
	refused bool // its bearer has received expired_token
}

// start sets the first refresh token.
func (t *tokens) start(c *config) {
	t.refresh = c.OAuth.Refresh
	fill(&t.refresh, secretText(newDice(c.Seed, saltToken), 0, 40))
	t.access = map[string]*accessToken{}
	t.codes = map[string]bool{}
}

// RefreshToken returns the application's current refresh token. Each use of it
// invalidates it and creates another.
func (p *Portal) RefreshToken() string {
	p.tokens.mu.Lock()
	defer p.tokens.mu.Unlock()
	return p.tokens.refresh
}

// AuthCode returns a code that can be exchanged once for the first pair of tokens, like
// the code that an administrator gets when approving the application.
func (p *Portal) AuthCode() string {
	t := &p.tokens
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given++
	code := secretText(newDice(p.config().Seed, saltToken), t.given<<2|3, 40)
	t.codes[code] = true
	return code
}

// ExpireTokens makes all access tokens expire now.
func (p *Portal) ExpireTokens() {
	p.tokens.mu.Lock()
	defer p.tokens.mu.Unlock()
	for _, token := range p.tokens.access {
		token.expires = time.Time{}
	}
}

// check returns an error if an access token is not valid at now, and counts its use.
func (t *tokens) check(c *config, text string, now time.Time) *apiError {
	t.mu.Lock()
	defer t.mu.Unlock()
	token := t.access[text]
	switch {
	case text == "":
		return errNoAuth
	case token == nil:
		return errTokenUnknown
	case !now.Before(token.expires) || c.OAuth.ExpireAfter > 0 && token.uses >= c.OAuth.ExpireAfter:
		token.refused = true
		return errTokenExpired
	}
	token.uses++
	return nil
}

// manyTokens bounds the number of remembered expired tokens.
const manyTokens = 1000

// issue creates a new pair, which invalidates the previous refresh token.
func (t *tokens) issue(c *config, now time.Time) (access, refresh string, expires time.Time) {
	if len(t.access) >= manyTokens {
		clear(t.access)
	}
	t.given++
	d := newDice(c.Seed, saltToken)
	access, refresh = secretText(d, t.given<<2|1, 40), secretText(d, t.given<<2|2, 40)
	expires = now.Add(c.life)
	t.access[access] = &accessToken{expires: expires}
	t.current, t.refresh = access, refresh
	return access, refresh, expires
}

// TokenMethod replaces a method in a Fault of the authorization server.
const TokenMethod = "oauth/token"

func isTokenPath(path string) bool { return strings.TrimSuffix(path, "/") == "/oauth/token" }

// tellExpired records that the bearer of the request's token received expired_token.
func (x *exchange) tellExpired() {
	t := &x.p.tokens
	t.mu.Lock()
	defer t.mu.Unlock()
	if token := t.access[x.args.param("auth").text]; token != nil {
		token.refused = true
	}
}

// oauthAuthorize answers the page where an administrator approves the application, as
// if one had approved it at once: it redirects to the application with a code.
func (x *exchange) oauthAuthorize() *answer {
	query := parseQuery(x.in.query)
	id, state := query.param("client_id").text, query.param("state").text
	if x.c.OAuth.ClientID == "" || id != x.c.OAuth.ClientID {
		return htmlAnswer(http.StatusNotFound)
	}
	back := url.Values{"code": {x.p.AuthCode()}, "state": {state}, "domain": {x.in.host}}
	return &answer{status: http.StatusFound, content: "text/html", location: "https://app.example/?" + back.Encode(), whole: true}
}

var (
	errInvalidClient  = &apiError{401, "invalid_client", false, "Client credentials are not valid"}
	errInvalidRequest = &apiError{400, "invalid_request", false, "Required parameters are missing"}
	errInvalidGrant   = &apiError{400, "invalid_grant", false, "Invalid refresh token or code"}
)

// oauthToken implements the authorization server's /oauth/token/.
func (x *exchange) oauthToken() *answer {
	x.args = x.params()
	arg := func(name string) string { return x.args.param(name).text }
	c, t := x.c, &x.p.tokens
	grant := arg("grant_type")
	switch {
	case arg("client_id") == "" || arg("client_secret") == "" || grant == "":
		return x.fail(errInvalidRequest)
	case c.OAuth.ClientID == "" || arg("client_id") != c.OAuth.ClientID || arg("client_secret") != c.OAuth.ClientSecret:
		return x.fail(errInvalidClient)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch grant {
	case "refresh_token":
		if arg("refresh_token") != t.refresh {
			return x.fail(errInvalidGrant)
		}
		if now := t.access[t.current]; now != nil && !now.refused && x.now.Before(now.expires) {
			x.p.rules.broken(x, "tokens were refreshed without an expired_token before")
		}
	case "authorization_code":
		if code := arg("code"); !t.codes[code] {
			return x.fail(errInvalidGrant)
		}
		delete(t.codes, arg("code"))
	default:
		return x.fail(errInvalidRequest)
	}
	x.p.stats.refreshes.Add(1)
	access, refresh, expires := t.issue(c, x.now)
	endpoint := c.OAuth.Endpoint
	if endpoint == "" {
		scheme := "http"
		if x.in.secure {
			scheme = "https"
		}
		endpoint = scheme + "://" + x.in.host + "/rest/"
	}
	b := append([]byte(nil), `{"access_token":`...)
	b = appendString(b, access)
	b = append(b, `,"expires":`...)
	b = appendNumber(b, expires.Unix())
	b = append(b, `,"expires_in":`...)
	b = appendNumber(b, int64(c.life/time.Second))
	b = append(b, `,"scope":`...)
	b = appendString(b, strings.Join(c.Rights.Scopes, ","))
	b = append(b, `,"domain":"oauth.bitrix.info","server_endpoint":`...)
	server := c.OAuth.ServerEndpoint
	fill(&server, "https://oauth.bitrix.info/rest/")
	b = appendString(b, server)
	b = append(b, `,"status":"L","client_endpoint":`...)
	b = appendString(b, endpoint)
	b = append(b, `,"member_id":"0123456789abcdef0123456789abcdef","user_id":`...)
	b = appendNumber(b, int64(c.User))
	b = append(b, `,"refresh_token":`...)
	b = appendString(b, refresh)
	b = append(b, '}')
	return &answer{status: http.StatusOK, content: jsonType, body: b, whole: true}
}
