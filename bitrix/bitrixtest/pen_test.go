package bitrixtest

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// shape names the spelling of a raw JSON value.
func shape(raw string) string {
	switch {
	case raw == "null", raw == `""`, raw == "false", raw == "[]", raw == "{}", raw == "true", raw == "0", raw == `"0"`:
		return raw
	case raw[0] == '"' && strings.Contains(raw, `\u`):
		return "escaped"
	case raw[0] == '"' && strings.HasSuffix(raw, `Z"`):
		return "Z"
	case raw[0] == '"':
		return "text"
	}
	return "number"
}

// With odd spelling, each field has all its forms, and each form means the true value.
func TestOddSpellings(t *testing.T) {
	p := New(Options{Seed: 21, Payments: 4000, Odd: true, Offset: 3 * time.Hour})
	shapes := map[string]map[string]bool{}
	offsets := map[string]bool{}
	noise := 0
	for q := range p.All() {
		var fields map[string]json.RawMessage
		raw := p.Listed(q.ID)
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatalf("payment %d: %v in %s", q.ID, err, raw)
		}
		if len(fields) != saleFieldCount {
			t.Fatalf("payment %d has %d fields, want %d", q.ID, len(fields), saleFieldCount)
		}
		for name, value := range fields {
			if shapes[name] == nil {
				shapes[name] = map[string]bool{}
			}
			shapes[name][shape(string(value))] = true
		}
		id := func(name string, want int64) {
			t.Helper()
			text := strings.Trim(string(fields[name]), `"`)
			got, err := strconv.ParseInt(text, 10, 64)
			if absent := strings.Contains(`null false [] {}`, text); absent {
				got, err = 0, nil
			}
			if err != nil || got != want {
				t.Fatalf("payment %d: %s is %s, want %d", q.ID, name, fields[name], want)
			}
		}
		id("id", q.ID)
		id("orderId", q.OrderID)
		id("paySystemId", q.PaySystemID)
		id("empPaidId", q.EmpPaidID)
		date := func(name string, want time.Time) {
			t.Helper()
			var text string
			json.Unmarshal(fields[name], &text)
			got, err := time.Parse(time.RFC3339, text)
			if (text != "") != !want.IsZero() || text != "" && (err != nil || !got.Equal(want)) {
				t.Fatalf("payment %d: %s is %s, want %v", q.ID, name, fields[name], want)
			}
			if len(text) > 19 {
				offsets[text[19:]] = true
			}
		}
		date("datePaid", q.DatePaid)
		date("dateBill", q.DateBill)
		sum, err := strconv.ParseFloat(strings.Trim(string(fields["sum"]), `"`), 64)
		if err != nil || strconv.FormatFloat(math.Round(sum*1e4)/1e4, 'f', 4, 64) != q.Sum {
			t.Fatalf("payment %d: sum is %s, want %s", q.ID, fields["sum"], q.Sum)
		}
		if len(fields["sum"]) > 17 {
			noise++
		}
		if yes := strings.Contains(`"Y" true 1 "1"`, string(fields["paid"])); yes != q.Paid {
			t.Fatalf("payment %d: paid is %s, want %t", q.ID, fields["paid"], q.Paid)
		}
		for name, want := range map[string]string{"accountNumber": q.AccountNumber, "currency": q.Currency, "paySystemName": q.PaySystemName} {
			got := string(fields[name])
			if shape(got) != "number" {
				json.Unmarshal(fields[name], &got)
			}
			if got != want {
				t.Fatalf("payment %d: %s is %s, want %q", q.ID, name, fields[name], want)
			}
		}
	}
	for name, want := range map[string]string{
		"id":            `number text`,
		"orderId":       `number text`,
		"empPaidId":     `number text null "" false [] {} 0 "0"`,
		"datePaid":      `text Z null "" false [] {}`,
		"paid":          `text number true false 0 "0"`,
		"sum":           `number text 0 "0"`,
		"accountNumber": `text escaped number`,
		"paySystemName": `text escaped`,
		"companyId":     `null "" false [] {} 0 "0"`,
	} {
		for _, form := range strings.Fields(want) {
			if !shapes[name][form] {
				t.Errorf("%s is never spelled as %s: %v", name, form, shapes[name])
			}
		}
	}
	for _, offset := range []string{"+03:00", "+00:00", "Z", "+08:00", "-03:30", "+14:00"} {
		if !offsets[offset] {
			t.Errorf("no date has the offset %s: %v", offset, offsets)
		}
	}
	if noise == 0 {
		t.Error("no sum has a float's noise")
	}
}

// The same request gets the same spelling. List and get spell independently.
func TestSpellingsAreStable(t *testing.T) {
	c := open(t, Options{Seed: 4, Payments: 300, Odd: true, AllowRegets: true})
	differ := 0
	for q := range c.p.All() {
		params := `{"id":` + strconv.FormatInt(q.ID, 10) + `}`
		first, second := c.call("crm.item.payment.get", params), c.call("crm.item.payment.get", params)
		if string(first.Result) != string(second.Result) {
			t.Fatalf("payment %d: %s, then %s", q.ID, first.Result, second.Result)
		}
		var got, listed map[string]json.RawMessage
		json.Unmarshal(first.Result, &got)
		json.Unmarshal(c.p.Listed(q.ID), &listed)
		if string(got["sum"]) != string(listed["sum"]) {
			differ++
		}
	}
	if differ < 50 {
		t.Errorf("only %d of 300 sums are spelled differently by list and get", differ)
	}
}

// A poisoned payment has one value that cannot be read, in lists and gets alike.
func TestPoison(t *testing.T) {
	c := open(t, Options{Seed: 4, Payments: 2000, Poison: 0.05})
	found := map[string]bool{}
	for q := range c.p.All() {
		raw := string(c.p.Listed(q.ID))
		bad := 0
		for _, poison := range poisons {
			if strings.Contains(raw, poison.json) {
				found[poison.json] = true
				bad++
				if r := c.call("crm.item.payment.get", `{"id":`+strconv.FormatInt(q.ID, 10)+`}`); !strings.Contains(r.raw, poison.json) {
					t.Errorf("payment %d: the list has %s, the get has not: %s", q.ID, poison.json, r.raw)
				}
			}
		}
		if (bad == 1) != q.Poisoned || bad > 1 {
			t.Fatalf("payment %d: poisoned %t, %d bad values in %s", q.ID, q.Poisoned, bad, raw)
		}
	}
	if len(found) != len(poisons) {
		t.Errorf("found %v, want all of %v", found, poisons)
	}
}

func TestUnknownFields(t *testing.T) {
	c := open(t, Options{Seed: 4, Payments: 10, Unknown: true})
	var got map[string]any
	c.result("crm.item.payment.get", `{"id":`+strconv.FormatInt(c.p.ID(3), 10)+`}`, &got)
	if got["b24Extra"] == nil || got["tags"] == nil || len(got) != 11 {
		t.Errorf("fields %v, want the nine and two more", got)
	}
}
