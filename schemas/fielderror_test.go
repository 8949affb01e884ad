package schemas

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReadErrors(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
	abyss := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
	tests := []struct {
		name  string
		raw   string
		field string
		rule  string // how it begins
	}{
		{"nothing", ``, "", "must be an object"},
		{"white space", ` `, "", "must be an object"},
		{"null", `null`, "", "must be an object"},
		{"PHP's empty map", `[]`, "", "must be an object"},
		{"list of one", `[{"id":7}]`, "", "must be an object"},
		{"text", `"7"`, "", "must be an object"},
		{"number", `7`, "", "must be an object"},
		{"HTML", `<html>`, "", "must be valid JSON: "},
		{"cut short in a name", `{"id":7,"su`, "", "must be valid JSON: "},
		{"cut short in a value", `{"id":7,"sum":"1`, "sum", "must be valid JSON: "},
		{"cut short before the end", `{"id":7`, "", "must be valid JSON: "},
		{"two objects", `{"id":7}{"id":7}`, "", "must be one object and nothing behind it"},
		{"something behind", `{"id":7}x`, "", "must be one object and nothing behind it"},
		{"missing colon", `{"id" 7}`, "id", "must be valid JSON: "},
		{"trailing comma", `{"id":7,}`, "", "must be valid JSON: "},
		{"name without quotes", `{id:7}`, "", "must be valid JSON: "},
		{"field twice", `{"id":7,"sum":1,"sum":2}`, "sum", "must not be there twice"},
		{"field twice with the same value", `{"id":7,"sum":1,"sum":1}`, "sum", "must not be there twice"},
		{"field twice by escapes", `{"id":7,"sum":1,"\u0073um":2}`, "sum", "must not be there twice"},
		{"field without a column twice", `{"id":7,"a":1,"a":2}`, "a", "must not be there twice"},
		{"name twice in a field", `{"id":7,"a":{"b":1,"b":2}}`, "a", "must not have a name twice"},
		{"invalid UTF-8 in a value", "{\"id\":7,\"currency\":\"U\xffD\"}", "currency", "must be valid JSON: invalid UTF-8"},
		{"invalid UTF-8 in a field without a column", "{\"id\":7,\"a\":\"\xc3\"}", "a", "must be valid JSON: invalid UTF-8"},
		{"invalid UTF-8 in a name", "{\"id\":7,\"\xff\":1}", "", "must be valid JSON: invalid UTF-8"},
		{"half of a surrogate pair", `{"id":7,"currency":"\ud83d"}`, "currency", "must be valid JSON: "},
		{"too deep", `{"id":7,"a":` + deep + `}`, "a", "must not nest deeper than 64 levels"},
		{"much too deep", `{"id":7,"a":` + abyss + `}`, "a", "must be valid JSON: "},
		{"no id", `{"sum":1}`, "id", "must be there"},
		{"empty object", `{}`, "id", "must be there"},
		{"id null", `{"id":null}`, "id", ruleID},
		{"id empty", `{"id":""}`, "id", ruleID},
		{"id 0", `{"id":0}`, "id", ruleID},
		{"id negative", `{"id":-7}`, "id", ruleID},
		{"id no number", `{"id":"seven"}`, "id", ruleID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := Payment{ID: 7, Sum: Some(Decimal(5)), Extra: Some(`{"x":1}`)}
			listed, got := before, before
			for name, err := range map[string]error{
				"ReadListed": listed.ReadListed([]byte(tt.raw), []string{"a"}),
				"ReadGot":    got.ReadGot([]byte(tt.raw)),
			} {
				checkFieldError(t, name, err)
				e, ok := errors.AsType[*FieldError](err)
				if !ok {
					continue
				}
				if e.Field != tt.field || !strings.HasPrefix(e.Rule, tt.rule) {
					t.Errorf("%s: error %#v; want field %q, rule %q…", name, e, tt.field, tt.rule)
				}
			}
			if listed != before || got != before {
				t.Errorf("an error changed the row\nlisted %+v\ngot    %+v\nwant   %+v", listed, got, before)
			}
		})
	}
}

// checkFieldError fails the test if err is not as the readers promise.
func checkFieldError(t *testing.T, name string, err error) {
	t.Helper()
	e, ok := errors.AsType[*FieldError](err)
	switch {
	case !ok:
		t.Errorf("%s: error %v (%T), want a *FieldError", name, err, err)
	case e.Rule == "":
		t.Errorf("%s: error %#v has no rule", name, e)
	case len(e.Raw) > maxRaw || len(e.Field) > maxRaw:
		t.Errorf("%s: raw text of %d and field of %d bytes, want at most %d", name, len(e.Raw), len(e.Field), maxRaw)
	case !utf8.ValidString(e.Raw) || !utf8.ValidString(e.Field) || !utf8.ValidString(e.Error()):
		t.Errorf("%s: error %#v is not valid UTF-8", name, e)
	}
}

func TestExcerpt(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want string
	}{
		{"empty", "", ""},
		{"just fits", strings.Repeat("a", 200), strings.Repeat("a", 200)},
		{"one too long", strings.Repeat("a", 201), strings.Repeat("a", 197) + "…"},
		{"cut between letters", strings.Repeat("я", 101), strings.Repeat("я", 98) + "…"},
		{"last letter just fits", strings.Repeat("a", 198) + "я", strings.Repeat("a", 198) + "я"},
		{"last letter is too wide", strings.Repeat("a", 197) + "😀", strings.Repeat("a", 197) + "…"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"not UTF-8, a run of it", "a\xff\xfe\xfdb", "a\uFFFDb"},
		{"not UTF-8 grows", strings.Repeat("\xffa", 90), strings.Repeat("\uFFFDa", 49) + "…"},
		{"not UTF-8 shrinks, but was cut", strings.Repeat("\xff", 300), "\uFFFD…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := excerpt([]byte(tt.in)); got != tt.want {
				t.Errorf("excerpt(%q) = %q (%d bytes), want %q", tt.in, got, len(got), tt.want)
			}
		})
	}
}

func TestFieldErrorText(t *testing.T) {
	tests := []struct {
		name string
		err  FieldError
		want string
	}{
		{"with a value", FieldError{"sum", ruleDecimal, `"12,50"`}, "sum: must be a decimal number"},
		{"without a value", FieldError{"id", ruleThere, ""}, "id: must be there"},
		{"of the object", FieldError{"", "must be an object", "[]"}, "object: must be an object"},
		{"with control characters", FieldError{"", "must be an object", "\x1b[2J\n"}, `object: must be an object`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("Error() = %s, want %s", got, tt.want)
			}
		})
	}
}
