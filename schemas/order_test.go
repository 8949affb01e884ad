package schemas

import (
	"fmt"
	"strings"
	"testing"
)

// members returns what r reads from raw, one text for each member, and the error.
func members(r *reader, raw string) (read []string, ordered int, err error) {
	r.order = &r.orders[otherObject]
	if err := r.begin([]byte(raw)); err != nil {
		return nil, 0, err
	}
	for {
		more, err := r.next()
		if err != nil || !more {
			return read, ordered, err
		}
		read = append(read, fmt.Sprintf("%s %s %q %v", r.name, r.value.raw, r.value.text, r.value.kind))
		if r.known {
			ordered++
		}
	}
}

var objects = []string{
	`{"id":1,"accountNumber":"1\/1","sum":1.5,"paid":true,"x":null}`,
	`{"id":2,"accountNumber":"1","sum":-2e3,"paid":false,"x":""}`,
	`{"id":2,"accountNumber":"1"}`, `{"id":2,"accountNumber":"1","sum":1,"paid":1,"x":1,"y":1}`,
	`{"id":2,"sum":"1","accountNumber":1}`, `{"id":2,"accountNumber":"1","id":3}`, `{"id":2,"accountNumber":"1","sum":3,"sum":3}`,
	`{"id":2,"accountNumber":["1"],"sum":{"id":1}}`, ` {"id":2}`, `{"id" :2}`, `{"id":2}  `, `{"id":2} x`, `{"id":2,}`, `{"id":2`, `{"id":`, `{"id`,
	`{"id":2,"accountNumber":"\ud83d"}`, "{\"id\":2,\"accountNumber\":\"\xff\"}", "{\"id\":2,\"accountNumber\":\"\n\"}", `{"id":02}`, `{"id":2x}`,
	`{"\u0069d":2}`, `{"é":2}`, `{}`, `[]`, `{"":1}`, ``, `}`,
	`{"` + strings.Repeat("a", longestName+1) + `":1,"b":2}`,
	"{" + strings.Repeat(`"a":1,`, maxOrder+2) + `"b":2}`,
}

// FuzzReader: which objects a reader has read before changes nothing.
func FuzzReader(f *testing.F) {
	for _, before := range objects {
		for _, raw := range objects {
			f.Add(before, raw)
		}
	}
	f.Fuzz(func(t *testing.T, before, raw string) {
		want, _, wantErr := members(&reader{}, raw)
		r := &reader{}
		for _, text := range []string{before, raw, before, raw, raw} {
			got, _, err := members(r, text)
			if text == raw && (fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(err) != fmt.Sprint(wantErr)) {
				t.Fatalf("after %q, %q is %q %v, want %q %v", before, raw, got, err, want, wantErr)
			}
		}
	})
}

func TestReaderKnowsTheOrderOfNames(t *testing.T) {
	r := &reader{}
	for i, want := range []int{0, 5, 2, 5} {
		if read, ordered, err := members(r, objects[i]); ordered != want || err != nil {
			t.Errorf("object %d: read %q, %d by the order: want %d; %v", i, read, ordered, want, err)
		}
	}
	if n := len(r.order.labels); n != 6 {
		t.Errorf("it knows %d names", n)
	}
	many := "{"
	for i := range 2 * maxOrder {
		many += fmt.Sprintf(`"n%d":1,`, i)
	}
	if _, _, err := members(r, many+`"end":1}`); err != nil || len(r.order.labels) != maxOrder {
		t.Errorf("it knows %d names, %v", len(r.order.labels), err)
	}
}
