package bitrixtest

import (
	"fmt"
	"slices"
	"strconv"
	"time"
	_ "time/tzdata" // zones by name, on machines that have none
)

// ValueQuirks is what servers do with dates, filters and events beyond their
// documentation. The zero value does as documented.
type ValueQuirks struct {
	// Zone is the server's time zone by its name, such as Europe/Berlin, in place
	// of Options.Offset. Each date has the offset of its own day.
	Zone string
	// ListShift is the user's offset minus the server's. Dates of
	// sale.payment.list and sale.order.list are later by it than they are, with
	// the server's offset; those of crm.item.payment.get are right.
	ListShift time.Duration
	// DateFormat is the site's: the dates of these two lists are written in it and
	// read back. Default: DatesRight.
	DateFormat DateFormat
	// ProfileOffset adds TIME_ZONE_OFFSET to profile: the user's offset from UTC,
	// in seconds.
	ProfileOffset bool

	// ListNames makes sale.payment.list name payment systems as they are named
	// now, and gets as they were named.
	ListNames bool
	// CastLists reads a list in a filter by a number as the number 1, in the sale
	// methods and in crm.orderentity.list.
	CastLists bool
	// FilterDates is how dates in filters are read. Default: FilterDatesRight.
	FilterDates FilterDates
	// FilterOffset is the zone whose wall clock FilterDatesWall reads.
	FilterOffset time.Duration

	// Queue is what event.offline.list shows of reserved events. Default:
	// QueueShown.
	Queue Queue
	// QueueClears makes event.offline.get clear what it hands over whatever clear
	// says. Its answer's process_id is null.
	QueueClears bool
	// QueueUnreserved makes event.offline.get hand the same events over again.
	QueueUnreserved bool
	// NoOfflineFeature is a plan without rest_offline_extended: feature.get says
	// so, and event.offline.get with clear=0 ends in WRONG_LICENSE.
	NoOfflineFeature bool
	// NoFeatureGet is a portal that does not know feature.get.
	NoFeatureGet bool
	// NoBind refuses event.bind.
	NoBind bool
}

// DateFormat is what becomes of a date that a list writes in the site's format
// and reads back.
type DateFormat string

const (
	DatesRight   DateFormat = "right"   // such as DD.MM.YYYY HH:MI:SS
	DatesSwapped DateFormat = "swapped" // DD/MM/YYYY is read month first: null where the day is above 12
	DatesShort   DateFormat = "short"   // DD.MM.YY is read as a time of day: null where the day is below 25
	DatesNull    DateFormat = "null"    // YYYY.MM.DD is not read at all
	DatesMinutes DateFormat = "minutes" // without seconds
	DatesDays    DateFormat = "days"    // without a time of day
)

var dateFormats = []DateFormat{DatesRight, DatesSwapped, DatesShort, DatesNull, DatesMinutes, DatesDays}

// FilterDates is how a portal reads a date in a filter.
type FilterDates string

const (
	FilterDatesRight   FilterDates = "right"
	FilterDatesWall    FilterDates = "wall"    // the offset is dropped, the wall clock is that of FilterOffset
	FilterDatesDropped FilterDates = "dropped" // the condition is dropped
	FilterDatesNothing FilterDates = "nothing" // nothing matches
)

var filterDates = []FilterDates{FilterDatesRight, FilterDatesWall, FilterDatesDropped, FilterDatesNothing}

// Queue is what a look at the queue of events shows of reserved ones.
type Queue string

const (
	QueueShown     Queue = "shown"      // with their PROCESS_ID
	QueueNoProcess Queue = "no-process" // with an empty PROCESS_ID
	QueueHidden    Queue = "hidden"     // nothing
)

var queues = []Queue{QueueShown, QueueNoProcess, QueueHidden}

// validate reports each problem to bad.
func (q *ValueQuirks) validate(bad func(ok bool, format string, args ...any)) {
	_, err := time.LoadLocation(q.Zone)
	bad(err == nil, "Values.Zone: %q: must be a time zone such as Europe/Berlin", q.Zone)
	bad(q.ListShift.Abs() <= 26*time.Hour && q.ListShift%time.Second == 0, "Values.ListShift: %v: must be whole seconds, at most 26h", q.ListShift)
	bad(q.FilterOffset.Abs() < 24*time.Hour, "Values.FilterOffset: %v: must be below a day", q.FilterOffset)
	bad(q.DateFormat == "" || slices.Contains(dateFormats, q.DateFormat), "Values.DateFormat: %q: must be one of %v", q.DateFormat, dateFormats)
	bad(q.FilterDates == "" || slices.Contains(filterDates, q.FilterDates), "Values.FilterDates: %q: must be one of %v", q.FilterDates, filterDates)
	bad(q.Queue == "" || slices.Contains(queues, q.Queue), "Values.Queue: %q: must be one of %v", q.Queue, queues)
}

