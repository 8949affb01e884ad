package bitrix

import (
	"fmt"
	"strings"
)

// Class says what an error of the portal means for the caller.
type Class int

// The classes. The client itself deals with all but the last three; those, and
// patience that has run out, are what callers see.
const (
	// Retry: may pass. Repeated with growing pauses until patience runs out.
	Retry Class = iota + 1
	// SlowDown: the rate limit. The next token is waited for, at half the rate.
	SlowDown
	// WaitBudget: the operating budget of a method. Waited for.
	WaitBudget
	// CallSingly: a method that cannot be called in a batch. Called alone from
	// then on.
	CallSingly
	// SmallerBatch: too much for one request. Repeated in smaller batches.
	SmallerBatch
	// Refresh: the access token has expired. An application gets the next one; a
	// webhook's caller sees it.
	Refresh
	// Reject: this one cannot be had, others can.
	Reject
	// Stop: nothing can be had until a person has mended something; see
	// Error.Hint.
	Stop
)

var classNames = [...]string{
	Retry: "Retry", SlowDown: "SlowDown", WaitBudget: "WaitBudget", CallSingly: "CallSingly",
	SmallerBatch: "SmallerBatch", Refresh: "Refresh", Reject: "Reject", Stop: "Stop",
}

// String gives the class's name as it stands in the code.
func (c Class) String() string {
	if c < Retry || c > Stop {
		return fmt.Sprintf("Class(%d)", int(c))
	}
	return classNames[c]
}

// place is where an error was found: it decides what the code means.
type place int

const (
	inCall    place = 1 << iota // the answer to a single call
	inBatch                     // the answer to a batch as a whole
	inCommand                   // a command of a batch
	atServer                    // the authorization server, or the store of tokens
	inRequest = inCall | inBatch
	// ofOne: about the one thing that was asked for, alone or in a batch.
	ofOne    = inCall | inCommand
	anywhere = inCall | inBatch | inCommand | atServer
)

func (p place) String() string {
	return map[place]string{inCall: "call", inBatch: "batch", inCommand: "command", atServer: "tokens", inRequest: "request", ofOne: "call, command", anywhere: "any"}[p]
}

// Codes that the portal gives. Codes are compared without regard to case.
const (
	CodeInternal          = "INTERNAL_SERVER_ERROR"
	CodeUnexpectedAnswer  = "ERROR_UNEXPECTED_ANSWER"
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
	CodeErrorNotFound     = "ERROR_NOT_FOUND"
	CodeZero              = "0"
	CodeEmpty             = ""
)

// Codes of this package, for what is not a readable answer of the portal.
const (
	// CodeNoAnswer: refused, reset, cut short, or a name that does not resolve.
	CodeNoAnswer = "NO_ANSWER"
	// CodeBadAnswer: HTML, broken JSON, or JSON of another shape.
	CodeBadAnswer = "BAD_ANSWER"
	// CodeNoResult: a batch's answer has neither result nor error for a command.
	CodeNoResult = "NO_RESULT"
	// CodeNoList: the answer of a list method has no list.
	CodeNoList = "NO_LIST"
	// CodeTimeout: no answer in the time that a request may take.
	CodeTimeout = "TIMEOUT"
	// CodeTooLarge: more than maxAnswer bytes.
	CodeTooLarge = "ANSWER_TOO_LARGE"
	// CodeForeignRedirect: sent to an address that must not get the secret.
	CodeForeignRedirect = "FOREIGN_REDIRECT"
	// CodeNoTokens: the store has no tokens yet.
	CodeNoTokens = "NO_TOKENS"
	// CodeBadTokens: the store has something else, or must not be used as it is.
	CodeBadTokens = "BAD_TOKENS"
	// CodeBadCode: the code was wrong, late, or used before.
	CodeBadCode = "BAD_CODE"
	// CodeTokensLost: the store failed after the old tokens had become void.
	CodeTokensLost = "TOKENS_LOST"
	// CodeTokenRefused: the portal refuses every new access token.
	CodeTokenRefused = "TOKEN_REFUSED"
)

// Codes that the authorization server gives beside some of the portal's.
const (
	CodeInvalidGrant    = "invalid_grant"
	CodeInvalidClient   = "invalid_client"
	CodePaymentRequired = "PAYMENT_REQUIRED"
)

// rule is a row of the class table.
type rule struct {
	code   string
	place  place
	status int // 0: whatever the HTTP status is; it is not always telling
	class  Class
	why    string
	hint   string // for a Stop: what the user can do; %s is the scope
}

