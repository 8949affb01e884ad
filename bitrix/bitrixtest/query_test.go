package bitrixtest

import (
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// The results of PHP 8's parse_str, checked by hand against its documentation.
func TestParseQuery(t *testing.T) {
	tests := []struct{ query, want string }{
		{"", `[]`},
		{"id=1036", `[["id","1036"]]`},
		{"a=1&b=2&a=3", `[["a","3"],["b","2"]]`},
		{"filter[>id]=5", `[["filter",[[">id","5"]]]]`},
		{"filter%5B%3Eid%5D=5", `[["filter",[[">id","5"]]]]`},
		{"select[]=id&select[]=sum", `[["select",[["0","id"],["1","sum"]]]]`},
		{"a[5]=x&a[]=y&a[b]=z&a[]=w", `[["a",[["5","x"],["6","y"],["b","z"],["7","w"]]]]`},
		{"order[id]=ASC&start=-1", `[["order",[["id","ASC"]]],["start","-1"]]`},
		{"a=x+y%20z%2B", `[["a","x y z+"]]`},
		{"a=%zz%4", `[["a","%zz%4"]]`},
		{"a", `[["a",""]]`},
		{"a=b=c", `[["a","b=c"]]`},
		{"=x&&b=1", `[["b","1"]]`},
		{"a.b=1&c d=2", `[["a_b","1"],["c_d","2"]]`},
		{"a.b[c.d]=1", `[["a_b",[["c.d","1"]]]]`},
		{"a[b=1", `[["a_b","1"]]`},
		{"[a]=1", `[]`},
		{"a[b]c=1", `[["a",[["b","1"]]]]`},
		{"a[b]c[d]=1", `[["a",[["b","1"]]]]`},
		{"a[b][c]=1&a[b][d]=2", `[["a",[["b",[["c","1"],["d","2"]]]]]]`},
		{"a=1&a[b]=2", `[["a",[["b","2"]]]]`},
		{"a[b]=1&a=2", `[["a","2"]]`},
		{"  a=1", `[["a","1"]]`},
		{"a[ b ]=1", `[["a",[[" b ","1"]]]]`},
		{"a[[b]]=1", `[["a",[["[b","1"]]]]`},
		{"k=%D0%96", `[["k","Ж"]]`},
		{"a%00b=1", `[["a","1"]]`},
		{"x=$result[a][payments][49][id]", `[["x","$result[a][payments][49][id]"]]`},
	}
	for _, test := range tests {
		if got := plainJSON(parseQuery(test.query)); got != test.want {
			t.Errorf("parseQuery(%q) = %s, want %s", test.query, got, test.want)
		}
	}
	deep := "a" + strings.Repeat("[b]", 1000) + "=1"
	if v := parseQuery(deep); len(v.items) > 1 {
		t.Errorf("parseQuery of a deep name: %v", plain(v))
	}
	if v := parseQuery(strings.Repeat("a[]=1&", queryVars+5)); len(v.items[0].value.items) != queryVars {
		t.Errorf("parseQuery of many variables gives %d", len(v.items[0].value.items))
	}
}

// writeQuery writes a value as PHP's http_build_query does.
func writeQuery(b *strings.Builder, prefix string, v *value) {
	if v.kind != kindArray {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(prefix + "=" + url.QueryEscape(v.text))
		return
	}
	for i := range v.items {
		name := url.QueryEscape(v.items[i].key)
		if prefix != "" {
			name = prefix + url.QueryEscape("["+v.items[i].key+"]")
		}
		writeQuery(b, name, &v.items[i].value)
	}
}

// Parameters that are written as a query and parsed again are the same.
func TestQueriesComeBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	var make func(depth int) value
	make = func(depth int) value {
		if depth > 3 || random.IntN(3) == 0 && depth > 0 {
			return textValue(string([]rune("a=&+%ж[]$ \"0-")[random.IntN(13)]) + strconv.Itoa(random.IntN(99)))
		}
		v := value{kind: kindArray}
		for range 1 + random.IntN(3) {
			*v.set([]string{"id", ">=x", "@orderId", "0", "7", "ключ", "a b"}[random.IntN(6)+depth%2]) = make(depth + 1)
		}
		return v
	}
	for range 2000 {
		v := make(0)
		var b strings.Builder
		writeQuery(&b, "", &v)
		if got, want := plainJSON(parseQuery(b.String())), plainJSON(v); got != want {
			t.Fatalf("%s reads as\n%s, want\n%s", b.String(), got, want)
		}
	}
}

// For any input there is no panic, names are as PHP allows them, nesting is bounded,
// and what is written as a query parses to the same value.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"id=1", "a[b][]=c&a[b][]=d", "a[b=1", "[=1", "a[]]=2", "%5B%5D=x", "a[b]=1&a=2", "a.b+c=%zz", "&&==&[]=", "a[%00]=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		v := parseQuery(query)
		for _, i := range v.items {
			if i.key == "" || strings.ContainsAny(i.key[:1], "[ .") {
				t.Fatalf("parseQuery(%q) has the name %q", query, i.key)
			}
		}
		if depth(&v) > queryDepth+2 {
			t.Fatalf("parseQuery(%q) is %d deep", query, depth(&v))
		}
		var b strings.Builder
		writeQuery(&b, "", &v)
		again := parseQuery(b.String())
		if writable(&v, true) {
			if got, want := plainJSON(again), plainJSON(v); got != want {
				t.Fatalf("%q is %q, which reads as %s, want %s", query, b.String(), got, want)
			}
		}
	})
}

func depth(v *value) int {
	most := 0
	for i := range v.items {
		most = max(most, depth(&v.items[i].value))
	}
	return most + 1
}

// writable reports whether a query can represent the value: it has no empty array, and
// no key that would end a name in brackets early.
func writable(v *value, top bool) bool {
	for i := range v.items {
		child := &v.items[i].value
		if child.kind == kindArray && len(child.items) == 0 || strings.ContainsAny(v.items[i].key, "]\x00") || v.items[i].key == "" || !writable(child, false) {
			return false
		}
		// PHP changes only the first part of a name; inside brackets, these keys are
		// plain.
		if top && strings.ContainsAny(v.items[i].key, "[. ") {
			return false
		}
	}
	return true
}
