package schemas

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// sampleGot is the answer that the portal's documentation shows.
const sampleGot = `{"id":1036,"accountNumber":"3653\/1","paid":"Y","datePaid":"2024-05-20T12:32:02+02:00",` +
	`"empPaidId":1,"paySystemId":6,"sum":0,"currency":"USD","paySystemName":"Cash"}`

// at is the instant of an RFC 3339 time in a test's expectation.
func at(t *testing.T, text string) Null[Instant] {
	t.Helper()
	i, err := ParseInstant(text)
	if err != nil {
		t.Fatal(err)
	}
	return Some(i)
}

func TestReadListed(t *testing.T) {
	raw := `{"id":"1036","accountNumber":"3653\/1","paid":"N","datePaid":"","empPaidId":"0","paySystemId":"6",` +
		`"sum":"1250.5000","currency":"RUB","paySystemName":"\u041d\u0430\u043b\u0438\u0447\u043d\u044b\u0435",` +
		`"orderId":77,"dateBill":"2024-05-19T01:00:00+03:00","companyId":null,"comments":"a \u003c b","psSum":0.10,"isReturn":"N"}`
	p := Payment{ID: 5, EntityID: Some(int64(9)), ExtractedAt: Some(Instant(1)), Extra: Some(`{"old":1}`)}
	if err := p.ReadListed([]byte(raw), []string{"psSum", "comments", "companyId", "absent", "sum"}); err != nil {
		t.Fatal(err)
	}
	want := Payment{
		ID:            1036,
		AccountNumber: Some("3653/1"),
		Paid:          Some(false),
		PaySystemID:   Some(int64(6)),
		Sum:           Some(Decimal(12505000)),
		Currency:      Some("RUB"),
		PaySystemName: Some("Наличные"),
		OrderID:       Some(int64(77)),
		DateBill:      at(t, "2024-05-18T22:00:00Z"),
		Extra:         Some(`{"comments":"a < b","companyId":null,"psSum":0.10}`),
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("ReadListed(%s) (-want +got):\n%s", raw, diff)
	}
}

func TestReadGot(t *testing.T) {
	listed := Payment{
		ID:            1036,
		AccountNumber: Some("old"),
		Sum:           Some(Decimal(1)),
		OrderID:       Some(int64(77)),
		EntityID:      Some(int64(9)),
		DateBill:      Some(Instant(5)),
		Extra:         Some(`{"b":1,"d":2}`),
	}
	full := Payment{
		ID:            1036,
		AccountNumber: Some("3653/1"),
		Paid:          Some(true),
		DatePaid:      at(t, "2024-05-20T10:32:02Z"),
		EmpPaidID:     Some(int64(1)),
		PaySystemID:   Some(int64(6)),
		Sum:           Some(Decimal(0)),
		Currency:      Some("USD"),
		PaySystemName: Some("Cash"),
		OrderID:       Some(int64(77)),
		EntityID:      Some(int64(9)),
		DateBill:      Some(Instant(5)),
		Extra:         Some(`{"b":1,"d":2}`),
	}
	tests := []struct {
		name string
		on   Payment
		raw  string
		want func(p *Payment) // what differs from on
	}{
		{"documented answer over a listed row", listed, sampleGot, func(p *Payment) { *p = full }},
		{"documented answer over nothing", Payment{}, sampleGot, func(p *Payment) {
			*p = full
			p.OrderID, p.EntityID, p.DateBill, p.Extra = Null[int64]{}, Null[int64]{}, Null[Instant]{}, Null[string]{}
		}},
		{"null replaces what was listed", listed, `{"id":1036,"accountNumber":null,"sum":""}`, func(p *Payment) {
			p.AccountNumber, p.Sum = Null[string]{}, Null[Decimal]{}
		}},
		{"absent fields stay as listed", listed, `{"id":1036}`, func(*Payment) {}},
		{"white space anywhere", listed, " {\n\t\"id\" : 1036 , \"sum\" : 2 } \r\n", func(p *Payment) { p.Sum = Some(Decimal(20000)) }},
		{"escapes in a name", listed, `{"\u0069d":1036}`, func(*Payment) {}},
		{"a field that has a column, though get is not known to send it", listed, `{"id":1036,"orderId":"78"}`, func(p *Payment) {
			p.OrderID = Some(int64(78))
		}},
		{"unknown fields are merged", listed, `{"id":1036,"e":[1, 2],"a":"x","c":{"z":1.0,"y":"\u0041"}}`, func(p *Payment) {
			p.Extra = Some(`{"a":"x","b":1,"c":{"y":"A","z":1.0},"d":2,"e":[1,2]}`)
		}},
		{"the listing's value of an unknown field stays", listed, `{"id":1036,"b":"1","a":0}`, func(p *Payment) {
			p.Extra = Some(`{"a":0,"b":1,"d":2}`)
		}},
		{"names compare without their escapes", listed, `{"id":1036,"\u0062":3}`, func(*Payment) {}},
		{"large numbers in unknown fields keep all digits", Payment{}, `{"id":1036,"n":12345678901234567890.10}`, func(p *Payment) {
			*p = Payment{ID: 1036, Extra: Some(`{"n":12345678901234567890.10}`)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, want := tt.on, tt.on
			tt.want(&want)
			raw := []byte(tt.raw)
			if err := got.ReadGot(raw); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("ReadGot(%s) (-want +got):\n%s", tt.raw, diff)
			}
			if string(raw) != tt.raw {
				t.Errorf("ReadGot changed its argument to %s", raw)
			}
		})
	}
}

