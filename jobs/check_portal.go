package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/jobs/source"
)

// neededScopes are the scopes of the methods that a run calls.
var neededScopes = []string{"crm", "sale"}

// portalCheck checks one portal.
type portalCheck struct {
	report
	spec   *jobfile.Spec
	client *bitrix.Client
	now    func() time.Time
	listed [][]byte // the first page of payments, as the portal sent it
	way    string   // how the portal is accessed: the webhook, or the application
	// instead says how a run finds payments although sale.payment.list refuses. It is
	// "" if that method works, or if nothing can replace it.
	instead string
}

// checkPortal checks what a run needs of a portal.
func checkPortal(ctx context.Context, spec *jobfile.Spec, portal *jobfile.PortalSpec, o *RunOptions) []CheckLine {
	c := portalCheck{report: report{portal: portal.Name}, spec: spec, now: o.Now}
	if c.now == nil {
		c.now = time.Now
	}
	log := o.Log.With("portal", portal.Name)
	access, err := accessOf(ctx, spec, portal, log)
	if err != nil {
		hint := "copy the webhook's address from Bitrix24 as a whole"
		if portal.OAuth != nil {
			hint = "see the keys of oauth in the job"
		}
		c.refuse("secrets", ExitUsage, hint, "%v", err)
		return c.lines
	}
	c.ok("secrets", "%s", access)
	c.way = "webhook"
	if app, ok := access.(*bitrix.Application); ok {
		c.way = "application"
		if !c.tokens(ctx, app) {
			return c.lines
		}
	}
	client, done := o.clientOf(spec, portal, access, o.usedByOthers(portal), log)
	defer done()
	c.client = client
	scopes, ok := c.reach(ctx)
	if !ok {
		return c.lines
	}
	profile, profileErr := c.call(ctx, bitrix.MethodProfile, nil)
	rows, listErr := c.list(ctx)
	orders, owned, ownersCast, ownersErr := c.countOwners(ctx, rows)
	way, wayErr := c.choose(listErr, ownersErr)
	if wayErr == nil {
		if wayErr = c.less(ctx, o, &way); wayErr != nil {
			listErr = wayErr
		}
	}
	if listErr != nil && wayErr == nil {
		c.instead = way.Lacks
	}
	c.scopes(scopes)
	c.administrator(profile.Value, profileErr, listErr)
	switch {
	case listErr == nil:
		c.ok(bitrix.MethodPaymentList, "%d payments on the first page", len(rows))
	case wayErr == nil:
		c.warn(bitrix.MethodPaymentList, c.instead, "%v", listErr)
	default:
		c.fail(bitrix.MethodPaymentList, listErr)
	}
	c.otherTypes()
	c.fields(rows)
	paymentsCast := c.gets(ctx, rows)
	switch {
	case ownersErr != nil && wayErr == nil && way.List == jobfile.ListItems:
		c.warn(bitrix.MethodOrderEntityList, way.Lacks, "%v", ownersErr)
	case ownersErr != nil:
		c.fail(bitrix.MethodOrderEntityList, ownersErr)
	case orders == 0:
		c.ok(bitrix.MethodOrderEntityList, "may be called")
	default:
		c.ok(bitrix.MethodOrderEntityList, "%d of %d orders have an owner", owned, orders)
	}
	c.filters(paymentsCast, ownersCast)
	c.changes(ctx)
	c.counters()
	c.clock(ctx)
	return c.lines
}

// choose returns how a run will find payments, from the results of the two list
// methods. The error says why a run cannot find them.
func (c *portalCheck) choose(listErr, ownersErr error) (source.Way, error) {
	var refused source.Refusals
	if e, ok := source.RefusalOf(listErr); ok {
		refused.Payments = e
	} else if listErr != nil {
		return source.Way{}, listErr
	}
	if e, ok := source.RefusalOf(ownersErr); ok {
		refused.Owners = e
	}
	return source.Choose(c.spec, refused)
}

// tokens checks an application's tokens, and whether new ones could be stored. It does
// not check whether they are valid: the portal does. If they have expired, the check
// refreshes them, as a run does.
func (c *portalCheck) tokens(ctx context.Context, app *bitrix.Application) bool {
	state, err := app.State(ctx)
	if err == nil {
		err = app.CheckStore(ctx)
	}
	if err != nil {
		c.fail("tokens", err)
		return false
	}
	switch {
	case !state.Access:
		c.ok("tokens", "%s: a refresh token to begin with", state.Where)
	case !state.Expires.IsZero() && !state.Expires.After(c.now()):
		c.ok("tokens", "%s: expired at %s, to be refreshed", state.Where, state.Expires.UTC().Format(time.RFC3339))
	default:
		c.ok("tokens", "%s: can be read and replaced", state.Where)
	}
	return true
}

