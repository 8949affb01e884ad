package bitrixtest

import "testing"

func TestReferences(t *testing.T) {
	results := phpMap{}
	for _, r := range [][2]string{{"a", `{"payments":[{"id":"7","sum":1.5,"tags":["x"]},{"id":9}],"none":[],"flag":true,"date":null}`}, {"b", `["p","q\/r"]`}} {
		results.key(r[0])
		results.json = append(results.json, r[1]...)
		results.done()
	}
	tests := []struct {
		name, text string
		how        Unresolved
		want       string
	}{
		{"a text", "$result[a][payments][0][id]", UnresolvedText, `"7"`},
		{"a number", "$result[a][payments][1][id]", UnresolvedText, `"9"`},
		{"after nested values", "$result[a][flag]", UnresolvedText, `"1"`},
		{"a list by number", "$result[b][1]", UnresolvedText, `"q/r"`},
		{"within a text", "x$result[b][0] $result[b][1]", UnresolvedText, `"xp q/r"`},
		{"a number within a text", "x $result[a][payments][1][id]", UnresolvedText, `"x $result[a][payments][1][id]"`},
		{"up to white space", "x$result[b][0]y y", UnresolvedText, `"xp y"`},
		{"one path up to white space", "$result[b][0]-$result[b][1]", UnresolvedPart, `"p"`},
		{"a byte of a text", "$result[b][1][-1]", UnresolvedText, `"r"`},
		{"an array", "$result[b]", UnresolvedText, `[["0","p"],["1","q/r"]]`},
		{"null in part", "$result[a][date]", UnresolvedText, `"$result[a][date]"`},
		{"short page as text", "$result[a][payments][49][id]", UnresolvedText, `"$result[a][payments][49][id]"`},
		{"short page as nothing", "$result[a][payments][49][id]", UnresolvedEmpty, `""`},
		{"short page in part", "$result[b][49][id]", UnresolvedPart, `[["0","p"],["1","q/r"]]`},
		{"empty page in part", "$result[a][none][49][id]", UnresolvedPart, `[]`},
		{"no such result", "$result[z][id]", UnresolvedText, `"$result[z][id]"`},
		{"no such result, nothing", "< $result[z][id]", UnresolvedEmpty, `"< "`},
		{"no such map", "$Result[b]", UnresolvedPart, `null`},
		{"not closed", "$result[a", UnresolvedText, `"$result[a"`},
		{"no number of a list", "$result[b][01]", UnresolvedText, `"$result[b][01]"`},
		{"no reference", "result[a]", UnresolvedText, `"result[a]"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := value{kind: kindArray, items: []item{{"k", textValue(test.text)}}}
			v.resolve(test.how, (&batchRun{results: results}).lookup)
			if got := plainJSON(v.items[0].value); got != test.want {
				t.Errorf("%s: %s, want %s", test.text, got, test.want)
			}
		})
	}
}
