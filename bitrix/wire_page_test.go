package bitrix

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodePage(t *testing.T) {
	for _, tt := range []struct {
		name, result, items string
		ids                 []int64
		raw                 []string
	}{
		{"a list", `{"payments":[{"id":3,"x":{"id":9}}, {"x":1,"id":5} ]}`, "payments", []int64{3, 5}, []string{`{"id":3,"x":{"id":9}}`, `{"x":1,"id":5}`}},
		{"ids as text", `{"payments":[{"id":"3"},{"id":"\u0034"}]}`, "payments", nil, nil},
		{"ids as text and numbers", `{"payments":[{"id":"3"},{"id":5}]}`, "payments", []int64{3, 5}, []string{`{"id":"3"}`, `{"id":5}`}},
		{"a map with other keys than places", `{"payments":{"1":{"id":3},"7":{"id":5}}}`, "payments", []int64{3, 5}, []string{`{"id":3}`, `{"id":5}`}},
		{"the result itself", `[{"id":3}]`, "", []int64{3}, []string{`{"id":3}`}},
		{"empty", `{"payments":[]}`, "payments", []int64{}, []string{}},
		{"null", `{"payments":null}`, "payments", nil, nil},
		{"an empty text", `{"payments":""}`, "payments", nil, nil},
		{"an empty map", `{"payments":{}}`, "payments", nil, nil},
		{"an empty map for the result", `[]`, "payments", nil, nil},
		{"nothing for the result", `null`, "payments", nil, nil},
		{"nothing for a list", `null`, "", nil, nil},
		{"members around it", `{"a":[{"id":1}],"payments":[{"id":3}],"z":{}}`, "payments", []int64{3}, []string{`{"id":3}`}},
		{"no such list", `{"orders":[]}`, "payments", nil, nil},
		{"a text for the list", `{"payments":"none"}`, "payments", nil, nil},
		{"a list of numbers", `{"payments":[3,5]}`, "payments", nil, nil},
		{"an element without an id", `{"payments":[{"id":3},{"x":5}]}`, "payments", nil, nil},
		{"an id that is none", `{"payments":[{"id":"three"}]}`, "payments", nil, nil},
		{"an id with a fraction", `{"payments":[{"id":3.5}]}`, "payments", nil, nil},
		{"a result that is a list", `[{"id":3}]`, "payments", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBatchIsTheSame(t, tt.result, tt.items)
			p, err := decodePage([]byte(tt.result), tt.items, "id")
			if tt.ids == nil {
				if err == nil {
					t.Fatalf("no error, but ids %v", p.ids)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			raw := make([]string, len(p.items))
			for i := range raw {
				raw[i] = string(p.items[i])
			}
			if !slices.Equal(p.ids, tt.ids) || !slices.Equal(raw, tt.raw) {
				t.Errorf("ids %v, raw %q; want %v and %q", p.ids, raw, tt.ids, tt.raw)
			}
		})
	}
}

// inBatchIsTheSame checks that a page in a batch's answer is read as it is by itself,
// and that what follows it is read too.
func inBatchIsTheSame(t *testing.T, result, items string) {
	t.Helper()
	body := []byte(`{"result":{"result":{"a": ` + result + ` , "b":2},"result_total":{"a":7}}}`)
	batch := []Command{{Key: "a", list: &Listing{Items: items, IDField: "id"}}, {Key: "b"}}
	want, wantErr := decodePage([]byte(result), items, "id")
	quick, err := decodeAnswer(body, batch)
	if err != nil {
		t.Fatal(err)
	}
	complete, err := newReader(body).answer(batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []wireAnswer{quick, complete} {
		c := a.commands[0]
		if string(c.result) != result || cap(c.result) != len(result) || string(a.commands[1].result) != "2" || c.total != 7 {
			t.Errorf("in a batch: read as %q, followed by %q", c.result, a.commands[1].result)
		}
		if fmt.Sprint(c.page.err) != fmt.Sprint(wantErr) || wantErr == nil && (!slices.Equal(c.page.ids, want.ids) || fmt.Sprint(c.page.items) != fmt.Sprint(want.items)) {
			t.Errorf("in a batch: ids %v, %v; want %v, %v", c.page.ids, c.page.err, want.ids, wantErr)
		}
	}
}

func TestItems(t *testing.T) {
	for _, tt := range []struct {
		result, name string
		want         []string
		wants        string // in the error
	}{
		{`{"orderEntity":[{"a":1},2]}`, "orderEntity", []string{`{"a":1}`, `2`}, ""},
		{`{"x":{"5":"a"}}`, "x", []string{`"a"`}, ""},
		{`[1,[2]]`, "", []string{`1`, `[2]`}, ""},
		{`[]`, "", []string{}, ""},
		{`{"x":[]}`, "x", []string{}, ""},
		{`[]`, "x", nil, `no "x" in it`},
		{`null`, "x", nil, `no "x" in it`},
		{`{"x":false}`, "x", nil, "not of the expected shape"},
		{`{"y":[]}`, "x", nil, `no "x" in it`},
		{`7`, "x", nil, "not of the expected shape"},
		{`{"x":7}`, "x", nil, "not of the expected shape"},
	} {
		t.Run(tt.result, func(t *testing.T) {
			items, err := Items([]byte(tt.result), tt.name)
			if tt.want == nil {
				if err == nil || !strings.Contains(err.Error(), tt.wants) {
					t.Errorf("error %v, want one with %q", err, tt.wants)
				}
				return
			}
			got := []string{}
			for _, item := range items {
				got = append(got, string(item))
			}
			if d := cmp.Diff(tt.want, got); err != nil || d != "" {
				t.Errorf("error %v, want -, got +:\n%s", err, d)
			}
		})
	}
}
