package source

import (
	"slices"
	"time"
	_ "time/tzdata" // the zones, for machines without them

	"b24export/schemas"
)

// twiceHour is an hour that occurs twice by the wall clock of a zone, because the
// clocks are set back at its end.
type twiceHour struct {
	// first and second are the instants at which the hour begins for the first and the
	// second time. end is when it ends for the second time.
	first, second, end schemas.Instant
}

// twiceHours returns the hours of a zone that occur twice, from 1990 to a year after
// now.
func twiceHours(zone *time.Location, now time.Time) []twiceHour {
	var hours []twiceHour
	at := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	for at.Before(now.AddDate(1, 0, 0)) {
		_, before := at.In(zone).Zone()
		_, end := at.In(zone).ZoneBounds()
		if end.IsZero() {
			break
		}
		_, after := end.Zone()
		if back := time.Duration(before-after) * time.Second; back > 0 {
			hours = append(hours, twiceHour{schemas.InstantOf(end.Add(-back)), schemas.InstantOf(end), schemas.InstantOf(end.Add(back))})
		}
		at = end
	}
	return hours
}

// instantOf returns the instant of a wall clock time in a zone. If that time occurs
// twice, it returns the first instant.
func instantOf(wall schemas.Instant, zone *time.Location) schemas.Instant {
	t := wall.Time()
	at := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
	if early := at.Add(-time.Hour); early.In(zone).Format(time.DateTime) == at.Format(time.DateTime) {
		at = early // time.Date does not define which one it returns
	}
	return schemas.InstantOf(at)
}

// printed is an instant with the offset that a portal printed it with, in seconds
// east of UTC.
type printed struct {
	at     schemas.Instant
	offset int
}

// zones lists the zones that servers of portals are known or likely to use, one for
// each set of rules. The zone of a server elsewhere is not known, unless the job names
// it.
var zones = []string{
	"Europe/Moscow", "Europe/Berlin", "Europe/London", "Europe/Athens", "Europe/Chisinau", "Europe/Istanbul", "Europe/Kaliningrad",
	"Europe/Minsk", "Europe/Samara", "Europe/Volgograd", "Europe/Saratov", "Europe/Astrakhan", "Atlantic/Azores",
	"Asia/Almaty", "Asia/Qyzylorda", "Asia/Yekaterinburg", "Asia/Omsk", "Asia/Novosibirsk", "Asia/Krasnoyarsk", "Asia/Irkutsk",
	"Asia/Yakutsk", "Asia/Vladivostok", "Asia/Magadan", "Asia/Kamchatka", "Asia/Baku", "Asia/Yerevan", "Asia/Jerusalem",
	"Asia/Beirut", "Asia/Amman", "Asia/Tehran", "Africa/Cairo", "Africa/Casablanca",
	"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Anchorage", "America/Halifax",
	"America/St_Johns", "America/Havana", "America/Mexico_City", "America/Bogota", "America/Sao_Paulo", "America/Santiago",
	"America/Asuncion", "America/Caracas", "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland",
}

// zoneFrom returns the zone of the dates that a portal printed. It returns nil if they
// fit none of the known zones, or several that differ in the hours that occur twice.
func zoneFrom(seen []printed, now time.Time) *time.Location {
	if len(seen) == 0 {
		return nil
	}
	var found *time.Location
	var hours []twiceHour
	for _, name := range zones {
		zone, err := time.LoadLocation(name)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(seen, func(p printed) bool {
			_, offset := p.at.Time().In(zone).Zone()
			return offset != p.offset
		}) {
			continue
		}
		twice := twiceHours(zone, now)
		if found != nil && !slices.Equal(hours, twice) {
			return nil
		}
		if found == nil {
			found, hours = zone, twice
		}
	}
	return found
}
