package schemas

import (
	"encoding/binary"
	"slices"
	"time"
)

// Instant is a point in time, in microseconds since 1970-01-01 UTC.
type Instant int64

const (
	// RFC 3339, BigQuery and DuckDB can all represent these years.
	minInstant Instant = -62135596800e6 // 0001-01-01T00:00:00Z
	maxInstant Instant = 253402300800e6 - 1

	ruleTime  = "must be an RFC 3339 time with offset"
	ruleYears = "must be in the years 1 to 9999 (UTC)"
)

// InstantOf returns t as an Instant, truncated to microseconds.
func InstantOf(t time.Time) Instant { return Instant(t.UnixMicro()) }

// Time returns the instant in UTC.
func (i Instant) Time() time.Time { return time.UnixMicro(int64(i)).UTC() }

// String returns the instant as RFC 3339 in UTC, always with six decimals.
func (i Instant) String() string { return string(i.Append(nil)) }

// Append appends the text of String to b.
func (i Instant) Append(b []byte) []byte {
	t := i.Time()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	}
	hour, minute, second := t.Clock()
	b = append(appendTwo(appendTwo(b, year/100), year%100), '-')
	b = append(appendTwo(b, int(month)), '-')
	b = append(appendTwo(b, day), 'T')
	b = append(appendTwo(b, hour), ':')
	b = append(appendTwo(b, minute), ':')
	b = append(appendTwo(b, second), '.')
	micros := t.Nanosecond() / 1000
	return append(appendTwo(appendTwo(appendTwo(b, micros/10_000), micros/100%100), micros%100), 'Z')
}

// appendTwo appends the two digits of n, from 0 to 99.
func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// parseInstant returns the instant in b and the rule that b breaks, or "" if none. It
// does not use time.Parse, which accepts more than RFC 3339 (one-digit hours, a comma
// for a point, offsets of more than a day) and creates a location for each unusual
// offset.
func parseInstant(b []byte) (Instant, string) {
	const shape = "0000-00-00T00:00:00"
	if len(b) <= len(shape) {
		return 0, ruleTime
	}
	date, ok1 := digitsOf(b[0:8], 0x2d30302d30303030, 0x7f76767f76767676)   // 0000-00-
	clock, ok2 := digitsOf(b[8:16], 0x30303a3030543030, 0x76767f76767f7676) // 00T00:00
	if !ok1 || !ok2 || b[16] != ':' || !isDigit(b[17]) || !isDigit(b[18]) {
		return 0, ruleTime
	}
	year := 100*twoDigits(date) + twoDigits(date>>16)
	month, day := twoDigits(date>>40), twoDigits(clock)
	hour, minute, second := twoDigits(clock>>24), twoDigits(clock>>48), number(b[17:19])
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, ruleTime
	}

	rest := b[len(shape):]
	micros := 0
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		if n == 1 {
			return 0, ruleTime
		}
		for i := 1; i <= 6; i++ {
			micros *= 10
			if i < n {
				micros += int(rest[i] - '0')
			}
		}
		rest = rest[n:]
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return 0, ruleTime
	}

	seconds := int64(daysSince1970(year, month, day))*86400 + int64(hour*3600+minute*60+second-offset)
	i := Instant(seconds*1e6 + int64(micros))
	if i < minInstant || i > maxInstant {
		return 0, ruleYears
	}
	return i, ""
}

// digitsOf compares eight bytes with a shape, in which 0 stands for any digit. The first
// byte of digits is the lowest: the value of a digit, or 0 for another byte. over is the
// shape with 0x76 for a digit, which plus 10 is a mark, and 0x7f for another byte.
func digitsOf(b []byte, shape, over uint64) (digits uint64, ok bool) {
	digits = binary.LittleEndian.Uint64(b) ^ shape
	return digits, (digits|(digits+over))&0x8080808080808080 == 0
}

// twoDigits returns the number of the lowest two digits.
func twoDigits(digits uint64) int { return int(digits&0xff)*10 + int(digits>>8&0xff) }

// daysIn returns the number of days of a month, from 1 to 12.
func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 returns the days from 1970-01-01 to a day of the years 0 to 9999.
func daysSince1970(year, month, day int) int {
	// Years that begin in March have the leap day at their end. 400 years more, which
	// are 146097 days, keep the first of them from being negative.
	if month < 3 {
		year--
		month += 12
	}
	year += 400
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468 - 146097
}

// parseOffset parses Z or ±hh:mm, as seconds east of UTC.
func parseOffset(b []byte) (seconds int, ok bool) {
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != len("+00:00") || b[0] != '+' && b[0] != '-' || b[3] != ':' ||
		!isDigit(b[1]) || !isDigit(b[2]) || !isDigit(b[4]) || !isDigit(b[5]) {
		return 0, false
	}
	hours, minutes := number(b[1:3]), number(b[4:6])
	if hours > 23 || minutes > 59 {
		return 0, false
	}
	seconds = hours*3600 + minutes*60
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// number parses a few digits.
func number(digits []byte) int {
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
}

// ReadDate reads a date from any element of a list. offset is the printed offset in
// seconds east of UTC. at is null if the portal has no date.
//
// An error is a *FieldError. raw is neither kept nor changed.
func ReadDate(raw []byte, name string) (at Null[Instant], offset int, err error) {
	err = readDates(raw, []string{name}, func(v *value) (rule string) {
		if at, rule = v.instant(); rule == "" && at.Valid {
			offset = printedOffset(v.text)
		}
		return rule
	})
	if err != nil {
		return Null[Instant]{}, 0, err
	}
	return at, offset, nil
}

// PrintedDates calls date for each date of the given names in an element of a list, as
// ReadDate returns it. It ignores what is not a date, and everything from the first
// invalid byte of raw on.
func PrintedDates(raw []byte, names []string, date func(at Instant, offset int)) {
	_ = readDates(raw, names, func(v *value) string { // the dates before an error count
		if at, rule := v.instant(); rule == "" && at.Valid {
			date(at.V, printedOffset(v.text))
		}
		return ""
	})
}

// readDates calls read for each member of raw that has one of the names. read returns
// the rule that the value breaks.
func readDates(raw []byte, names []string, read func(*value) (rule string)) error {
	r := newReader(otherObject)
	defer r.release()
	if err := r.begin(raw); err != nil {
		return err
	}
	for {
		more, err := r.next()
		if err != nil || !more {
			return err
		}
		if !slices.Contains(names, string(r.name)) {
			continue
		}
		if rule := read(&r.value); rule != "" {
			return fieldError(string(r.name), rule, r.value.raw)
		}
	}
}

// printedOffset returns the offset of a text that parseInstant has accepted.
func printedOffset(b []byte) int {
	i := len("0000-00-00T00:00:00")
	for b[i] == '.' || isDigit(b[i]) {
		i++
	}
	seconds, _ := parseOffset(b[i:])
	return seconds
}
