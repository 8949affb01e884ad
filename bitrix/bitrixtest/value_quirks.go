package bitrixtest

import (
	"fmt"
	"slices"
	"strconv"
	"time"
	_ "time/tzdata" // zones by name, for machines without them
)

// ValueQuirks configures what servers do with dates, filters and events beyond their
// documentation. The zero value is as documented.
type ValueQuirks struct {
	// Zone is the name of the server's time zone, such as Europe/Berlin. It replaces
	// Options.Offset. Each date has the offset of its own day.
	Zone string
	// ListShift is the user's offset minus the server's. sale.payment.list and
	// sale.order.list show dates that much later, with the server's offset;
	// crm.item.payment.get shows them correctly.
	ListShift time.Duration
	// DateFormat is the site's format, in which these two lists format and parse dates.
	// Default: DatesRight.
	DateFormat DateFormat
	// ProfileOffset adds TIME_ZONE_OFFSET to profile: the user's offset from UTC,
	// in seconds.
	ProfileOffset bool

	// ListNames makes sale.payment.list show the current names of payment systems, and
	// gets their former names.
	ListNames bool
	// Comments is how many bytes the comments of a payment have. 0: few payments have
	// short ones.
	Comments int
	// CastLists reads a list of numbers in a filter as the number 1, in the sale
	// methods and in crm.orderentity.list.
	CastLists bool
	// FilterDates is how dates in filters are read. Default: FilterDatesRight.
	FilterDates FilterDates
	// FilterOffset is the zone in which FilterDatesWall reads dates.
	FilterOffset time.Duration

	// Queue is how event.offline.list shows reserved events. Default: QueueShown.
	Queue Queue
	// QueueClears makes event.offline.get clear the events that it returns, whatever
	// the parameter clear is. The process_id of its answer is null.
	QueueClears bool
	// QueueUnreserved makes event.offline.get return the same events again.
	QueueUnreserved bool
	// NoOfflineFeature is a plan without rest_offline_extended: feature.get reports
	// that, and event.offline.get with clear=0 ends in WRONG_LICENSE.
	NoOfflineFeature bool
	// NoFeatureGet is a portal that does not know feature.get.
	NoFeatureGet bool
	// NoBind refuses event.bind.
	NoBind bool
}

// DateFormat is how a date changes that a list formats and parses in the site's format.
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
	FilterDatesWall    FilterDates = "wall"    // the offset is ignored, the date is in the zone FilterOffset
	FilterDatesDropped FilterDates = "dropped" // the condition is ignored
	FilterDatesNothing FilterDates = "nothing" // nothing matches
)

var filterDates = []FilterDates{FilterDatesRight, FilterDatesWall, FilterDatesDropped, FilterDatesNothing}

// Queue is how the list of the queue of events shows reserved ones.
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
	bad(q.Comments >= 0, "Values.Comments: %d: must not be negative", q.Comments)
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

// zoneOf returns the server's time zone of valid options.
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

// shown returns how a list shows a stored date: the Unix time, and whether the list
// shows it at all. It does what the portal's PHP does: it formats the instant in the
// user's zone and the site's format, and parses the text as if it were in the server's
// zone.
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

// mktime returns the instant of a wall clock time, given as if it were UTC. If the hour
// occurs twice, PHP uses the first if now is in summer, and the second if it is in
// winter. Tried in PHP 8.2.
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

// listedName returns how a list names a payment system if it shows current names.
func listedName(name string) string { return name + " (2)" }

// featureGet implements feature.get.
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

// profileOffset appends the field of profile with the user's offset.
func (c *call) profileOffset() {
	if !c.x.c.Values.ProfileOffset {
		return
	}
	now := time.Now().Unix()
	c.out = append(c.out, `,"TIME_ZONE_OFFSET":`...)
	c.out = strconv.AppendInt(c.out, c.x.c.offsetAt(now)+int64(c.x.c.Values.ListShift/time.Second), 10)
}

// filterDate parses a date in a filter as the portal does. ok is false for a value that
// is not a date.
func (c *config) filterDate(text string) (unix int64, ok bool) {
	if c.Values.FilterDates == FilterDatesWall {
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			_, offset := t.Zone()
			return t.Unix() + int64(offset) - int64(c.Values.FilterOffset/time.Second), true
		}
	}
	return parseTime(text, c.zone)
}
