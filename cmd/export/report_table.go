package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"b24export/schemas"
	"b24export/sinks"
)

// reportSystems is the maximum number of payment systems that the page lists.
const reportSystems = 12

// reportAges are the age groups of unpaid payments, by days since the bill. Limits are
// inclusive.
var reportAges = []struct {
	days int
	name string
}{{30, "up to 30 days"}, {90, "31 to 90 days"}, {365, "91 to 365 days"}, {1 << 30, "over a year"}, {-1, "without a bill"}}

// readTable sums up the snapshot's table: by payment system, and unpaid payments by
// age.
func (r *report) readTable(ctx context.Context, data *dataset) error {
	systems := map[string]*schemas.Totals{}
	unpaid := make([]schemas.Totals, len(reportAges))
	for p, err := range data.ReadPayments(ctx, r.Manifest, sinks.Above(0)) {
		if err != nil {
			return err
		}
		name := strings.TrimSpace(p.PaySystemName.V)
		if systems[name] == nil {
			systems[name] = new(schemas.Totals)
		}
		systems[name].Add(p)
		if p.Paid.Valid && !p.Paid.V && !p.Returned.Valid {
			unpaid[ageOf(p.DateBill, r.Manifest.StartedAt)].Add(p)
		}
	}
	for i := range unpaid {
		r.Unpaid = append(r.Unpaid, totalsOf(reportAges[i].name, unpaid[i].ByCurrency())...)
	}
	type system struct {
		name     string
		payments int64
		totals   *schemas.Totals
	}
	var all []system
	for name, t := range systems {
		s := system{name, 0, t}
		for _, total := range t.ByCurrency() {
			s.payments += total.Payments
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b system) int {
		return cmp.Or(cmp.Compare(b.payments, a.payments), strings.Compare(a.name, b.name))
	})
	for i, s := range all {
		if i == reportSystems {
			r.MoreSystems = len(all) - i
			break
		}
		name := printable(s.name)
		if name == "" {
			name = "(none)"
		}
		r.Systems = append(r.Systems, totalsOf(name, s.totals.ByCurrency())...)
	}
	return nil
}

// ageOf returns the index in reportAges of a bill, as of an instant. A bill in the
// future counts as new.
func ageOf(bill schemas.Null[schemas.Instant], at time.Time) int {
	if !bill.Valid {
		return len(reportAges) - 1
	}
	days := int(at.Sub(bill.V.Time()) / (24 * time.Hour))
	return slices.IndexFunc(reportAges, func(a struct {
		days int
		name string
	}) bool {
		return days <= a.days
	})
}
