package bitrixtest

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// config is the effective configuration of a portal: the options with all defaults, and
// what follows from them. It is never changed, only replaced.
type config struct {
	Options

	offset   int64 // seconds east of Greenwich; Values.Zone replaces it
	zone     *time.Location
	drain    time.Duration // time in which the rate counter falls by one; 0: no limit
	capacity time.Duration // time in which it falls from its maximum to 0; a multiple of drain
	budget   time.Duration // operating time of a method in a window; 0: no limit
	basket   time.Duration // a tenth of the window
	floor    time.Duration
	costs    [methodCount]time.Duration
	counting time.Duration // cost of counting a row
	latency  time.Duration
	jitter   time.Duration
	longest  time.Duration // how long a request may take
	life     time.Duration // of an access token
	host     string        // of MovedTo
	webhook  string        // "USER/SECRET"
	barred   [methodCount]bool

	spelling, poison, refuse, deny, faults, commandFaults, wrong, latencies, costRolls dice
}

// Validate returns an error with everything that is wrong with the options.
func (o *Options) Validate() error {
	var problems []error
	bad := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	share := func(name string, v float64) {
		bad(v >= 0 && v <= 1, "%s: %v: must be a share from 0 to 1", name, v)
	}
	bad(o.Payments >= 0 && o.Payments <= 1e10, "Payments: %d: must be 0 to 10,000,000,000", o.Payments)
	bad(o.First >= 0 && o.First <= 1e15, "First: %d: must be 0 to 10^15", o.First)
	bad(o.Gap <= 1000, "Gap: %d: must be at most 1000", o.Gap)
	bad(o.Offset.Abs() < 24*time.Hour, "Offset: %v: must be below a day", o.Offset)
	_, known := planLimits[o.Plan]
	bad(known || o.Plan == "", "Plan: %q: must be standard, enterprise or unlimited", o.Plan)
	bad(slices.Contains([]Charge{"", ChargeInner, ChargeBatch, ChargeNone}, o.Charge), "Charge: %q: must be inner, batch or none", o.Charge)
	bad(slices.Contains([]State{"", StateOpen, StateNoPlan, StateBlocked, StateClosed, StateNoUser, StateNoRight, StateDeleted, StateDismissed, StateLapsed, StateRemoved, StateNoServer}, o.State), "State: %q: is none", o.State)
	bad(slices.Contains([]Unresolved{"", UnresolvedText, UnresolvedEmpty, UnresolvedPart}, o.Unresolved), "Unresolved: %q: must be text, empty or part", o.Unresolved)
	bad(o.Speed >= 0, "Speed: %v: must not be negative", o.Speed)
	for name := range o.Costs {
		_, known := methodNumbers[name]
		bad(known, "Costs: %q: is no method of the portal", name)
	}
	for _, name := range o.NotInBatch {
		_, known := methodNumbers[name]
		bad(known, "NotInBatch: %q: is no method of the portal", name)
	}
	o.Values.validate(bad)
	share("CostJitter", o.CostJitter)
	share("Poison", o.Poison)
	share("Returns", o.Returns)
	share("OddShare", o.OddShare)
	share("Related.Hidden", o.Related.Hidden)
	share("Refuse", o.Refuse)
	share("Rights.Deny", o.Rights.Deny)
	bad(o.User >= 0, "User: %d: must not be negative", o.User)
	if o.MovedTo != "" {
		u, err := url.Parse(o.MovedTo)
		bad(err == nil && u.Host != "" && (u.Path == "" || u.Path == "/"), "MovedTo: %q: must be a base URL such as https://new.bitrix24.com", o.MovedTo)
	}
	if err := o.Server.validate(); err != nil {
		problems = append(problems, err)
	}
	for i := range o.Faults {
		if err := o.Faults[i].validate(); err != nil {
			bad(false, "Faults[%d]: %w", i, err)
		}
	}
	return errors.Join(problems...)
}

