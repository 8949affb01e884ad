package bitrix

import (
	"net/url"
	"strings"
	"testing"
)

func TestParams(t *testing.T) {
	for _, tt := range []struct {
		name        string
		p           Params
		json, query string // query unescaped, for reading
	}{
		{"none", Params{}, `{}`, ""},
		{"scalars, sorted", Params{"b": "x&=é\"", "a": 7, "d": int64(-8), "c": true, "e": false},
			`{"a":7,"b":"x&=é\"","c":true,"d":-8,"e":false}`, `a=7&b=x&=é"&c=1&d=-8&e=0`},
		{"nested", Params{"filter": Params{">id": int64(5), "@id": []int64{1, 2}}, "select": []string{"id", "sum"}},
			`{"filter":{">id":5,"@id":[1,2]},"select":["id","sum"]}`,
			`filter[>id]=5&filter[@id][0]=1&filter[@id][1]=2&select[0]=id&select[1]=sum`},
		{"mixed list", Params{"l": []any{1, "b", Params{"k": "v"}}}, `{"l":[1,"b",{"k":"v"}]}`, `l[0]=1&l[1]=b&l[2][k]=v`},
		{"a reference", Params{"filter": Params{">id": "$result[c00][payments][49][id]"}},
			`{"filter":{">id":"$result[c00][payments][49][id]"}}`, `filter[>id]=$result[c00][payments][49][id]`},
		{"an empty map in a map", Params{"a": Params{}, "b": 1}, `{"a":{},"b":1}`, `b=1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			json, err := appendJSON(nil, tt.p, 0)
			if err != nil || string(json) != tt.json {
				t.Errorf("JSON %s, error %v, want %s", json, err, tt.json)
			}
			query, err := appendQuery(nil, nil, tt.p, 0)
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := url.QueryUnescape(string(query)); err != nil || plain != tt.query {
				t.Errorf("query %s, error %v, want %s", plain, err, tt.query)
			}
			if strings.ContainsAny(string(query), "[]$ \"#") {
				t.Errorf("query %s: something is not escaped", query)
			}
		})
	}
}

func TestAppendEscaped(t *testing.T) {
	var all []byte
	for c := range 256 {
		all = append(all, byte(c))
	}
	if got, want := string(appendEscaped(nil, string(all))), url.QueryEscape(string(all)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParamsThatCannotBeSent(t *testing.T) {
	loop := Params{}
	loop["a"] = loop
	for _, tt := range []struct {
		name  string
		p     Params
		json  bool // an error as JSON as well
		wants string
	}{
		{"a float", Params{"sum": 1.5}, true, "float64"},
		{"nil", Params{"x": nil}, true, "<nil>"},
		{"a float in a list", Params{"l": []any{1, 2.5}}, true, "float64"},
		{"a float in a map", Params{"m": Params{"x": 2.5}}, true, "float64"},
		{"one that contains itself", loop, true, "deeper"},
		{"an empty list in a batch", Params{"@id": []int64{}}, false, "empty list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := appendQuery(nil, nil, tt.p, 0); err == nil || !strings.Contains(err.Error(), tt.wants) {
				t.Errorf("query: error %v, want one with %q", err, tt.wants)
			}
			if _, err := appendJSON(nil, tt.p, 0); (err != nil) != tt.json {
				t.Errorf("JSON: error %v, want one: %v", err, tt.json)
			}
		})
	}
}
