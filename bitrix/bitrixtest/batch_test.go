package bitrixtest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBatchOfGets(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 500})
	var commands []string
	for n := range int64(49) {
		id := c.p.ID(n * 10)
		commands = append(commands, fmt.Sprintf("p%d", id), fmt.Sprintf("crm.item.payment.get?id=%d", id))
	}
	missing := c.p.ID(499) + 5
	commands = append(commands, "gone", fmt.Sprintf("crm.item.payment.get?id=%d", missing))
	b := c.batch(commands...)
	if b.status != 200 || len(b.Result) != 49 || len(b.Times) != 49 || len(b.Errors) != 1 {
		t.Fatalf("status %d, %d results, %d times, %d errors", b.status, len(b.Result), len(b.Times), len(b.Errors))
	}
	if e := b.Errors["gone"]; e.Error != 0.0 || e.Error_description != "Payment has not been found" {
		t.Errorf("the missing payment: %+v", e)
	}
	for n := range int64(49) {
		q, _ := c.p.Truth(c.p.ID(n * 10))
		var got nine
		if err := json.Unmarshal(b.Result[fmt.Sprintf("p%d", q.ID)], &got); err != nil {
			t.Fatal(err)
		}
		checkNine(t, got, q)
	}
}

func checkNine(t *testing.T, got nine, q Payment) {
	t.Helper()
	want := nine{ID: q.ID, AccountNumber: q.AccountNumber, Paid: "N", PaySystemID: q.PaySystemID, Currency: q.Currency, PaySystemName: q.PaySystemName}
	if q.Paid {
		want.Paid = "Y"
		date := string(appendTime(nil, q.DatePaid.Unix(), 3*3600))
		date = strings.Trim(date, `"`)
		want.DatePaid = &date
	}
	if q.EmpPaidID != 0 {
		want.EmpPaidID = &q.EmpPaidID
	}
	want.Sum = json.Number(strings.TrimSuffix(strings.TrimRight(q.Sum, "0"), "."))
	if want.Sum == "" || want.Sum == "-" {
		want.Sum = "0"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("payment %d: %s", q.ID, diff)
	}
}

// chain returns a chain of pages from a cursor. Each starts where the one before ended.
func chain(after int64, pages int, escape bool) []string {
	var commands []string
	for i := range pages {
		from := fmt.Sprint(after)
		if i > 0 {
			from = fmt.Sprintf("$result[c%d][payments][49][id]", i-1)
		}
		query := "select[]=id&order[id]=ASC&start=-1&filter[>id]=" + from
		if escape {
			query = "select%5B%5D=id&order%5Bid%5D=ASC&start=-1&filter%5B%3Eid%5D=" + url.QueryEscape(from)
		}
		commands = append(commands, fmt.Sprintf("c%d", i), "sale.payment.list?"+query)
	}
	return commands
}

func TestChainOfPages(t *testing.T) {
	for _, odd := range []bool{false, true} {
		for _, escape := range []bool{false, true} {
			c := open(t, Options{Seed: 1, Payments: 3000, Odd: odd})
			b := c.batch(chain(0, 50, escape)...)
			n := int64(0)
			for i := range 50 {
				var page struct{ Payments []struct{ ID json.Number } }
				if err := json.Unmarshal(b.Result[fmt.Sprintf("c%d", i)], &page); err != nil {
					// Ids in strings decode to a json.Number too.
					t.Fatal(err)
				}
				for _, p := range page.Payments {
					if want := fmt.Sprint(c.p.ID(n)); p.ID.String() != want {
						t.Fatalf("odd %t, escape %t: payment %d has id %s, want %s", odd, escape, n, p.ID, want)
					}
					n++
				}
			}
			if n != 2500 {
				t.Errorf("odd %t: %d payments in 50 pages", odd, n)
			}
			if len(b.Totals) != 0 || len(b.Nexts) != 0 {
				t.Errorf("start -1 gives totals %v and nexts %v", b.Totals, b.Nexts)
			}
		}
	}
}

