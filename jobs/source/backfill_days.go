package source

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/schemas"
)

// daysSlack is how much more than its days a backfill requests, before and after them.
// A portal may read the dates of a filter in another zone than the filter uses; two
// zones differ by 26 hours at most. A day is counted in the zone of the portal's
// server, which is within that slack as well.
const daysSlack = maxShift

// days are the days that a backfill fetches. The portal's filter only reduces the
// listing. The payment's own date, with the offset of that date, decides whether the
// payment belongs to the days. Summer and winter have different offsets, and so two
// backfills that meet in a day omit no hour, whenever each is run.
type days struct {
	jobfile.DateRange
	field  string // of the portal
	date   func(*schemas.Payment) schemas.Null[schemas.Instant]
	filter func(from, to schemas.Instant) bitrix.Params
	// clock is the listing's clock, once it is measured. zone is the zone of the days,
	// nil if it is not known.
	clock *listClock
	zone  *time.Location
	// early and late are the least and the greatest offset that the portal prints, in
	// seconds east of UTC.
	early, late int
	unknown     atomic.Int64
}

// FilterIgnoredError is returned if a portal does not obey a filter by a date.
type FilterIgnoredError struct {
	Method, Field string
	// Why describes what was observed. It contains no values of a payment.
	Why string
}

func (e *FilterIgnoredError) Error() string {
	return fmt.Sprintf("%s ignores the condition on %s: %s", e.Method, e.Field, e.Why)
}

// wallOf returns the beginning of a day as a wall clock time, as if it were UTC.
func wallOf(d jobfile.Date) schemas.Instant { return schemas.InstantOf(d.In(time.UTC)) }

// holds reports whether a wall clock time is on one of the days.
func (d *days) holds(wall schemas.Instant) bool { return wallOf(d.From) <= wall && wall < wallOf(d.To) }

// near reports whether the portal's filter may match an instant.
func (d *days) near(at schemas.Instant) bool {
	return wallOf(d.From)-2*daysSlack <= at && at < wallOf(d.To)+2*daysSlack
}

// maybe reports whether an instant is on one of the days by any of the offsets that the
// portal prints.
func (d *days) maybe(at schemas.Instant) bool {
	return d.holds(at+schemas.Instant(d.early)*second) || d.holds(at+schemas.Instant(d.late)*second)
}

// had reports whether a row of the last snapshot may be on one of the days. If the
// portal no longer lists it there, the payment was deleted or its date has changed.
func (d *days) had(row *schemas.Payment) bool {
	at := d.date(row)
	switch {
	case !at.Valid:
		return false
	case d.zone != nil:
		return d.holds(wallIn(at.V, d.zone))
	}
	return d.maybe(at.V)
}

// has reports whether a listed row is on one of the days. raw is the element from which
// the row was read. It returns an error if the portal does not obey its filter.
func (d *days) has(row *schemas.Payment, raw []byte) (bool, error) {
	at := d.date(row)
	switch {
	case !at.Valid && d.clock.lossy(), d.clock.form == formDays:
		d.unknown.Add(1)
		return true, nil // not known; the filter matched it
	case !at.Valid:
		return false, &FilterIgnoredError{bitrix.MethodPaymentList, d.field, fmt.Sprintf("it listed payment %d, which has none", row.ID)}
	case !d.near(at.V):
		return false, &FilterIgnoredError{bitrix.MethodPaymentList, d.field, fmt.Sprintf("it listed payment %d, whose date lies days outside what was asked for", row.ID)}
	case d.zone != nil:
		return d.holds(wallIn(at.V, d.zone)), nil
	case d.clock.form == formSwapped:
		return d.maybe(at.V), nil // the offset is that of another day
	}
	_, offset, err := schemas.ReadDate(raw, d.field)
	return err == nil && d.holds(at.V+schemas.Instant(offset)*second), nil
}

// wallIn returns the wall clock time of an instant in a zone, as if it were UTC.
func wallIn(at schemas.Instant, zone *time.Location) schemas.Instant {
	_, offset := at.Time().In(zone).Zone()
	return at + schemas.Instant(offset)*second
}

