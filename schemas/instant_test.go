package schemas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestParseInstant(t *testing.T) {
	tests := []struct {
		name string
		text string
		want string // "" if rule is set
		rule string
	}{
		{name: "offset", text: "2024-05-20T12:32:02+02:00", want: "2024-05-20T10:32:02.000000Z"},
		{name: "negative offset over midnight", text: "2024-12-31T20:00:00-05:30", want: "2025-01-01T01:30:00.000000Z"},
		{name: "UTC", text: "2024-05-20T12:32:02Z", want: "2024-05-20T12:32:02.000000Z"},
		{name: "zero offset", text: "2024-05-20T12:32:02+00:00", want: "2024-05-20T12:32:02.000000Z"},
		{name: "unknown offset", text: "2024-05-20T12:32:02-00:00", want: "2024-05-20T12:32:02.000000Z"},
		{name: "largest offset", text: "2024-05-20T00:00:00-23:59", want: "2024-05-20T23:59:00.000000Z"},
		{name: "one digit of fraction", text: "2024-05-20T12:32:02.5Z", want: "2024-05-20T12:32:02.500000Z"},
		{name: "microseconds", text: "2024-05-20T12:32:02.123456+03:00", want: "2024-05-20T09:32:02.123456Z"},
		{name: "more than microseconds", text: "2024-05-20T12:32:02.12345699999999999Z", want: "2024-05-20T12:32:02.123456Z"},
		{name: "before 1970 cuts to the past", text: "1969-12-31T23:59:59.9999999Z", want: "1969-12-31T23:59:59.999999Z"},
		{name: "leap day", text: "2024-02-29T00:00:00Z", want: "2024-02-29T00:00:00.000000Z"},
		{name: "first", text: "0001-01-01T00:00:00Z", want: "0001-01-01T00:00:00.000000Z"},
		{name: "last", text: "9999-12-31T23:59:59.999999Z", want: "9999-12-31T23:59:59.999999Z"},
		{name: "first by offset", text: "0000-12-31T23:00:00-01:00", want: "0001-01-01T00:00:00.000000Z"},
		{name: "year 0", text: "0000-06-01T00:00:00Z", rule: ruleYears},
		{name: "before the first by offset", text: "0001-01-01T00:00:00+00:01", rule: ruleYears},
		{name: "after the last by offset", text: "9999-12-31T23:59:59-00:01", rule: ruleYears},
		{name: "the database's zero date", text: "-0001-11-30T00:00:00+02:00", rule: ruleTime},
		{name: "five-digit year", text: "10000-01-01T00:00:00Z", rule: ruleTime},
		{name: "no such day", text: "2023-02-29T00:00:00Z", rule: ruleTime},
		{name: "day 0", text: "2023-02-00T00:00:00Z", rule: ruleTime},
		{name: "day 31 of 30", text: "2023-04-31T00:00:00Z", rule: ruleTime},
		{name: "month 13", text: "2023-13-01T00:00:00Z", rule: ruleTime},
		{name: "month 0", text: "2023-00-01T00:00:00Z", rule: ruleTime},
		{name: "hour 24", text: "2023-01-01T24:00:00Z", rule: ruleTime},
		{name: "minute 60", text: "2023-01-01T00:60:00Z", rule: ruleTime},
		{name: "leap second", text: "2016-12-31T23:59:60Z", rule: ruleTime},
		{name: "offset of a day", text: "2023-01-01T00:00:00+24:00", rule: ruleTime},
		{name: "offset with minute 60", text: "2023-01-01T00:00:00+01:60", rule: ruleTime},
		{name: "offset without colon", text: "2023-01-01T00:00:00+0100", rule: ruleTime},
		{name: "no offset", text: "2023-01-01T00:00:00", rule: ruleTime},
		{name: "no offset but a fraction", text: "2023-01-01T00:00:00.5", rule: ruleTime},
		{name: "fraction without digits", text: "2023-01-01T00:00:00.Z", rule: ruleTime},
		{name: "fraction with a comma", text: "2023-01-01T00:00:00,5Z", rule: ruleTime},
		{name: "one-digit hour", text: "2023-01-01T1:00:00Z", rule: ruleTime},
		{name: "space for T", text: "2023-01-01 00:00:00+00:00", rule: ruleTime},
		{name: "something behind", text: "2023-01-01T00:00:00Z ", rule: ruleTime},
		{name: "date only", text: "2023-01-01", rule: ruleTime},
		{name: "the site's format", text: "20.05.2024 12:32:02", rule: ruleTime},
		{name: "empty", text: "", rule: ruleTime},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, rule := parseInstant([]byte(tt.text))
			if rule != tt.rule || rule == "" && got.String() != tt.want {
				t.Errorf("parseInstant(%q) = %v, %q; want %s, %q", tt.text, got, rule, tt.want, tt.rule)
			}
		})
	}
}

