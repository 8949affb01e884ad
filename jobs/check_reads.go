package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/schemas"
)

// checkGets is how many payments the check fetches, to see whether that works.
const checkGets = 10

// list reads the first page of the listing, as a run does.
func (c *portalCheck) list(ctx context.Context) ([]schemas.Payment, error) {
	page := source.PaymentPage("", schemas.ListFields(c.spec.Source.Fields), bitrix.Params{">id": 0}, "asc", source.Uncounted)
	answer, err := c.call(ctx, page.Method, page.Params)
	if err != nil {
		return nil, err
	}
	items, err := source.PaymentsOf(answer.Value)
	if err != nil {
		return nil, err
	}
	c.listed = items
	var rows []schemas.Payment
	for _, raw := range items {
		var row schemas.Payment
		// A payment that cannot be read becomes a reject. That is no sign of a missing
		// right.
		if row.ReadListed(raw, c.spec.Source.Fields) == nil {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// fields checks whether the listed payments have the job's further fields. A portal
// ignores names of fields that it does not know.
func (c *portalCheck) fields(rows []schemas.Payment) {
	if len(c.spec.Source.Fields) == 0 || len(rows) == 0 {
		return
	}
	var unknown []string
	for _, name := range c.spec.Source.Fields {
		if !slices.ContainsFunc(rows, func(p schemas.Payment) bool { return p.HasExtra(name) }) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		c.warn("source.fields", "spell them as sale.payment.getFields does, or leave them out", "no payment has %s", strings.Join(unknown, ", "))
		return
	}
	c.ok("source.fields", "payments have %s", strings.Join(c.spec.Source.Fields, ", "))
}

// gets fetches some of the listed payments, and compares the dates that lists and gets
// show. It reports whether the portal reads a list of ids in a filter as the number 1.
func (c *portalCheck) gets(ctx context.Context, rows []schemas.Payment) (casts bool) {
	if len(rows) == 0 {
		_, err := c.call(ctx, bitrix.MethodItemPaymentGet, bitrix.Params{"id": 1})
		if e, ok := errors.AsType[*bitrix.Error](err); err == nil || ok && e.Class() == bitrix.Reject && !errors.Is(err, bitrix.ErrPatience) {
			c.warn(bitrix.MethodItemPaymentGet, "", "may be called, but no payment is listed to try it with")
			return false
		}
		c.fail(bitrix.MethodItemPaymentGet, err)
		return false
	}
	var commands []bitrix.Command
	last := rows[len(rows)-1].ID
	rows = spreadOver(rows, checkGets)
	for _, row := range rows {
		commands = append(commands, source.GetCommand(pipeline.PaymentID(row.ID)))
	}
	results, err := c.batch(ctx, append(commands, source.ByIDCommand(last)))
	if err != nil {
		c.fail(bitrix.MethodItemPaymentGet, err)
		return false
	}
	casts = last != 1 && !source.ReadsLists(results[len(rows)], last)
	results = results[:len(rows)]
	c.listDates(results)
	var refused []error
	denied := 0
	for i, res := range results {
		if res.Err != nil {
			refused = append(refused, res.Err)
			denied++
			continue
		}
		row := rows[i]
		if err := row.ReadGot(res.Value); err != nil {
			refused = append(refused, fmt.Errorf("payment %d: %w", row.ID, err))
		}
	}
	switch {
	case denied == len(results):
		c.refuse(bitrix.MethodItemPaymentGet, ExitRefused, "give the "+c.way+"'s user read access to the orders, or "+c.letAdministrator(),
			"each of %d listed payments is refused: %v", denied, refused[0])
	case len(refused) > 0:
		c.warn(bitrix.MethodItemPaymentGet, "such payments become rejects: look at them after a run, or raise rejects.max",
			"%d of %d payments cannot be fetched: %v", len(refused), len(results), refused[0])
	default:
		c.ok(bitrix.MethodItemPaymentGet, "fetched %d of the listed payments", len(results))
	}
	return casts
}

// spreadOver returns at most n rows, spread evenly over rows.
func spreadOver(rows []schemas.Payment, n int) []schemas.Payment {
	if len(rows) <= n {
		return rows
	}
	chosen := make([]schemas.Payment, n)
	for i := range chosen {
		chosen[i] = rows[i*(len(rows)-1)/(n-1)]
	}
	return chosen
}

// listDates warns if the list shows other dates than the gets.
func (c *portalCheck) listDates(gets []bitrix.Result) {
	if text := source.ListDates(c.listed, gets); text != "" {
		c.warn("list_dates", "nothing has to be done: runs measure this, and the manifest has it as list_dates; docs/portals.md says what cannot be corrected", "%s", text)
	}
}

// countOwners counts how many of the listed orders have an owner.
func (c *portalCheck) countOwners(ctx context.Context, rows []schemas.Payment) (orders, owned int, casts bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, checkCallLimit, overLimits(bitrix.MethodOrderEntityList))
	defer cancel()
	return source.CountOwners(ctx, c.client, rows)
}

// changes calls the method that lists changes, if an incremental job uses another one
// than the listing.
func (c *portalCheck) changes(ctx context.Context) {
	method, params := source.SinceProbe(c.spec)
	if method == "" {
		return
	}
	since := "since: " + string(c.spec.Source.Since)
	_, err := c.call(ctx, method, params)
	lacking := ""
	if err == nil && c.spec.Source.Since == jobfile.SinceEvents {
		limited, cancel := context.WithTimeoutCause(ctx, checkCallLimit, overLimits(method))
		lacking, err = source.LacksQueue(limited, c.client)
		cancel()
	}
	switch e, refused := source.RefusalOf(err); {
	case lacking != "":
		c.warn(since, "change the plan, or write since: list into the job", "every run lists all payments: %s", lacking)
	case refused:
		c.warn(since, c.letAdministrator(), "every run lists all payments: %v", e)
	case err != nil:
		c.fail(since, err)
	case c.spec.Source.Since == jobfile.SinceEvents:
		c.ok(since, "%s may be called; the first run binds the events", method)
	default:
		c.ok(since, "%s may be called", method)
	}
}

// filters warns if the portal reads a list in a filter as the number 1.
func (c *portalCheck) filters(payments, owners bool) {
	var methods []string
	if payments {
		methods = append(methods, bitrix.MethodPaymentList)
	}
	if owners {
		methods = append(methods, bitrix.MethodOrderEntityList)
	}
	if len(methods) > 0 {
		c.warn("filters", "update the portal; until then, runs ask one by one, which takes more requests",
			"the portal reads a list of numbers in a filter as the number 1: %s", strings.Join(methods, ", "))
	}
}