// call calls a method. It does not wait longer than checkCallLimit for the limits.
func (c *portalCheck) call(ctx context.Context, method string, params bitrix.Params) (bitrix.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkCallLimit, overLimits(method))
	defer cancel()
	return c.client.Call(ctx, method, params)
}

func (c *portalCheck) batch(ctx context.Context, commands []bitrix.Command) ([]bitrix.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkCallLimit, overLimits(commands[0].Method))
	defer cancel()
	return c.client.Batch(ctx, commands)
}

func overLimits(method string) error {
	return fmt.Errorf("%s: %w: refused for %v", method, errOverLimits, checkCallLimit)
}

// reach calls the method scope, which needs no right except access. Its error therefore
// shows what is wrong between this machine and the portal's methods. ok reports whether
// calling other methods makes sense.
func (c *portalCheck) reach(ctx context.Context) (scopes bitrix.Result, ok bool) {
	scopes, err := c.call(ctx, bitrix.MethodScope, nil)
	e, refused := errors.AsType[*bitrix.Error](err)
	if err != nil && !refused || errors.Is(err, bitrix.ErrPatience) {
		c.fail("reachable", err)
		return scopes, false
	}
	code := ""
	if refused {
		code = e.Code
	}
	is := func(codes ...string) bool {
		return refused && slices.ContainsFunc(codes, func(known string) bool { return strings.EqualFold(known, code) })
	}
	switch {
	case refused && e.Method == bitrix.TokenMethod:
		c.fail("tokens", err)
		return scopes, false
	case is(bitrix.CodeOverload, bitrix.CodePortalDeleted, bitrix.CodeForeignRedirect, bitrix.CodeInvalidRequest,
		bitrix.CodeCertificate, bitrix.CodeBadAnswer):
		c.fail("reachable", err)
		return scopes, false
	case is(bitrix.CodeAccessDenied) && e.Class() == bitrix.Stop:
		c.ok("reachable", "it answers")
		c.fail("plan", err)
		return scopes, false
	case is(bitrix.CodeNoAuth, bitrix.CodeInvalidToken, bitrix.CodeExpiredToken, bitrix.CodeInvalidCreds, bitrix.CodeUserAccess,
		bitrix.CodeAuthorization, bitrix.CodeAppNotFound):
		c.ok("reachable", "it answers")
		c.fail(c.way, err)
		return scopes, false
	}
	c.ok("reachable", "it answers")
	c.ok(c.way, "the portal accepts it")
	c.ok("plan", "it includes REST")
	if refused {
		c.warn("scopes", "see whether the methods below work", "unknown: %v", err)
	}
	return scopes, true
}

// scopes checks whether the needed scopes were granted.
func (c *portalCheck) scopes(answer bitrix.Result) {
	if answer.Value == nil {
		return // reach has reported why
	}
	granted, err := textsOf(answer.Value)
	if err != nil {
		c.warn("scopes", "see whether the methods below work", "unknown: %v", err)
		return
	}
	var missing []string
	for _, name := range neededScopes {
		if !slices.Contains(granted, name) {
			missing = append(missing, name)
		}
	}
	if c.instead != "" && slices.Equal(missing, []string{"sale"}) {
		c.warn("scopes", "give it the scope sale for every payment and every column", "missing: sale; %s", c.instead)
		return
	}
	if len(missing) > 0 {
		c.refuse("scopes", ExitRefused,
			fmt.Sprintf("give the %s the scope %s (Bitrix24: Developer resources, Integrations, the %[1]s, Access permissions)", c.way, strings.Join(missing, ", ")),
			"missing: %s", strings.Join(missing, ", "))
		return
	}
	c.ok("scopes", "%s", strings.Join(neededScopes, ", "))
	c.relatedScopes(granted)
}

// relatedScopes checks whether the scopes of the related tables were granted. A run
// leaves out the tables whose scope is missing.
func (c *portalCheck) relatedScopes(granted []string) {
	if len(c.spec.Source.Related) == 0 {
		return
	}
	var missing []string
	for _, table := range c.spec.Source.Related {
		if scope := relatedScopes[table]; scope != "" && !slices.Contains(granted, scope) {
			missing = append(missing, table+" (scope "+scope+")")
		}
	}
	if len(missing) > 0 {
		c.warn("source.related", "give it these scopes, or take the tables out of source.related", "runs leave out %s", strings.Join(missing, ", "))
		return
	}
	c.ok("source.related", "%s", strings.Join(c.spec.Source.Related, ", "))
}

// textsOf returns the strings of a JSON list, and leaves out other values.
func textsOf(value []byte) ([]string, error) {
	items, err := bitrix.Items(value, "")
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, raw := range items {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			texts = append(texts, text)
		}
	}
	return texts, nil
}

