package bitrix

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var testBatch = []Command{{Key: "a"}, {Key: "b"}}

var cmpWire = cmp.Options{
	cmp.AllowUnexported(wireAnswer{}, wireCommand{}, wireError{}, wireTime{}), cmpopts.EquateNaNs(),
	cmp.Transformer("text", func(b []byte) string {
		if b == nil {
			return "nil"
		}
		return string(b)
	}),
}

func TestDecodeCall(t *testing.T) {
	none := func(result string) wireAnswer {
		return wireAnswer{result: []byte(result), total: -1, next: -1, time: noTime}
	}
	failed := func(code, text string) wireAnswer {
		return wireAnswer{err: &wireError{code, text}, total: -1, next: -1, time: noTime}
	}
	full := none(`{"a":[1,2]}`)
	full.total, full.next = 120, 50
	full.time = wireTime{start: 1.5, finish: 2.25, duration: 0.75, processing: 0.5, operating: 0.1, resetAt: 600}
	for _, tt := range []struct {
		name, body string
		want       wireAnswer
	}{
		{"all there is", `{"result": {"a":[1,2]} ,"total":120,"next":50,"time":{"start":1.5,"finish":2.25,"duration":0.75,"processing":0.5,
			"date_start":"2026-11-22T02:00:00+03:00","operating_reset_at":600,"operating":0.1}}`, full},
		{"numbers as text", `{"result":{"a":[1,2]},"total":"120","next":"50","time":{"start":"1.5","finish":"2.25","duration":"0.75","processing":"0.5",
			"operating_reset_at":"600","operating":"0.1"}}`, full},
		{"null is a result", `{"result":null}`, none("null")},
		{"odd figures", `{"result":1,"total":null,"next":"x","time":[1,2]}`, none("1")},
		{"unknown members", `{"x":{"y":[{}]},"result":1,"z":"\u00e9"}`, none("1")},
		{"an empty error beside a result", `{"result":1,"error":"","error_description":""}`, none("1")},
		{"an error of null beside a result", `{"result":1,"error":null,"error_description":null}`, none("1")},
		{"no error and an empty text beside a result", `{"result":1,"error":false,"error_description":""}`, none("1")},
		{"an empty list of errors beside a result", `{"result":1,"error":[],"error_description":[]}`, none("1")},
		{"an empty map of errors beside a result", `{"result":1,"error":{}}`, none("1")},
		{"an empty code and no text", `{"result":1,"error":"","error_description":null}`, none("1")},
		{"an error", `{"error":"ACCESS_DENIED","error_description":"No \u00fc"}`, failed("ACCESS_DENIED", "No ü")},
		{"a number for a code", `{"error":0,"error_description":"Payment has not been found"}`, failed("0", "Payment has not been found")},
		{"an empty code", `{"error":"","error_description":"x"}`, failed("", "x")},
		{"an empty code alone", `{"error":""}`, failed("", "")},
		{"a text alone", `{"error":null,"error_description":"x"}`, failed("", "x")},
		{"a map", `{"error":{"code":"NOPE","message":"no"}}`, failed("NOPE", "no")},
		{"no text", `{"error":"NOPE"}`, failed("NOPE", "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeAnswer([]byte(tt.body), nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmpWire); d != "" {
				t.Errorf("%s: want -, got +:\n%s", tt.body, d)
			}
		})
	}
}

func TestDecodeBatch(t *testing.T) {
	empty := wireCommand{total: -1, next: -1, time: noTime}
	good := func(result string) wireCommand {
		c := empty
		c.result = []byte(result)
		return c
	}
	bad := func(code, text string) wireCommand {
		c := empty
		c.err = &wireError{code, text}
		return c
	}
	counted := good(`{"payments":[]}`)
	counted.total, counted.next = 7, 50
	counted.time.operating, counted.time.resetAt, counted.time.processing = 2.5, 99, 0.05
	for _, tt := range []struct {
		name, result string
		want         []wireCommand
	}{
		{"maps", `{"result":{"b":2,"a":{"payments":[]}},"result_error":{},"result_total":{"a":7},"result_next":{"a":"50"},
			"result_time":{"a":{"processing":0.05,"operating":2.5,"operating_reset_at":99,"x":{}}}}`, []wireCommand{counted, good("2")}},
		{"PHP's empty lists", `{"result":[],"result_error":{"a":{"error":"X","error_description":"y"},"b":"z"},"result_total":[],"result_next":[],"result_time":[]}`,
			[]wireCommand{bad("X", "y"), bad("", "z")}},
		{"nothing at all", `[]`, []wireCommand{empty, empty}},
		{"absent maps", `{"result":null,"result_error":"","result_time":false}`, []wireCommand{empty, empty}},
		{"figures as lists", `{"result":{"a":1},"result_total":[5],"result_next":[5],"result_time":[{"operating":1}]}`, []wireCommand{good("1"), empty}},
		{"keys of others", `{"result":{"c":1,"a":2},"result_error":{"d":"x"},"result_total":{"c":9},"result_time":{"c":{"operating":1}}}`, []wireCommand{good("2"), empty}},
		{"a number, an empty text, an empty list for an error", `{"result":{"b":1},"result_error":{"a":{"error":100,"error_description":""},"b":[]}}`,
			[]wireCommand{bad("100", ""), good("1")}},
		{"an error of another spelling", `{"result":[],"result_error":{"a":{"error":{"code":"Q","message":"m"}},"b":{"what":1}}}`,
			[]wireCommand{bad("Q", "m"), bad("", `{"what":1}`)}},
		{"escaped keys", `{"result":{"\u0061":1}}`, []wireCommand{good("1"), empty}},
		{"false is a result", `{"result":{"a":false,"b":null}}`, []wireCommand{good("false"), good("null")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeAnswer([]byte(`{"result":`+tt.result+`,"time":{"start":1}}`), testBatch)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got.commands, cmpWire); d != "" {
				t.Errorf("%s: want -, got +:\n%s", tt.result, d)
			}
			if got.time.start != 1 {
				t.Error("what follows the result was not read")
			}
		})
	}
}

