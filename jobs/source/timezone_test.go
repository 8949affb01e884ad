package source

import (
	"fmt"
	"testing"
	"time"

	"b24export/pipeline"
)

func TestTimeZone(t *testing.T) {
	winter, summer := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2025, 7, 15, 12, 0, 0, 0, time.UTC)
	dates := func(zone string, at ...time.Time) (raws [][]byte) {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range at {
			raws = append(raws, fmt.Appendf(nil, `{"id":1,"dateBill":%q,"datePaid":null}`, d.In(location).Format(time.RFC3339)))
		}
		return raws
	}
	for _, tt := range []struct {
		name string
		raws [][]byte
		last string
		want string
	}{
		{name: "no dates"},
		{name: "no dates, and a zone of the last snapshot", last: "Europe/Berlin", want: "Europe/Berlin"},
		{name: "both seasons of Berlin", raws: dates("Europe/Berlin", winter, summer), want: "Europe/Berlin"},
		{name: "no summer time, several zones", raws: dates("Europe/Moscow", winter, summer), want: "+03:00"},
		{name: "west of Greenwich", raws: dates("America/Bogota", winter, summer), last: "-05:00", want: "-05:00"},
		{name: "half an hour", raws: dates("Asia/Kolkata", winter, summer), want: "+05:30"},
		{name: "one season, the zone is known from before", raws: dates("Europe/Berlin", winter), last: "Europe/Berlin", want: "Europe/Berlin"},
		{name: "one season, not the zone of before", raws: dates("Europe/Berlin", summer), last: "+01:00", want: ""},
		{name: "the portal has moved", raws: dates("Europe/Berlin", winter, summer), last: "Europe/Athens", want: "Europe/Berlin"},
		{name: "two offsets of no zone", raws: append(dates("Asia/Kolkata", winter), dates("Asia/Kathmandu", winter)...)},
		{name: "no dates that can be read", raws: [][]byte{[]byte(`{"dateBill":"soon"}`), []byte(`[`), nil}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var z timeZone
			z.remember(&pipeline.Manifest{TimeZone: tt.last})
			for _, raw := range tt.raws {
				z.see(raw)
			}
			if got := z.name(nil); got != tt.want {
				t.Errorf("zone %q, want %q", got, tt.want)
			}
		})
	}
}

// A zone that was measured from other dates is accepted if it fits.
func TestTimeZoneMeasured(t *testing.T) {
	var z timeZone
	for _, text := range []string{"2025-01-15T12:00:00+01:00", "2025-07-15T12:00:00+02:00"} {
		z.see([]byte(`{"datePaid":"` + text + `"}`))
	}
	for zone, want := range map[string]string{"Africa/Ceuta": "Africa/Ceuta", "Europe/Athens": "Europe/Berlin"} {
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := z.name(location); got != want {
			t.Errorf("measured %s: zone %q, want %q", zone, got, want)
		}
	}
}
