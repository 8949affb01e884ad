package jobfile

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the zones, for machines without them
)

// reading converts a key's text to a value of the spec. Its read sets the value in s,
// or for a key of a portal in the portal at that index, and returns nil. If the text is
// not valid, read does not change s and returns the problem. The problem must not
// contain the text, which may be a secret.
type reading struct {
	typ   string   // type of one value, for the reference
	rule  string   // allowed values, for the reference and for problems
	names []string // the allowed values of a fixed choice
	list  bool     // many values; read adds one, reset removes the values of the default
	lone  bool     // of a list: a single value is a list of one
	read  func(s *Spec, at int, text string) *Problem

	reset func(s *Spec, at int)
}

// put sets a value in the spec.
type put[T any] func(s *Spec, at int, v T)

// number reads a decimal number.
func number(least, most float64, p put[float64]) reading {
	rule := fmt.Sprintf("%s to %s", decimal(least), decimal(most))
	return reading{typ: "number", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		v, err := strconv.ParseFloat(text, 64)
		switch {
		case err != nil || !plainNumber.MatchString(text) || math.IsInf(v, 0):
			return &Problem{What: "must be a number such as 0.5"}
		case v < least:
			return &Problem{What: "must be " + decimal(least) + " or more"}
		case v > most:
			return &Problem{What: "must be " + decimal(most) + " or less"}
		}
		p(s, at, v)
		return nil
	}}
}

