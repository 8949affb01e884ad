package source

import (
	"log/slog"
	"sync/atomic"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
)

// dateForm is how a list of a sale method changes dates. The server formats the stored
// instant in the user's zone and the site's date format, and parses that text as if it
// were in its own zone.
type dateForm string

const (
	formRight   dateForm = ""        // every date is shown
	formMinutes dateForm = "minutes" // without its seconds
	formDays    dateForm = "days"    // without its time of day
	formSwapped dateForm = "swapped" // day and month are swapped; days above 12 become null
	formShort   dateForm = "short"   // days below 25 become null
	formNull    dateForm = "null"    // every date becomes null
	formUnknown dateForm = "unknown" // the dates of lists and of gets are unrelated
)

// listClock converts the dates that a portal's sale lists show to the stored dates.
// measure creates it once per run. It is read-only after that, and safe for concurrent
// use.
type listClock struct {
	form dateForm
	// shift is how much later than stored the list shows dates: the user's offset minus
	// the server's.
	shift schemas.Instant
	// zone is the server's zone, nil if it is not known.
	zone *time.Location
	// early and late are the least and the greatest offset that the portal printed, in
	// seconds east of UTC.
	early, late int
	// twice lists the hours of zone that occur twice by the wall clock.
	twice []twiceHour
	// measured describes what the fields above were measured by.
	measured string

	unknown, ambiguous atomic.Int64
}

const (
	second = schemas.Instant(1e6)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// correct changes the dates of a row to the stored ones. raw is the element from which
// the row was read.
func (c *listClock) correct(row *schemas.Payment, raw []byte) {
	if c.form == formRight && c.shift == 0 && len(c.twice) == 0 {
		return
	}
	row.DatePaid = c.stored(row.DatePaid, raw, "datePaid")
	row.DateBill = c.stored(row.DateBill, raw, "dateBill")
}

// stored returns the stored instant of a date that a list shows as shown, in the given
// field of raw. It is null if it cannot be known.
func (c *listClock) stored(shown schemas.Null[schemas.Instant], raw []byte, field string) schemas.Null[schemas.Instant] {
	if !shown.Valid {
		return shown
	}
	at := shown.V
	switch c.form {
	case formUnknown, formNull:
		return schemas.Null[schemas.Instant]{}
	case formDays:
		return shown // the user's day, which does not depend on the server's offset
	case formSwapped:
		// The server swapped the text, so the printed wall clock time is swapped back.
		_, offset, err := schemas.ReadDate(raw, field)
		if err != nil {
			return schemas.Null[schemas.Instant]{} // unreachable: the row was read
		}
		wall, ok := swapDay(at + schemas.Instant(offset)*second)
		if !ok {
			return schemas.Null[schemas.Instant]{}
		}
		at = wall - schemas.Instant(offset)*second
		if c.zone != nil {
			at = instantOf(wall, c.zone)
		}
	case formRight, formMinutes, formShort:
	}
	return schemas.Some(c.once(at) - c.shift)
}

// once returns the first of two instants that look the same in a list, because their
// hour occurs twice. Which one the list shows depends on the season of the run.
func (c *listClock) once(at schemas.Instant) schemas.Instant {
	if h := c.twiceAt(at); h != nil && at >= h.second {
		return at - (h.second - h.first)
	}
	return at
}

// twiceAt returns the hour around an instant that occurs twice, or nil.
func (c *listClock) twiceAt(at schemas.Instant) *twiceHour {
	for i := range c.twice {
		if h := &c.twice[i]; h.first <= at && at < h.end {
			return h
		}
	}
	return nil
}

// lossy reports whether a date may be stored although a list does not show it.
func (c *listClock) lossy() bool {
	switch c.form {
	case formSwapped, formShort, formNull, formUnknown:
		return true
	case formRight, formMinutes, formDays:
	}
	return false
}

// hides reports whether the list may show listed, which is a corrected date or null,
// for a date that is stored as known.
func (c *listClock) hides(listed, known schemas.Null[schemas.Instant]) bool {
	switch {
	case !known.Valid || listed == known:
		return false
	case !listed.Valid:
		return c.lossy()
	case c.form == formMinutes:
		return floor(known.V, minute) == listed.V
	case c.form == formDays:
		// The list shows the beginning of the user's day, by the server's clock.
		return listed.V <= known.V+c.shift && known.V+c.shift < listed.V+day
	}
	return false
}

// exact reports whether a row's date_paid equals that of a get.
func (c *listClock) exact(row *schemas.Payment) bool {
	if !row.DatePaid.Valid {
		return !c.lossy()
	}
	return c.form != formMinutes && c.form != formDays && c.twiceAt(row.DatePaid.V+c.shift) == nil
}

// count counts the rows of a listing with dates that cannot be known.
func (c *listClock) count(items []listed) {
	if c == nil || !c.lossy() && len(c.twice) == 0 {
		return
	}
	for i := range items {
		switch row := &items[i].Row; {
		case items[i].Unread || items[i].Missing || items[i].Reject != nil:
		case !row.DateBill.Valid && c.lossy():
			c.unknown.Add(1)
		case row.DateBill.Valid && c.twiceAt(row.DateBill.V+c.shift) != nil:
			c.ambiguous.Add(1)
		}
	}
}

// logLimits logs what users of the table should know.
func (c *listClock) logLimits(log *slog.Logger) {
	attrs := []any{"measured_by", c.measured, "shift", time.Duration(c.shift) * time.Microsecond}
	switch c.form {
	case formRight, formMinutes, formDays:
		if c.shift != 0 || c.form != formRight {
			log.Info("the list shows other dates than are stored; they are corrected", append(attrs, "form", string(c.form))...)
		}
	case formSwapped, formShort, formNull:
		log.Warn("the list does not show all dates: date_bill stays empty where it shows none", append(attrs, "form", string(c.form))...)
	case formUnknown:
		log.Warn("the dates of the list cannot be matched with those of the payments: date_bill stays empty", attrs...)
	}
}

// dates returns the clock's description for the manifest.
func (c *listClock) dates() *pipeline.Dates {
	d := &pipeline.Dates{
		Measured: c.measured, ShiftS: int64(c.shift / second), Form: string(c.form),
		Unknown: c.unknown.Load(), Ambiguous: c.ambiguous.Load(),
	}
	if c.zone != nil {
		d.Zone = c.zone.String()
	}
	return d
}

// clockOf returns the clock that dates describes, or nil if lists show the stored dates.
func clockOf(d *pipeline.Dates, now time.Time) *listClock {
	if d == nil {
		return nil
	}
	c := &listClock{form: dateForm(d.Form), shift: schemas.Instant(d.ShiftS) * second}
	if zone, err := time.LoadLocation(d.Zone); err == nil && d.Zone != "" {
		c.zone, c.twice = zone, twiceHours(zone, now)
	}
	return c
}

// swapDay swaps day and month of a wall clock time. ok is false if there is no such
// day.
func swapDay(wall schemas.Instant) (swapped schemas.Instant, ok bool) {
	t := wall.Time()
	if t.Day() > 12 {
		return 0, false
	}
	u := time.Date(t.Year(), time.Month(t.Day()), int(t.Month()), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	return schemas.InstantOf(u), true
}