func TestSpellings(t *testing.T) {
	none := func(*Payment) {}
	id := func(n int64) func(*Payment) { return func(p *Payment) { p.PaySystemID = Some(n) } }
	sum := func(d Decimal) func(*Payment) { return func(p *Payment) { p.Sum = Some(d) } }
	paid := func(b bool) func(*Payment) { return func(p *Payment) { p.Paid = Some(b) } }
	name := func(s string) func(*Payment) { return func(p *Payment) { p.PaySystemName = Some(s) } }
	date := at(t, "2024-05-20T10:32:02Z")
	tests := []struct {
		name  string
		field string
		raw   string
		want  func(*Payment) // nil where rule is set
		rule  string
	}{
		{name: "id as number", field: "paySystemId", raw: `6`, want: id(6)},
		{name: "id as string", field: "paySystemId", raw: `"6"`, want: id(6)},
		{name: "id with zeros in front", field: "paySystemId", raw: `"006"`, want: id(6)},
		{name: "largest id", field: "paySystemId", raw: `9223372036854775807`, want: id(9223372036854775807)},
		{name: "negative id", field: "paySystemId", raw: `"-3"`, want: id(-3)},
		{name: "id 0", field: "paySystemId", raw: `0`, want: none},
		{name: "id 0 as string", field: "paySystemId", raw: `"0"`, want: none},
		{name: "id -0", field: "paySystemId", raw: `-0`, want: none},
		{name: "id empty", field: "paySystemId", raw: `""`, want: none},
		{name: "id null", field: "paySystemId", raw: `null`, want: none},
		{name: "id false", field: "paySystemId", raw: `false`, want: none},
		{name: "id empty array", field: "paySystemId", raw: `[]`, want: none},
		{name: "id empty array with white space", field: "paySystemId", raw: "[ \n]", want: none},
		{name: "id empty object", field: "paySystemId", raw: `{}`, want: none},
		{name: "id true", field: "paySystemId", raw: `true`, rule: ruleWhole},
		{name: "id with a fraction", field: "paySystemId", raw: `6.5`, rule: ruleWhole},
		{name: "id with an exponent", field: "paySystemId", raw: `1e2`, rule: ruleWhole},
		{name: "id with a plus", field: "paySystemId", raw: `"+6"`, rule: ruleWhole},
		{name: "id with white space", field: "paySystemId", raw: `" 6"`, rule: ruleWhole},
		{name: "id too large", field: "paySystemId", raw: `9223372036854775808`, rule: ruleWhole},
		{name: "id as word", field: "paySystemId", raw: `"six"`, rule: ruleWhole},
		{name: "id in an array", field: "paySystemId", raw: `[6]`, rule: ruleWhole},
		{name: "id in an object", field: "paySystemId", raw: `{"id":6}`, rule: ruleWhole},

		{name: "sum as number", field: "sum", raw: `12.5`, want: sum(125000)},
		{name: "sum as string", field: "sum", raw: `"12.5000"`, want: sum(125000)},
		{name: "sum as old PHP prints it", field: "sum", raw: `0.10000000000000001`, want: sum(1000)},
		{name: "sum with exponent", field: "sum", raw: `1.5E2`, want: sum(1500000)},
		{name: "sum with escapes", field: "sum", raw: `"\u0031.5"`, want: sum(15000)},
		{name: "sum 0 is a value", field: "sum", raw: `0`, want: sum(0)},
		{name: "sum 0 as string is a value", field: "sum", raw: `"0"`, want: sum(0)},
		{name: "sum empty", field: "sum", raw: `""`, want: none},
		{name: "sum null", field: "sum", raw: `null`, want: none},
		{name: "sum false", field: "sum", raw: `false`, want: none},
		{name: "sum empty array", field: "sum", raw: `[]`, want: none},
		{name: "sum empty object", field: "sum", raw: `{}`, want: none},
		{name: "sum true", field: "sum", raw: `true`, rule: ruleDecimal},
		{name: "sum with a comma", field: "sum", raw: `"12,50"`, rule: ruleDecimal},
		{name: "sum too large", field: "sum", raw: `1e14`, rule: ruleRange},
		{name: "sum far too large", field: "sum", raw: `1e999999999`, rule: ruleRange},
		{name: "sum in an array", field: "sum", raw: `[12.5]`, rule: ruleDecimal},

		{name: "paid Y", field: "paid", raw: `"Y"`, want: paid(true)},
		{name: "paid N", field: "paid", raw: `"N"`, want: paid(false)},
		{name: "paid y", field: "paid", raw: `"y"`, want: paid(true)},
		{name: "paid n", field: "paid", raw: `"n"`, want: paid(false)},
		{name: "paid true", field: "paid", raw: `true`, want: paid(true)},
		{name: "paid false is a value", field: "paid", raw: `false`, want: paid(false)},
		{name: "paid 1", field: "paid", raw: `1`, want: paid(true)},
		{name: "paid 0", field: "paid", raw: `0`, want: paid(false)},
		{name: "paid 1 as string", field: "paid", raw: `"1"`, want: paid(true)},
		{name: "paid 0 as string", field: "paid", raw: `"0"`, want: paid(false)},
		{name: "paid null", field: "paid", raw: `null`, want: none},
		{name: "paid empty", field: "paid", raw: `""`, want: none},
		{name: "paid empty array", field: "paid", raw: `[]`, want: none},
		{name: "paid empty object", field: "paid", raw: `{}`, want: none},
		{name: "paid 2", field: "paid", raw: `2`, rule: ruleBool},
		{name: "paid yes", field: "paid", raw: `"Yes"`, rule: ruleBool},
		{name: "paid in an array", field: "paid", raw: `["Y"]`, rule: ruleBool},

		{name: "date", field: "datePaid", raw: `"2024-05-20T12:32:02+02:00"`, want: func(p *Payment) { p.DatePaid = date }},
		{name: "date with fraction", field: "datePaid", raw: `"2024-05-20T10:32:02.000Z"`, want: func(p *Payment) { p.DatePaid = date }},
		{name: "date of the bill", field: "dateBill", raw: `"2024-05-20T12:32:02+02:00"`, want: func(p *Payment) { p.DateBill = date }},
		{name: "date empty", field: "datePaid", raw: `""`, want: none},
		{name: "date null", field: "datePaid", raw: `null`, want: none},
		{name: "date false", field: "datePaid", raw: `false`, want: none},
		{name: "date empty array", field: "datePaid", raw: `[]`, want: none},
		{name: "date empty object", field: "datePaid", raw: `{}`, want: none},
		{name: "date as number", field: "datePaid", raw: `1716203522`, rule: ruleTime},
		{name: "date 0", field: "datePaid", raw: `0`, rule: ruleTime},
		{name: "date without offset", field: "datePaid", raw: `"2024-05-20T12:32:02"`, rule: ruleTime},
		{name: "date out of range", field: "dateBill", raw: `"0000-01-01T00:00:00Z"`, rule: ruleYears},
		{name: "date as object", field: "datePaid", raw: `{"date":"2024-05-20"}`, rule: ruleTime},

		{name: "text", field: "paySystemName", raw: `"Cash"`, want: name("Cash")},
		{name: "text with escapes", field: "paySystemName", raw: `"\u041d\u0430\u043b\/\"\ud83d\ude00"`, want: name(`Нал/"😀`)},
		{name: "text as number", field: "paySystemName", raw: `3653`, want: name("3653")},
		{name: "text as number keeps its spelling", field: "paySystemName", raw: `1.50`, want: name("1.50")},
		{name: "text 0 is a value", field: "paySystemName", raw: `0`, want: name("0")},
		{name: "text of white space is a value", field: "paySystemName", raw: `" "`, want: name(" ")},
		{name: "text with a zero byte", field: "paySystemName", raw: `"a\u0000b"`, want: name("a\x00b")},
		{name: "long text", field: "paySystemName", raw: `"` + strings.Repeat("я", 300) + `"`, want: name(strings.Repeat("я", 300))},
		{name: "text empty", field: "paySystemName", raw: `""`, want: none},
		{name: "text null", field: "paySystemName", raw: `null`, want: none},
		{name: "text false", field: "paySystemName", raw: `false`, want: none},
		{name: "text empty array", field: "paySystemName", raw: `[]`, want: none},
		{name: "text empty object", field: "paySystemName", raw: `{}`, want: none},
		{name: "text true", field: "paySystemName", raw: `true`, rule: ruleText},
		{name: "text in an array", field: "paySystemName", raw: `["Cash"]`, rule: ruleText},

		{name: "no account number", field: "accountNumber", raw: `[]`, want: none},
		{name: "account number as number", field: "accountNumber", raw: `12`, want: func(p *Payment) { p.AccountNumber = Some("12") }},
		{name: "no order", field: "orderId", raw: `"0"`, want: none},
		{name: "nobody paid it in", field: "empPaidId", raw: `""`, want: none},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := fmt.Appendf(nil, `{"id":1,%q:%s}`, tt.field, tt.raw)
			var listed, got Payment
			for name, err := range map[string]error{"ReadListed": listed.ReadListed(raw, nil), "ReadGot": got.ReadGot(raw)} {
				if tt.rule == "" {
					if err != nil {
						t.Errorf("%s(%s): %v", name, raw, err)
					}
					continue
				}
				want := &FieldError{Field: tt.field, Rule: tt.rule, Raw: tt.raw}
				if diff := cmp.Diff(error(want), err); diff != "" {
					t.Errorf("%s(%s) (-want +got):\n%s", name, raw, diff)
				}
			}
			var want Payment
			if tt.want != nil {
				want.ID = 1
				tt.want(&want)
			}
			if listed != want || got != want {
				t.Errorf("read %s\nlisted %+v\ngot    %+v\nwant   %+v", raw, listed, got, want)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
	abyss := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
	tests := []struct {
		name  string
		raw   string
		field string
		rule  string // what it begins with
	}{
		{"nothing", ``, "", "must be an object"},
		{"white space", ` `, "", "must be an object"},
		{"null", `null`, "", "must be an object"},
		{"PHP's empty map", `[]`, "", "must be an object"},
		{"list of one", `[{"id":7}]`, "", "must be an object"},
		{"text", `"7"`, "", "must be an object"},
		{"number", `7`, "", "must be an object"},
		{"HTML", `<html>`, "", "must be valid JSON: "},
		{"cut short in a name", `{"id":7,"su`, "", "must be valid JSON: "},
		{"cut short in a value", `{"id":7,"sum":"1`, "sum", "must be valid JSON: "},
		{"cut short before the end", `{"id":7`, "", "must be valid JSON: "},
		{"two objects", `{"id":7}{"id":7}`, "", "must be one object and nothing behind it"},
		{"something behind", `{"id":7}x`, "", "must be one object and nothing behind it"},
		{"missing colon", `{"id" 7}`, "id", "must be valid JSON: "},
		{"trailing comma", `{"id":7,}`, "", "must be valid JSON: "},
		{"name without quotes", `{id:7}`, "", "must be valid JSON: "},
		{"field twice", `{"id":7,"sum":1,"sum":2}`, "sum", "must not be there twice"},
		{"field twice with the same value", `{"id":7,"sum":1,"sum":1}`, "sum", "must not be there twice"},
		{"field twice by escapes", `{"id":7,"sum":1,"\u0073um":2}`, "sum", "must not be there twice"},
		{"field without a column twice", `{"id":7,"a":1,"a":2}`, "a", "must not be there twice"},
		{"name twice in a field", `{"id":7,"a":{"b":1,"b":2}}`, "a", "must not have a name twice"},
		{"invalid UTF-8 in a value", "{\"id\":7,\"currency\":\"U\xffD\"}", "currency", "must be valid JSON: invalid UTF-8"},
		{"invalid UTF-8 in a field without a column", "{\"id\":7,\"a\":\"\xc3\"}", "a", "must be valid JSON: invalid UTF-8"},
		{"invalid UTF-8 in a name", "{\"id\":7,\"\xff\":1}", "", "must be valid JSON: invalid UTF-8"},
		{"half of a surrogate pair", `{"id":7,"currency":"\ud83d"}`, "currency", "must be valid JSON: "},
		{"too deep", `{"id":7,"a":` + deep + `}`, "a", "must not nest deeper than 64 levels"},
		{"much too deep", `{"id":7,"a":` + abyss + `}`, "a", "must be valid JSON: "},
		{"no id", `{"sum":1}`, "id", "must be there"},
		{"empty object", `{}`, "id", "must be there"},
		{"id null", `{"id":null}`, "id", ruleID},
		{"id empty", `{"id":""}`, "id", ruleID},
		{"id 0", `{"id":0}`, "id", ruleID},
		{"id negative", `{"id":-7}`, "id", ruleID},
		{"id no number", `{"id":"seven"}`, "id", ruleID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := Payment{ID: 7, Sum: Some(Decimal(5)), Extra: Some(`{"x":1}`)}
			listed, got := before, before
			for name, err := range map[string]error{
				"ReadListed": listed.ReadListed([]byte(tt.raw), []string{"a"}),
				"ReadGot":    got.ReadGot([]byte(tt.raw)),
			} {
				checkFieldError(t, name, err)
				e, ok := errors.AsType[*FieldError](err)
				if !ok {
					continue
				}
				if e.Field != tt.field || !strings.HasPrefix(e.Rule, tt.rule) {
					t.Errorf("%s: error %#v; want field %q, rule %q…", name, e, tt.field, tt.rule)
				}
			}
			if listed != before || got != before {
				t.Errorf("an error changed the row\nlisted %+v\ngot    %+v\nwant   %+v", listed, got, before)
			}
		})
	}
}

// checkFieldError fails the test if err is not what every reader promises.
func checkFieldError(t *testing.T, name string, err error) {
	t.Helper()
	e, ok := errors.AsType[*FieldError](err)
	switch {
	case !ok:
		t.Errorf("%s: error %v (%T), want a *FieldError", name, err, err)
	case e.Rule == "":
		t.Errorf("%s: error %#v has no rule", name, e)
	case len(e.Raw) > maxRaw || len(e.Field) > maxRaw:
		t.Errorf("%s: raw text of %d and field of %d bytes, want at most %d", name, len(e.Raw), len(e.Field), maxRaw)
	case !utf8.ValidString(e.Raw) || !utf8.ValidString(e.Field) || !utf8.ValidString(e.Error()):
		t.Errorf("%s: error %#v is not valid UTF-8", name, e)
	}
}

func TestReadGotOfAnotherPayment(t *testing.T) {
	p := Payment{ID: 1036}
	err := p.ReadGot([]byte(`{"id":1037}`))
	const want = "id: must be 1036, the payment that was asked for, not `1037`"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if want := (Payment{ID: 1036}); p != want {
		t.Errorf("row %+v, want %+v", p, want)
	}
}

func TestListFields(t *testing.T) {
	got := ListFields([]string{"companyId", "sum", "comments", "companyId"})
	want := append(ListFields(nil), "companyId", "comments")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ListFields (-want +got):\n%s", diff)
	}
	ListFields(nil)[0] = "changed"
	if got := ListFields(nil)[0]; got != "id" {
		t.Errorf("a caller's change is seen by the next: first field %q", got)
	}
	// Each of them must have a column, or it would be asked for in vain.
	for _, field := range listFields {
		v := value{raw: []byte("null"), kind: 'n', text: []byte("null")}
		if known, _ := new(Payment).setColumn([]byte(field), &v, nil); !known {
			t.Errorf("field %s has no column", field)
		}
	}
}

