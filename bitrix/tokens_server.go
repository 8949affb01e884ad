package bitrix

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// serverTimeout bounds a request to the authorization server. A client that stops may
// wait this long for the new pair.
const serverTimeout = 30 * time.Second

// vendorServers lists the hosts of the vendor's authorization servers: those that
// public documentation and the code of public clients name in 2026. If a region's
// server is not in the list, the default server is used instead.
var vendorServers = []string{"oauth.bitrix.info", "oauth.bitrix24.tech"}

// serverOf returns the authorization server that refreshes a pair. Answers name the
// region's own server. serverOf accepts it only if it is the vendor's, and only instead
// of the default server: another server is the job's choice. A store or an answer can
// therefore not direct the client secret to anybody else.
func (t *tokens) serverOf(p *pair) string {
	u, err := url.Parse(p.server)
	if err != nil || t.app.server != DefaultServer || u.Scheme != "https" || u.User != nil {
		return t.app.server
	}
	host := strings.ToLower(u.Host) // with a port, if there is one: the vendor's have none
	if !slices.Contains(vendorServers, host) {
		return t.app.server
	}
	return "https://" + host
}

// ask sends one request to an authorization server: the job's, or the result of
// serverOf. Only these receive the client secret.
func (t *tokens) ask(ctx context.Context, server string, form url.Values) (*pair, error) {
	form.Set("client_id", t.app.id)
	form.Set("client_secret", t.app.secret.Reveal())
	timed, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	a, err := post(timed, t.transport, server+"/oauth/token/", "application/x-www-form-urlencoded", []byte(form.Encode()), t.agent, bodyLimit{most: largeBody})
	if isCertificate(err) {
		return nil, t.failure(CodeCertificate, oneLine(err.Error(), t))
	}
	if err != nil {
		return nil, t.failure(CodeNoAnswer, oneLine(err.Error(), t))
	}
	if a.location != "" {
		return nil, t.failure(CodeForeignRedirect, "the authorization server sends elsewhere, where the client secret must not go")
	}
	if e := t.refusal(a); e != nil {
		e.Status = a.status
		return nil, e
	}
	p, err := decodePair(a.body)
	if err == nil && p.access == "" {
		err = errors.New("has no access_token")
	}
	if err != nil {
		e := t.failure(CodeBadAnswer, "the authorization server's answer "+err.Error())
		e.Status = a.status
		return nil, e
	}
	t.hide(p.access, p.refresh)
	return p, nil
}

// refusal returns the authorization server's error, nil if the answer is none.
func (t *tokens) refusal(a *answer) *Error {
	body := bytes.TrimSpace(a.body)
	var code, text string
	if len(body) > 0 && body[0] == '{' {
		rawCode, rawText, err := errorMembers(body)
		if err == nil && rawCode != nil && !isAbsent(rawCode) {
			code, text = oneLine(scalar(rawCode), t), oneLine(scalar(rawText), t)
		}
	}
	switch {
	case code == "" && a.status < 300:
		return nil
	case code == "":
		return t.failure(CodeBadAnswer, "the authorization server's answer is neither tokens nor an error")
	}
	e := t.failure(code, text)
	if !e.known() && (a.status >= 500 || a.status == http.StatusTooManyRequests) {
		e.Code, e.Description = CodeBadAnswer, strings.TrimSuffix(code+": "+text, ": ")
	}
	return e
}
