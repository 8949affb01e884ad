package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
)

// The axis is an axis of time: distances are proportional to time, and a long time has
// longer units.
func TestReportColumns(t *testing.T) {
	instant := func(text string) schemas.Null[schemas.Instant] {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return schemas.Some(schemas.InstantOf(at))
	}
	for _, tt := range []struct {
		name  string
		bills []string
		unit  string
		days  []string
		x     []int
	}{
		{"nothing", nil, "", nil, nil},
		{"one day", []string{"2026-11-22T10:00:00Z"}, "day", []string{"2026-11-22"}, []int{0}},
		{"days with a gap, in the portal's zone", []string{"2026-11-01T22:30:00Z", "2026-11-05T10:00:00Z", "2026-11-11T10:00:00Z"}, "day",
			[]string{"2026-11-02", "2026-11-05", "2026-11-11"}, []int{0, 180, 540}},
		{"a year", []string{"2025-11-03T10:00:00Z", "2026-11-01T10:00:00Z"}, "week", []string{"week of 2025-11-03", "week of 2026-10-26"}, []int{0, 588}},
		{"seven years", []string{"2020-01-01T00:00:00Z", "2026-12-31T10:00:00Z", "2026-12-01T10:00:00Z"}, "month", []string{"2020-01", "2026-12"}, []int{0, 592}},
		{"a wrong clock", []string{"1970-01-01T00:00:00Z", "2026-12-31T10:00:00Z"}, "year", []string{"1970", "2026"}, []int{0, 589}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			zone, _ := reportZone("+03:00")
			r := reportDays{zone: zone}
			for _, bill := range tt.bills {
				r.at(instant(bill)).Update++
			}
			r.at(schemas.Null[schemas.Instant]{}).Insert++
			unit, columns := r.columns()
			var days []string
			for _, c := range columns[:len(columns)-1] {
				days = append(days, c.Day)
			}
			var x []int
			for _, b := range drawColumns(columns) {
				x = append(x, int(b.X))
			}
			if last := columns[len(columns)-1]; unit != tt.unit || !cmp.Equal(days, tt.days) || !cmp.Equal(x, tt.x) || last.Day != "without a bill" || last.Insert != 1 {
				t.Errorf("%s %q at %d, then %+v; want %s %q at %d", unit, days, x, last, tt.unit, tt.days, tt.x)
			}
		})
	}
}

func TestPlotNumbers(t *testing.T) {
	for v, want := range map[float64]string{14650: "14,650", 0: "0", 1.25: "1.25", 2: "2", 42.46: "42.5", 0.0666: "0.067", 123456789: "123,456,789", 99.99: "100"} {
		if got := plotNumber(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}

// The use of a run and its limit have the same unit. A short run may exceed the steady
// rate by its burst.
func TestReportLimit(t *testing.T) {
	start := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	r := &report{Manifest: &pipeline.Manifest{StartedAt: start, FinishedAt: start.Add(10 * time.Second)}}
	r.limitBy(limitsOf(2, 50, 1))
	if r.AllowedASecond != "7" || r.Limit != "a burst of 50, then 2 a second" {
		t.Errorf("allowed %s a second: %s", r.AllowedASecond, r.Limit)
	}
	r = &report{Manifest: r.Manifest}
	if r.limitBy(limitsOf(0, 0, 1)); r.AllowedASecond != "" || r.Limit != "" {
		t.Errorf("without a limit: %s, %s", r.AllowedASecond, r.Limit)
	}
}

func TestUnpaidAges(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	for days, want := range map[int]string{-3: "up to 30 days", 0: "up to 30 days", 30: "up to 30 days", 31: "31 to 90 days", 91: "91 to 365 days", 366: "over a year", 20000: "over a year"} {
		if got := reportAges[ageOf(schemas.Some(schemas.InstantOf(at.AddDate(0, 0, -days))), at)].name; got != want {
			t.Errorf("%d days: %s, want %s", days, got, want)
		}
	}
	if got := reportAges[ageOf(schemas.Null[schemas.Instant]{}, at)].name; got != "without a bill" {
		t.Errorf("without a bill: %s", got)
	}
}

func limitsOf(rate float64, burst int, share float64) bitrix.Limits {
	return bitrix.Limits{Rate: rate, Burst: burst, Share: share}
}