// rules is the class table. The first row that fits counts; codes that are not
// in it are repeated up to unknownAttempts times and then count as Reject. The
// package comment shows the table; a test holds it against this one.
var rules = []rule{
	{CodeInvalidGrant, atServer, 0, Stop, "the refresh token is void",
		"get new tokens: b24export auth JOB (a refresh token is good once, for 180 days, and until the application is installed anew)"},
	{CodeInvalidClient, atServer, 0, Stop, "wrong client id or secret",
		"check client_id and client_secret (Bitrix24: Developer resources, Integrations, the application), then run again"},
	{CodePaymentRequired, atServer, 0, Stop, "a subscription has ended",
		"the subscription of the portal or of the application has ended: renew it, then run again; if that is refused, b24export auth JOB"},
	{CodeInsufficientScope, atServer, 0, Stop, "scope missing",
		"give the application the scopes crm and sale (Bitrix24: Developer resources, Integrations, the application), then b24export auth JOB"},
	{CodeInvalidRequest, atServer, 0, Stop, "not understood",
		"check oauth.server and oauth.client_id in the job, then get new tokens: b24export auth JOB"},
	{CodeForeignRedirect, atServer, 0, Stop, "the client secret must not go there",
		"check oauth.server in the job: it must be the authorization server's own address"},
	{CodeNoTokens, atServer, 0, Stop, "none yet", "get the first tokens: b24export auth JOB"},
	{CodeBadTokens, atServer, 0, Stop, "not what it should be",
		"mend that, or make new ones in its place: b24export auth JOB"},
	{CodeBadCode, atServer, 0, Stop, "wrong, late, or used before",
		"a code lives for 30 seconds and is good once: open the address again and paste the new one at once"},
	{CodeTokensLost, atServer, 0, Stop, "the store failed",
		"make room, or mend the place, then get new tokens: b24export auth JOB"},
	{CodeTokenRefused, atServer, 0, Stop, "every new token",
		"see whether the application is still installed and open to its user (Bitrix24: Developer resources, Integrations), then b24export auth JOB"},
	{CodeInternal, anywhere, 0, Retry, "the portal stumbled", ""},
	{CodeUnexpectedAnswer, anywhere, 0, Retry, "the portal stumbled", ""},
	{CodeNoAnswer, anywhere, 0, Retry, "refused, reset, cut short", ""},
	{CodeBadAnswer, anywhere, 0, Retry, "HTML, broken JSON, another shape", ""},
	{CodeNoResult, anywhere, 0, Retry, "neither result nor error for a command", ""},
	{CodeNoList, anywhere, 0, Retry, "no list where a list belongs", ""},
	{CodeTimeout, inBatch, 0, SmallerBatch, "a request may run 60 s", ""},
	{CodeTimeout, anywhere, 0, Retry, "a request may run 60 s", ""},
	{CodeTooLarge, inBatch, 0, SmallerBatch, "more than 64 MiB", ""},
	{CodeTooLarge, anywhere, 0, Stop, "more than 64 MiB",
		"ask the portal for less at a time: fewer fields, a narrower filter"},
	{CodeQueryLimit, anywhere, 0, SlowDown, "the rate limit", ""},
	{CodeOperatingLimit, anywhere, 0, WaitBudget, "the operating budget of a method", ""},
	{CodeMethodNotAllowed, anywhere, 0, CallSingly, "this method cannot be batched", ""},
	{CodeBatchLength, anywhere, 0, SmallerBatch, "too many commands", ""},
	{CodeExpiredToken, anywhere, 0, Refresh, "the access token has expired",
		"get a new access token; a webhook never needs one, so check its address"},
	{CodeNoAuth, anywhere, 0, Stop, "wrong webhook code or token",
		"check the webhook's address: it was mistyped, or the webhook was deleted (Bitrix24: Developer resources, Integrations)"},
	{CodeInvalidToken, anywhere, 0, Stop, "wrong webhook code or token",
		"check the webhook's address or the token: the portal does not know it"},
	{CodeInvalidRequest, anywhere, 0, Stop, "HTTPS required", "write the portal's address with https"},
	{CodeOverload, anywhere, 0, Stop, "blocked by the vendor",
		"the vendor has blocked REST on this portal for overload: ask Bitrix24's support to lift the block"},
	{CodeAccessDenied, inRequest, 403, Stop, "REST needs a commercial plan",
		"REST is part of Bitrix24's commercial plans: check the portal's subscription"},
	{CodeAccessDenied, ofOne, 0, Reject, "this user may not see this one", ""},
	{CodeInvalidCreds, anywhere, 0, Stop, "rights missing",
		"the webhook's user has too few rights: let an administrator make the webhook"},
	{CodeInsufficientScope, anywhere, 0, Stop, "scope missing",
		"give the webhook the scope %q (Bitrix24: Developer resources, Integrations, the webhook, Access permissions)"},
	{CodeUserAccess, anywhere, 0, Stop, "rights missing",
		"the webhook's user has no access to the application: let an administrator make the webhook"},
	{CodeSaleAdminOnly, anywhere, 0, Stop, "for administrators only",
		"the methods of scope %q need an administrator: let one make the webhook, or choose another way to list"},
	{CodeMethodNotFound, anywhere, 0, Stop, "no such method",
		"the portal does not have this method: check that it is up to date and that the webhook has the scope %q"},
	{CodeManifest, anywhere, 0, Stop, "no such method",
		"the portal does not have this method: check that it is up to date and that the webhook has the scope %q"},
	{CodePortalDeleted, anywhere, 0, Stop, "the portal is closed",
		"the portal was deleted or closed: take it out of the job"},
	{CodeForeignRedirect, anywhere, 0, Stop, "the secret must not go there",
		"the portal's address leads elsewhere: check the host in the webhook's address"},
	{CodeMissingParameter, anywhere, 0, Stop, "a parameter is missing: our fault",
		"this is a fault of the program, not of the portal: report it with this message"},
	{CodeZero, ofOne, 0, Reject, "not found, or not for this user", ""},
	{CodeEmpty, ofOne, 0, Reject, "no code", ""},
	{CodeCore, ofOne, 0, Reject, "not found, or not for this user", ""},
	{CodeNotFound, ofOne, 0, Reject, "not found", ""},
	{CodeErrorNotFound, ofOne, 0, Reject, "not found", ""},
}

