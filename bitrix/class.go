package bitrix

import (
	"fmt"
	"strings"
)

// Class is what an error of the portal means for the caller.
type Class int

// The classes. The client handles all except the last three. Callers see only those
// three, and exhausted patience.
const (
	// Retry: temporary. Retried with growing pauses until patience is exhausted.
	Retry Class = iota + 1
	// SlowDown: the rate limit. The client halves the rate and waits for the next
	// token.
	SlowDown
	// WaitBudget: the operating budget of a method. The client waits for it.
	WaitBudget
	// CallSingly: a method that cannot be called in a batch. The client calls it alone
	// from then on.
	CallSingly
	// SmallerBatch: too much for one request. Retried in smaller batches.
	SmallerBatch
	// Refresh: the access token has expired. For an application the client gets the
	// next one; for a webhook the caller receives the error.
	Refresh
	// Reject: this one cannot be fetched, others can.
	Reject
	// Stop: nothing can be fetched until a person has fixed something.
	Stop
)

var classNames = [...]string{
	Retry: "Retry", SlowDown: "SlowDown", WaitBudget: "WaitBudget", CallSingly: "CallSingly",
	SmallerBatch: "SmallerBatch", Refresh: "Refresh", Reject: "Reject", Stop: "Stop",
}

// String returns the class's name as in the code.
func (c Class) String() string {
	if c < Retry || c > Stop {
		return fmt.Sprintf("Class(%d)", int(c))
	}
	return classNames[c]
}

// place is where an error was found. It decides what the code means.
type place int

const (
	inCall    place = 1 << iota // the answer to a single call
	inBatch                     // the answer to a batch as a whole
	inCommand                   // a command of a batch
	atServer                    // the authorization server, or the store of tokens
	inRequest = inCall | inBatch
	// ofOne: about a single call or command.
	ofOne    = inCall | inCommand
	anywhere = inCall | inBatch | inCommand | atServer
)

func (p place) String() string {
	return map[place]string{inCall: "call", inBatch: "batch", inCommand: "command", atServer: "tokens", inRequest: "request", ofOne: "call, command", anywhere: "any"}[p]
}

// Codes of the portal. They are compared without regard to case.
const (
	CodeInternal          = "INTERNAL_SERVER_ERROR"
	CodeQueryLimit        = "QUERY_LIMIT_EXCEEDED"
	CodeOperatingLimit    = "OPERATION_TIME_LIMIT"
	CodeMethodNotAllowed  = "ERROR_BATCH_METHOD_NOT_ALLOWED"
	CodeBatchLength       = "ERROR_BATCH_LENGTH_EXCEEDED"
	CodeExpiredToken      = "expired_token"
	CodeNoAuth            = "NO_AUTH_FOUND"
	CodeInvalidToken      = "invalid_token"
	CodeInvalidRequest    = "INVALID_REQUEST"
	CodeOverload          = "OVERLOAD_LIMIT"
	CodeAccessDenied      = "ACCESS_DENIED"
	CodeInvalidCreds      = "INVALID_CREDENTIALS"
	CodeInsufficientScope = "insufficient_scope"
	CodeUserAccess        = "user_access_error"
	CodeSaleAdminOnly     = "200040300010"
	CodeMethodNotFound    = "ERROR_METHOD_NOT_FOUND"
	CodeManifest          = "ERROR_MANIFEST_IS_NOT_AVAILABLE"
	CodePortalDeleted     = "PORTAL_DELETED"
	CodeMissingParameter  = "100"
	CodeCore              = "ERROR_CORE"
	CodeNotFound          = "NOT_FOUND"
	CodeZero              = "0"
	CodeAuthorization     = "authorization_error"
	CodeAppNotFound       = "APPLICATION_NOT_FOUND"
	CodeWrongLicense      = "WRONG_LICENSE"
	CodeWrongEncoding     = "WRONG_ENCODING"
	CodeEmpty             = ""
)