func TestReadOwner(t *testing.T) {
	tests := []struct {
		name  string
		raw   string
		want  [3]int64
		field string
		rule  string
	}{
		{name: "numbers", raw: `{"orderId":77,"ownerId":5,"ownerTypeId":2}`, want: [3]int64{77, 2, 5}},
		{name: "strings", raw: `{"ownerTypeId":"31","ownerId":"5","orderId":"77"}`, want: [3]int64{77, 31, 5}},
		{name: "other fields", raw: `{"orderId":77,"ownerId":5,"ownerTypeId":2,"id":"x","a":[1]}`, want: [3]int64{77, 2, 5}},
		{name: "owner null", raw: `{"orderId":77,"ownerId":null,"ownerTypeId":false}`, want: [3]int64{77, 0, 0}},
		{name: "owner 0", raw: `{"orderId":77,"ownerId":"0","ownerTypeId":""}`, want: [3]int64{77, 0, 0}},
		{name: "owner absent", raw: `{"orderId":77}`, want: [3]int64{77, 0, 0}},
		{name: "owner negative", raw: `{"orderId":77,"ownerId":-5}`, field: "ownerId", rule: ruleID},
		{name: "owner type no number", raw: `{"orderId":77,"ownerTypeId":"deal"}`, field: "ownerTypeId", rule: ruleWhole},
		{name: "order 0", raw: `{"orderId":0,"ownerId":5,"ownerTypeId":2}`, field: "orderId", rule: ruleID},
		{name: "order absent", raw: `{"ownerId":5,"ownerTypeId":2}`, field: "orderId", rule: ruleThere},
		{name: "order twice", raw: `{"orderId":77,"orderId":78}`, field: "orderId", rule: "must not be there twice"},
		{name: "PHP's empty map", raw: `[]`, field: "", rule: "must be an object"},
		{name: "cut short", raw: `{"orderId":77`, field: "", rule: "must be valid JSON: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			order, kind, id, err := ReadOwner([]byte(tt.raw))
			if got := [3]int64{order, kind, id}; got != tt.want {
				t.Errorf("ReadOwner(%s) = %v, want %v", tt.raw, got, tt.want)
			}
			if tt.rule == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkFieldError(t, "ReadOwner", err)
			if e, ok := errors.AsType[*FieldError](err); ok && (e.Field != tt.field || !strings.HasPrefix(e.Rule, tt.rule)) {
				t.Errorf("ReadOwner(%s): %#v; want field %q, rule %q", tt.raw, e, tt.field, tt.rule)
			}
		})
	}
}

