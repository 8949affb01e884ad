package jsonscan

import (
	"fmt"
	"strings"
	"testing"
)

func TestUsualTextsAreRead(t *testing.T) {
	for _, text := range []string{
		`{"id":1,"accountNumber":"1\/1","paid":"Y","datePaid":"2024-05-20T12:32:02+02:00","sum":-1250.50e3}`,
		`{"paySystemName":"\u041d\u0430\u043b\u0438\u0447\u043d\u044b\u0435 \ud83d\ude00","x":"Наличные"}`,
		`{"a":{"id":[]},"b":{"id":{}},"abcdefgh":0,"abcdefghi":0,"abcdefghijklmnop":0,"":0}`,
		"{\t\"a\" :\r\n [ true , false, null ] } ",
		`0`, `""`, `[]`, `-0.0`,
	} {
		s := &Scanner{}
		s.Reset([]byte(text))
		if v, err := s.ReadValue(); err != nil || string(v) != strings.TrimSpace(text) {
			t.Errorf("%s: %q, %v", text, v, err)
		}
		if kind := s.PeekKind(); kind != 0 {
			t.Errorf("%s: followed by %v", text, kind)
		}
	}
}

func TestUnusualTextsAreLeftToOthers(t *testing.T) {
	var many strings.Builder
	for i := range maxNames + 1 {
		fmt.Fprintf(&many, `,"n%d":0`, i)
	}
	for _, text := range []string{
		`{"a":1,"b":2,"a":3}`, `{"\u0061":1}`, `{"é":1}`, `"\ud800"`, "\"\xff\"", `[1,]`, `{"a":1,}`, `{"a":1 "b":2}`, `01`, `nul`, ``, `{`,
		strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), "{" + many.String()[1:] + "}",
	} {
		s := &Scanner{}
		s.Reset([]byte(text))
		v, err := s.ReadValue()
		if err == nil && len(v) == len(text) {
			t.Errorf("%.40s: read as %q", text, v)
		}
	}
	s := &Scanner{AllowInvalidUTF8: true}
	s.Reset([]byte("[\"\xff\"]"))
	if _, err := s.ReadValue(); err != nil {
		t.Errorf("no UTF-8, and allowed: %v", err)
	}
}

func TestNamesOfAnObjectThatIsReadInStepsAreDistinct(t *testing.T) {
	s := &Scanner{}
	s.Reset([]byte(`{"a":{"a":1,"b":2},"b":3,"a":4}`))
	for i := 0; ; i++ {
		_, _, _, err := step(s, byte(i))
		if err != nil {
			if at := s.InputOffset(); at < int64(len(`{"a":{"a":1,"b":2},"b":3,`)) {
				t.Fatalf("it ended at %d", at)
			}
			break
		}
	}
}
