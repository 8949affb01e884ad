package jsonscan

import (
	"bytes"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

var seeds = []string{
	`{"result":{"p1":{"id":1,"accountNumber":"1\/1","paid":"Y","datePaid":"2024-05-20T12:32:02+02:00","sum":1250.5,"paySystemName":"\u041d\u0430"}},"total":null}`,
	` [ 1 , -0.5e+7 , true , false , null , "" , [ ] , { } ] `,
	`[{"id":1,"accountNumber":"1","operating_reset_at":2},{"id":1,"accountNumber":"1","operating_reset_at":2},{"accountNumber":"1","id":1},{"id":1,"id":2}]`,
	`[{"a":1,"b":2},{"a":1},{"a":1,"b":2,"a":3}]`, `[{"a":1,"b":2},{"a" :1,"b": 2},{"b":1,"b":2}]`, `[{"a":{"a":1,"c":2}},{"a":{"a":1,"b":[{"a":1}],"a":3}}]`,
	`{"a":1,"a":2}`, `{"abcdefgh":1,"abcdefghi":2,"abcdefgh":3}`, `{"a":{"a":1},"b":{"a":2,"\u0061":3}}`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\u12g4"`, `"\x"`, `"\"\\\/\b\f\n\r\t\u0000\u041D\ud83d\ude00 a"`, "\"\x01\"", "\"\xff\"", `"é"`, `{"é":1}`,
	`01`, `-`, `1.`, `1e`, `.5`, `+1`, `nul`, `tru`, `[1,]`, `{"a":1,}`, `{"a"}`, `{,}`, `[`, `{"a":`, `}`, `]`, `"`, ``, `1 2`, `[1 2]`, `{"a" 1}`, `{1:2}`,
	`[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]`,
}

// decoder is the common interface of Scanner and jsontext.Decoder.
type decoder interface {
	PeekKind() jsontext.Kind
	ReadToken() (jsontext.Token, error)
	ReadValue() (jsontext.Value, error)
	InputOffset() int64
}

// step executes choice on d, and returns the result.
func step(d decoder, choice byte) (kind jsontext.Kind, value string, at int64, err error) {
	kind = d.PeekKind()
	opens := kind == '{' || kind == '['
	if kind == '}' || kind == ']' || opens && choice%2 == 0 {
		_, err = d.ReadToken()
	} else {
		var v jsontext.Value
		v, err = d.ReadValue()
		value = string(v)
	}
	return kind, value, d.InputOffset(), err
}

// FuzzScanner: a Decoder reads everything that a Scanner reads, in any combination of
// whole values and tokens.
func FuzzScanner(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed), []byte{0})
		f.Add([]byte(seed), []byte{1})
		f.Add([]byte(seed), []byte{0, 0, 1})
	}
	f.Fuzz(func(t *testing.T, text, choices []byte) {
		readMembers(t, text)
		readObject(t, text)
		readScalars(t, text)
		for _, lax := range []bool{false, true} {
			s := &Scanner{AllowInvalidUTF8: lax}
			if len(choices) > 1 { // it then knows the names of the text
				s.Reset(text)
				s.SkipValue()
			}
			s.Reset(text)
			d := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowInvalidUTF8(lax))
			for i := 0; ; i++ {
				choice := byte(0)
				if len(choices) > 0 {
					choice = choices[i%len(choices)]
				}
				kind, value, at, err := step(s, choice)
				if err != nil {
					break // there is no guarantee
				}
				wantKind, wantValue, wantAt, err := step(d, choice)
				if err != nil || kind != wantKind || value != wantValue || at != wantAt {
					t.Fatalf("step %d of %q: %v %q up to %d, want %v %q up to %d, %v", i, text, kind, value, at, wantKind, wantValue, wantAt, err)
				}
			}
		}
	})
}

// readMembers reads an object with Member, and with a Decoder.
func readMembers(t *testing.T, text []byte) {
	s := &Scanner{}
	s.Reset(text)
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	if token, err := s.ReadToken(); err != nil || token.Kind() != '{' {
		return
	}
	if _, err := d.ReadToken(); err != nil {
		t.Fatal(err)
	}
	for {
		name, value, escaped, err := s.Member()
		if err != nil {
			return
		}
		if name == nil {
			if end, err := d.ReadToken(); err != nil || end.Kind() != '}' || d.InputOffset() != s.InputOffset() {
				t.Fatalf("%q: the object ends at %d, by the Decoder with %v %v", text, s.InputOffset(), end, err)
			}
			return
		}
		wantName, err := d.ReadToken()
		if err != nil || wantName.String() != string(name) {
			t.Fatalf("%q: name %q, want %v %v", text, name, wantName, err)
		}
		want, err := d.ReadValue()
		if err != nil || string(want) != string(value) || escaped != (value[0] == '"' && bytes.IndexByte(value, '\\') >= 0) {
			t.Fatalf("%q: value %q (escaped: %t), want %q %v", text, value, escaped, want, err)
		}
	}
}

// readObject reads an object with ReadObject, and with a Decoder.
func readObject(t *testing.T, text []byte) {
	s := &Scanner{}
	s.Reset(text)
	object, member, err := s.ReadObject("a")
	if err != nil {
		return
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(text))
	if _, err := d.ReadToken(); err != nil {
		t.Fatal(err)
	}
	var want jsontext.Value
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			t.Fatal(err)
		}
		found := name.String() == "a"
		v, err := d.ReadValue()
		if err != nil {
			t.Fatal(err)
		}
		if found {
			want = v.Clone()
		}
	}
	if _, err := d.ReadToken(); err != nil || !bytes.HasSuffix(text[:d.InputOffset()], object) || string(member) != string(want) {
		t.Fatalf("%q: %q with %q, want %q %v", text, object, member, want, err)
	}
}

// readScalars reads what begins at each place of the text with Scalar, and with a
// Decoder. It also compares what AppendUnquote returns.
func readScalars(t *testing.T, text []byte) {
	s := &Scanner{}
	s.Reset(text)
	for at := range len(text) + 1 {
		end, escaped := s.Scalar(at)
		if end < 0 {
			continue
		}
		quoted := text[at:end]
		if want, err := jsontext.NewDecoder(bytes.NewBuffer(slices.Clone(quoted))).ReadValue(); err != nil || string(want) != string(quoted) {
			t.Fatalf("%q at %d: %q, want %q %v", text, at, quoted, want, err)
		}
		if escaped != (quoted[0] == '"' && bytes.IndexByte(quoted, '\\') >= 0) {
			t.Fatalf("%q at %d: escaped: %t", text, at, escaped)
		}
		if quoted[0] != '"' {
			continue
		}
		want, err := jsontext.AppendUnquote([]byte("a"), quoted)
		if got := AppendUnquote([]byte("a"), quoted); err != nil || string(got) != string(want) {
			t.Fatalf("%q unquoted: %q, want %q %v", quoted, got, want, err)
		}
	}
	AppendUnquote(nil, text) // no panic
}
