package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"b24export/schemas"
)

// wherePayments returns a hundred payments: the sum is the id in tenths, a third is
// paid, a tenth has no currency.
func wherePayments(t *testing.T) []schemas.Payment {
	t.Helper()
	rows := make([]schemas.Payment, 3000)
	for i := range rows {
		id := int64(i + 1)
		sum, err := schemas.ParseDecimal(fmt.Sprintf("%d.%d", id/10, id%10))
		if err != nil {
			t.Fatal(err)
		}
		rows[i] = schemas.Payment{ID: id, Sum: schemas.Some(sum), Paid: schemas.Some(id%3 == 0), DateBill: instant(t, fmt.Sprintf("2026-01-%02dT12:00:00Z", id%28+1)), PaySystemName: schemas.Some("Bank 'A'")}
		if id%10 != 0 {
			rows[i].Currency = schemas.Some([]string{"EUR", "USD"}[id%2])
		}
	}
	return rows
}

func TestWhere(t *testing.T) {
	for _, tt := range []struct {
		where []string
		want  func(p *schemas.Payment) bool
	}{
		{[]string{"id=7"}, func(p *schemas.Payment) bool { return p.ID == 7 }},
		{[]string{"id!=7"}, func(p *schemas.Payment) bool { return p.ID != 7 }},
		{[]string{"id >= 1020 and id < 1030"}, func(p *schemas.Payment) bool { return p.ID >= 1020 && p.ID < 1030 }},
		{[]string{"id>1020", "id<=1030"}, func(p *schemas.Payment) bool { return p.ID > 1020 && p.ID <= 1030 }},
		{[]string{"sum=0.5"}, func(p *schemas.Payment) bool { return p.ID == 5 }},
		{[]string{"sum=0.50000000"}, func(p *schemas.Payment) bool { return p.ID == 5 }},
		{[]string{"sum<=1.0000 AND paid=true"}, func(p *schemas.Payment) bool { return p.ID <= 10 && p.ID%3 == 0 }},
		{[]string{"currency=EUR"}, func(p *schemas.Payment) bool { return p.ID%2 == 0 && p.ID%10 != 0 }},
		{[]string{"currency!=EUR"}, func(p *schemas.Payment) bool { return p.ID%2 == 1 }},
		{[]string{"currency=null"}, func(p *schemas.Payment) bool { return p.ID%10 == 0 }},
		{[]string{"currency != NULL and id<30"}, func(p *schemas.Payment) bool { return p.ID%10 != 0 && p.ID < 30 }},
		{[]string{"date_bill<2026-01-03"}, func(p *schemas.Payment) bool { return p.ID%28 < 2 }},
		{[]string{"date_bill='2026-01-03 12:00:00'"}, func(p *schemas.Payment) bool { return p.ID%28 == 2 }},
		{[]string{"date_bill>2026-01-28T13:00:00+02:00"}, func(p *schemas.Payment) bool { return p.ID%28 == 27 }},
		{[]string{"pay_system_name='Bank ''A''' and id=1"}, func(p *schemas.Payment) bool { return p.ID == 1 }},
		{[]string{"currency='null'"}, func(p *schemas.Payment) bool { return false }},
		{[]string{"account_number<x"}, func(p *schemas.Payment) bool { return false }},
	} {
		t.Run(strings.Join(tt.where, "; "), func(t *testing.T) {
			rows := wherePayments(t)
			var want []string
			for i := range rows {
				if tt.want(&rows[i]) {
					want = append(want, fmt.Sprint(rows[i].ID))
				}
			}
			for _, limit := range []int64{0, 3, 1500} {
				sel := selection{columns: []int{0}, limit: limit}
				for _, text := range tt.where {
					where, err := parseWhere(schemas.Payments(), text)
					if err != nil {
						t.Fatal(err)
					}
					sel.where = append(sel.where, where...)
				}
				var b bytes.Buffer
				n, err := copyRows(newCSVRows(&b, project(schemas.Payments(), sel.columns)), sequence(rows), newPaymentRecords(), &sel)
				if err != nil {
					t.Fatal(err)
				}
				got := strings.Fields(b.String())
				if len(got) > 0 {
					got = got[1:] // the header
				}
				first := want
				if limit > 0 {
					first = want[:min(int64(len(want)), limit)]
				}
				if !slices.Equal(got, first) || n != int64(len(first)) {
					t.Errorf("limit %d: %d rows %.100v, want %d: %.100v", limit, n, got, len(first), first)
				}
			}
		})
	}
}

func TestWhereThatCannotBe(t *testing.T) {
	for _, tt := range []struct{ where, want string }{
		{"", `"": must be COLUMN OPERATOR VALUE, such as sum>=100`},
		{"=5", "must be COLUMN OPERATOR VALUE"},
		{"summ>5", `no column "summ"; there are id, account_number`},
		{"sum like 5", "after sum there must be one of = != < <= > >="},
		{"sum>", "the value is missing"},
		{"sum>five", `sum > "five": `},
		{"sum=0.00001", `sum = "0.00001": must be a number of at most 4 digits`},
		{"sum<1e-9", `sum < "1e-9": must be a number of at most 4 digits`},
		{"date_bill<2026-01-01T00:00:00.0000001Z", "times have at most microseconds"},
		{"id=1.5", "must be a whole number"},
		{"paid=maybe", "must be true or false"},
		{"paid>true", "can only be compared by = and !="},
		{"currency>null", "null can only be compared by = and !="},
		{"date_bill>yesterday", "must be a day (2026-01-31)"},
		{"currency='EUR", "the quote is not closed"},
		{"id=1 or id=2", "only and can join conditions"},
		{"id=1 and", "only and can join conditions"},
		{"id=1 and ", "only and can join conditions"},
		{"id=1 and id", "after id there must be one of"},
	} {
		if _, err := parseWhere(schemas.Payments(), tt.where); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: error %v, want %s", tt.where, err, tt.want)
		}
	}
}

func FuzzWhere(f *testing.F) {
	f.Add("sum>=100 and currency='EUR'")
	f.Add("date_bill<2026-01-31 and paid=true and order_id!=null")
	f.Fuzz(func(t *testing.T, text string) {
		where, err := parseWhere(schemas.Payments(), text)
		if (err == nil) != (len(where) > 0) {
			t.Fatalf("%d conditions, error %v", len(where), err)
		}
	})
}

func TestExpandedRows(t *testing.T) {
	rows := wherePayments(t)[:2]
	columns, err := pickColumns(schemas.Payments(), []string{"id", "currency", "pay_system_name"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := copyRows(newExpandedRows(&b, project(schemas.Payments(), columns)), sequence(rows), newPaymentRecords(), &selection{columns: columns}); err != nil {
		t.Fatal(err)
	}
	const want = `── row 1
 id              │ 1
 currency        │ USD
 pay_system_name │ Bank 'A'
── row 2
 id              │ 2
 currency        │ EUR
 pay_system_name │ Bank 'A'
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

// A row as a list of columns cuts nothing, however long it is.
func TestExpandedRowsCutNothing(t *testing.T) {
	long := `{"comments":"` + strings.Repeat("я", 3000) + `"}`
	rows := []schemas.Payment{{ID: 1, Extra: schemas.Null[string]{V: long, Valid: true}}}
	columns, err := pickColumns(schemas.Payments(), []string{"extra"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := copyRows(newExpandedRows(&b, project(schemas.Payments(), columns)), sequence(rows), newPaymentRecords(), &selection{columns: columns}); err != nil {
		t.Fatal(err)
	}
	if want := " extra │ " + long + "\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("%d bytes, want the whole text of %d", b.Len(), len(long))
	}
}