// unknownAttempts is how often a call is made whose error code is not in the
// table: it may pass, but nobody should wait half an hour to see that it does
// not.
const unknownAttempts = 3

// largeAttempts is how often a call is made whose answer alone is too large. A
// portal's own answer to one call never is; a gate before the portal that fails
// now and then has passed by the eighth.
const largeAttempts = 8

// ruleFor finds the row of an error. known is false for a code that has none.
func ruleFor(code string, where place, status int) (r rule, known bool) {
	for _, r := range rules {
		if strings.EqualFold(r.code, code) && r.place&where != 0 && (r.status == 0 || r.status == status) {
			return r, true
		}
	}
	if where == atServer {
		return rule{code: code, place: where, class: Stop, hint: "get new tokens: b24export auth JOB; if that is refused too, see what the error says"}, false
	}
	return rule{code: code, place: where, class: Reject}, false
}

// applicationHints are the hints for applications, where they differ from those
// for webhooks.
var applicationHints = map[string]string{
	CodeExpiredToken: "get new tokens: b24export auth JOB",
	CodeNoAuth:       "the portal does not know the tokens: was the application deleted? Get new ones: b24export auth JOB",
	CodeInvalidToken: "the portal does not know the tokens: was the application deleted, or are they another portal's? Get new ones: b24export auth JOB",
	CodeInvalidCreds: "the application's user has too few rights: let an administrator get the tokens: b24export auth JOB",
	CodeInsufficientScope: "give the application the scope %q (Bitrix24: Developer resources, Integrations, the application), " +
		"then b24export auth JOB",
	CodeUserAccess: "the user has no access to the application: give it (Bitrix24: Developer resources, Integrations, the application), " +
		"or let an administrator get the tokens: b24export auth JOB",
	CodeSaleAdminOnly:   "the methods of scope %q need an administrator: let one get the tokens (b24export auth JOB), or choose another way to list",
	CodeMethodNotFound:  "the portal does not have this method: check that it is up to date and that the application has the scope %q",
	CodeManifest:        "the portal does not have this method: check that it is up to date and that the application has the scope %q",
	CodeForeignRedirect: "the portal's address leads elsewhere: check oauth.portal in the job",
}

// scopeOf is the webhook scope that a method belongs to.
func scopeOf(method string) string {
	scope, _, _ := strings.Cut(method, ".")
	return scope
}
