package bitrixtest

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// php runs a PHP script on lines of input, each in base64, and returns its lines of
// output.
func php(t *testing.T, script string, input []string) []string {
	t.Helper()
	path, err := exec.LookPath("php")
	if err != nil {
		t.Skip("php is not installed; .ci/run installs it")
	}
	var in strings.Builder
	for _, line := range input {
		in.WriteString(base64.StdEncoding.EncodeToString([]byte(line)) + "\n")
	}
	cmd := exec.CommandContext(t.Context(), path, "-n", "-d", "display_errors=0", "-d", "memory_limit=512M", "-r",
		"while (($l = fgets(STDIN)) !== false) { $s = base64_decode(trim($l)); "+script+" echo \"\\n\"; }")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("php: %v", err)
	}
	var lines []string
	scan := bufio.NewScanner(strings.NewReader(string(out)))
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		lines = append(lines, scan.Text())
	}
	if len(lines) != len(input) {
		t.Fatalf("php gave %d lines for %d", len(lines), len(input))
	}
	return lines
}

// phpShown is a PHP function that writes a value as shown does.
const phpShown = `$f = function ($v) use (&$f) { if ($v === null) return null; if (!is_array($v)) return base64_encode((string)$v); $r = [];
	foreach ($v as $k => $e) $r[] = [base64_encode((string)$k), $f($e)]; return $r; };`

// shown returns a value in a form that can be compared with PHP's.
func shown(v *value) any {
	if v.kind == kindNone {
		return nil
	}
	if v.kind != kindArray {
		return base64.StdEncoding.EncodeToString([]byte(v.text))
	}
	list := []any{}
	for i := range v.items {
		list = append(list, []any{base64.StdEncoding.EncodeToString([]byte(v.items[i].key)), shown(&v.items[i].value)})
	}
	return list
}

// randomQuery returns a query of parts that matter to PHP.
func randomQuery(dice *rand.Rand) string {
	pieces := []string{"a", "b", "[", "]", "[]", "[x]", "[0]", "[1]", "[07]", "[-3]", "=", "=1", "&", "&", "%5B", "%5D", "%20", "+", ".", " ", "%", "%zz",
		"%41", "%00", "c[d][e]=2", "select[]=id", "filter[>id]=7", "filter%5B%3E%3Did%5D=7", "a[b]=1&a[c]=2", "é", "%C3%A9", "a[[b]]=3", "a.b=4", "x[y.z]=5"}
	var b strings.Builder
	for range 1 + dice.IntN(12) {
		b.WriteString(pieces[dice.IntN(len(pieces))])
	}
	return b.String()
}

// The fake portal parses a query as PHP's parse_str does.
func TestQueriesAgreeWithPHP(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	var queries []string
	for range 3000 {
		queries = append(queries, randomQuery(dice))
	}
	deep := func(n int) string { return "a" + strings.Repeat("[x]", n) + "=1" }
	var many []string
	for i := range 1100 {
		many = append(many, fmt.Sprintf("a[%d]=%d", i, i))
	}
	queries = append(queries, deep(62), deep(63), deep(64), deep(65), strings.Join(many, "&"), "[a]=1", "[=1", "]=1", "a[=1", "a[b=1&c=2")
	const script = `parse_str($s, $v);` + phpShown + `echo json_encode($f($v), JSON_UNESCAPED_SLASHES, 1000);`
	for i, want := range php(t, script, queries) {
		root := parseQuery(queries[i])
		got, err := json.Marshal(shown(&root))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%.200q: got %.300s, PHP has %.300s", queries[i], got, want)
		}
	}
}

// The fake portal writes texts as PHP's encoder does with the flags of the rest
// module.
func TestTextsAgreeWithPHP(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 4))
	var texts []string
	for range 2000 {
		var b strings.Builder
		for range dice.IntN(12) {
			switch dice.IntN(4) {
			case 0:
				b.WriteByte(byte(dice.IntN(128)))
			case 1:
				b.WriteString(`<>&'"/\`[dice.IntN(7):][:1])
			case 2:
				b.WriteRune(rune(0x80 + dice.IntN(0xD000)))
			default:
				b.WriteRune(rune(0x10000 + dice.IntN(0xFFFFF)))
			}
		}
		texts = append(texts, b.String())
	}
	for i, want := range php(t, `echo json_encode($s, JSON_HEX_TAG | JSON_HEX_AMP | JSON_HEX_APOS | JSON_HEX_QUOT);`, texts) {
		if got := string(appendString(nil, texts[i])); !strings.EqualFold(got, want) {
			t.Errorf("%q: got %s, PHP has %s", texts[i], got, want)
		}
	}
}

// The fake portal writes sums as PHP writes floats, by both values of
// serialize_precision that servers have.
func TestSumsAgreeWithPHP(t *testing.T) {
	dice := rand.New(rand.NewPCG(5, 6))
	var units []int64
	var texts []string
	for range 3000 {
		n := dice.Int64N(1 << dice.IntN(60))
		if dice.IntN(2) == 0 {
			n = -n
		}
		units = append(units, n)
		texts = append(texts, string(appendDecimal(nil, n, 4)))
	}
	plain := php(t, `ini_set('serialize_precision', '-1'); echo json_encode((float)$s);`, texts)
	noisy := php(t, `ini_set('serialize_precision', '17'); echo json_encode((float)$s);`, texts)
	for i, n := range units {
		if got := string(appendFloat(nil, n)); got != strings.TrimSuffix(plain[i], ".0") {
			t.Errorf("%s: got %s, PHP has %s", texts[i], got, plain[i])
		}
		if got := string(appendNoisy(nil, n)); got != strings.TrimSuffix(noisy[i], ".0") {
			t.Errorf("%s with its noise: got %s, PHP has %s", texts[i], got, noisy[i])
		}
	}
}
