package bitrixtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listed is a page of sale.payment.list with ids only.
type listed struct{ Payments []struct{ ID int64 } }

func (l listed) ids() []int64 {
	ids := []int64{}
	for _, p := range l.Payments {
		ids = append(ids, p.ID)
	}
	return ids
}

// For any filter, the portal finds the same payments as a search through all. It counts
// them correctly, at any offset, in both directions, also after changes.
func TestFiltersFindWhatTheTruthHas(t *testing.T) {
	for _, changes := range []int{0, 300} {
		c := open(t, Options{Seed: 6, Payments: 900, Offset: 3 * time.Hour})
		c.p.Mutate(changes, 9)
		var all []Payment
		for q := range c.p.All() {
			all = append(all, q)
		}
		mid, late := all[len(all)/2], all[len(all)*9/10]
		day := mid.DateBill.In(time.FixedZone("", 3*3600)).Format("2006-01-02")
		paidAfter := mid.DateBill.Add(10 * 24 * time.Hour)
		quote := strconv.Quote
		rfc := func(t time.Time) string { return quote(t.Format(time.RFC3339)) }
		tests := []struct {
			filter string
			want   func(q Payment) bool
		}{
			{`{}`, func(Payment) bool { return true }},
			{`[]`, func(Payment) bool { return true }},
			{`{">id":` + fmt.Sprint(mid.ID) + `}`, func(q Payment) bool { return q.ID > mid.ID }},
			{`{">id":"` + fmt.Sprint(mid.ID) + `","<=id":` + fmt.Sprint(late.ID) + `}`, func(q Payment) bool { return q.ID > mid.ID && q.ID <= late.ID }},
			{`{">=ID":` + fmt.Sprint(mid.ID) + `,"<id":` + fmt.Sprint(late.ID) + `}`, func(q Payment) bool { return q.ID >= mid.ID && q.ID < late.ID }},
			{`{">id":"$result[x]"}`, func(Payment) bool { return true }},
			{`{">id":""}`, func(Payment) bool { return true }},
			{`{"id":` + fmt.Sprint(mid.ID) + `}`, func(q Payment) bool { return q.ID == mid.ID }},
			{`{"@id":[` + fmt.Sprint(late.ID, ",", mid.ID, ",", mid.ID) + `]}`, func(q Payment) bool { return q.ID == mid.ID || q.ID == late.ID }},
			{`{"=id":[` + fmt.Sprint(late.ID, ",", mid.ID) + `],"<id":` + fmt.Sprint(late.ID) + `}`, func(q Payment) bool { return q.ID == mid.ID }},
			{`{"!@id":[` + fmt.Sprint(late.ID, ",", mid.ID) + `]}`, func(q Payment) bool { return q.ID != mid.ID && q.ID != late.ID }},
			{`{"!=id":` + fmt.Sprint(mid.ID) + `}`, func(q Payment) bool { return q.ID != mid.ID }},
			{`{"%id":"7"}`, func(q Payment) bool { return strings.Contains(strconv.FormatInt(q.ID, 10), "7") }},
			{`{"orderId":` + fmt.Sprint(mid.OrderID) + `}`, func(q Payment) bool { return q.OrderID == mid.OrderID }},
			{`{"@orderId":[` + fmt.Sprint(late.OrderID, ",", mid.OrderID) + `],"paid":"Y"}`, func(q Payment) bool {
				return (q.OrderID == mid.OrderID || q.OrderID == late.OrderID) && q.Paid
			}},
			{`{">orderId":` + fmt.Sprint(late.OrderID) + `}`, func(q Payment) bool { return q.OrderID > late.OrderID }},
			{`{"paid":"N"}`, func(q Payment) bool { return !q.Paid }},
			{`{">id":9223372036854775807}`, func(Payment) bool { return false }},
			{`{"<id":-9223372036854775808}`, func(Payment) bool { return false }},
			{`{"<=id":0}`, func(Payment) bool { return false }},
			{`{">=currency":"kzt"}`, func(q Payment) bool { return q.Currency >= "KZT" }},
			{`{"=paid":true,"@paySystemId":[2,6]}`, func(q Payment) bool { return q.Paid && (q.PaySystemID == 2 || q.PaySystemID == 6) }},
			{`{"empPaidId":null}`, func(q Payment) bool { return q.EmpPaidID == 0 }},
			{`{"!empPaidId":""}`, func(q Payment) bool { return q.EmpPaidID != 0 }},
			{`{">=empPaidId":30}`, func(q Payment) bool { return q.EmpPaidID >= 30 }},
			{`{"datePaid":false}`, func(q Payment) bool { return q.DatePaid.IsZero() }},
			{`{">=datePaid":` + rfc(paidAfter) + `}`, func(q Payment) bool { return !q.DatePaid.IsZero() && !q.DatePaid.Before(paidAfter) }},
			{`{">=dateBill":` + quote(day) + `}`, func(q Payment) bool {
				return q.DateBill.In(time.FixedZone("", 3*3600)).Format("2006-01-02") >= day
			}},
			{`{">dateBill":` + rfc(mid.DateBill) + `,"<=dateBill":` + rfc(late.DateBill) + `}`, func(q Payment) bool {
				return q.DateBill.After(mid.DateBill) && !q.DateBill.After(late.DateBill)
			}},
			{`{"<dateBill":` + rfc(all[0].DateBill) + `}`, func(q Payment) bool { return q.DateBill.Before(all[0].DateBill) }},
			{`{">dateBill":` + rfc(all[len(all)-1].DateBill.Add(time.Hour)) + `}`, func(Payment) bool { return false }},
			{`{"currency":"eur"}`, func(q Payment) bool { return q.Currency == "EUR" }},
			{`{"@currency":["EUR","USD"],"sum":0}`, func(q Payment) bool {
				return (q.Currency == "EUR" || q.Currency == "USD") && q.Sum == "0.0000"
			}},
			{`{"<sum":-0.01}`, func(q Payment) bool { return strings.HasPrefix(q.Sum, "-") }},
			{`{"=sum":"` + mid.Sum + `"}`, func(q Payment) bool { return q.Sum == mid.Sum }},
			{`{"%accountNumber":"/3"}`, func(q Payment) bool { return strings.Contains(q.AccountNumber, "/3") }},
			{`{"!%accountNumber":"/"}`, func(q Payment) bool { return !strings.Contains(q.AccountNumber, "/") }},
			{`{"=%paySystemName":"%нал%"}`, func(q Payment) bool { return strings.Contains(strings.ToLower(q.PaySystemName), "нал") }},
			{`{"isReturn":"N","companyId":null}`, func(Payment) bool { return true }},
			{`{"companyId":5}`, func(Payment) bool { return false }},
		}
		random := rand.New(rand.NewPCG(1, 1))
		for _, test := range tests {
			t.Run(fmt.Sprint(changes, " ", test.filter), func(t *testing.T) {
				c := &client{t, c.p, c.base, c.http}
				want := []int64{}
				for _, q := range all {
					if test.want(q) {
						want = append(want, q.ID)
					}
				}
				for _, start := range []int{0, random.IntN(len(want) + 1), max(0, len(want)-1)} {
					for _, order := range []string{"ASC", "desc"} {
						expected := slices.Clone(want)
						if order == "desc" {
							slices.Reverse(expected)
						}
						expected = expected[min(start, len(want)):min(start+50, len(want))]
						params := fmt.Sprintf(`{"select":["id"],"filter":%s,"order":{"id":%q},"start":%d}`, test.filter, order, start)
						var page listed
						r := c.result("sale.payment.list", params, &page)
						if diff := cmp.Diff(expected, page.ids()); diff != "" {
							t.Fatalf("%s: %s", params, diff)
						}
						if r.Total == nil || *r.Total != int64(len(want)) {
							t.Fatalf("%s: total %v, want %d", params, r.Total, len(want))
						}
						if more := start+50 < len(want); (r.Next != nil) != more || more && *r.Next != int64(start+50) {
							t.Fatalf("%s: next %v with %d in all", params, r.Next, len(want))
						}
					}
				}
				params := fmt.Sprintf(`{"select":["id"],"filter":%s,"order":{"id":"asc"},"start":-1}`, test.filter)
				var page listed
				r := c.result("sale.payment.list", params, &page)
				if diff := cmp.Diff(want[:min(50, len(want))], page.ids()); diff != "" {
					t.Fatalf("%s: %s", params, diff)
				}
				if r.Total != nil || r.Next != nil {
					t.Fatalf("%s: total %v and next %v, want neither", params, r.Total, r.Next)
				}
			})
		}
	}
}

