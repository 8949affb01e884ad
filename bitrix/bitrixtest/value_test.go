package bitrixtest

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// plain converts a value to a form that is easy to compare: nil, string, or a list of
// pairs.
func plain(v value) any {
	switch v.kind {
	case kindNone:
		return nil
	case kindText:
		return v.text
	case kindArray:
	}
	pairs := [][2]any{}
	for _, i := range v.items {
		pairs = append(pairs, [2]any{i.key, plain(i.value)})
	}
	return pairs
}

// plainJSON returns the result of plain as JSON.
func plainJSON(v value) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(plain(v)) // texts, lists and nil can be encoded
	return strings.TrimSpace(b.String())
}

// fromJSON returns the result of plain, parsed by the standard library.
func fromJSON(d *json.Decoder) any {
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token := token.(type) {
	case nil:
		return nil
	case bool:
		if token {
			return "1"
		}
		return ""
	case json.Number:
		if n, err := token.Int64(); err == nil {
			return strconv.FormatInt(n, 10)
		}
		f, _ := token.Float64() // out of range: infinite
		return floatText(f)
	case string:
		return token
	}
	pairs := [][2]any{}
	for n := 0; d.More(); n++ {
		key := ""
		if token == json.Delim('{') {
			k, _ := d.Token()
			key, _ = k.(string)
		} else {
			key = strconv.Itoa(n)
		}
		element := fromJSON(d)
		found := false
		for i := range pairs {
			if pairs[i][0] == key && token == json.Delim('{') {
				pairs[i][1], found = element, true
			}
		}
		if !found {
			pairs = append(pairs, [2]any{key, element})
		}
	}
	d.Token()
	return pairs
}

func checkJSON(t *testing.T, text string) {
	t.Helper()
	if !json.Valid([]byte(text)) || !utf8.ValidString(text) || strings.Contains(strings.ToLower(text), `\ud`) {
		return
	}
	v, err := parseJSON(text)
	if err != nil {
		t.Fatalf("parseJSON(%q): %v", text, err)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if diff := cmp.Diff(fromJSON(d), plain(v)); diff != "" {
		t.Fatalf("parseJSON(%q): %s", text, diff)
	}
}

var jsonTexts = []string{
	`{}`, `[]`, `null`, ` "a" `, `{"a":{"b":[1,2.5,-3e4,true,false,null]},"c":"x"}`,
	`{"a":1,"a":2}`, `"\u043d\/\"\\\b\f\n\r\t\ud83d\ude00"`, `[[[["deep"]]]]`, `{"":{"":""}}`, `["ж",{"k":"现金"}]`,
}

func TestParseJSON(t *testing.T) {
	for _, text := range jsonTexts {
		checkJSON(t, text)
	}
	for _, text := range []string{
		``, `{`, `}`, `{"a"}`, `{"a":}`, `[1,]`, `{"a":1,}`, `"a`, `"\x"`, `"\u12"`, "\"\n\"", `nul`, `1 2`, `{a:1}`, `[1 2]`, `-`,
		strings.Repeat("[", 512) + strings.Repeat("]", 512), `"\ud800"`, `"\udc00\ud800"`, "\"\xff\"", `01`, `1.`, `+1`, `.5`,
	} {
		if v, err := parseJSON(text); err == nil {
			t.Errorf("parseJSON(%q) = %v, want an error", text, plain(v))
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, text := range jsonTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseJSON(text)
		if err == nil && strings.Count(text, "[")+strings.Count(text, "{") <= jsonDepth {
			checkJSON(t, text)
		}
		_ = plain(v)
	})
}

func TestPHPIntegers(t *testing.T) {
	for text, want := range map[string]int64{
		"": 0, "abc": 0, "12": 12, " 12abc": 12, "-7": -7, "+7": 7, "1.9": 1, "$result[a]": 0,
		"99999999999999999999": 1<<63 - 1, "-": 0,
	} {
		if got := phpInt(text); got != want {
			t.Errorf("phpInt(%q) = %d, want %d", text, got, want)
		}
	}
}
