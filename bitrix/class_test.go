package bitrix

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestClasses checks the class table row by row, by what the portal sends and where.
func TestClasses(t *testing.T) {
	for _, tt := range []struct {
		code                 string
		status               int
		call, batch, command Class
	}{
		{"INTERNAL_SERVER_ERROR", 500, Retry, Retry, Retry},
		{"ERROR_UNEXPECTED_ANSWER", 500, Retry, Retry, Retry},
		{"NO_ANSWER", 0, Retry, Retry, Retry},
		{"BAD_ANSWER", 200, Retry, Retry, Retry},
		{"BAD_ANSWER", 502, Retry, Retry, Retry},
		{"NO_RESULT", 200, Retry, Retry, Retry},
		{"TIMEOUT", 504, Retry, SmallerBatch, Retry},
		{"ANSWER_TOO_LARGE", 200, Stop, SmallerBatch, Stop},
		{"QUERY_LIMIT_EXCEEDED", 503, SlowDown, SlowDown, SlowDown},
		{"query_limit_exceeded", 200, SlowDown, SlowDown, SlowDown},
		{"OPERATION_TIME_LIMIT", 429, WaitBudget, WaitBudget, WaitBudget},
		{"ERROR_BATCH_METHOD_NOT_ALLOWED", 405, CallSingly, CallSingly, CallSingly},
		{"ERROR_BATCH_LENGTH_EXCEEDED", 400, SmallerBatch, SmallerBatch, SmallerBatch},
		{"expired_token", 401, Refresh, Refresh, Refresh},
		{"EXPIRED_TOKEN", 401, Refresh, Refresh, Refresh},
		{"NO_AUTH_FOUND", 401, Stop, Stop, Stop},
		{"invalid_token", 401, Stop, Stop, Stop},
		{"INVALID_REQUEST", 400, Stop, Stop, Stop},
		{"OVERLOAD_LIMIT", 503, Stop, Stop, Stop},
		{"ACCESS_DENIED", 403, Stop, Stop, Reject},
		{"INVALID_CREDENTIALS", 403, Stop, Stop, Stop},
		{"insufficient_scope", 403, Stop, Stop, Stop},
		{"user_access_error", 403, Stop, Stop, Stop},
		{"200040300010", 400, Stop, Stop, Stop},
		{"ERROR_METHOD_NOT_FOUND", 404, Stop, Stop, Stop},
		{"ERROR_MANIFEST_IS_NOT_AVAILABLE", 404, Stop, Stop, Stop},
		{"PORTAL_DELETED", 500, Stop, Stop, Stop},
		{"FOREIGN_REDIRECT", 302, Stop, Stop, Stop},
		{"100", 400, Stop, Stop, Stop},
		{"ACCESS_DENIED", 400, Reject, Reject, Reject},
		{"0", 400, Reject, Reject, Reject},
		{"", 400, Reject, Reject, Reject},
		{"ERROR_CORE", 400, Reject, Reject, Reject},
		{"NOT_FOUND", 400, Reject, Reject, Reject},
		{"ERROR_NOT_FOUND", 400, Reject, Reject, Reject},
		{"SOMETHING_NEW", 400, Reject, Reject, Reject},
	} {
		t.Run(fmt.Sprintf("%q %d", tt.code, tt.status), func(t *testing.T) {
			for where, want := range map[place]Class{inCall: tt.call, inBatch: tt.batch, inCommand: tt.command} {
				e := &Error{Code: tt.code, Status: tt.status, Method: "sale.payment.list", where: where}
				if got := e.Class(); got != want {
					t.Errorf("in a %s: %v, want %v", where, got, want)
				}
			}
		})
	}
}

// TestUnknownCodes: a code that is not about one payment, or not in the table, counts
// as unknown, and the call is retried before the error counts.
func TestUnknownCodes(t *testing.T) {
	for _, tt := range []struct {
		code  string
		where place
		known bool
	}{
		{"SOMETHING_NEW", inCall, false},
		{"SOMETHING_NEW", inCommand, false},
		{"", inBatch, false},
		{"0", inBatch, false},
		{"", inCommand, true},
		{"0", inCall, true},
	} {
		if e := (&Error{Code: tt.code, where: tt.where}); e.known() != tt.known {
			t.Errorf("code %q in a %s: known is %v", tt.code, tt.where, e.known())
		}
	}
}

// The errors of Stopping need a person, and each such row of the table is among them.
func TestStopping(t *testing.T) {
	rows := 0
	for _, r := range rules {
		if r.class == Stop || r.class == Refresh {
			rows++
		}
	}
	errs := Stopping(true)
	if len(errs) != rows+1 {
		t.Errorf("%d errors for %d rows and an unknown code", len(errs), rows)
	}
	for _, e := range errs {
		if c := e.Class(); c != Stop && c != Refresh || !e.Application() {
			t.Errorf("%s in %s: class %v, application %t", e.Code, e.where, c, e.Application())
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		e    Error
		want string
	}{
		{Error{Code: "0", Description: "Access denied", Method: "m.get", Key: "p7", Status: 200}, "m.get (p7): 0: Access denied"},
		{Error{Code: "NO_AUTH_FOUND", Method: "m.get", Status: 401}, "m.get: NO_AUTH_FOUND (HTTP 401)"},
		{Error{Description: "so it is", Method: "m.get"}, "m.get: so it is"},
		{Error{Method: "m.get"}, "m.get: an error without code and text"},
	} {
		if got := tt.e.Error(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if !errors.Is(exhausted(0, &tt0), ErrPatience) {
		t.Error("what ran out of patience does not say so")
	}
	if e, ok := errors.AsType[*Error](exhausted(0, &tt0)); !ok || e != &tt0 {
		t.Error("what ran out of patience hides its cause")
	}
}

var tt0 = Error{Code: CodeNoAnswer}

func TestOneLine(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"control characters", "a\r\n\tb\x00c", "a b c"},
		{"the secret", "GET /rest/1/hush/profile", "GET /rest/1/***/profile"},
		{"long", strings.Repeat("ä", 300), strings.Repeat("ä", 200) + "…"},
		{"long, cut within a letter", "x" + strings.Repeat("ä", 300), "x" + strings.Repeat("ä", 199) + "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := oneLine(tt.text, Secret("hush")); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
