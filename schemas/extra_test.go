package schemas

import (
	"errors"
	"testing"
)

func TestExtraIsCanonical(t *testing.T) {
	const want = `{"a":{"x":[1,{"m":null,"n":true}],"y":"/<я"},"b":-1.50e3,"Ω":""}`
	spellings := []struct{ name, raw string }{
		{"as it is", `{"id":1,"a":{"x":[1,{"m":null,"n":true}],"y":"/<я"},"b":-1.50e3,"Ω":""}`},
		{"another order", `{"Ω":"","b":-1.50e3,"a":{"y":"/<я","x":[1,{"n":true,"m":null}]},"id":1}`},
		{"white space", "{ \"id\" : 1 , \"a\" : { \"x\" : [ 1 , {\n\"m\":null,\"n\":true } ],\"y\":\"/<я\"},\"b\":-1.50e3,\"Ω\":\"\"}"},
		{"escapes", `{"id":1,"\u0061":{"x":[1,{"m":null,"n":true}],"y":"\/\u003c\u044f"},"b":-1.50e3,"\u03a9":""}`},
	}
	for _, tt := range spellings {
		t.Run(tt.name, func(t *testing.T) {
			var p Payment
			if err := p.ReadGot([]byte(tt.raw)); err != nil {
				t.Fatal(err)
			}
			if p.Extra != Some(want) {
				t.Errorf("extra %s, want %s", p.Extra.V, want)
			}
		})
	}
}

// Nothing is merged into an Extra that is not an object, which this package never
// writes.
func TestExtraThatIsNoObject(t *testing.T) {
	for _, extra := range []string{`[]`, `{"a":`, ``} {
		p := Payment{ID: 1, Extra: Some(extra)}
		err := p.ReadGot([]byte(`{"id":1,"b":2}`))
		if _, ok := errors.AsType[*FieldError](err); !ok {
			t.Errorf("ReadGot over extra %q: error %v, want a *FieldError", extra, err)
		}
	}
}

func TestInternerIsBounded(t *testing.T) {
	in := newInterner()
	for range 2 {
		for i := range 5000 {
			b := []byte{byte(i), byte(i >> 8), 'x'}
			if got := in.str(b); got != string(b) {
				t.Fatalf("str(%q) = %q", b, got)
			}
		}
	}
	long := make([]byte, 1000)
	if in.str(long); len(in.kept) > 256 {
		t.Errorf("%d strings are kept", len(in.kept))
	}
	for _, s := range in.kept {
		if len(s) > 64 {
			t.Errorf("a string of %d bytes is kept", len(s))
		}
	}
}
