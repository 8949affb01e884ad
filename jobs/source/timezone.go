package source

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
)

// timeZone finds out the portal's time zone from the offsets of its dates. The server
// prints a date with its own offset on the date's day. It is safe for concurrent use.
type timeZone struct {
	rows atomic.Int64 // counts rows seen

	mu sync.Mutex
	// seen has one date for each month and offset.
	seen map[zoneMonth]schemas.Instant
	last string // the last snapshot's zone; "" if it has none
}

type zoneMonth struct {
	year   int
	month  time.Month
	offset int
}

// zoneFields are the dates of payments.
var zoneFields = []string{"datePaid", "dateBill"}

// see reads every one of the first zoneFirst rows, then one of zoneEvery: reading dates
// twice takes time.
const (
	zoneFirst = 100
	zoneEvery = 10
)

// see reads the dates of a payment as the portal sent it. It ignores dates that cannot
// be read. A nil timeZone ignores all.
func (z *timeZone) see(raw []byte) {
	if z == nil {
		return
	}
	if n := z.rows.Add(1); n > zoneFirst && n%zoneEvery != 0 {
		return
	}
	schemas.PrintedDates(raw, zoneFields, func(at schemas.Instant, offset int) {
		year, month, _ := at.Time().UTC().Date()
		key := zoneMonth{year, month, offset}
		z.mu.Lock()
		defer z.mu.Unlock()
		if _, known := z.seen[key]; !known {
			if z.seen == nil {
				z.seen = make(map[zoneMonth]schemas.Instant)
			}
			z.seen[key] = at
		}
	})
}

// name returns the zone that fits every date: an IANA name if the dates have several
// offsets, the offset, such as +03:00, if they have one, or "" if no known zone fits.
// measured is the zone that was measured from other dates, or nil.
func (z *timeZone) name(measured *time.Location) string {
	z.mu.Lock()
	defer z.mu.Unlock()
	var seen []printed
	offsets := make(map[int]bool)
	for key, at := range z.seen {
		seen = append(seen, printed{at, key.offset})
		offsets[key.offset] = true
	}
	if len(offsets) > 1 {
		if measured != nil && zoneFits(measured.String(), seen) {
			return measured.String()
		}
	}
	if zoneFits(z.last, seen) {
		return z.last
	}
	// If several zones fit, all of them count the days of these dates the same way.
	if i := slices.IndexFunc(zones, func(name string) bool { return zoneFits(name, seen) }); i >= 0 && len(offsets) > 1 {
		return zones[i]
	}
	// A run that lists only changes may have seen only one of two seasons.
	if len(offsets) == 1 && z.last == "" {
		for offset := range offsets {
			return offsetName(offset)
		}
	}
	return ""
}

// zoneFits reports whether all dates were printed in a zone, which is a name or an
// offset. The unknown zone "" fits every date.
func zoneFits(name string, seen []printed) bool {
	if name == "" {
		return len(seen) == 0
	}
	zone, err := time.LoadLocation(name)
	for _, p := range seen {
		if err != nil {
			if offsetName(p.offset) != name {
				return false
			}
		} else if _, offset := p.at.Time().In(zone).Zone(); offset != p.offset {
			return false
		}
	}
	return true
}

// offsetName formats an offset in seconds east of UTC, such as +03:00.
func offsetName(offset int) string {
	sign := '+'
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return fmt.Sprintf("%c%02d:%02d", sign, offset/3600, offset/60%60)
}

// TimeZone implements pipeline.Source.
func (s *Source) TimeZone() string {
	if s.days != nil {
		return s.days.String() // the job names it
	}
	var measured *time.Location
	if sale := s.find.sale; sale != nil {
		if sale.zone != nil {
			return sale.zone.String() // the job names it
		}
		if c := sale.measured.Load(); c != nil {
			measured = c.zone
		}
	}
	return s.zone.name(measured)
}

// remember sets the zone of the last snapshot.
func (z *timeZone) remember(last *pipeline.Manifest) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.last = ""; last != nil {
		z.last = last.TimeZone
	}
}
