package main

import (
	"fmt"
	"strconv"
	"time"
)

// grouped returns a number as people read it: 12,345.
func grouped[N int | int64](n N) string { return groupDigits(strconv.FormatInt(int64(n), 10)) }

// groupDigits inserts commas into the whole part of a decimal number.
func groupDigits(s string) string {
	start := 0
	if s != "" && s[0] == '-' {
		start = 1
	}
	end := start
	for end < len(s) && s[end] != '.' {
		end++
	}
	for i := end - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural returns a count of things: 1 payment, 2 payments.
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(n) + " " + thing + "s"
}

// byteSize returns a size as people read it: 1.4 MiB.
func byteSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size, units := float64(n), "KMGTPE"
	i := -1
	for size >= 1024 && i < len(units)-1 {
		size /= 1024
		i++
	}
	if size < 10 {
		return fmt.Sprintf("%.1f %ciB", size, units[i])
	}
	return fmt.Sprintf("%.0f %ciB", size, units[i])
}

// shortTime returns a duration as people read it: 0.4 s, 12 s, 3m20s, 1h05m.
func shortTime(d time.Duration) string {
	switch {
	case d < 0:
		d = 0
		fallthrough
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
