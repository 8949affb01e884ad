package bitrixtest

import "time"

// Options configures a portal. It is plain data, so that flags can set it. The zero
// value is a portal without payments, limits or faults.
type Options struct {
	// Seed determines the data and every random choice. Portals with the same Seed,
	// Payments, First, Gap and Until have the same data.
	Seed uint64
	// Payments is how many payments there are at first. Any number needs the same
	// memory.
	Payments int
	// First is the lowest id that a payment can have. Default: 1.
	First int64
	// Gap is how many ids are missing in every four payments. Default: 1. If it is
	// negative, the ids are consecutive.
	Gap int
	// Until is the time before which all initial data is; the data starts six years
	// earlier. Default: 1 November 2026 or, if the clock is before that as in a
	// synctest bubble, 1 December 1999.
	Until time.Time
	// Trade makes the data look like that of a shop: growth, seasons, prices, an
	// order's payments in one currency. Otherwise it is even, so that tests see
	// everything.
	Trade bool
	// Returns is the share of the paid payments that were refunded; see Portal.Return.
	// Default: 0.
	Returns float64
	// Offset is the portal's time zone, east of Greenwich. Default: 3 h. Negative
	// offsets are west. For Greenwich itself use 1 ns.
	Offset time.Duration

	// Plan is a preset of limits: standard, enterprise or unlimited. Default:
	// unlimited.
	Plan Plan
	// Limits replace single limits of the plan.
	Limits Limits
	// Charge is how a batch is charged. Default: ChargeInner.
	Charge Charge
	// NoCounters leaves operating and operating_reset_at out of answers.
	NoCounters bool
	// ZeroCounters always sends an operating of 0, and no operating_reset_at.
	ZeroCounters bool
	// Costs are the operating times of single calls by method, instead of the built-in
	// ones (crm.item.payment.get 50 ms, a page of a list 90 ms).
	Costs map[string]time.Duration
	// CostJitter varies each call's cost, seeded, by up to that share (0.2: from
	// 80 to 120 %). Default: 0, none.
	CostJitter float64
	// TakeTime makes a request take as long as its calls cost. A request that takes
	// longer than 60 s then ends with a 504.
	TakeTime bool
	// Latency is how long an answer takes to arrive. A seeded share of Jitter is added.
	Latency, Jitter time.Duration
	// Speed makes everything faster by this factor: rates are multiplied by it;
	// windows, budgets, costs, the floor, latencies and lifetimes of tokens are
	// divided. Default: 1. Dates of the data do not change.
	Speed float64

	// User and Secret determine the webhook's address. Default: 1, and a secret derived
	// from Seed.
	User   int
	Secret string
	// OAuth configures an application and its authorization server.
	OAuth OAuth
	// Rights are the rights of the webhook's user or of the application.
	Rights Rights
	// State is whether and how the portal answers. Default: StateOpen.
	State State
	// RequireHTTPS refuses plain HTTP with INVALID_REQUEST.
	RequireHTTPS bool
	// MovedTo is the base URL to which the portal was renamed. Requests to any other
	// host are answered with 302. The same Portal serves both addresses.
	MovedTo string

	// Odd spells values in all the ways that portals do: numbers as strings, strings as
	// numbers, absent values as null, "", false, [] or {}, and so on. The choice is
	// seeded by payment, field and method.
	Odd bool
	// OddShare is the share of payments that Odd affects. Default: 0, all.
	OddShare float64
	// Poison is the share of payments with a value that cannot be read as its type.
	Poison float64
	// Related configures the lists of the related tables.
	Related RelatedQuirks
	// Unknown adds undocumented fields to payments.
	Unknown bool
	// Refuse is the share of payments that lists show and a get refuses.
	Refuse float64
	// Unresolved is how a batch reference without a target is resolved. Default:
	// UnresolvedPart, as PHP does.
	Unresolved Unresolved
	// BindingsAtOnce makes crm.orderentity.list answer a start of -1 with every row at
	// once, as its documentation says, and not with one page.
	BindingsAtOnce bool
	// NotInBatch are methods that a batch refuses with an error of the command or, with
	// RefuseWholeBatch, of the request.
	NotInBatch       []string
	RefuseWholeBatch bool
	// Errors200 sends errors with status 200, as older portals do.
	Errors200 bool

	// Server configures how the server differs from its documentation.
	Server Server
	// Values configures what the portal does with dates, filters and events beyond its
	// documentation.
	Values ValueQuirks

	// Faults define what fails, and when. The first one that matches is used.
	Faults []Fault
	// Churn changes the data while the portal answers requests.
	Churn Churn

	// Strict receives each broken rule. Violations also contains them.
	Strict Reporter
	// AllowRegets allows a client to fetch a payment again although an answer with it
	// was delivered completely. It is for resumed runs and samples.
	AllowRegets bool
	// Concurrency is the highest number of concurrent requests of a client. Default: 0,
	// any number.
	Concurrency int
	// NoGzip leaves answers uncompressed. Answers of RoundTripper always are.
	NoGzip bool
}

