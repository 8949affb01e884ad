package main

import (
	"testing"
	"time"
)

func TestNumbersForPeople(t *testing.T) {
	tests := []struct{ got, want string }{
		{grouped(0), "0"},
		{grouped(999), "999"},
		{grouped(1000), "1,000"},
		{grouped(int64(1234567)), "1,234,567"},
		{grouped(-123), "-123"},
		{grouped(-1234), "-1,234"},
		{groupDigits("-1234567.8900"), "-1,234,567.8900"},
		{groupDigits("12.3400"), "12.3400"},
		{groupDigits("100000"), "100,000"},
		{groupDigits(""), ""},
		{plural(1, "payment"), "1 payment"},
		{plural(0, "payment"), "0 payments"},
		{plural(12345, "payment"), "12,345 payments"},
		{byteSize(0), "0 B"},
		{byteSize(1023), "1023 B"},
		{byteSize(1024), "1.0 KiB"},
		{byteSize(15 << 10), "15 KiB"},
		{byteSize(3 << 20), "3.0 MiB"},
		{byteSize(5 << 40), "5.0 TiB"},
		{shortTime(-time.Second), "0.0 s"},
		{shortTime(400 * time.Millisecond), "0.4 s"},
		{shortTime(12400 * time.Millisecond), "12 s"},
		{shortTime(200 * time.Second), "3m20s"},
		{shortTime(time.Hour + 5*time.Minute), "1h05m"},
		{shortTime(49 * time.Hour), "49h00m"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
