package schemas

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
		want  func(*Payment) // nil if rule is set
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