// Plan is a preset of limits.
type Plan string

const (
	PlanStandard   Plan = "standard"   // 2 requests per second, 50 at once; 480 s in 10 min
	PlanEnterprise Plan = "enterprise" // 5 requests per second, 250 at once; 480 s in 10 min
	PlanUnlimited  Plan = "unlimited"  // none; operating time is counted nevertheless
)

// Limits are a portal's limits. A field of 0 keeps the plan's value. A negative one
// removes the limit.
type Limits struct {
	Rate      float64       // by how many requests per second the counter falls
	Burst     int           // maximum of the counter
	Operating time.Duration // budget of a method in a window
	Window    time.Duration // ten baskets; default 10 min
	Floor     time.Duration // only what a request spends on a method above this counts; default 0.1 s
}

var planLimits = map[Plan]Limits{
	PlanStandard:   {Rate: 2, Burst: 50, Operating: 480 * time.Second},
	PlanEnterprise: {Rate: 5, Burst: 250, Operating: 480 * time.Second},
	PlanUnlimited:  {},
}

// Charge is who is charged for the operating time of a batch.
type Charge string

const (
	ChargeInner Charge = "inner" // each inner method is charged for its calls
	ChargeBatch Charge = "batch" // the method batch is charged for all; all inner figures are its one
	ChargeNone  Charge = "none"  // nothing is charged, also for single calls
)

// State is whether and how a portal answers.
type State string

const (
	StateOpen    State = "open"
	StateNoPlan  State = "no-plan"  // 403 ACCESS_DENIED
	StateBlocked State = "blocked"  // 503 OVERLOAD_LIMIT
	StateClosed  State = "closed"   // 500 PORTAL_DELETED
	StateNoUser  State = "no-user"  // 403 user_access_error
	StateNoRight State = "no-right" // 403 INVALID_CREDENTIALS

	// Most portals answer these with 401, whatever the documentation says.
	StateDeleted   State = "deleted"   // the webhook was deleted: INVALID_CREDENTIALS
	StateDismissed State = "dismissed" // its owner was dismissed: authorization_error
	StateLapsed    State = "lapsed"    // the plan has lapsed: ACCESS_DENIED
	StateRemoved   State = "removed"   // the application was removed: APPLICATION_NOT_FOUND
	StateNoServer  State = "no-server" // the authorization server cannot be reached: CONNECTION_ERROR, which is temporary
)

// Rights are the rights of the webhook's user or of the application.
type Rights struct {
	// Scopes are the granted scopes. Default: crm and sale.
	Scopes []string
	// NotAdmin refuses sale.* and offline events.
	NotAdmin bool
	// NoBindings refuses crm.orderentity.list.
	NoBindings bool
	// Deny is the share of orders that the user may not read.
	Deny float64
}

// OAuth is an application of the portal. Its requests contain auth=TOKEN, and the same
// handler answers for the authorization server under /oauth/token/.
type OAuth struct {
	// ClientID and ClientSecret identify the application. Without them there is none.
	ClientID, ClientSecret string
	// Refresh is the first refresh token. Default: one derived from Seed; see
	// Portal.RefreshToken.
	Refresh string
	// Endpoint is the portal's REST address in answers of the authorization
	// server. Default: that of the request's host.
	Endpoint string
	// ServerEndpoint is the address of the authorization server in its answers.
	// Default: that of oauth.bitrix.info.
	ServerEndpoint string
	// Life is how long an access token is valid. Default: 1 h.
	Life time.Duration
	// ExpireAfter makes an access token expire after that many requests. 0: only by
	// time.
	ExpireAfter int
}

// Churn changes the data while the portal answers requests.
type Churn struct {
	Every int    // after each Every-th request …
	Count int    // … this many mutations, as Mutate makes them
	Times int    // at most so often; 0: no bound
	Seed  uint64 // of the mutations
}

// Reporter receives the broken rules of a strict portal. testing.TB implements it. It
// must be safe for concurrent use, and must accept calls as long as requests are in
// flight.
type Reporter interface {
	Errorf(format string, args ...any)
}