func TestExcerpt(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want string
	}{
		{"empty", "", ""},
		{"just fits", strings.Repeat("a", 200), strings.Repeat("a", 200)},
		{"one too long", strings.Repeat("a", 201), strings.Repeat("a", 197) + "…"},
		{"cut between letters", strings.Repeat("я", 101), strings.Repeat("я", 98) + "…"},
		{"last letter just fits", strings.Repeat("a", 198) + "я", strings.Repeat("a", 198) + "я"},
		{"last letter is too wide", strings.Repeat("a", 197) + "😀", strings.Repeat("a", 197) + "…"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"not UTF-8, a run of it", "a\xff\xfe\xfdb", "a\uFFFDb"},
		{"not UTF-8 grows", strings.Repeat("\xffa", 90), strings.Repeat("\uFFFDa", 49) + "…"},
		{"not UTF-8 shrinks, but was cut", strings.Repeat("\xff", 300), "\uFFFD…"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := excerpt([]byte(tt.in)); got != tt.want {
				t.Errorf("excerpt(%q) = %q (%d bytes), want %q", tt.in, got, len(got), tt.want)
			}
		})
	}
}

func TestFieldErrorText(t *testing.T) {
	tests := []struct {
		name string
		err  FieldError
		want string
	}{
		{"with a value", FieldError{"sum", ruleDecimal, `"12,50"`}, "sum: must be a decimal number, not `\"12,50\"`"},
		{"without a value", FieldError{"id", ruleThere, ""}, "id: must be there"},
		{"of the object", FieldError{"", "must be an object", "[]"}, "object: must be an object, not `[]`"},
		{"with control characters", FieldError{"", "must be an object", "\x1b[2J\n"}, `object: must be an object, not "\x1b[2J\n"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("Error() = %s, want %s", got, tt.want)
			}
		})
	}
}