// After a short page, a reference has no target. The portal then starts from the first
// page again, however it treats such references.
func TestChainBeyondTheEnd(t *testing.T) {
	for _, how := range []Unresolved{UnresolvedText, UnresolvedEmpty, UnresolvedPart} {
		for _, payments := range []int{120, 100} {
			c := open(t, Options{Seed: 1, Payments: payments, Unresolved: how})
			b := c.batch(chain(0, 6, false)...)
			var sizes []int
			var firsts []int64
			for i := range 6 {
				var page listed
				if err := json.Unmarshal(b.Result[fmt.Sprintf("c%d", i)], &page); err != nil {
					t.Fatal(err)
				}
				sizes = append(sizes, len(page.Payments))
				if len(page.Payments) > 0 {
					firsts = append(firsts, page.Payments[0].ID)
				}
			}
			rest := payments - 100
			if diff := cmp.Diff([]int{50, 50, rest, 50, 50, rest}, sizes); diff != "" {
				t.Errorf("%s, %d payments: pages' sizes: %s", how, payments, diff)
			}
			if !slices.Contains(firsts[2:], c.p.ID(0)) {
				t.Errorf("%s: pages begin at %v, want the first one again", how, firsts)
			}
		}
	}
}

func TestBatchTotals(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 120})
	b := c.batch("all", "sale.payment.list?select[]=id", "last", "sale.payment.list?start=100", "one", "profile")
	if diff := cmp.Diff(map[string]int64{"all": 120, "last": 120}, b.Totals); diff != "" {
		t.Errorf("totals: %s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"all": 50}, b.Nexts); diff != "" {
		t.Errorf("nexts: %s", diff)
	}
}

