package bitrixtest

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestStringsAsPHPWritesThem(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", `""`},
		{"3653/1", `"3653\/1"`},
		{"Счёт", `"\u0421\u0447\u0451\u0442"`},
		{"💶", `"\ud83d\udcb6"`},
		{`a"b'c<d>e&f\`, `"a\u0022b\u0027c\u003cd\u003ee\u0026f\\"`},
		{"\n\r\t\b\f\x01\x7f", "\"\\n\\r\\t\\b\\f\\u0001\x7f\""},
	}
	for _, test := range tests {
		got := string(appendString(nil, test.text))
		if got != test.want {
			t.Errorf("appendString(%q) = %s, want %s", test.text, got, test.want)
		}
		for _, encoded := range []string{got, string(appendRaw(nil, test.text))} {
			var back string
			if err := json.Unmarshal([]byte(encoded), &back); err != nil || back != test.text {
				t.Errorf("%s reads as %q, %v, want %q", encoded, back, err, test.text)
			}
		}
	}
}

func FuzzAppendString(f *testing.F) {
	f.Add("a/\"Ж💶\x00")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		for _, encoded := range [][]byte{appendString(nil, s), appendRaw(nil, s)} {
			var back string
			if err := json.Unmarshal(encoded, &back); err != nil || back != s {
				t.Errorf("%q is %s, which reads as %q, %v", s, encoded, back, err)
			}
		}
	})
}

func TestDecimals(t *testing.T) {
	tests := []struct {
		units int64
		short string
		four  string
		noisy string
	}{
		{0, "0", "0.0000", "0"},
		{11760000, "1176", "1176.0000", "1176"},
		{1000, "0.1", "0.1000", "0.10000000000000001"},
		{-123400, "-12.34", "-12.3400", "-12.34"},
		{1, "0.0001", "0.0001", "0.0001"},
		{999999999999999, "99999999999.9999", "99999999999.9999", "99999999999.999893"},
		{-500, "-0.05", "-0.0500", "-0.050000000000000003"},
	}
	for _, test := range tests {
		if got := string(appendDecimal(nil, test.units, 0)); got != test.short {
			t.Errorf("appendDecimal(%d, 0) = %s, want %s", test.units, got, test.short)
		}
		if got := string(appendDecimal(nil, test.units, 4)); got != test.four {
			t.Errorf("appendDecimal(%d, 4) = %s, want %s", test.units, got, test.four)
		}
		got := string(appendNoisy(nil, test.units))
		want, _ := strconv.ParseFloat(test.noisy, 64)
		if back, err := strconv.ParseFloat(got, 64); err != nil || back != want || len(got) > len(test.noisy)+4 {
			t.Errorf("appendNoisy(%d) = %s, want like %s", test.units, got, test.noisy)
		}
	}
}

// appendTime writes the same as package time.
func TestTimes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 3))
	offsets := []int64{0, 3 * 3600, -5 * 3600, 14 * 3600, -(3*3600 + 1800), 20700}
	for i := range 20_000 {
		unix := random.Int64N(4e9) - 1e9
		if i == 0 {
			unix = 951782400 // 29 February 2000
		}
		offset := offsets[i%len(offsets)]
		want := strconv.Quote(time.Unix(unix, 0).In(time.FixedZone("", int(offset))).Format("2006-01-02T15:04:05-07:00"))
		if got := string(appendTime(nil, unix, offset)); got != want {
			t.Fatalf("appendTime(%d, %d) = %s, want %s", unix, offset, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for ns, want := range map[int64]string{0: "0", 1e9: "1", 15e8: "1.5", 50e6: "0.05", 1716203536414886000: "1716203536.414886", 1: "1.0e-9", 99_000: "9.9e-5", 100_000: "0.0001"} {
		if got := string(appendSeconds(nil, ns)); got != want {
			t.Errorf("appendSeconds(%d) = %s, want %s", ns, got, want)
		}
	}
}

// An empty map is [], keys that count up from 0 make a list, all others a map.
func TestPHPMaps(t *testing.T) {
	tests := []struct {
		keys []string
		want string
	}{
		{nil, `[]`},
		{[]string{"0"}, `["v0"]`},
		{[]string{"0", "1", "2"}, `["v0","v1","v2"]`},
		{[]string{"1"}, `{"1":"v1"}`},
		{[]string{"0", "2"}, `{"0":"v0","2":"v2"}`},
		{[]string{"1", "0"}, `{"1":"v1","0":"v0"}`},
		{[]string{"0", "1", "a"}, `{"0":"v0","1":"v1","a":"va"}`},
		{[]string{"p7", "p8"}, `{"p7":"vp7","p8":"vp8"}`},
		{[]string{"00"}, `{"00":"v00"}`},
	}
	for _, test := range tests {
		var m phpMap
		for _, key := range test.keys {
			m.key(key)
			m.json = appendString(m.json, "v"+key)
			m.done()
		}
		if diff := cmp.Diff(test.want, string(m.appendTo(nil))); diff != "" {
			t.Errorf("keys %q: %s", test.keys, diff)
		}
	}
}

// From 2^39 on a float cannot represent four digits after the point: PHP writes another
// number than the stored one.
func TestFloatLosesTheFourthDigit(t *testing.T) {
	for units, want := range map[int64]string{
		5_501_428_560_265_959:  "550142856026.596",
		5_497_558_138_879_999:  "549755813887.9999",
		-5_501_428_560_265_959: "-550142856026.596",
		12_3450:                "12.345",
	} {
		if got := string(appendFloat(nil, units)); got != want {
			t.Errorf("%d: %s, want %s", units, got, want)
		}
	}
}
