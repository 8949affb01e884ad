package bitrix

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// ErrPatience is wrapped, together with the last cause, by the error of a call that
// ended because a temporary problem lasted longer than Options.Patience. The same call
// may succeed later.
var ErrPatience = errors.New("gave up waiting")

// Error is the portal's error, or an answer that cannot be read. Its texts never
// contain a secret.
type Error struct {
	// Code is one of the constants, or another one of the portal's. Numeric codes are
	// written in digits, and "" is a code too.
	Code string
	// Description is the portal's text, bounded in length.
	Description string
	// Status is the HTTP status, 0 if there was no answer. For a command it is the
	// status of the batch.
	Status int
	// Method is the method that was called.
	Method string
	// Key is the key of the command in a batch.
	Key string

	where place
	size  int64 // of an answer that is too large, 0 if it is not known
	app   bool  // the caller was an application
	// right reports whether one method was refused because a right is missing, and not
	// all of REST because of the plan: another method answers.
	right bool
}

// errorOf returns the *Error in err, the error of a call under ctx, or nil. If ctx has
// ended it returns nil: err may then be ctx's cause, which may be the Error of another
// call. The class of that error does not apply to this call.
func errorOf(ctx context.Context, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && ctx.Err() == nil {
		return e
	}
	return nil
}

// Class returns the meaning of the error. It is Reject for a code that is not in the
// table; such a call has already been retried.
func (e *Error) Class() Class {
	if e.right {
		return Reject
	}
	r, _ := ruleFor(e.Code, e.where, e.Status)
	return r.class
}

// MayPass reports whether the error is a temporary error of the database: a deadlock, a
// lock timeout, a lost connection. Servers report these with codes that also mean "not
// found" and "no access". The call has already been retried with pauses.
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
	return text == "error" // the text of "other errors (fatal)", as recorded
}

// known reports whether the table has the error's code.
func (e *Error) known() bool {
	_, known := ruleFor(e.Code, e.where, e.Status)
	return known
}

// seldomPasses reports whether the error may be temporary, but nobody should wait long
// if it is not. Its code is not in the table, or a gate in front of the portal may have
// written the answer: one that is too large, or a page with 401, 403 or 404.
func (e *Error) seldomPasses() bool {
	return !e.known() || (e.Code == CodeTooLarge || e.Code == CodeBadAnswer) && e.Class() == Stop || e.MayPass()
}

// attempts returns how often a call with an error that seldom passes is tried.
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

// Application reports whether the caller was an application. Otherwise it had a
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

// descriptionLimit bounds the length of a description.
const descriptionLimit = 400

// oneLine makes a foreign text safe for a log line: without secrets, without control
// characters, and bounded.
func oneLine(text string, secrets redactor) string {
	text = strings.Join(strings.FieldsFunc(secrets.redact(text), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(text) > descriptionLimit {
		text = strings.ToValidUTF8(text[:descriptionLimit], "") + "…"
	}
	return text
}