// newConfig fills in the defaults of valid options.
func newConfig(o Options) *config {
	fill(&o.First, 1)
	switch {
	case o.Gap == 0:
		o.Gap = 1
	case o.Gap < 0:
		o.Gap = 0
	}
	if o.Until.IsZero() {
		o.Until = anchors[0]
		if time.Now().Before(anchors[0]) {
			o.Until = anchors[1]
		}
	}
	fill(&o.Offset, 3*time.Hour)
	fill(&o.Plan, PlanUnlimited)
	fill(&o.Charge, ChargeInner)
	fill(&o.Speed, 1)
	fill(&o.User, 1)
	fill(&o.Secret, secretText(newDice(o.Seed, saltSecret), 0, 16))
	fill(&o.State, StateOpen)
	fill(&o.Unresolved, UnresolvedPart)
	fill(&o.OAuth.Life, time.Hour)
	if o.Rights.Scopes == nil {
		o.Rights.Scopes = []string{"crm", "sale"}
	}
	o.TakeTime = o.TakeTime || o.Server.CountCost > 0
	o.Values.setDefaults()
	c := &config{Options: o, offset: int64(o.Offset / time.Second), zone: zoneOf(&o)}

	l := planLimits[o.Plan]
	over(&l.Rate, o.Limits.Rate)
	over(&l.Burst, o.Limits.Burst)
	over(&l.Operating, o.Limits.Operating)
	over(&l.Window, o.Limits.Window)
	over(&l.Floor, o.Limits.Floor)
	if l.Rate > 0 && l.Burst >= 0 {
		fill(&l.Burst, 50)
		c.drain = time.Duration(float64(time.Second) / l.Rate / o.Speed)
		c.capacity = time.Duration(l.Burst) * c.drain
	}
	c.budget = c.faster(max(l.Operating, 0))
	if l.Window <= 0 {
		l.Window = 10 * time.Minute
	}
	c.basket = max(c.faster(l.Window)/10, 1)
	if l.Floor == 0 {
		l.Floor = 100 * time.Millisecond
	}
	c.floor = c.faster(max(l.Floor, 0))

	for i := range methods {
		cost := methods[i].cost
		if set, ok := o.Costs[methods[i].name]; ok {
			cost = set
		}
		c.costs[i] = c.faster(cost)
	}
	for _, name := range o.NotInBatch {
		c.barred[methodNumbers[name]] = true
	}
	c.barred[methodBatch] = true
	c.counting = c.faster(o.Server.CountCost)
	c.latency, c.jitter = c.faster(o.Latency), c.faster(o.Jitter)
	c.longest = c.faster(60 * time.Second)
	c.life = c.faster(o.OAuth.Life)
	if u, err := url.Parse(o.MovedTo); err == nil {
		c.host = u.Host
	}
	c.webhook = strconv.Itoa(o.User) + "/" + o.Secret

	for dice, salt := range map[*dice]uint64{
		&c.spelling: saltSpelling, &c.poison: saltPoison, &c.refuse: saltRefuse, &c.deny: saltDeny,
		&c.faults: saltFault, &c.commandFaults: saltCommandFault, &c.wrong: saltWrong,
		&c.latencies: saltLatency, &c.costRolls: saltCost,
	} {
		*dice = newDice(o.Seed, salt)
	}
	return c
}

func (c *config) faster(d time.Duration) time.Duration {
	if c.Speed == 1 {
		return d
	}
	return time.Duration(float64(d) / c.Speed)
}

// cost returns the cost of the n-th call, a call of that method.
func (c *config) cost(method int, n uint64) time.Duration {
	cost := c.costs[method]
	if c.CostJitter == 0 {
		return cost
	}
	unit := float64(c.costRolls.roll(n)>>11) / (1 << 53) // 0 to 1
	return time.Duration(float64(cost) * (1 + c.CostJitter*(2*unit-1)))
}

// delay returns how long the answer to the n-th request takes to arrive.
func (c *config) delay(n uint64) time.Duration {
	if c.jitter == 0 {
		return c.latency
	}
	return c.latency + time.Duration(c.latencies.roll(n)%uint64(c.jitter+1))
}

func (c *config) granted(scope string) bool {
	return scope == "" || slices.Contains(c.Rights.Scopes, scope)
}

// fill sets *v to its default if it is zero.
func fill[T comparable](v *T, def T) {
	if *v == *new(T) {
		*v = def
	}
}

// over sets *v to its replacement, unless that is zero.
func over[T comparable](v *T, by T) {
	if by != *new(T) {
		*v = by
	}
}

// secretText returns a text of letters and digits, like a portal's secret.
func secretText(d dice, n uint64, length int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, length)
	for i := range b {
		b[i] = letters[d.roll(n<<8|uint64(i))%uint64(len(letters))]
	}
	return string(b)
}