// logLimits logs how reliable the dates of the days are.
func (d *days) logLimits(log *slog.Logger) {
	if n := d.unknown.Load(); n > 0 {
		log.Warn("the list does not show the dates of these payments: some of them may be of a day before or behind the range",
			"payments", n, "field", d.field)
	}
}

// daysProbes is how many payments are used to try a portal's filter.
const daysProbes = 3

// prove checks whether the portal obeys a filter by the date, before the run relies on
// it: payments with known dates must be listed if they match, and only then. If no date
// of the portal is known, the filter is trusted.
func (d *days) prove(ctx context.Context, client *bitrix.Client) error {
	known, err := d.samples(ctx, client)
	if err != nil || len(known) == 0 {
		return err
	}
	var commands []bitrix.Command
	for i, s := range known {
		for key, filter := range map[string]bitrix.Params{
			"in":  d.filter(s.at-daysSlack, s.at+daysSlack),
			"out": d.filter(s.at+2*daysSlack, s.at+4*daysSlack),
		} {
			filter["=id"] = s.id
			commands = append(commands, PaymentPage(fmt.Sprintf("%s%d", key, i), []string{"id"}, filter, "asc", Uncounted))
		}
	}
	results, err := client.Batch(ctx, commands)
	if err != nil {
		return fmt.Errorf("try a filter by %s: %w", d.field, err)
	}
	in, out := 0, 0
	for i, res := range results {
		if res.Err != nil {
			return fmt.Errorf("try a filter by %s: %w", d.field, res.Err)
		}
		raws, err := PaymentsOf(res.Value)
		switch {
		case err != nil:
			return err
		case commands[i].Key[:2] == "in":
			in += len(raws)
		default:
			out += len(raws)
		}
	}
	switch { // one payment may change meanwhile
	case out >= len(known):
		return &FilterIgnoredError{bitrix.MethodPaymentList, d.field, "it lists payments which do not match it"}
	case in == 0:
		return &FilterIgnoredError{bitrix.MethodPaymentList, d.field, "it matches nothing, not even payments whose date is known"}
	}
	return nil
}

// datedPayment is a payment whose date is known.
type datedPayment struct {
	id int64
	at schemas.Instant
}

// samples lists a few of the oldest and the newest payments with their dates.
func (d *days) samples(ctx context.Context, client *bitrix.Client) ([]datedPayment, error) {
	commands := make([]bitrix.Command, 0, 2)
	for _, way := range []string{"desc", "asc"} {
		commands = append(commands, PaymentPage(way, []string{"id", d.field}, bitrix.Params{">id": 0}, way, Uncounted))
	}
	results, err := client.Batch(ctx, commands)
	if err != nil {
		return nil, fmt.Errorf("try a filter by %s: %w", d.field, err)
	}
	var known []datedPayment
	for _, res := range results {
		if res.Err != nil {
			return nil, fmt.Errorf("try a filter by %s: %w", d.field, res.Err)
		}
		raws, ids, err := bitrix.ItemsByID(res.Value, paymentItems, "id")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", bitrix.MethodPaymentList, err)
		}
		for i, raw := range raws {
			at, _, err := schemas.ReadDate(raw, d.field)
			if err != nil {
				continue
			}
			if at = d.clock.stored(at, raw, d.field); at.Valid && len(known) < daysProbes {
				known = append(known, datedPayment{ids[i], at.V})
			}
		}
	}
	return known, nil
}

// ready sets the measured clock. zone is the zone that the job names, or nil.
func (d *days) ready(clock *listClock, zone *time.Location) {
	d.clock, d.zone = clock, zone
	if zone == nil {
		d.zone = clock.zone
	}
	d.early, d.late = clock.early, clock.late
}

// only returns the items of a page that belong to the days.
func (d *days) only(items []listed, page *bitrix.Page) ([]listed, error) {
	in := items[:0]
	for i := range items {
		if items[i].Reject == nil { // the date of a reject is not known
			ok, err := d.has(&items[i].Row, page.Items[i])
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		in = append(in, items[i])
	}
	return in, nil
}
