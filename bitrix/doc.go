// Package bitrix is the client of one Bitrix24 portal's REST API. It calls methods and
// batches of methods, and walks lists, as fast as the portal's limits allow and never
// faster.
//
// # Overview
//
//	client := bitrix.New(hook, &bitrix.Options{Limits: bitrix.Limits{Rate: 2, Burst: 50, Operating: 480 * time.Second}})
//	defer client.Close()
//	for page, err := range client.Pages(ctx, listing, 0) {
//		results, err := client.Batch(ctx, commandsFor(page))
//		…
//	}
//
// A call passes through these layers, one file each; Client.layers assembles them:
//
//	decode    Call, Batch, Pages: the raw JSON of each command's result
//	denied    handler_denied.go: finds out whether a refusal means a method or all of REST
//	retry     handler_retry.go: retries temporary errors, by their class
//	authorize handler_authorize.go: adds an application's token; gets the next one
//	log       handler_log.go: logs each attempt, at level debug
//	answer    handler_answer.go: distinguishes an error from a result; informs the governor
//	govern    handler_govern.go: waits for the limits; each attempt uses a token
//	redirect  handler_redirect.go: repeats the POST at the new address of a renamed portal
//	HTTP      handler_http.go: one POST; reads its answer up to a limit
//
// # Guarantees
//
//   - A result is the portal's answer to that very command. An answer that could
//     belong to another one, that is incomplete or has another structure, is requested
//     again; so are the commands of a batch that the answer leaves out.
//   - The ids of a walk ascend strictly. If a portal repeats pages or ignores a filter,
//     the walk ends with an error.
//   - Everything is read: temporary errors are retried until Options.Patience is
//     exhausted (ErrPatience), or until the context ends.
//   - No error, log or dump contains the secret of a webhook or an application. Webhook
//     and tokens are sent to no host outside the portal's own registrable domain, over
//     the scheme that they were configured with. The client secret is sent only to the
//     job's authorization server, or to the vendor's for a portal's region.
//   - New tokens are durable before they are used. They are requested only after the
//     portal has reported that the old ones have expired, once for all calls of all
//     clients that share a TokenStore.
//   - No goroutine outlives the call that started it.
//
// # Errors
//
// An error of the portal is an *Error. Its class decides what happens. The client
// handles Retry, SlowDown, WaitBudget, CallSingly and SmallerBatch, and for
// applications Refresh. Callers see Reject (for one command: Result.Err), Stop, and for
// a webhook Refresh, which both need a person, and ErrPatience, which wraps the last
// cause. The same code can mean different things for a call, for a batch as a whole and
// for a command in it:
//
//	code                             in             class         what it is
//	invalid_grant                    tokens         Stop          the refresh token is void
//	invalid_client                   tokens         Stop          wrong client id or secret
//	PAYMENT_REQUIRED                 tokens         Stop          a subscription has ended
//	insufficient_scope               tokens         Stop          scope missing
//	invalid_scope                    tokens         Stop          scope missing
//	INVALID_REQUEST                  tokens         Stop          not understood
//	FOREIGN_REDIRECT                 tokens         Stop          the client secret must not go there
//	NO_TOKENS                        tokens         Stop          none yet
//	BAD_TOKENS                       tokens         Stop          malformed tokens
//	BAD_CODE                         tokens         Stop          wrong, late, or used before
//	TOKENS_LOST                      tokens         Stop          the store failed
//	TOKEN_REFUSED                    tokens         Stop          every new token
//	INTERNAL_SERVER_ERROR            any            Retry         an error inside the portal
//	CONNECTION_ERROR                 any            Retry         the portal cannot reach the authorization server
//	ERROR_UNEXPECTED_ANSWER          any            Retry         an error inside the portal
//	NO_ANSWER                        any            Retry         refused, reset, cut short
//	BAD_CERTIFICATE                  any            Stop          unknown authority, another host, or out of date
//	BAD_ANSWER                       request, 401   Stop          a page, after 5 attempts
//	BAD_ANSWER                       request, 403   Stop          a page, after 5 attempts
//	BAD_ANSWER                       request, 404   Stop          a page, after 5 attempts
//	BAD_ANSWER                       any            Retry         HTML, broken JSON, another shape
//	NO_RESULT                        any            Retry         neither result nor error for a command
//	NO_LIST                          any            Retry         no list where a list belongs
//	TIMEOUT                          batch          SmallerBatch  a request may run 60 s
//	TIMEOUT                          any            Retry         a request may run 60 s
//	ANSWER_TOO_LARGE                 batch          SmallerBatch  more than 32 MiB, or 64 MiB from one command
//	ANSWER_TOO_LARGE                 any            Stop          more than 64 MiB
//	QUERY_LIMIT_EXCEEDED             any            SlowDown      the rate limit
//	OPERATION_TIME_LIMIT             any            WaitBudget    the operating budget of a method
//	ERROR_BATCH_METHOD_NOT_ALLOWED   any            CallSingly    this method cannot be batched
//	ERROR_BATCH_LENGTH_EXCEEDED      any            SmallerBatch  too many commands
//	WRONG_ENCODING                   batch          SmallerBatch  a text is not UTF-8
//	WRONG_ENCODING                   call, command  Reject        a text is not UTF-8
//	expired_token                    any            Refresh       the access token has expired
//	NO_AUTH_FOUND                    any            Stop          wrong webhook code or token
//	invalid_token                    any            Stop          wrong webhook code or token
//	INVALID_REQUEST                  any            Stop          HTTPS required
//	OVERLOAD_LIMIT                   any            Stop          blocked by the vendor
//	ACCESS_DENIED                    request, 403   Stop          REST needs a commercial plan
//	ACCESS_DENIED                    request, 401   Stop          the plan has lapsed
//	ACCESS_DENIED                    call, command  Reject        this user may not see this item
//	INVALID_CREDENTIALS              any            Stop          rights missing
//	authorization_error              any            Stop          its owner was dismissed
//	APPLICATION_NOT_FOUND            any            Stop          the application was removed
//	WRONG_LICENSE                    any            Stop          the plan lacks the feature
//	insufficient_scope               any            Stop          scope missing
//	user_access_error                any            Stop          rights missing
//	200040300010                     any            Stop          for administrators only
//	ERROR_METHOD_NOT_FOUND           any            Stop          no such method
//	ERROR_MANIFEST_IS_NOT_AVAILABLE  any            Stop          no such method
//	PORTAL_DELETED                   any            Stop          the portal is closed
//	FOREIGN_REDIRECT                 any            Stop          the secret must not go there
//	100                              any            Stop          a parameter is missing: our fault
//	0                                call, command  Reject        not found, or not for this user
//	""                               call, command  Reject        no code
//	ERROR_CORE                       call, command  Reject        not found, or not for this user
//	NOT_FOUND                        call, command  Reject        not found
//	ERROR_NOT_FOUND                  call, command  Reject        not found
//	any other                        any            Reject        after 3 attempts
//
// Pauses between attempts grow from half a second to half a minute, with a random part.
// Waits for limits do not use patience.
//
// # Limits
//
// One governor makes all of a client's requests wait for the limits.
//
// The rate gate (rate.go) mirrors the portal's counter: a bucket of X tokens that fills
// by Y per second. Requests use the tokens in their order of arrival. Using the burst
// at once and then each token as soon as it exists takes the least possible time for n
// requests, (n-X)/Y. A few tokens are never used, because requests do not all travel
// equally long. A 503 means that others use the portal too: the gate empties the
// bucket, halves the rate, and raises it again step by step.
//
// Each method, and the method batch, has a budget (operating.go, operating_account.go)
// over ten baskets of time. The used time is the portal's own last report, which is a
// request behind, plus the cost of our requests since then, plus the expected cost of
// those in flight. A budget is used as soon as there is some, up to a margin of 1 %.
// Then its method waits, and no other one, until the oldest basket expires and frees
// what we had used in it. That is the least time under a sliding window. Baskets expire
// by the portal's clock (portal_clock.go), which every answer contains. A portal
// without counters has no limit until it refuses; then the limit is what we had used by
// our own count. A refused method waits at least half a window: the newest servers refuse
// it for so long, and begin again at each call.
//
// The sizes (batch_size.go) decide how many commands a request has: 50, unless those
// would take too long, or have taken too long.
//
// # Testing
//
// New accepts any http.RoundTripper, and all times come from package time. In a
// testing/synctest bubble, with package bitrixtest's portal in the process, a day at
// the limits passes in a moment, and times are exact.
package bitrix