var plainNumber = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]+)?$`)

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// count reads a whole number.
func count(least, most int64, p put[int64]) reading {
	rule := fmt.Sprintf("%d to %d", least, most)
	if most == math.MaxInt64 {
		rule = fmt.Sprintf("%d or more", least)
	}
	if least == most {
		rule = strconv.FormatInt(least, 10)
	}
	return reading{typ: "whole number", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		v, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil && !wholeNumber.MatchString(text):
			return &Problem{What: "must be a whole number, in digits"}
		case least == most && v != least:
			return &Problem{What: "must be " + rule}
		case v < least:
			return &Problem{What: fmt.Sprintf("must be %d or more", least)}
		case err != nil || v > most:
			return &Problem{What: fmt.Sprintf("must be %d or less", most)}
		}
		p(s, at, v)
		return nil
	}}
}

var wholeNumber = regexp.MustCompile(`^[-+]?[0-9]+$`)

// truth reads true or false. Other words for them are no longer part of YAML.
func truth(p put[bool]) reading {
	return reading{typ: "true or false", rule: "true or false", read: func(s *Spec, at int, text string) *Problem {
		switch text {
		case "true", "false":
			p(s, at, text == "true")
			return nil
		}
		return &Problem{What: "must be true or false"}
	}}
}

// oneOf reads one of a few fixed names.
func oneOf[T ~string](p put[T], values ...T) reading {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	all := alternatives(names)
	return reading{typ: "name", rule: all, names: names, read: func(s *Spec, at int, text string) *Problem {
		if !slices.Contains(names, text) {
			f := &Problem{What: "must be " + all}
			if near := nearest(text, names); near != "" {
				f.Hint = "did you mean `" + near + "`?"
			}
			return f
		}
		p(s, at, T(text))
		return nil
	}}
}

// alternatives formats a list in prose: a, b or c.
func alternatives(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// span reads a duration. Zero is also allowed if zero is not ""; zero is then its
// meaning.
func span(least, most time.Duration, zero string, p put[time.Duration]) reading {
	rule := printSpan(least) + " to " + printSpan(most)
	if zero != "" {
		rule += ", or 0: " + zero
	}
	return reading{typ: "duration", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		v, f := parseSpan(text)
		switch {
		case f != nil:
			if zero != "" {
				f.Hint += "; 0: " + zero
			}
			return f
		case v == 0 && zero != "":
		case v < least && zero != "":
			return &Problem{What: "must be 0 (" + zero + ") or at least " + printSpan(least)}
		case v < least:
			return &Problem{What: "must be at least " + printSpan(least)}
		case v > most:
			return &Problem{What: "must be at most " + printSpan(most)}
		}
		p(s, at, v)
		return nil
	}}
}

// ParseDuration reads a duration as it is written in a job file, such as 30s, 1h30m or
// 7d.
func ParseDuration(text string) (time.Duration, error) {
	v, problem := parseSpan(text)
	if problem != nil {
		return 0, fmt.Errorf("%s, %s", problem.What, problem.Hint)
	}
	return v, nil
}

const day = 24 * time.Hour

var spanForm = regexp.MustCompile(`^-?(?:([0-9]{1,6})d)?((?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:h|ms|m|s))*)$`)

// parseSpan reads durations such as 30s, 10m, 1h30m, 7d, 1d12h, and a bare 0.
func parseSpan(text string) (time.Duration, *Problem) {
	if text == "0" {
		return 0, nil
	}
	const units = "such as 30s, 10m, 2h or 7d"
	if plainNumber.MatchString(text) {
		return 0, &Problem{What: "has no unit", Hint: units}
	}
	m := spanForm.FindStringSubmatch(text)
	if m == nil || m[1] == "" && m[2] == "" {
		return 0, &Problem{What: "must be a duration", Hint: units}
	}
	var v time.Duration
	if m[1] != "" {
		days, _ := strconv.Atoi(m[1]) // at most six digits
		if days > 100_000 {
			return 0, &Problem{What: "is longer than any duration here", Hint: units}
		}
		v = time.Duration(days) * day
	}
	if m[2] != "" {
		rest, err := time.ParseDuration(m[2])
		if err != nil || rest > math.MaxInt64-v {
			return 0, &Problem{What: "is longer than any duration here", Hint: units}
		}
		v += rest
	}
	if strings.HasPrefix(text, "-") {
		v = -v
	}
	return v, nil
}

// printSpan formats a duration as in a job file.
func printSpan(v time.Duration) string {
	switch {
	case v >= day && v%day == 0:
		return strconv.FormatInt(int64(v/day), 10) + "d"
	case v >= time.Hour && v%time.Hour == 0:
		return strconv.FormatInt(int64(v/time.Hour), 10) + "h"
	case v >= time.Minute && v%time.Minute == 0:
		return strconv.FormatInt(int64(v/time.Minute), 10) + "m"
	}
	return v.String()
}

// date reads a day.
func date(p put[Date]) reading {
	return reading{typ: "date", rule: "a day such as 2019-01-31", read: func(s *Spec, at int, text string) *Problem {
		t, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return &Problem{What: "must be a day such as 2019-01-31"}
		}
		if t.Year() < 1970 {
			return &Problem{What: "must be 1970-01-01 or later"}
		}
		p(s, at, Date{Year: t.Year(), Month: t.Month(), Day: t.Day()})
		return nil
	}}
}

// limit reads a count, or a share as a percentage such as example. The other value is
// 0.
func limit(example string, p func(s *Spec, at int, share float64, count int64)) reading {
	r := reading{typ: "percentage or count", rule: "0% to 100%, or a whole number"}
	r.read = func(s *Spec, at int, text string) *Problem {
		if share, ok := strings.CutSuffix(text, "%"); ok {
			v, err := strconv.ParseFloat(share, 64)
			if err != nil || !plainNumber.MatchString(share) {
				return &Problem{What: "must be a percentage such as " + example + ", or a whole number"}
			}
			if v < 0 || v > 100 {
				return &Problem{What: "must be 0% to 100%"}
			}
			p(s, at, v/100, 0)
			return nil
		}
		v, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil && plainNumber.MatchString(text) && strings.Contains(text, "."):
			return &Problem{What: "must be a percentage such as " + example + ", or a whole number", Hint: "is a % missing?"}
		case err != nil:
			return &Problem{What: "must be a percentage such as " + example + ", or a whole number"}
		case v < 0:
			return &Problem{What: "must be 0 or more"}
		}
		p(s, at, 0, v)
		return nil
	}
	return r
}

// name reads a name that has the given form.
func name(form *regexp.Regexp, rule string, p put[string]) reading {
	return reading{typ: "name", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		if !form.MatchString(text) {
			return &Problem{What: "must be " + rule}
		}
		p(s, at, text)
		return nil
	}}
}

// text reads a text that must not be empty.
func text(p put[string]) reading {
	return reading{typ: "string", rule: "not empty", read: func(s *Spec, at int, text string) *Problem {
		switch {
		case text == "":
			return &Problem{What: "is empty"}
		case strings.TrimSpace(text) != text:
			return &Problem{What: "begins or ends with a space or a line break"}
		case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return &Problem{What: "has a line break or another control character in it"}
		}
		p(s, at, text)
		return nil
	}}
}

// many returns the reading of a list: each value must obey its rule, and no value may
// occur twice. has reports whether the list already contains the value of the text.
func many(one reading, reset func(*Spec, int), has func(s *Spec, at int, text string) bool) reading {
	read := one.read
	one.list = true
	one.reset = reset
	one.typ = "list: " + one.typ
	one.read = func(s *Spec, at int, text string) *Problem {
		if has(s, at, text) {
			return &Problem{What: "is in the list twice"}
		}
		return read(s, at, text)
	}
	return one
}

// zone reads a time zone by its IANA name. UTC is one. "Local" and "" are not: they
// differ from machine to machine.
func zone(p put[*time.Location]) reading {
	const rule = "a time zone by its IANA name"
	return reading{typ: "string", rule: rule, read: func(s *Spec, at int, text string) *Problem {
		z, err := time.LoadLocation(text)
		if err != nil || text == "" || text == "Local" {
			return &Problem{What: "must be " + rule, Hint: "such as Europe/Berlin or UTC"}
		}
		p(s, at, z)
		return nil
	}}
}
