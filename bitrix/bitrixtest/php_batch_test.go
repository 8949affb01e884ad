package bitrixtest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// randomJSON returns a JSON text like those of a portal's answers, with what matters to
// PHP.
func randomJSON(dice *rand.Rand, depth int) string {
	pick := func(list ...string) string { return list[dice.IntN(len(list))] }
	if depth == 0 || dice.IntN(4) == 0 {
		return pick("null", "true", "false", "0", "7", "-12", "1.5", "1e3", "0.1", "1.0e25", "-0", "99999999999999999999", "12345678901234567890.5",
			`""`, `"0"`, `"7"`, `"p q"`, `"\u043d\u044b"`, `"\/x"`, `"$result[a]"`, `[]`, `{}`, strconv.FormatFloat(dice.NormFloat64()*1e9, 'g', -1, 64))
	}
	var parts []string
	list := dice.IntN(2) == 0
	for i := range dice.IntN(4) {
		part := randomJSON(dice, depth-1)
		if !list {
			part = strconv.Quote([]string{"id", "payments", "0", "1", "01", "-1", "a b", ""}[(dice.IntN(3)*3+i)%8]) + ":" + part
		}
		parts = append(parts, part)
	}
	if list {
		return "[" + strings.Join(parts, ",") + "]"
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// randomReference returns a text of parts of references.
func randomReference(dice *rand.Rand) string {
	pieces := []string{"$result", "$result", "$result[a]", "$result[b]", "$result[c]", "$next[a]", "$total[b]", "$error[c][error]", "$error_description[c]",
		"$Result[a]", "$time", "$", "[a]", "[b]", "[payments]", "[0]", "[1]", "[01]", "[-1]", "[+1]", "[49]", "[id]", "[]", "[[a]", "]", "[", " ", "\t", "x", "ж"}
	var b strings.Builder
	for range 1 + dice.IntN(6) {
		b.WriteString(pieces[dice.IntN(len(pieces))])
	}
	return b.String()
}

// References to earlier results resolve as on servers. A reference is a name and what
// follows up to white space. Its path continues while isset finds something. The value
// that it reaches replaces a whole text unchanged, and part of a text as a string.
func TestReferencesAgreeWithPHP(t *testing.T) {
	dice := rand.New(rand.NewPCG(7, 8))
	const script = `[$all, $command] = json_decode($s, true);
		$url = parse_url($command); parse_str($url['query'] ?? '', $args);
		$one = function ($text) use ($all) {
			if (!preg_match_all('/\$(' . implode('|', array_keys($all)) . ')(\S*)/i', $text, $hits, PREG_SET_ORDER)) return $text;
			foreach ($hits as [$hit, $root, $rest]) {
				if (!preg_match_all('/\[([^\]]+)\]/', $rest, $path)) continue;
				$at = $all[$root] ?? null;
				foreach ($path[1] as $key) { if (!isset($at[$key])) break; $at = $at[$key]; }
				if ($hit === $text) $text = $at; elseif (is_string($at)) $text = str_replace($hit, $at, $text);
			}
			return $text; };
		$deep = function ($v) use (&$deep, $one) { return is_array($v) ? array_map($deep, $v) : $one($v); };
		` + phpShown + ` echo json_encode([$url['path'] ?? '', $f($deep($args))], JSON_UNESCAPED_SLASHES);`
	type trial struct {
		run     batchRun
		command string
	}
	var trials []trial
	var inputs []string
	for range 3000 {
		one := trial{command: "m.list?" + strings.NewReplacer(" ", "+", "\t", "%09").Replace(fmt.Sprintf("a[b]=%s&c=%s&d=%s", randomReference(dice), randomReference(dice), randomReference(dice)))}
		if dice.IntN(8) == 0 {
			one.command += []string{"#x", "\x01y", ":80", "?z=1", "\x7f"}[dice.IntN(5)]
		}
		maps := map[string]*phpMap{"result": &one.run.results, "next": &one.run.nexts, "total": &one.run.totals, "time": &one.run.times, "error": &one.run.errors}
		all := ""
		for _, root := range referenceRoots {
			m := maps[root]
			for _, key := range []string{"a", "b", "c"} {
				if dice.IntN(3) == 0 {
					continue
				}
				text := "7"
				switch root {
				case "result", "time":
					text = randomJSON(dice, 3)
				case "error":
					text = `{"error":"X","error_description":"y z"}`
				}
				m.key(key)
				from := len(m.json)
				m.json = append(m.json, text...)
				m.done()
				if root == "result" {
					one.run.spans = append(one.run.spans, resultSpan{key, from, len(m.json)})
				}
			}
			all += "," + strconv.Quote(root) + ":" + string(m.appendTo(nil))
		}
		command, err := json.Marshal(one.command)
		if err != nil {
			t.Fatal(err)
		}
		trials = append(trials, one)
		inputs = append(inputs, "[{"+all[1:]+"},"+string(command)+"]")
	}
	wrong := 0
	for i, want := range php(t, script, inputs) {
		method, args := splitCommand(trials[i].command)
		args.resolve(UnresolvedPart, trials[i].run.lookup)
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode([]any{method, shown(&args)}); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(b.String()); got != want {
			t.Errorf("%s: got\n%s, PHP has\n%s", inputs[i], got, want)
			if wrong++; wrong > 10 {
				t.FailNow()
			}
		}
	}
}

// The fake portal halts a batch if halt is true in PHP, and parses JSON, numbers in
// texts, and floats as PHP does.
func TestValuesAgreeWithPHP(t *testing.T) {
	dice := rand.New(rand.NewPCG(9, 10))
	var texts []string
	for range 3000 {
		text := randomJSON(dice, 4)
		for range dice.IntN(3) { // two thirds of the texts are damaged
			at := dice.IntN(len(text) + 1)
			text = text[:at] + []string{"1", ".", "e", "-", "+", `"`, "\\", `\ud800`, `\udc00`, "\xff", "[", "{", ",", " ", "\n", "N", "\x00", "true", "TRUE"}[dice.IntN(19)] + text[at:]
		}
		texts = append(texts, text)
	}
	many := "{"
	for i := range 300 {
		many += fmt.Sprintf(`"k%d":%d,`, i%200, i)
	}
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	texts = append(texts, many+`"k0":1}`, deep(511), deep(512), "", " ")
	const script = phpShown + `$v = json_decode($s, true); if (json_last_error()) echo '-'; else
		echo json_encode([$f($v), (bool)$v, is_scalar($v) ? (int)(string)$v : 0], JSON_UNESCAPED_SLASHES, 1200);`
	for i, want := range php(t, script, texts) {
		got := "-"
		if v, err := parseJSON(texts[i]); err == nil {
			n := int64(0)
			if v.kind == kindText {
				n = v.int()
			}
			b, err := json.Marshal([]any{shown(&v), v.truth(), n})
			if err != nil {
				t.Fatal(err)
			}
			got = string(b)
		}
		if got != want {
			t.Errorf("%.200q: got %.300s, PHP has %.300s", texts[i], got, want)
		}
	}
	var halts []string
	for range 1000 {
		var b strings.Builder
		for range dice.IntN(6) {
			b.WriteString([]string{"0", "1", "9", "-", "+", ".", "e", "E", " ", "\t", "\v", "x", "99999999"}[dice.IntN(13)])
		}
		halts = append(halts, b.String())
	}
	for i, want := range php(t, `echo (bool)$s ? 'true' : 'false', ' ', (int)$s;`, halts) {
		v := textValue(halts[i])
		if got := fmt.Sprint(v.truth(), " ", v.int()); got != want {
			t.Errorf("%q: got %s, PHP has %s", halts[i], got, want)
		}
	}
}

// The fake portal writes seconds, maps and lists as PHP does, and PHP parses the texts
// that it writes.
func TestAnswersAgreeWithPHP(t *testing.T) {
	dice := rand.New(rand.NewPCG(11, 12))
	var micros []int64
	var inputs []string
	for range 2000 {
		n := dice.Int64N(1 << (1 + dice.IntN(50)))
		micros, inputs = append(micros, n), append(inputs, strconv.FormatInt(n, 10))
	}
	for i, want := range php(t, `echo json_encode((int)$s / 1e6);`, inputs) {
		if got := string(appendSeconds(nil, micros[i]*1000)); got != strings.TrimSuffix(want, ".0") {
			t.Errorf("%d us: got %s, PHP has %s", micros[i], got, want)
		}
	}
	var answers []string
	inputs = nil
	for range 1000 {
		var m phpMap
		keys := []string{}
		for i := range dice.IntN(4) {
			key := strconv.Itoa(i)
			if dice.IntN(4) == 0 {
				key = "p" + key
			}
			keys = append(keys, key)
			m.key(key)
			m.json = append(m.json, '7')
			m.done()
		}
		answers, inputs = append(answers, string(m.appendTo(nil))), append(inputs, strings.Join(keys, ","))
	}
	for i, want := range php(t, `$m = []; if ($s !== '') foreach (explode(',', $s) as $k) $m[$k] = 7; echo json_encode($m);`, inputs) {
		if answers[i] != want {
			t.Errorf("keys %s: got %s, PHP has %s", inputs[i], answers[i], want)
		}
	}
	inputs = nil
	var texts []string
	for range 1000 {
		var b strings.Builder
		for range dice.IntN(12) {
			b.WriteRune([]rune{'a', '"', '\\', '/', '<', 0, 0x7f, 'ж', 0x2028, 0xffff, 0x1f600, rune(dice.IntN(0xd800))}[dice.IntN(12)])
		}
		texts, inputs = append(texts, b.String()), append(inputs, string(appendString(nil, b.String()))+string(appendRaw(nil, b.String())))
	}
	for i, want := range php(t, `$at = strpos($s, '""') ; echo json_encode([json_decode('[' . preg_replace('/^("(?:[^"\\\\]|\\\\.)*")/s', '$1,', $s) . ']')], JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS);`, inputs) {
		var got [][]string
		if err := json.Unmarshal([]byte(want), &got); err != nil || len(got) != 1 || len(got[0]) != 2 || got[0][0] != texts[i] || got[0][1] != texts[i] {
			t.Errorf("%q is written as %s, which PHP reads as %s", texts[i], inputs[i], want)
		}
	}
}