// less returns an error if a run that uses way would see less than the newest snapshot
// contains. It ignores errors of the sink, which other checks report.
func (c *portalCheck) less(ctx context.Context, o *RunOptions, way *source.Way) error {
	data, closeData, err := openDataset(ctx, c.spec, c.portal, "", o, o.Log)
	if err != nil {
		return nil
	}
	defer func() { _ = closeData() }() // nothing was written
	last, err := data.Newest(ctx)
	if err != nil {
		return nil
	}
	return way.Less(c.spec, last)
}

// otherTypes warns if the job lists CRM types whose payments a portal may not show.
func (c *portalCheck) otherTypes() {
	if c.spec.Source.List == jobfile.ListItems && source.OtherTypes(c.spec.Source.EntityTypes) {
		c.warn("source.entity_types", "compare what comes with the portal's own list, or name only 2 and 31",
			"of CRM types other than deals (2) and smart invoices (31), a portal may show no payments, without an error")
	}
}

// letAdministrator returns what to do if an administrator is needed.
func (c *portalCheck) letAdministrator() string {
	if c.way == "application" {
		return "let an administrator get the tokens (b24export auth JOB)"
	}
	return "let an administrator create the webhook"
}

// administrator reports whether the webhook's user is an administrator, and whether it
// matters. Only a listing that fails is an error.
func (c *portalCheck) administrator(profile []byte, err, listErr error) {
	var who struct {
		ID, Admin json.RawMessage
	}
	if err == nil {
		err = json.Unmarshal(profile, &who)
	}
	plain := func(raw []byte) string { return strings.Trim(string(raw), `"`) }
	admin := slices.Contains([]string{"true", "Y", "1"}, plain(who.Admin))
	switch {
	case err == nil && admin:
		c.ok("administrator", "the "+c.way+"'s user %s is an administrator", plain(who.ID))
	case err == nil && listErr == nil:
		c.warn("administrator", c.letAdministrator()+": another user may see less later",
			"the "+c.way+"'s user %s is not an administrator, but %s works", plain(who.ID), bitrix.MethodPaymentList)
	case err == nil && c.instead != "":
		c.warn("administrator", c.letAdministrator()+" for every payment and every column",
			"the "+c.way+"'s user %s is not an administrator; %s", plain(who.ID), c.instead)
	case err == nil:
		c.refuse("administrator", ExitRefused, c.letAdministrator(),
			"the "+c.way+"'s user %s is not an administrator, and %s is for administrators only", plain(who.ID), bitrix.MethodPaymentList)
	case listErr == nil:
		c.ok("administrator", "%s works, which is for administrators only", bitrix.MethodPaymentList)
	default:
		c.fail("administrator", err)
	}
}

// counters reports whether answers contain the operating time used.
func (c *portalCheck) counters() {
	var busiest *bitrix.MethodGauge
	methods := c.client.Gauge().Methods
	for i := range methods {
		if m := &methods[i]; m.Counted && (busiest == nil || m.Reported > busiest.Reported) {
			busiest = m
		}
	}
	switch {
	case busiest == nil:
		c.ok("counters", "answers have no operating time, as on self-hosted portals: the run counts it itself")
	case busiest.Budget > 0:
		c.ok("counters", "answers have the operating time: at most %.1f s of %.0f s are used up (%s)",
			busiest.Reported.Seconds(), busiest.Budget.Seconds(), busiest.Method)
	default:
		c.ok("counters", "answers have the operating time: %.1f s (%s); the job has no budget for it", busiest.Reported.Seconds(), busiest.Method)
	}
}

// clock compares the portal's clock with this machine's.
func (c *portalCheck) clock(ctx context.Context) {
	sent := c.now()
	answer, err := c.call(ctx, bitrix.MethodServerTime, nil)
	received := c.now()
	var theirs time.Time
	if err == nil {
		theirs, err = source.ReadTime(answer.Value)
	}
	if err != nil {
		c.warn("clock", "", "unknown: %v", err)
		return
	}
	// The portal read its clock between sent and received, and truncated the time to
	// the second.
	ahead, behind := theirs.Sub(received), sent.Sub(theirs.Add(time.Second))
	switch {
	case ahead > clockTolerance:
		c.warn("clock", clockFix, "this machine's clock is %v behind the portal's", ahead.Round(time.Second))
	case behind > clockTolerance:
		c.warn("clock", clockFix, "this machine's clock is %v ahead of the portal's", behind.Round(time.Second))
	default:
		c.ok("clock", "the portal's and this machine's agree to %v", max(ahead, behind, received.Sub(sent)+time.Second).Round(time.Second))
	}
}

const clockFix = "set this machine's clock (NTP): snapshots are named after it, leases end by it, and extracted_at is taken from it"