// The rules of batches, with the portal's answers and the reports of a strict portal.
func TestBatchRules(t *testing.T) {
	many := map[string]string{}
	for i := range 53 {
		many[fmt.Sprintf("k%02d", i)] = "profile"
	}
	manyJSON, _ := json.Marshal(many)
	tests := []struct {
		name    string
		options Options
		body    string
		errors  map[string]string
		results int
		listed  []string
		want    []string // violations
	}{
		{name: "51 and more commands", body: `{"cmd":` + string(manyJSON) + `}`, results: 50,
			errors: map[string]string{"k50": "ERROR_BATCH_LENGTH_EXCEEDED", "k51": "ERROR_BATCH_LENGTH_EXCEEDED", "k52": "ERROR_BATCH_LENGTH_EXCEEDED"},
			want:   []string{"53 commands"}},
		{name: "nested", body: `{"cmd":{"a":"batch?cmd[x]=profile","b":"profile"}}`, results: 1,
			errors: map[string]string{"a": "ERROR_BATCH_METHOD_NOT_ALLOWED"}, want: []string{"batch in a batch"}},
		{name: "barred", options: Options{NotInBatch: []string{"profile"}}, body: `{"cmd":{"a":"profile","b":"scope"}}`, results: 1,
			errors: map[string]string{"a": "ERROR_BATCH_METHOD_NOT_ALLOWED"}},
		{name: "unknown method", body: `{"cmd":{"a":"no.such?x=1"}}`,
			errors: map[string]string{"a": "ERROR_METHOD_NOT_FOUND"}, want: []string{`"no.such"`}},
		{name: "numeric keys", body: `{"cmd":{"0":"profile","1":"scope"}}`, listed: []string{"result", "result_time"},
			want: []string{`key "0"`, `key "1"`}},
		{name: "a list of commands", body: `{"cmd":["profile"]}`, listed: []string{"result", "result_time"}, want: []string{`key "0"`}},
		{name: "numeric keys that are no list", body: `{"cmd":{"7":"profile"}}`, results: 1, want: []string{`key "7"`}},
		{name: "without commands", body: `{"cmd":{}}`, want: []string{"without commands"}},
		{name: "halt", body: `{"halt":1,"cmd":{"a":"profile","b":"crm.item.payment.get","c":"profile"}}`, results: 1,
			errors: map[string]string{"b": "100"}},
		{name: "no halt", body: `{"halt":0,"cmd":{"a":"profile","b":"crm.item.payment.get","c":"profile"}}`, results: 2,
			errors: map[string]string{"b": "100"}},
		{name: "commands in parts", body: `{"cmd":{"a":{"method":"sale.payment.list","params":{"select":["id"],"start":-1}}}}`, want: []string{`command "a" is no text`}},
		{name: "halt as words", body: `{"Halt":"no","CMD":{"a":"profile","b":"crm.item.payment.get","c":"profile"}}`, results: 1,
			errors: map[string]string{"b": "100"}},
		{name: "behind a number sign", body: `{"cmd":{"a":"profile#?x=1"}}`, results: 1},
		{name: "in capitals", body: `{"cmd":{"a":"Crm.Item.Payment.Get?ID=1"}}`, errors: map[string]string{"a": "0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var strict recorder
			test.options.Strict, test.options.Seed = &strict, 1
			c := open(t, test.options)
			b := c.batchBody(test.body)
			if b.status != 200 || len(b.Result) != test.results {
				t.Errorf("status %d, %d results, want 200, %d: %s", b.status, len(b.Result), test.results, b.failure.raw)
			}
			slices.Sort(b.listed)
			if diff := cmp.Diff(test.listed, b.listed); diff != "" {
				t.Errorf("maps that came as lists: %s", diff)
			}
			codes := map[string]string{}
			for key, e := range b.Errors {
				codes[key] = fmt.Sprint(e.Error)
			}
			if len(codes)+len(test.errors) > 0 {
				if diff := cmp.Diff(test.errors, codes); diff != "" {
					t.Errorf("errors: %s", diff)
				}
			}
			list := c.p.Violations()
			if len(list) != len(test.want) {
				t.Fatalf("violations %q, want %q", list, test.want)
			}
			for i, want := range test.want {
				if !strings.Contains(list[i], want) {
					t.Errorf("violation %q, want %q in it", list[i], want)
				}
			}
		})
	}
}

func TestBatchRefusedWhole(t *testing.T) {
	c := open(t, Options{NotInBatch: []string{"profile"}, RefuseWholeBatch: true})
	if b := c.batch("a", "scope", "b", "profile"); b.status != 405 || b.failure.Error != "ERROR_BATCH_METHOD_NOT_ALLOWED" {
		t.Errorf("status %d: %s", b.status, b.failure.raw)
	}
	if r := c.call("profile", ""); r.status != 200 {
		t.Errorf("alone: %s", r.raw)
	}
}

// Parameters are JSON, a form or a query.
func TestBodies(t *testing.T) {
	c := open(t, Options{Seed: 1, Payments: 10})
	id := fmt.Sprint(c.p.ID(4))
	form := url.Values{"cmd[a]": {"crm.item.payment.get?id=" + id}, "halt": {"0"}}.Encode()
	for _, test := range []struct{ name, method, content, body string }{
		{"json", "crm.item.payment.get", "application/json", `{"id":` + id + `}`},
		{"json by its look", "crm.item.payment.get.json", "", `{"id":"` + id + `"}`},
		{"form", "crm.item.payment.get", "application/x-www-form-urlencoded", "id=" + id},
		{"query", "crm.item.payment.get?id=" + id, "", ""},
		{"body over query", "crm.item.payment.get?id=1&x=2", "application/json", `{"id":` + id + `}`},
		{"batch in a form", "batch", "application/x-www-form-urlencoded", form},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.p.ForgetGets()
			req := newRequest(t, c.base+test.method, test.content, test.body)
			data := do(t, c.http, req)
			if !strings.Contains(data, `"id":`+id+`,`) {
				t.Errorf("no payment %s in %s", id, data)
			}
		})
	}
}
