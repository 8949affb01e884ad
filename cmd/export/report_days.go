package main

import (
	"fmt"
	"slices"
	"time"

	"b24export/schemas"
)

// reportColumns is the maximum number of columns of the chart of days. If there are
// more days, columns stand for weeks, months or years.
const reportColumns = 100

// The size of the chart of days in the picture's own units. The page scales it.
const (
	daysWidth  = 600.0
	daysHeight = 130.0
)

// reportUnits are the units that a column of the chart may stand for, the shortest
// first.
var reportUnits = []struct {
	name  string
	start func(time.Time) time.Time // of the unit that contains a day
	next  func(time.Time) time.Time
	label func(time.Time) string
}{
	{"day", func(t time.Time) time.Time { return t }, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }, dayLabel},
	{"week", func(t time.Time) time.Time { return t.AddDate(0, 0, -(int(t.Weekday())+6)%7) }, func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }, func(t time.Time) string { return "week of " + dayLabel(t) }},
	{"month", func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }, func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }, func(t time.Time) string { return t.Format("2006-01") }},
	{"year", func(t time.Time) time.Time { return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC) }, func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }, func(t time.Time) string { return t.Format("2006") }},
}

func dayLabel(t time.Time) string { return t.Format(time.DateOnly) }

// reportDays counts changes by the day of the bill, in the portal's time zone.
type reportDays struct {
	zone   *time.Location
	counts map[time.Time]*reportDay // by the day's midnight, as if in UTC; the zero time: no bill
}

// reportDay has the changes of a day, or of a longer unit of time.
type reportDay struct {
	Day                    string
	Insert, Update, Delete int64

	start, end time.Time
}

func (d *reportDay) sum() int64 { return d.Insert + d.Update + d.Delete }

// at returns the counts of a payment's day.
func (r *reportDays) at(bill schemas.Null[schemas.Instant]) *reportDay {
	var day time.Time
	if bill.Valid {
		year, month, date := bill.V.Time().In(r.zone).Date()
		day = time.Date(year, month, date, 0, 0, 0, 0, time.UTC)
	}
	c := r.counts[day]
	if c == nil {
		if r.counts == nil {
			r.counts = make(map[time.Time]*reportDay)
		}
		c = new(reportDay)
		r.counts[day] = c
	}
	return c
}

// columns sums up the days by the shortest unit that results in few enough columns
// between the first day and the last one. It returns the columns with changes, oldest
// first. Days without a bill come last, with a zero start.
func (r *reportDays) columns() (unit string, columns []reportDay) {
	var days []time.Time
	for day := range r.counts {
		if !day.IsZero() {
			days = append(days, day)
		}
	}
	slices.SortFunc(days, time.Time.Compare)
	if len(days) > 0 {
		u := reportUnits[len(reportUnits)-1]
		for _, shorter := range reportUnits {
			n := 0
			for at := shorter.start(days[0]); !at.After(days[len(days)-1]) && n <= reportColumns; at = shorter.next(at) {
				n++
			}
			if n <= reportColumns {
				u = shorter
				break
			}
		}
		unit = u.name
		for _, day := range days {
			start := u.start(day)
			if len(columns) == 0 || columns[len(columns)-1].start != start {
				columns = append(columns, reportDay{Day: u.label(start), start: start, end: u.next(start)})
			}
			columns[len(columns)-1].add(r.counts[day])
		}
	}
	if none := r.counts[time.Time{}]; none != nil {
		columns = append(columns, reportDay{Day: "without a bill"})
		columns[len(columns)-1].add(none)
	}
	return unit, columns
}

func (d *reportDay) add(o *reportDay) {
	d.Insert += o.Insert
	d.Update += o.Update
	d.Delete += o.Delete
}

// reportBar is a part of a column, in the picture's units.
type reportBar struct {
	Class, Title string
	X, Y, W, H   float64
}

// drawColumns places columns on an axis of time. The distance from the left is the time
// since the first column. It returns nil if there is nothing to draw.
func drawColumns(columns []reportDay) (bars []reportBar) {
	columns = slices.DeleteFunc(slices.Clone(columns), func(d reportDay) bool { return d.start.IsZero() })
	if len(columns) == 0 {
		return nil
	}
	most := int64(1)
	for i := range columns {
		most = max(most, columns[i].sum())
	}
	first, last := columns[0].start, columns[len(columns)-1].end
	x := func(t time.Time) float64 { return daysWidth * float64(t.Sub(first)) / float64(last.Sub(first)) }
	for i := range columns {
		c := &columns[i]
		y := daysHeight
		for k, n := range []int64{c.Insert, c.Update, c.Delete} {
			if n == 0 {
				continue
			}
			h := daysHeight * float64(n) / float64(most)
			y -= h
			bars = append(bars, reportBar{
				Class: ops[k].op, Title: fmt.Sprintf("%s: %s %s", c.Day, grouped(n), ops[k].what),
				X: x(c.start), Y: y, W: max(1, 0.85*(x(c.end)-x(c.start))), H: h,
			})
		}
	}
	return bars
}

// reportZone returns the zone that a manifest names, and its name on the page.
func reportZone(name string) (*time.Location, string) {
	if zone, err := time.LoadLocation(name); err == nil && name != "" {
		return zone, name
	}
	if zone, shift := (sqlZone{zone: name}).duckDB(); zone == unknownZone && name != "" {
		return time.FixedZone(name, int(shift/time.Second)), name
	}
	return time.UTC, unknownZone
}