// Codes of this package, for answers that are no readable answers of the portal.
const (
	// CodeNoAnswer: refused, reset, interrupted, or a host name that does not resolve.
	CodeNoAnswer = "NO_ANSWER"
	// CodeCertificate: the certificate of the server, or of a proxy, has an unknown
	// authority or another host, or is out of date.
	CodeCertificate = "BAD_CERTIFICATE"
	// CodeBadAnswer: HTML, broken JSON, or JSON of another structure.
	CodeBadAnswer = "BAD_ANSWER"
	// CodeNoResult: a batch's answer has neither a result nor an error for a command.
	CodeNoResult = "NO_RESULT"
	// CodeNoList: the answer of a list method has no list.
	CodeNoList = "NO_LIST"
	// CodeTimeout: no answer within the time limit of a request.
	CodeTimeout = "TIMEOUT"
	// CodeTooLarge: more than maxBatchAnswer bytes, or maxAnswer from one command.
	CodeTooLarge = "ANSWER_TOO_LARGE"
	// CodeForeignRedirect: redirected to an address that must not receive the secret.
	CodeForeignRedirect = "FOREIGN_REDIRECT"
	// CodeNoTokens: the store has no tokens yet.
	CodeNoTokens = "NO_TOKENS"
	// CodeBadTokens: the store has something else, or tokens that must not be used.
	CodeBadTokens = "BAD_TOKENS"
	// CodeBadCode: the code was wrong, late, or used before.
	CodeBadCode = "BAD_CODE"
	// CodeTokensLost: the store failed after the old tokens had become invalid.
	CodeTokensLost = "TOKENS_LOST"
	// CodeTokenRefused: the portal refuses every new access token.
	CodeTokenRefused = "TOKEN_REFUSED"
)

// Codes that the authorization server returns, besides some of the portal's.
const (
	CodeInvalidGrant    = "invalid_grant"
	CodeInvalidClient   = "invalid_client"
	CodePaymentRequired = "PAYMENT_REQUIRED"
	CodeInvalidScope    = "invalid_scope"
)

// rule is a row of the class table.
type rule struct {
	code   string
	place  place
	status int // 0: any HTTP status, because the status is not always meaningful
	class  Class
	why    string
}

