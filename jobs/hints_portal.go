package jobs

import (
	"fmt"
	"strings"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/jobs/source"
)

// portalHint returns what to do about an error of a portal, of the authorization server
// or of the store of tokens. It returns "" if the error's class is neither bitrix.Stop
// nor bitrix.Refresh.
func portalHint(e *bitrix.Error) string {
	if class := e.Class(); class != bitrix.Stop && class != bitrix.Refresh {
		return ""
	}
	code := strings.ToLower(e.Code)
	if e.AtServer() {
		if words, ok := tokenHints[code]; ok {
			return words
		}
		return "get new tokens: b24export auth JOB; if that is refused too, see what the error says"
	}
	words := portalHints[code].webhook
	if other := portalHints[code].application; other != "" && e.Application() {
		words = other
	}
	return strings.ReplaceAll(words, "SCOPE", fmt.Sprintf("%q", e.Scope()))
}

// lessHint returns how to restore what a run would no longer see, or how to run without
// it.
func lessHint(e *source.LessError) string {
	without := "to do without, write source.list: " + e.Now + " into the job"
	if e.Now != string(jobfile.ListBindings) {
		without = "to do without, run once with --mode full"
	}
	if words := portalHint(e.Refusal); words != "" {
		return words + "; " + without
	}
	return "give the user the right again that the portal refuses now; " + without
}

// badCertificate is the hint for a server's certificate that cannot be verified.
const badCertificate = "check the host in the address and this machine's clock; where the server, or a proxy, has its own authority, " +
	"name the file of its certificate in the variable SSL_CERT_FILE; a certificate that is out of date must be renewed"

// tokenHints are the hints for errors about an application's tokens.
var tokenHints = byCode(map[string]string{
	bitrix.CodeInvalidGrant:      "get new tokens: b24export auth JOB (a refresh token is valid once, for 180 days, and until the application is installed again)",
	bitrix.CodeInvalidClient:     "check client_id and client_secret (Bitrix24: Developer resources, Integrations, the application), then run again",
	bitrix.CodePaymentRequired:   "the subscription of the portal or of the application has ended: renew it, then run again; if that is refused, b24export auth JOB",
	bitrix.CodeInsufficientScope: "give the application the scopes crm and sale (Bitrix24: Developer resources, Integrations, the application), then b24export auth JOB",
	bitrix.CodeInvalidScope:      "give the application the scopes crm and sale (Bitrix24: Developer resources, Integrations, the application), then b24export auth JOB",
	bitrix.CodeInvalidRequest:    "check oauth.server and oauth.client_id in the job, then get new tokens: b24export auth JOB",
	bitrix.CodeForeignRedirect:   "check oauth.server in the job: it must be the authorization server's own address",
	bitrix.CodeNoTokens:          "get the first tokens: b24export auth JOB",
	bitrix.CodeBadTokens:         "fix that, or replace it by new tokens: b24export auth JOB",
	bitrix.CodeBadCode:           "a code is valid for 30 seconds and only once: open the address again and paste the new code at once",
	bitrix.CodeTokensLost:        "make room, or fix the place, then get new tokens: b24export auth JOB",
	bitrix.CodeCertificate:       badCertificate,
	bitrix.CodeTokenRefused:      "see whether the application is still installed and open to its user (Bitrix24: Developer resources, Integrations), then b24export auth JOB",
})

// portalHints are the hints for errors of a portal. SCOPE stands for the scope of the
// method that was called. application is "" if the text for a webhook fits as well.
var portalHints = byCode(map[string]struct{ webhook, application string }{
	bitrix.CodeCertificate: {badCertificate, ""},
	bitrix.CodeBadAnswer: {"the server returned a web page instead of the portal's answer: check the webhook's address, and whether a firewall, a proxy or a login page is in front of the portal",
		"the server returned a web page instead of the portal's answer: check oauth.portal in the job, and whether a firewall, a proxy or a login page is in front of the portal"},
	bitrix.CodeTooLarge: {"ask the portal for less at a time: fewer fields, a narrower filter", ""},
	bitrix.CodeExpiredToken: {"get a new access token; a webhook never needs one, so check its address",
		"get new tokens: b24export auth JOB"},
	bitrix.CodeNoAuth: {"check the webhook's address: it was mistyped, or the webhook was deleted (Bitrix24: Developer resources, Integrations)",
		"the portal does not know the tokens: was the application deleted? Get new ones: b24export auth JOB"},
	bitrix.CodeInvalidToken: {"check the webhook's address or the token: the portal does not know it",
		"the portal does not know the tokens: was the application deleted, or are they another portal's? Get new ones: b24export auth JOB"},
	bitrix.CodeInvalidRequest: {"write the portal's address with https", ""},
	bitrix.CodeOverload:       {"the vendor has blocked REST on this portal for overload: ask Bitrix24's support to lift the block", ""},
	bitrix.CodeAccessDenied:   {"REST is part of Bitrix24's commercial plans: check the portal's subscription", ""},
	bitrix.CodeAuthorization: {"the webhook's owner was dismissed: let an administrator create another webhook",
		"the user of the tokens was dismissed: let an administrator get new ones: b24export auth JOB"},
	bitrix.CodeAppNotFound: {"the portal no longer has the application: install it again (Bitrix24: Developer resources, Integrations)",
		"the portal no longer has the application: install it again, then b24export auth JOB"},
	bitrix.CodeWrongLicense: {"the portal's plan lacks this feature: change the plan, or do without it", ""},
	bitrix.CodeInvalidCreds: {"check the webhook's address: the webhook was deleted, mistyped or is another user's; or its user has too few rights: let an administrator create the webhook",
		"the application's user has too few rights: let an administrator get the tokens: b24export auth JOB"},
	bitrix.CodeInsufficientScope: {"give the webhook the scope SCOPE (Bitrix24: Developer resources, Integrations, the webhook, Access permissions)",
		"give the application the scope SCOPE (Bitrix24: Developer resources, Integrations, the application), then b24export auth JOB"},
	bitrix.CodeUserAccess: {"the webhook's user has no access to the application: let an administrator create the webhook",
		"the user has no access to the application: give it (Bitrix24: Developer resources, Integrations, the application), or let an administrator get the tokens: b24export auth JOB"},
	bitrix.CodeSaleAdminOnly: {"the methods of scope SCOPE need an administrator: let one create the webhook, or choose another way to list",
		"the methods of scope SCOPE need an administrator: let one get the tokens (b24export auth JOB), or choose another way to list"},
	bitrix.CodeMethodNotFound: noMethod,
	bitrix.CodeManifest:       noMethod,
	bitrix.CodePortalDeleted:  {"the portal was deleted or closed: take it out of the job", ""},
	bitrix.CodeForeignRedirect: {"the portal's address leads elsewhere: check the host in the webhook's address",
		"the portal's address leads elsewhere: check oauth.portal in the job"},
	bitrix.CodeMissingParameter: {"this is a fault of the program, not of the portal: report it with this message", ""},
})

var noMethod = struct{ webhook, application string }{
	"the portal does not have this method: check that it is up to date and that the webhook has the scope SCOPE",
	"the portal does not have this method: check that it is up to date and that the application has the scope SCOPE",
}

// byCode maps a table's codes to one case: a portal may write a code in another case.
func byCode[V any](table map[string]V) map[string]V {
	lower := make(map[string]V, len(table))
	for code, v := range table {
		lower[strings.ToLower(code)] = v
	}
	return lower
}