func TestInstantOf(t *testing.T) {
	east := time.FixedZone("", 3*3600)
	got := InstantOf(time.Date(2026, 11, 22, 2, 0, 0, 123456789, east))
	want := time.Date(2026, 11, 21, 23, 0, 0, 123456000, time.UTC)
	if !got.Time().Equal(want) || got.Time().Location() != time.UTC {
		t.Errorf("InstantOf(…).Time() = %v, want %v", got.Time(), want)
	}
	if want := Instant(1795302000123456); got != want {
		t.Errorf("InstantOf(…) = %d, want %d", got, want)
	}
}

func TestReadDate(t *testing.T) {
	for _, tt := range []struct {
		raw    string
		valid  bool
		offset int
		bad    bool
	}{
		{raw: `{"a":1,"d":"2024-05-20T12:32:02+02:00"}`, valid: true, offset: 7200},
		{raw: `{"d":"2024-05-20T12:32:02.25-03:30"}`, valid: true, offset: -12600},
		{raw: `{"d":"2024-05-20T12:32:02Z"}`, valid: true},
		{raw: `{"d":null}`}, {raw: `{"d":""}`}, {raw: `{}`},
		{raw: `{"d":"20.05.2024"}`, bad: true}, {raw: `{"d":7}`, bad: true}, {raw: `[]`, bad: true},
	} {
		at, offset, err := ReadDate([]byte(tt.raw), "d")
		if (err != nil) != tt.bad || at.Valid != tt.valid || offset != tt.offset {
			t.Errorf("%s: %v, offset %d, %v", tt.raw, at, offset, err)
		}
	}
}

// Append writes what the layout of package time does, also before 1970 and in years of
// other than four digits.
func TestInstantAppend(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	at := []Instant{0, 1, -1, 999_999, -62_135_596_800_000_000, -62_167_219_200_000_001, 253_402_300_799_999_999, 253_402_300_800_000_000, math.MinInt64, math.MaxInt64}
	for range 2000 {
		at = append(at, Instant(rnd.Int64N(8_000_000_000_000_000)-3_000_000_000_000_000))
	}
	for _, i := range at {
		if got, want := string(i.Append([]byte("x"))), "x"+i.Time().Format("2006-01-02T15:04:05.000000Z"); got != want {
			t.Errorf("%d: %s, want %s", int64(i), got, want)
		}
	}
}

// The last day of every month is read, and the day after it is refused.
func TestParseInstantKnowsTheDaysOfEveryMonth(t *testing.T) {
	for first := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC); first.Year() < 10000; first = first.AddDate(0, 1, 0) {
		last := first.AddDate(0, 1, -1)
		for _, want := range []time.Time{first, last} {
			text := want.Format(time.RFC3339)
			if got, rule := parseInstant([]byte(text)); rule != "" || got != InstantOf(want) {
				t.Fatalf("%s is %v, %q", text, got, rule)
			}
		}
		text := fmt.Sprintf("%s-%02dT00:00:00Z", first.Format("2006-01"), last.Day()+1)
		if got, rule := parseInstant([]byte(text)); rule != ruleTime {
			t.Fatalf("%s is %v, %q", text, got, rule)
		}
	}
	want := time.Date(0, 12, 31, 23, 59, 59, 0, time.FixedZone("", -60))
	if got, rule := parseInstant([]byte("0000-12-31T23:59:59-00:01")); rule != "" || got != InstantOf(want) {
		t.Errorf("a day of the year 0 is %v, %q", got, rule)
	}
}