// rules is the class table. The first row that matches is used. A call whose error code
// is not in the table is tried unknownAttempts times; then the code counts as Reject.
// The package comment shows the table, and a test compares both.
var rules = []rule{
	{CodeInvalidGrant, atServer, 0, Stop, "the refresh token is void"},
	{CodeInvalidClient, atServer, 0, Stop, "wrong client id or secret"},
	{CodePaymentRequired, atServer, 0, Stop, "a subscription has ended"},
	{CodeInsufficientScope, atServer, 0, Stop, "scope missing"},
	{CodeInvalidScope, atServer, 0, Stop, "scope missing"},
	{CodeInvalidRequest, atServer, 0, Stop, "not understood"},
	{CodeForeignRedirect, atServer, 0, Stop, "the client secret must not go there"},
	{CodeNoTokens, atServer, 0, Stop, "none yet"},
	{CodeBadTokens, atServer, 0, Stop, "malformed tokens"},
	{CodeBadCode, atServer, 0, Stop, "wrong, late, or used before"},
	{CodeTokensLost, atServer, 0, Stop, "the store failed"},
	{CodeTokenRefused, atServer, 0, Stop, "every new token"},
	{CodeInternal, anywhere, 0, Retry, "an error inside the portal"},
	{"CONNECTION_ERROR", anywhere, 0, Retry, "the portal cannot reach the authorization server"},
	{"ERROR_UNEXPECTED_ANSWER", anywhere, 0, Retry, "an error inside the portal"},
	{CodeNoAnswer, anywhere, 0, Retry, "refused, reset, cut short"},
	{CodeCertificate, anywhere, 0, Stop, "unknown authority, another host, or out of date"},
	{CodeBadAnswer, inRequest, 401, Stop, "a page, after 5 attempts"},
	{CodeBadAnswer, inRequest, 403, Stop, "a page, after 5 attempts"},
	{CodeBadAnswer, inRequest, 404, Stop, "a page, after 5 attempts"},
	{CodeBadAnswer, anywhere, 0, Retry, "HTML, broken JSON, another shape"},
	{CodeNoResult, anywhere, 0, Retry, "neither result nor error for a command"},
	{CodeNoList, anywhere, 0, Retry, "no list where a list belongs"},
	{CodeTimeout, inBatch, 0, SmallerBatch, "a request may run 60 s"},
	{CodeTimeout, anywhere, 0, Retry, "a request may run 60 s"},
	{CodeTooLarge, inBatch, 0, SmallerBatch, "more than 32 MiB, or 64 MiB from one command"},
	{CodeTooLarge, anywhere, 0, Stop, "more than 64 MiB"},
	{CodeQueryLimit, anywhere, 0, SlowDown, "the rate limit"},
	{CodeOperatingLimit, anywhere, 0, WaitBudget, "the operating budget of a method"},
	{CodeMethodNotAllowed, anywhere, 0, CallSingly, "this method cannot be batched"},
	{CodeBatchLength, anywhere, 0, SmallerBatch, "too many commands"},
	{CodeWrongEncoding, inBatch, 0, SmallerBatch, "a text is not UTF-8"},
	{CodeWrongEncoding, ofOne, 0, Reject, "a text is not UTF-8"},
	{CodeExpiredToken, anywhere, 0, Refresh, "the access token has expired"},
	{CodeNoAuth, anywhere, 0, Stop, "wrong webhook code or token"},
	{CodeInvalidToken, anywhere, 0, Stop, "wrong webhook code or token"},
	{CodeInvalidRequest, anywhere, 0, Stop, "HTTPS required"},
	{CodeOverload, anywhere, 0, Stop, "blocked by the vendor"},
	{CodeAccessDenied, inRequest, 403, Stop, "REST needs a commercial plan"},
	{CodeAccessDenied, inRequest, 401, Stop, "the plan has lapsed"},
	{CodeAccessDenied, ofOne, 0, Reject, "this user may not see this item"},
	{CodeInvalidCreds, anywhere, 0, Stop, "rights missing"},
	{CodeAuthorization, anywhere, 0, Stop, "its owner was dismissed"},
	{CodeAppNotFound, anywhere, 0, Stop, "the application was removed"},
	{CodeWrongLicense, anywhere, 0, Stop, "the plan lacks the feature"},
	{CodeInsufficientScope, anywhere, 0, Stop, "scope missing"},
	{CodeUserAccess, anywhere, 0, Stop, "rights missing"},
	{CodeSaleAdminOnly, anywhere, 0, Stop, "for administrators only"},
	{CodeMethodNotFound, anywhere, 0, Stop, "no such method"},
	{CodeManifest, anywhere, 0, Stop, "no such method"},
	{CodePortalDeleted, anywhere, 0, Stop, "the portal is closed"},
	{CodeForeignRedirect, anywhere, 0, Stop, "the secret must not go there"},
	{CodeMissingParameter, anywhere, 0, Stop, "a parameter is missing: our fault"},
	{CodeZero, ofOne, 0, Reject, "not found, or not for this user"},
	{CodeEmpty, ofOne, 0, Reject, "no code"},
	{CodeCore, ofOne, 0, Reject, "not found, or not for this user"},
	{CodeNotFound, ofOne, 0, Reject, "not found"},
	{"ERROR_NOT_FOUND", ofOne, 0, Reject, "not found"},
}

// unknownAttempts is how often a call is tried if its error code is not in the table.
// The error may be temporary, but nobody should wait half an hour if it is not.
const unknownAttempts = 3

// largeAttempts is how often a call is tried if its answer alone is too large. A portal
// never answers one call like that. A gate in front of the portal that fails sometimes
// has recovered by the eighth attempt.
const largeAttempts = 8

// pageAttempts is how often a call is tried if its answer is a page with 401, 403 or
// 404. A gate in front of the portal may return one for a moment. The pauses between
// five attempts take at most 12 seconds.
const pageAttempts = 5

// ruleFor finds the row of an error. known is false if the code has none.
func ruleFor(code string, where place, status int) (r rule, known bool) {
	for _, r := range rules {
		if strings.EqualFold(r.code, code) && r.place&where != 0 && (r.status == 0 || r.status == status) {
			return r, true
		}
	}
	if where == atServer {
		return rule{code: code, place: where, class: Stop}, false
	}
	return rule{code: code, place: where, class: Reject}, false
}

// Stopping returns an Error for each row of the class table that needs a person: the
// rows of class Stop or Refresh, and one for an unknown code of the authorization
// server. A test of the hints can use it to check that none is missing. application
// reports whether the caller is an application, and not a webhook.
func Stopping(application bool) []*Error {
	errs := []*Error{{Code: "SOMETHING_NEW", where: atServer, app: application}}
	for _, r := range rules {
		if r.class == Stop || r.class == Refresh {
			// One of the row's places represents all of them.
			errs = append(errs, &Error{Code: r.code, Status: r.status, where: r.place & -r.place, app: application})
		}
	}
	return errs
}