func TestBrokenAnswers(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		batch      []Command
	}{
		{"nothing", ``, nil},
		{"HTML", `<html>502</html>`, nil},
		{"cut short", `{"result":{"a":`, nil},
		{"a list", `[{"result":1}]`, nil},
		{"a text", `"result"`, nil},
		{"neither result nor error", `{"time":{}}`, nil},
		{"something behind it", `{"result":1}{"result":2}`, nil},
		{"a name twice", `{"result":1,"result":2}`, nil},
		{"too deep", `{"result":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, nil},
		{"a command's key twice", `{"result":{"result":{"a":1,"a":2}}}`, testBatch},
		{"results that nobody can tell apart", `{"result":{"result":[1,2]}}`, testBatch},
		{"errors that nobody can tell apart", `{"result":{"result":[],"result_error":[{"error":"X"}]}}`, testBatch},
		{"a batch's result that is a text", `{"result":"x"}`, testBatch},
		{"a batch that was cut short", `{"result":{"result":{"a":1},"result_er`, testBatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a, err := decodeAnswer([]byte(tt.body), tt.batch); err == nil {
				t.Errorf("no error, but %+v", a)
			}
		})
	}
}

// TestReadFloat: a figure is what strconv reads.
func TestReadFloat(t *testing.T) {
	for _, text := range []string{
		"0", "12.25", "0.05", "1716203536.414886", "9007199254740991", "9007199254740993", "0.1234567890123456", "123456789012345678", "1.7976931348623157e308",
		"-1", "007", "1e400", ".5", "5.", "1.2.3", "", ".", "x", "Inf", "NaN", "0x10", "1_0",
	} {
		want, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(want, 0) {
			want = math.NaN()
		}
		for _, v := range []string{text, `"` + text + `"`} {
			if got := readFloat([]byte(v)); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
				t.Errorf("%s: %v, want %v", v, got, want)
			}
		}
	}
}

func TestCost(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		t    wireTime
		want float64
	}{
		{wireTime{1, 3, 1.5, 0.5, nan, nan}, 0.5},
		{wireTime{1, 3, 1.5, nan, nan, nan}, 1.5},
		{wireTime{1, 3, nan, nan, nan, nan}, 2},
		{wireTime{3, 1, nan, nan, nan, nan}, nan},
		{noTime, nan},
	} {
		if got := tt.t.cost(); got != tt.want && !(math.IsNaN(got) && math.IsNaN(tt.want)) {
			t.Errorf("%+v: %v, want %v", tt.t, got, tt.want)
		}
	}
}

// TestValuesAreParts: a result is a part of the body, not a copy, and appending to it
// cannot overwrite what follows.
func TestValuesAreParts(t *testing.T) {
	body := []byte(`{"result":{"result":{"a":{"id":1},"b":{"id":2}}}}`)
	a, err := decodeAnswer(body, testBatch)
	if err != nil {
		t.Fatal(err)
	}
	body[bytes.IndexByte(body, '1')] = '7'
	v := a.commands[0].result
	if string(v) != `{"id":7}` || cap(v) != len(v) {
		t.Errorf("got %s with room for %d", v, cap(v)-len(v))
	}
}

// batchBody returns an answer to n gets, as a portal sends it.
func batchBody(n int) (body []byte, batch []Command) {
	var results, times strings.Builder
	for i := range n {
		key := fmt.Sprintf("p%d", 1000+i)
		batch = append(batch, Command{Key: key})
		if i > 0 {
			results.WriteByte(',')
			times.WriteByte(',')
		}
		fmt.Fprintf(&results, `"%s":{"id":%d,"accountNumber":"%d\/1","paid":"Y","datePaid":"2024-05-20T12:32:02+02:00","empPaidId":1,"paySystemId":6,"sum":1234.56,"currency":"USD","paySystemName":"\u041d\u0430\u043b\u0438\u0447\u043d\u044b\u0435"}`, key, 1000+i, 3000+i)
		fmt.Fprintf(&times, `"%s":{"start":1716203536.414886,"finish":1716203536.464886,"duration":0.05,"processing":0.05,"date_start":"2024-05-20T14:12:16+02:00","date_finish":"2024-05-20T14:12:16+02:00","operating_reset_at":1716204136,"operating":12.25}`, key)
	}
	return fmt.Appendf(nil, `{"result":{"result":{%s},"result_error":[],"result_total":[],"result_next":[],"result_time":{%s}},"time":{"start":1716203536.414886,"finish":1716203539,"duration":2.6,"processing":2.5}}`,
		&results, &times), batch
}

func BenchmarkDecodeBatch(b *testing.B) {
	body, batch := batchBody(50)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		a, err := decodeAnswer(body, batch)
		if err != nil || a.commands[49].result == nil || a.commands[49].time.operating != 12.25 {
			b.Fatal(err, a.commands[49])
		}
	}
}

func BenchmarkDecodePage(b *testing.B) {
	var list strings.Builder
	for i := range PageSize {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"id":%d,"orderId":%d,"paid":"Y","sum":12.5,"currency":"USD","accountNumber":"%d\/1"}`, i+1, i+1, i+1)
	}
	page := fmt.Appendf(nil, `{"payments":[%s]}`, &list)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if p, err := decodePage(page, "payments", "id"); err != nil || len(p.ids) != PageSize {
			b.Fatal(err)
		}
	}
}
