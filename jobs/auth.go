package jobs

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/sinks/address"
)

// Authorization obtains the first tokens of one OAuth portal. A person opens URL and
// approves the application. The browser is then redirected to an address, which the
// person pastes and the caller passes to Finish.
type Authorization struct {
	Portal string
	// URL is the page to open. It contains no secret.
	URL string
	// Where names the place where the tokens are stored.
	Where string

	spec   *jobfile.Spec
	portal *jobfile.PortalSpec
	app    *bitrix.Application
	state  string
	opts   RunOptions
}

// Authorized is the result of an authorization.
type Authorized struct {
	Portal string `json:"portal"`
	Tokens string `json:"tokens"`
	// Scopes are the scopes that the tokens grant.
	Scopes []string `json:"scopes"`
}

// Authorizations starts the authorization of each of the job's OAuth portals, or of the
// portals that opts names. It first checks that their tokens can be stored, so that
// nobody approves an application in vain.
func Authorizations(ctx context.Context, spec *jobfile.Spec, opts *RunOptions) ([]*Authorization, error) {
	o := opts.withDefaults()
	portals, err := o.portals(spec)
	if err != nil {
		return nil, err
	}
	var ways []*Authorization
	for _, p := range portals {
		if p.OAuth == nil {
			if len(o.Only) > 0 {
				return nil, &UsageError{Text: fmt.Sprintf("the portal %q has a webhook, and needs no tokens", p.Name)}
			}
			continue
		}
		app, err := applicationOf(ctx, spec, p, o.Log)
		if err != nil {
			return nil, err
		}
		if err := app.CheckStore(ctx); err != nil {
			return nil, err
		}
		w := &Authorization{Portal: p.Name, Where: address.Bare(p.OAuth.Tokens.Reveal()), spec: spec, portal: p, app: app, state: rand.Text(), opts: o}
		w.URL = app.AuthorizeURL(w.state)
		ways = append(ways, w)
	}
	if len(ways) == 0 {
		return nil, &UsageError{Text: "the job has no portal with oauth: webhooks need no tokens"}
	}
	return ways, nil
}

// Finish accepts the text that the person pasted: the code, or the whole address that
// the browser was sent to. It sends the code to the authorization server, stores the
// tokens that the server returns, and tries them.
func (w *Authorization) Finish(ctx context.Context, pasted bitrix.Secret) (*Authorized, error) {
	code, err := w.codeOf(pasted)
	if err != nil {
		return nil, err
	}
	opts := clientOptions(w.spec, w.portal, &w.opts, w.opts.Log.With("portal", w.Portal))
	if err := w.app.Exchange(ctx, code, opts); err != nil {
		return nil, err
	}
	client := bitrix.New(w.app, opts)
	defer client.Close()
	answer, err := client.Call(ctx, bitrix.MethodScope, nil)
	if err != nil {
		return nil, fmt.Errorf("the tokens are stored in %s, but the portal does not accept them: %w", w.Where, err)
	}
	scopes, err := textsOf(answer.Value)
	if err != nil {
		return nil, fmt.Errorf("the tokens are stored in %s; scope: %w", w.Where, err)
	}
	slices.Sort(scopes)
	return &Authorized{Portal: w.Portal, Tokens: w.Where, Scopes: scopes}, nil
}

// codeOf extracts the code, and compares the address with the request.
func (w *Authorization) codeOf(pasted bitrix.Secret) (bitrix.Secret, error) {
	text := strings.TrimSpace(pasted.Reveal())
	if !strings.Contains(text, "code=") && !strings.Contains(text, "error=") {
		if text == "" || len(text) > 512 || strings.ContainsAny(text, " \t/?&=") {
			return "", &UsageError{Text: "neither a code nor an address with one: paste the whole address that the browser was sent to"}
		}
		return bitrix.Secret(text), nil
	}
	_, query, isURL := strings.Cut(text, "?")
	if !isURL {
		query = text
	}
	query, _, _ = strings.Cut(query, "#")
	values, err := url.ParseQuery(query) // the error of ParseQuery quotes the address
	if err != nil {
		return "", &UsageError{Text: "the address cannot be read: paste it whole, as the browser shows it"}
	}
	switch code, state := values.Get("code"), values.Get("state"); {
	case values.Get("error") != "":
		return "", errors.New("the portal has not approved the application: " + printableError(values))
	case code == "":
		return "", &UsageError{Text: "the address has no code"}
	case subtle.ConstantTimeCompare([]byte(state), []byte(w.state)) != 1:
		return "", &UsageError{Text: "the address belongs to another attempt (its state is another one): open the address above, and paste its result"}
	default:
		return bitrix.Secret(code), nil
	}
}

// printableError returns the error that the portal's page reports, as one line.
func printableError(values url.Values) string {
	text := values.Get("error")
	if more := values.Get("error_description"); more != "" {
		text += ": " + more
	}
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), 200)]
}
