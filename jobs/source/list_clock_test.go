package source

import (
	"testing"
	"time"

	"b24export/schemas"
)

// sampled returns the samples of a server in a zone, with whole seconds from three
// years, as if one payment of a listing had changed meanwhile.
func sampled(zone *time.Location, form dateForm, shift time.Duration, n int) []dateSample {
	var samples []dateSample
	for i := range n {
		at := time.Date(2022, 1, 3, 4, 5, 6, 0, time.UTC).Add(time.Duration(i) * (17*24*time.Hour + 3*time.Hour + 1009*time.Second))
		_, offset := at.In(zone).Zone()
		s := dateSample{stored: printed{schemas.InstantOf(at), offset}}
		wall, ok := showAs(form, s.stored.wall()+schemas.InstantOf(time.Unix(0, 0).Add(shift)))
		if ok {
			shown := instantOf(wall, zone)
			_, s.offset = shown.Time().In(zone).Zone()
			s.shown = schemas.Some(shown)
		}
		samples = append(samples, s)
	}
	if n > 10 {
		samples[n/2].stored.at += 5 * day
	}
	return samples
}

func TestClockFromSamples(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, zone := range []*time.Location{berlin, time.FixedZone("", -5*3600-1800)} {
		for _, form := range []dateForm{formRight, formMinutes, formSwapped, formShort, formNull} {
			for _, shift := range []time.Duration{0, 2 * time.Hour, -11*time.Hour - 30*time.Minute, 3 * time.Hour} {
				c := clockFrom(sampled(zone, form, shift, 40))
				if form == formNull {
					shift = 0 // it cannot be known
				}
				if c.form != form || c.shift != schemas.Instant(shift/time.Microsecond) {
					t.Errorf("%s, %q, %v: form %q, shift %v", zone, form, shift, c.form, c.shift)
				}
			}
		}
		if c := clockFrom(sampled(zone, formDays, time.Hour, 40)); c.form != formDays {
			t.Errorf("%s, days: form %q", zone, c.form)
		}
	}
	// Unrelated dates make no clock.
	samples := sampled(berlin, formRight, 0, 40)
	for i := range samples {
		samples[i].shown.V += schemas.Instant(i) * 7 * minute
	}
	if c := clockFrom(samples); c.form != formUnknown {
		t.Errorf("no clock: form %q, shift %v", c.form, c.shift)
	}
}

// The stored date is computed from the listed date wherever possible.
func TestStoredDates(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &listClock{form: formSwapped, shift: 3 * hour, zone: berlin, twice: twiceHours(berlin, now)}
	for at := time.Date(2024, 1, 1, 0, 7, 0, 0, time.UTC); at.Before(now); at = at.Add(31 * time.Minute) {
		stored := schemas.InstantOf(at)
		wall, shown := showAs(formSwapped, schemas.InstantOf(inWall(at.Add(3*time.Hour), berlin)))
		if !shown {
			continue
		}
		listed := instantOf(wall, berlin)
		raw := []byte(`{"dateBill":"` + listed.Time().In(berlin).Format(time.RFC3339) + `"}`)
		got := c.stored(schemas.Some(listed), raw, "dateBill")
		if off := got.V - stored; !got.Valid || off != 0 && (off != -hour || c.twiceAt(stored+3*hour) == nil) {
			t.Errorf("%v is shown as %v, which leads to %v", at, listed, got.V)
		}
	}
}

func inWall(at time.Time, zone *time.Location) time.Time {
	_, offset := at.In(zone).Zone()
	return at.Add(time.Duration(offset) * time.Second)
}

func TestZoneFromOffsets(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"Europe/Berlin", "America/New_York", "Australia/Sydney", "Europe/Moscow"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		var seen []printed
		for at := time.Date(2009, 1, 5, 0, 0, 0, 0, time.UTC); at.Before(now); at = at.AddDate(0, 0, 11) {
			_, offset := at.In(zone).Zone()
			seen = append(seen, printed{schemas.InstantOf(at), offset})
		}
		if got := zoneFrom(seen, now); got == nil || got.String() != name {
			t.Errorf("%s: found %v", name, got)
		}
		// One date proves little: no zone is better than a wrong one.
		if got := zoneFrom(seen[:1], now); got != nil && len(twiceHours(got, now)) > 0 && got.String() != name {
			t.Errorf("%s by one date: found %v", name, got)
		}
	}
	if got := zoneFrom([]printed{{0, 1234}}, now); got != nil {
		t.Errorf("an offset of no zone: found %v", got)
	}
}