func (q *ValueQuirks) setDefaults() {
	fill(&q.DateFormat, DatesRight)
	fill(&q.FilterDates, FilterDatesRight)
	fill(&q.Queue, QueueShown)
}

// zoneOf makes the server's time zone of valid options.
func zoneOf(o *Options) *time.Location {
	if o.Values.Zone == "" {
		return time.FixedZone("", int(o.Offset/time.Second))
	}
	zone, err := time.LoadLocation(o.Values.Zone)
	if err != nil {
		panic(fmt.Sprintf("bitrixtest: zone %s: %v", o.Values.Zone, err)) // unreachable: validated
	}
	return zone
}

// offsetAt returns the server's offset at a Unix time, in seconds east of
// Greenwich.
func (c *config) offsetAt(unix int64) int64 {
	if c.Values.Zone == "" {
		return c.offset
	}
	_, offset := time.Unix(unix, 0).In(c.zone).Zone()
	return int64(offset)
}

// shown returns what a list shows for a stored date: the Unix time, and whether
// it shows one at all. It is what the portal's PHP does: the instant becomes text
// in the user's zone and the site's format, and the text is read as if it were
// the server's.
func (c *config) shown(unix, now int64) (int64, bool) {
	q := &c.Values
	at := time.Unix(unix+int64(q.ListShift/time.Second), 0).In(c.zone)
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	switch q.DateFormat {
	case DatesSwapped:
		if day > 12 {
			return 0, false
		}
		month, day = time.Month(day), int(month)
	case DatesShort:
		if day < 25 {
			return 0, false
		}
	case DatesNull:
		return 0, false
	case DatesMinutes:
		second = 0
	case DatesDays:
		hour, minute, second = 0, 0, 0
	case DatesRight:
	}
	wall := time.Date(year, month, day, hour, minute, second, 0, time.UTC).Unix()
	return c.mktime(wall, now), true
}

// mktime returns the instant of a wall clock, given as if it were UTC. Of an hour
// that comes twice, PHP takes the first in the summer and the second in the
// winter of now. Tried in PHP 8.2.
func (c *config) mktime(wall, now int64) int64 {
	early, late := wall-c.offsetAt(wall-86400), wall-c.offsetAt(wall+86400)
	isEarly, isLate := early+c.offsetAt(early) == wall, late+c.offsetAt(late) == wall
	switch {
	case isEarly && isLate && early != late:
		if time.Unix(now, 0).In(c.zone).IsDST() {
			return min(early, late)
		}
		return max(early, late)
	case isLate:
		return late
	}
	return early
}

var errLicense = &apiError{403, "WRONG_LICENSE", false, "Rest is available only on commercial plans"}

// listedName is how a list names a payment system where it names them as they
// are now.
func listedName(name string) string { return name + " (2)" }

// featureGet is feature.get.
func (c *call) featureGet() *apiError {
	if c.x.c.Values.NoFeatureGet {
		return errNoMethod
	}
	value := "N"
	switch c.args.param("CODE").text {
	case "rest_offline_extended", "rest_auth_connector":
		if !c.x.c.Values.NoOfflineFeature {
			value = "Y"
		}
	}
	c.out = append(c.out, `{"value":"`+value+`"}`...)
	return nil
}

// profileOffset appends the field of profile that has the user's offset.
func (c *call) profileOffset() {
	if !c.x.c.Values.ProfileOffset {
		return
	}
	now := time.Now().Unix()
	c.out = append(c.out, `,"TIME_ZONE_OFFSET":`...)
	c.out = strconv.AppendInt(c.out, c.x.c.offsetAt(now)+int64(c.x.c.Values.ListShift/time.Second), 10)
}

// filterDate reads a date in a filter as the portal does. ok is false for a value
// that is no date.
func (c *config) filterDate(text string) (unix int64, ok bool) {
	if c.Values.FilterDates == FilterDatesWall {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			_, offset := t.Zone()
			return t.Unix() + int64(offset) - int64(c.Values.FilterOffset/time.Second), true
		}
	}
	return parseTime(text, c.zone)
}
