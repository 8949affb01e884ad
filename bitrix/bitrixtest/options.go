package bitrixtest

import "time"

// Options say what kind of portal it is. They are plain data, so that flags can
// fill them; the zero value is a portal without payments, limits or faults.
type Options struct {
	// Seed makes the data and every random choice. Portals with equal Seed,
	// Payments, First, Gap and Until have equal data.
	Seed uint64
	// Payments is how many there are at first. Any number costs the same memory.
	Payments int
	// First is the lowest id that a payment can have. Default: 1.
	First int64
	// Gap is how many ids are missing in every four payments. Default: 1.
	// Negative: the ids are consecutive.
	Gap int
	// Until is the time before which all first data lies; it reaches six years
	// back. Default: 1 November 2026, or, where the clock stands before that as
	// in a synctest bubble, 1 December 1999.
	Until time.Time
	// Trade makes the data look like a shop's: growth, seasons, prices, an order's
	// payments in one currency. Else it is even, so that tests see everything.
	Trade bool
	// Returns is the share of the paid payments whose money was given back; see
	// Portal.Return. Default: 0.
	Returns float64
	// Offset is the portal's time zone, east of Greenwich. Default: 3 h.
	// Negative ones are west; for Greenwich itself say 1 ns.
	Offset time.Duration

	// Plan returns the limits: standard, enterprise or unlimited. Default: unlimited.
	Plan Plan
	// Limits replace single limits of the plan.
	Limits Limits
	// Charge says who pays for a batch. Default: ChargeInner.
	Charge Charge
	// NoCounters leaves operating and operating_reset_at out of answers.
	NoCounters bool
	// ZeroCounters sends an operating of 0 always, and no operating_reset_at.
	ZeroCounters bool
	// Costs are the operating times of single calls by method, in place of the
	// built-in ones (crm.item.payment.get 50 ms, a page of a list 90 ms).
	Costs map[string]time.Duration
	// CostJitter varies each call's cost, seeded, by up to that share (0.2: from
	// 80 to 120 %). Default: 0, none.
	CostJitter float64
	// TakeTime makes a request last as long as its calls cost. One that would
	// last longer than 60 s is cut by a 504 then.
	TakeTime bool
	// Latency is how long an answer is under way; Jitter is added to it,
	// seeded, from 0 up to all of it.
	Latency, Jitter time.Duration
	// Speed makes everything that much faster: rates are multiplied by it, and
	// windows, budgets, costs, the floor, latencies and tokens' lives divided.
	// Default: 1. Dates of the data stay as they are.
	Speed float64

	// User and Secret make the webhook's address. Default: 1, and a secret made
	// from Seed.
	User   int
	Secret string
	// OAuth sets up an application and its authorization server.
	OAuth OAuth
	// Rights say what the webhook's user or the application may do.
	Rights Rights
	// State is whether the portal answers at all. Default: StateOpen.
	State State
	// RequireHTTPS refuses plain HTTP with INVALID_REQUEST.
	RequireHTTPS bool
	// MovedTo is the base URL that the portal was renamed to. Requests to any
	// other host are answered 302. The same Portal serves both addresses.
	MovedTo string

	// Odd spells values in all the ways that portals do: numbers as texts, texts
	// as numbers, absent ones as null, "", false, [] or {}, and so on. The choice
	// is seeded by payment, field and method.
	Odd bool
	// OddShare is the share of payments that Odd is about. Default: 0, all.
	OddShare float64
	// Poison is the share of payments with a value that cannot be typed.
	Poison float64
	// Related is what it does with the lists beside the payments.
	Related RelatedQuirks
	// Unknown adds fields to payments that no documentation names.
	Unknown bool
	// Refuse is the share of payments that lists show and a get refuses.
	Refuse float64
	// Unresolved is what becomes of a batch reference that leads nowhere.
	// Default: UnresolvedPart, as PHP does.
	Unresolved Unresolved
	// BindingsAtOnce makes crm.orderentity.list answer a start of -1 with every
	// row at once, as its page says, not with one page.
	BindingsAtOnce bool
	// NotInBatch are methods that a batch refuses as a command's error, or, with
	// RefuseWholeBatch, as the request's.
	NotInBatch       []string
	RefuseWholeBatch bool
	// Errors200 sends errors with status 200, as older portals do.
	Errors200 bool

	// Server says how the server differs from its documentation.
	Server Server
	// Values is what the portal does with dates, filters and events beyond its
	// documentation.
	Values ValueQuirks

	// Faults are what goes wrong, and when. The first that fits is taken.
	Faults []Fault
	// Churn changes the data while requests come in.
	Churn Churn

	// Strict receives each broken rule. Violations has them in any case.
	Strict Reporter
	// AllowRegets lets a client fetch a payment again although an answer with it
	// was delivered whole. For resumed runs and samples.
	AllowRegets bool
	// Concurrency is the number of requests at once that a client must not
	// exceed. Default: 0, any.
	Concurrency int
	// NoGzip keeps answers uncompressed. Answers over RoundTripper always are.
	NoGzip bool
}

