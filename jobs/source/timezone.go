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

// timeZone finds out the portal's time zone by the offsets that it prints with its
// dates, which its server has on the date's own day. Safe for concurrent
// use.
type timeZone struct {
	rows atomic.Int64 // that came by

	mu sync.Mutex
	// seen has one date for each month and offset.
	seen map[zoneMonth]schemas.Instant
	last string // the last snapshot's zone; "" if it has none
}

type zoneMonth struct {
	month  string
	offset int
}

// Every row of the first zoneFirst is looked at, then one of zoneEvery: reading dates
// twice takes time.
const (
	zoneFirst = 100
	zoneEvery = 10
)

// see takes the dates of a payment as the portal sent it. What cannot be read is no
// date. A nil timeZone takes none.
func (z *timeZone) see(raw []byte) {
	if z == nil {
		return
	}
	if n := z.rows.Add(1); n > zoneFirst && n%zoneEvery != 0 {
		return
	}
	for _, field := range []string{"datePaid", "dateBill"} {
		at, offset, err := schemas.ReadDate(raw, field)
		if err != nil || !at.Valid {
			continue
		}
		key := zoneMonth{at.V.Time().UTC().Format("2006-01"), offset}
		z.mu.Lock()
		if _, known := z.seen[key]; !known {
			if z.seen == nil {
				z.seen = make(map[zoneMonth]schemas.Instant)
			}
			z.seen[key] = at.V
		}
		z.mu.Unlock()
	}
}

// name returns the zone that fits every date: an IANA name if they have several
// offsets, the offset, such as +03:00, if they have one; "" if no known zone fits.
// measured is a zone that other dates were found to be in, or nil.
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
	// Of several that fit, each counts the days of these dates alike.
	if i := slices.IndexFunc(zones, func(name string) bool { return zoneFits(name, seen) }); i >= 0 && len(offsets) > 1 {
		return zones[i]
	}
	// A run that lists changes only may have seen one season of two.
	if len(offsets) == 1 && z.last == "" {
		for offset := range offsets {
			return offsetName(offset)
		}
	}
	return ""
}

// zoneFits reports whether all dates were printed in a zone, given by its name or as
// an offset. No date contradicts the unknown zone "".
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

// offsetName spells an offset in seconds east of UTC as +03:00.
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

// remember takes the zone of the last snapshot.
func (z *timeZone) remember(last *pipeline.Manifest) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.last = ""; last != nil {
		z.last = last.TimeZone
	}
}
