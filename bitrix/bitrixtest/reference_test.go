package bitrixtest

import "testing"

func TestReferences(t *testing.T) {
	const earlier = `{"a":{"payments":[{"id":"7","sum":1.5,"tags":["x"]},{"id":9}],"none":[],"flag":true},"b":["p","q\/r"]}`
	tests := []struct {
		name, text string
		how        Unresolved
		want       string
	}{
		{"a text", "$result[a][payments][0][id]", UnresolvedText, `"7"`},
		{"a number", "$result[a][payments][1][id]", UnresolvedText, `"9"`},
		{"after nested values", "$result[a][flag]", UnresolvedText, `"1"`},
		{"a list by number", "$result[b][1]", UnresolvedText, `"q/r"`},
		{"within a text", "x$result[b][0]-$result[b][1]y", UnresolvedText, `"xp-q/ry"`},
		{"an array", "$result[b]", UnresolvedText, `[["0","p"],["1","q/r"]]`},
		{"short page as text", "$result[a][payments][49][id]", UnresolvedText, `"$result[a][payments][49][id]"`},
		{"short page as nothing", "$result[a][payments][49][id]", UnresolvedEmpty, `""`},
		{"short page in part", "$result[b][49][id]", UnresolvedPart, `[["0","p"],["1","q/r"]]`},
		{"empty page in part", "$result[a][none][49][id]", UnresolvedPart, `null`},
		{"no such result", "$result[z][id]", UnresolvedText, `"$result[z][id]"`},
		{"no such result, nothing", "<$result[z][id]>", UnresolvedEmpty, `"<>"`},
		{"not closed", "$result[a", UnresolvedText, `"$result[a"`},
		{"no number of a list", "$result[b][x]", UnresolvedText, `"$result[b][x]"`},
		{"no reference", "result[a]", UnresolvedText, `"result[a]"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := value{kind: kindArray, items: []item{{"k", textValue(test.text)}}}
			v.resolve(test.how, func(path []string) (value, bool) { return walkJSON(earlier, path) })
			if got := plainJSON(v.items[0].value); got != test.want {
				t.Errorf("%s: %s, want %s", test.text, got, test.want)
			}
		})
	}
}