// A strict portal reports what the portal silently ignores.
func TestFiltersThatAreIgnored(t *testing.T) {
	for _, test := range []struct{ params, want string }{
		{`{"filter":{"payed":"N"}}`, `"payed"`},
		{`{"filter":{"@orderId":[]}}`, `empty list`},
		{`{"filter":{">dateBill":"tomorrow"}}`, `no date`},
		{`{"select":["id","nope"]}`, `"nope"`},
		{`{"order":{"sum":"ASC"}}`, `an order by "sum"`},
	} {
		var strict recorder
		c := open(t, Options{Seed: 1, Payments: 100, Strict: &strict})
		var page listed
		if c.result("sale.payment.list", test.params, &page); len(page.Payments) != 50 {
			t.Errorf("%s: %d payments, want a full page", test.params, len(page.Payments))
		}
		if list := c.p.Violations(); len(list) != 1 || !strings.Contains(list[0], test.want) || len(strict.list) != 1 {
			t.Errorf("%s: violations %q, reported %q, want one with %q", test.params, list, strict.list, test.want)
		}
	}
}

// Five million payments: fast operations touch at most a page.
func TestLargePortal(t *testing.T) {
	c := open(t, Options{Seed: 6, Payments: 5_000_000})
	var page listed
	r := c.result("sale.payment.list", fmt.Sprintf(`{"filter":{">id":%d},"order":{"id":"asc"},"start":1000000}`, c.p.ID(999_999)), &page)
	if *r.Total != 4_000_000 || page.Payments[0].ID != c.p.ID(2_000_000) || *r.Next != 1_000_050 {
		t.Errorf("total %d, next %d, first %d", *r.Total, *r.Next, page.Payments[0].ID)
	}
	r = c.result("sale.payment.list", `{"order":{"id":"desc"}}`, &page)
	if *r.Total != 5_000_000 || page.Payments[0].ID != c.p.ID(4_999_999) {
		t.Errorf("total %d, first downward %d", *r.Total, page.Payments[0].ID)
	}
	q, _ := c.p.Truth(c.p.ID(2_500_000))
	r = c.result("sale.payment.list", fmt.Sprintf(`{"filter":{"=dateBill":%q}}`, q.DateBill.Format(time.RFC3339)), &page)
	if *r.Total < 1 || !slices.Contains(page.ids(), q.ID) {
		t.Errorf("billed at %v: %v, want %d among them", q.DateBill, page.ids(), q.ID)
	}
}