// Plan is a preset of limits.
type Plan string

const (
	PlanStandard   Plan = "standard"   // 2 requests a second, 50 at once; 480 s in 10 min
	PlanEnterprise Plan = "enterprise" // 5 a second, 250 at once; 480 s in 10 min
	PlanUnlimited  Plan = "unlimited"  // none; operating time is counted all the same
)

// Limits are a portal's. A field of 0 leaves what the plan says, a negative one
// takes the limit away.
type Limits struct {
	Rate      float64       // requests a second that the counter falls by
	Burst     int           // what the counter may rise to
	Operating time.Duration // budget of a method in a window
	Window    time.Duration // ten baskets long; default 10 min
	Floor     time.Duration // what a request spends on a method counts only above it; default 0.1 s
}

var planLimits = map[Plan]Limits{
	PlanStandard:   {Rate: 2, Burst: 50, Operating: 480 * time.Second},
	PlanEnterprise: {Rate: 5, Burst: 250, Operating: 480 * time.Second},
	PlanUnlimited:  {},
}

// Charge says who pays the operating time of a batch.
type Charge string

const (
	ChargeInner Charge = "inner" // each inner method pays for its calls
	ChargeBatch Charge = "batch" // the method batch pays for all; all inner figures are its one
	ChargeNone  Charge = "none"  // nobody pays, also for single calls
)

// State is whether a portal answers.
type State string

const (
	StateOpen    State = "open"
	StateNoPlan  State = "no-plan"  // 403 ACCESS_DENIED
	StateBlocked State = "blocked"  // 503 OVERLOAD_LIMIT
	StateClosed  State = "closed"   // 500 PORTAL_DELETED
	StateNoUser  State = "no-user"  // 403 user_access_error
	StateNoRight State = "no-right" // 403 INVALID_CREDENTIALS

	// As most portals answer, whatever their documentation says: with 401.
	StateDeleted   State = "deleted"   // the webhook was deleted: INVALID_CREDENTIALS
	StateDismissed State = "dismissed" // its owner was dismissed: authorization_error
	StateLapsed    State = "lapsed"    // the plan has lapsed: ACCESS_DENIED
	StateRemoved   State = "removed"   // the application was removed: APPLICATION_NOT_FOUND
	StateNoServer  State = "no-server" // no way to the authorization server: CONNECTION_ERROR, which passes
)

// Rights are the rights of the webhook's user or of the application.
type Rights struct {
	// Scopes granted. Default: crm and sale.
	Scopes []string
	// NotAdmin makes sale.* and offline events be refused.
	NotAdmin bool
	// NoBindings makes crm.orderentity.list be refused.
	NoBindings bool
	// Deny is the share of orders that the user must not read.
	Deny float64
}

// OAuth is an application of the portal. Its requests carry auth=TOKEN, and the
// authorization server answers on the same handler under /oauth/token/.
type OAuth struct {
	// ClientID and ClientSecret are the application's. No application without.
	ClientID, ClientSecret string
	// Refresh is the first refresh token. Default: one made from Seed; see
	// Portal.RefreshToken.
	Refresh string
	// Endpoint is the portal's REST address in answers of the authorization
	// server. Default: that of the request's host.
	Endpoint string
	// ServerEndpoint is the address of the authorization server in its answers. Default:
	// that of oauth.bitrix.info.
	ServerEndpoint string
	// Life is how long an access token lives. Default: 1 h.
	Life time.Duration
	// ExpireAfter makes an access token expire after that many requests. 0:
	// only by time.
	ExpireAfter int
}

// Churn changes the data while requests come in.
type Churn struct {
	Every int    // after each Every-th request …
	Count int    // … this many mutations, as Mutate makes them
	Times int    // this often at most; 0: without end
	Seed  uint64 // of the mutations
}

// Reporter receives the broken rules of a strict portal. testing.TB is one. It
// must be safe for concurrent use, and must take calls for as long as requests
// are under way.
type Reporter interface {
	Errorf(format string, args ...any)
}
