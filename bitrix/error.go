package bitrix

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// ErrPatience is wrapped, along with the last cause, by the error of a call
// that was given up because something temporary lasted longer than
// Options.Patience. The same call may succeed later.
var ErrPatience = errors.New("gave up waiting")

// Error is what the portal said instead of a result, or what came instead of an answer.
// Its texts never have a secret.
type Error struct {
	// Code is one of the constants, or another one of the portal's; numbers
	// stand as their digits, and "" is a code too.
	Code string
	// Description is the portal's text, bounded in length.
	Description string
	// Status is the HTTP status, 0 if there was no answer; for a command of a
	// batch, that of the batch.
	Status int
	// Method is what was called.
	Method string
	// Key is the command's key, if it was one of a batch.
	Key string

	where place
	app   bool // the caller was an application
	// right is whether one method was refused for want of a right, and not all of
	// REST for want of a plan: another method answers.
	right bool
}

// errorOf returns the Error that err has as the answer to a call under ctx, or nil.
// When ctx has ended there is none: err may then be ctx's cause, which may be the Error
// of another call. Its class does not apply to this call.
func errorOf(ctx context.Context, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && ctx.Err() == nil {
		return e
	}
	return nil
}

// Class returns the meaning of the error. For a code that is not in the table it is
// Reject: by then the call was repeated.
func (e *Error) Class() Class {
	if e.right {
		return Reject
	}
	r, _ := ruleFor(e.Code, e.where, e.Status)
	return r.class
}

// MayPass reports whether the error is a temporary error of the database. Servers
// report those under codes that also mean "not found" and "not for you": a deadlock, a
// lock that was waited for too long, a connection lost. The call was repeated with
// pauses by then.
func (e *Error) MayPass() bool {
	switch {
	case e.where == atServer, !strings.EqualFold(e.Code, CodeCore) && e.Code != CodeZero && e.Code != CodeEmpty:
		return false
	}
	text := strings.ToLower(e.Description)
	for _, word := range [...]string{"sql", "deadlock", "lock wait", "query error", "gone away", "lost connection"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return text == "error" // of "other errors (fatal)", as it is recorded
}

// known reports whether the table has the error's code.
func (e *Error) known() bool {
	_, known := ruleFor(e.Code, e.where, e.Status)
	return known
}

// seldomPasses reports whether the error may pass, but nobody should wait long to
// see that it does not. It is in no table, or a gate before the portal may have
// written the answer: one that is too large, or a page with 401, 403 or 404.
func (e *Error) seldomPasses() bool {
	return !e.known() || (e.Code == CodeTooLarge || e.Code == CodeBadAnswer) && e.Class() == Stop || e.MayPass()
}

// attempts is how often what seldom passes is tried.
func (e *Error) attempts() int {
	switch {
	case e.Code == CodeTooLarge, e.MayPass():
		return largeAttempts
	case e.Code == CodeBadAnswer:
		return pageAttempts
	}
	return unknownAttempts
}

// AtServer reports whether the error is about tokens: the authorization server
// returned it, or the store of tokens failed.
func (e *Error) AtServer() bool { return e.where == atServer }

// Application reports whether the caller was an application. If not, it had a
// webhook.
func (e *Error) Application() bool { return e.app }

// Scope returns the scope that the method belongs to, such as sale.
func (e *Error) Scope() string {
	scope, _, _ := strings.Cut(e.Method, ".")
	return scope
}

// Error returns method, code, text and status on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Method)
	if e.Key != "" {
		fmt.Fprintf(&b, " (%s)", e.Key)
	}
	switch {
	case e.Code != "" && e.Description != "":
		fmt.Fprintf(&b, ": %s: %s", e.Code, e.Description)
	case e.Code != "" || e.Description != "":
		fmt.Fprintf(&b, ": %s%s", e.Code, e.Description)
	default:
		b.WriteString(": an error without code and text")
	}
	if e.Status != 0 && e.Status != 200 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	return b.String()
}

// LogValue returns the fields for slog.
func (e *Error) LogValue() slog.Value {
	return slog.GroupValue(slog.String("method", e.Method), slog.String("code", e.Code),
		slog.String("text", e.Description), slog.Int("status", e.Status))
}

// descriptionLimit bounds what is kept of a foreign text.
const descriptionLimit = 400

// oneLine makes a foreign text fit for a log line: without secrets, without
// control characters, and bounded.
func oneLine(text string, secrets redactor) string {
	text = strings.Join(strings.FieldsFunc(secrets.redact(text), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(text) > descriptionLimit {
		text = strings.ToValidUTF8(text[:descriptionLimit], "") + "…"
	}
	return text
}
