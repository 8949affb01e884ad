package jobfile

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	x := expander{
		lookup: func(name string) (string, bool) {
			v, ok := map[string]string{"A": "one", "_b2": "two", "NESTED": "${A}", "EMPTY": "", "LONG": strings.Repeat("x", maxReference+1)}[name]
			return v, ok
		},
		readFile: func(path string) ([]byte, error) {
			switch filepath.ToSlash(path) {
			case "conf/a.txt":
				return []byte("content\n"), nil
			case "conf/mark.txt":
				return []byte("\ufeffcontent\n"), nil
			case "conf/crlf.txt":
				return []byte("content\r\n"), nil
			case "conf/lines.txt":
				return []byte("a\nb\n\n"), nil
			case "conf/return.txt":
				return []byte("a\r"), nil
			case "/abs.txt":
				return []byte("absolute"), nil
			case "conf/broken.txt":
				return nil, errors.New("disk on fire")
			}
			return nil, fs.ErrNotExist
		},
		folder: "conf",
	}
	tests := []struct {
		in, want string
		whole    bool
		problems string
	}{
		{"plain", "plain", false, ""},
		{"", "", false, ""},
		{"$ $$ $A {A} $}", "$ $$ $A {A} $}", false, ""},
		{"${A}", "one", true, ""},
		{"${A}${_b2}", "onetwo", false, ""},
		{"<${A}>", "<one>", false, ""},
		{"${NESTED}", "${A}", true, ""},
		{"$${A}", "${A}", false, ""},
		{"$$${A}", "$${A}", false, ""},
		{"$${A}${A}", "${A}one", false, ""},
		{"${file:a.txt}", "content", true, ""},
		{"${file:crlf.txt}", "content", true, ""},
		{"${file:mark.txt}", "content", true, ""},
		{"${file:lines.txt}", "a\nb\n", true, ""},
		{"${file:return.txt}", "a\r", true, ""},
		{"${file:/abs.txt}", "absolute", true, ""},
		{"${file:none.txt}", "", true, "file conf/none.txt does not exist"},
		{"${file:broken.txt}", "", true, "file conf/broken.txt cannot be read"},
		{"${NOPE}-${EMPTY}", "-", false, "environment variable NOPE is not set; environment variable EMPTY is empty"},
		{"${LONG}", "", true, "environment variable LONG is longer than 64 KiB"},
		{"${A", "", false, "has a ${ without its }"},
		{"${A}${", "one", false, "has a ${ without its }"},
		{"${A-B}", "", false, "has a ${…} that is neither ${NAME} nor ${file:PATH}"},
		{"${}", "", false, "has a ${…} that is neither ${NAME} nor ${file:PATH}"},
		{"${ A }", "", false, "has a ${…} that is neither ${NAME} nor ${file:PATH}"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, problems := x.expand(tt.in)
			var rules []string
			for _, f := range problems {
				rules = append(rules, f.What)
			}
			if text := strings.Join(rules, "; "); got.text != tt.want || got.whole != tt.whole || filepath.ToSlash(text) != tt.problems {
				t.Errorf("got %q, whole %t, problems %q; want %q, %t, %q", got.text, got.whole, text, tt.want, tt.whole, tt.problems)
			}
		})
	}
}
