package bitrixtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newRequest(t *testing.T, url, content, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if content != "" {
		req.Header.Set("Content-Type", content)
	}
	req.Header.Set("User-Agent", "bitrixtest/1.0")
	return req
}

func do(t *testing.T, c *http.Client, req *http.Request) string {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The answer to a get equals that of the vendor's reference page, byte for byte.
func TestGetIsSpelledAsInTheReference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Seed: 1, Payments: 50, Limits: Limits{Operating: 480 * time.Second}})
		q, _ := c.p.Truth(c.p.ID(0))
		r := c.call("crm.item.payment.get", fmt.Sprintf(`{"id":%d}`, q.ID))
		var got nine
		if err := json.Unmarshal(r.Result, &got); err != nil {
			t.Fatal(err)
		}
		checkNine(t, got, q)
		if keys := keyOrder(t, r.Result); !slices.Equal(keys, []string{"id", "accountNumber", "paid", "datePaid", "empPaidId", "paySystemId", "sum", "currency", "paySystemName"}) {
			t.Errorf("fields in the order %v", keys)
		}
		const want = `,"time":{"start":946684800,"finish":946684800.05,"duration":0.05,"processing":0.05,` +
			`"date_start":"2000-01-01T03:00:00+03:00","date_finish":"2000-01-01T03:00:00+03:00","operating_reset_at":946685400,"operating":0}}`
		if !strings.HasSuffix(r.raw, want) {
			t.Errorf("%s\nwant it to end in\n%s", r.raw, want)
		}
	})
}

// keyOrder returns the keys of a JSON object in their order.
func keyOrder(t *testing.T, raw []byte) (keys []string) {
	t.Helper()
	v, err := parseJSON(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range v.items {
		keys = append(keys, i.key)
	}
	return keys
}

func TestGetErrors(t *testing.T) {
	c := open(t, Options{Seed: 3, Payments: 2000, Refuse: 0.05, Rights: Rights{Deny: 0.05}})
	if r := c.call("crm.item.payment.get", `{}`); r.status != 400 || r.Error != "100" {
		t.Errorf("without an id: %s", r.raw)
	}
	if r := c.call("crm.item.payment.get", `{"id":"x"}`); r.status != 400 || r.Error != 0.0 || r.Text != "Payment has not been found" {
		t.Errorf("of no payment: %s", r.raw)
	}
	c.p.Delete(c.p.ID(7))
	spelled := map[string]int{}
	for q := range c.p.All() {
		r := c.call("crm.item.payment.get", fmt.Sprintf(`{"id":%d}`, q.ID))
		if q.Refused != (r.status != 200) || q.Refused != c.p.Refused(q.ID) {
			t.Fatalf("payment %d: refused %t, but %s", q.ID, q.Refused, r.raw)
		}
		if q.Refused {
			if r.status != 400 || r.Text != "Access denied" {
				t.Fatalf("payment %d: %s", q.ID, r.raw)
			}
			spelled[fmt.Sprint(r.Error)]++
		}
	}
	if len(spelled) != 2 || spelled["0"] == 0 || spelled["ACCESS_DENIED"] == 0 {
		t.Errorf("refusals by code: %v, want both 0 and ACCESS_DENIED", spelled)
	}
}

func TestPaymentsOfAnItem(t *testing.T) {
	c := open(t, Options{Seed: 3, Payments: 400})
	added, _ := c.p.Truth(c.p.Add(0))
	want := map[owner][]int64{}
	for q := range c.p.All() {
		own := owner{q.OwnerTypeID, q.OwnerID}
		want[own] = append(want[own], q.ID)
	}
	if added.OwnerID == 0 {
		t.Fatal("the new order is unbound: choose another seed")
	}
	delete(want, owner{})
	for own, ids := range want {
		var rows []nine
		c.result("crm.item.payment.list", fmt.Sprintf(`{"entityTypeId":%d,"entityId":%d}`, own.kind, own.id), &rows)
		var got []int64
		for _, row := range rows {
			q, _ := c.p.Truth(row.ID)
			checkNine(t, row, q)
			got = append(got, row.ID)
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Fatalf("%+v: %s", own, diff)
		}
		c.result("crm.item.payment.list", fmt.Sprintf(`{"entityTypeId":%d,"entityId":%d,"filter":{"@id":[%d]},"order":{"id":"desc"}}`, own.kind, own.id, ids[0]), &rows)
		if len(rows) != 1 || rows[0].ID != ids[0] {
			t.Fatalf("%+v filtered by id: %+v", own, rows)
		}
	}
	var rows []nine
	kind, _ := typeNumber(1050)
	if c.result("crm.item.payment.list", fmt.Sprintf(`{"entityTypeId":1050,"entityId":%d}`, c.p.data.items[kind].id(0)), &rows); len(rows) != 0 {
		t.Errorf("an item without payments has %v", rows)
	}
	for params, code := range map[string]string{
		`{"entityTypeId":2}`:                      "100",
		`{"entityId":2}`:                          "100",
		`{"entityTypeId":2,"entityId":999999999}`: "0",
		`{"entityTypeId":77,"entityId":1}`:        "0",
	} {
		if r := c.call("crm.item.payment.list", params); r.status != 400 || fmt.Sprint(r.Error) != code {
			t.Errorf("%s: %s, want code %s", params, r.raw, code)
		}
	}
	c.p.Adjust(func(o *Options) { o.Rights.Deny = 1 })
	if r := c.call("crm.item.payment.list", fmt.Sprintf(`{"entityTypeId":%d,"entityId":%d}`, added.OwnerTypeID, added.OwnerID)); r.Text != "Access denied" {
		t.Errorf("an item of a denied order: %s", r.raw)
	}
}

func TestSelectedFields(t *testing.T) {
	c := open(t, Options{Seed: 3, Payments: 10})
	for params, want := range map[string][]string{
		`{"select":["sum","id","orderId"]}`: {"id", "orderId", "sum"},
		`{"select":[]}`:                     saleFields[:],
		`{"select":["*"]}`:                  saleFields[:],
		`{}`:                                saleFields[:],
	} {
		var page struct{ Payments []json.RawMessage }
		c.result("sale.payment.list", params, &page)
		if diff := cmp.Diff(want, keyOrder(t, page.Payments[0])); diff != "" {
			t.Errorf("%s: %s", params, diff)
		}
	}
}

// item is an element of crm.item.list.
type crmItem struct {
	ID    int64
	Title string
}

func TestItems(t *testing.T) {
	c := open(t, Options{Seed: 3, Payments: 2000})
	for kind, typ := range itemTypes {
		var want, got []int64
		for n := range c.p.data.itemCount(kind) {
			want = append(want, c.p.data.items[kind].id(n))
		}
		for after := int64(0); ; {
			var page struct{ Items []crmItem }
			r := c.result("crm.item.list", fmt.Sprintf(`{"entityTypeId":%d,"filter":{">id":%d},"order":{"id":"ASC"},"select":["id","title"],"start":-1}`, typ.id, after), &page)
			if r.Total != nil {
				t.Fatalf("start -1 gives a total: %s", r.raw)
			}
			if len(page.Items) == 0 {
				break
			}
			for _, i := range page.Items {
				got, after = append(got, i.ID), i.ID
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("type %d: %s", typ.id, diff)
		}
		var page struct{ Items []crmItem }
		r := c.result("crm.item.list", fmt.Sprintf(`{"entityTypeId":%d,"start":50,"order":{"id":"desc"}}`, typ.id), &page)
		if *r.Total != int64(len(want)) {
			t.Errorf("type %d: total %d, want %d", typ.id, *r.Total, len(want))
		}
		slices.Reverse(want)
		for i, item := range page.Items {
			if item.ID != want[50+i] || !strings.HasPrefix(item.Title, typ.title) {
				t.Fatalf("type %d downward from 50: %+v, want %v", typ.id, page.Items, want[50:])
			}
		}
	}
	deals := c.p.data.items[0]
	var page struct{ Items []crmItem }
	if c.result("crm.item.list", fmt.Sprintf(`{"entityTypeId":2,"filter":{"@id":[%d,%d]}}`, deals.id(3), deals.id(70)), &page); len(page.Items) != 2 {
		t.Errorf("two by id: %+v", page.Items)
	}
	if r := c.call("crm.item.list", `{"entityTypeId":99}`); r.Error != "NOT_FOUND" {
		t.Errorf("no such type: %s", r.raw)
	}
	if r := c.call("crm.item.list", `{"entityTypeId":2,"filter":{"nope":1}}`); r.Error != "INVALID_ARG_VALUE" {
		t.Errorf("no such field: %s", r.raw)
	}
	if r := c.call("crm.item.list", `{}`); r.Error != "100" {
		t.Errorf("without a type: %s", r.raw)
	}
}

func TestTypes(t *testing.T) {
	c := open(t, Options{})
	var list struct {
		Types []struct {
			EntityTypeID      int64
			IsPaymentsEnabled string
			Title             string
		}
	}
	r := c.result("crm.type.list", `{}`, &list)
	got := map[int64]string{}
	for _, typ := range list.Types {
		got[typ.EntityTypeID] = typ.IsPaymentsEnabled
	}
	if diff := cmp.Diff(map[int64]string{128: "Y", 142: "Y", 1050: "N"}, got); diff != "" || *r.Total != 3 {
		t.Errorf("types: %s, total %d", diff, *r.Total)
	}
}

func TestSystemMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{User: 12, Rights: Rights{Scopes: []string{"crm"}}})
		var scopes []string
		if c.result("scope", ``, &scopes); !slices.Equal(scopes, []string{"crm"}) {
			t.Errorf("scope: %v", scopes)
		}
		if c.result("scope", `{"full":true}`, &scopes); len(scopes) < 4 {
			t.Errorf("scope full: %v", scopes)
		}
		var who struct {
			ID    string
			Admin bool `json:"ADMIN"`
		}
		if c.result("profile", ``, &who); who.ID != "12" || !who.Admin {
			t.Errorf("profile: %+v", who)
		}
		for name, want := range map[string]string{
			"crm.item.payment.get": `{"isExisting":true,"isAvailable":true}`,
			"sale.payment.list":    `{"isExisting":true,"isAvailable":false}`,
			"no.such":              `{"isExisting":false,"isAvailable":false}`,
		} {
			if r := c.call("method.get", `{"name":"`+name+`"}`); string(r.Result) != want {
				t.Errorf("method.get %s: %s, want %s", name, r.Result, want)
			}
		}
		var at string
		if c.result("server.time", ``, &at); at != "2000-01-01T03:00:00+03:00" {
			t.Errorf("server.time: %s", at)
		}
		if r := c.call("app.info", ``); r.Error != "ACCESS_DENIED" || r.status != 400 {
			t.Errorf("app.info by a webhook: %s", r.raw)
		}
	})
}

func TestScopesAndRights(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		method  string
		status  int
		code    string
	}{
		{"no scope", Options{Rights: Rights{Scopes: []string{"crm"}}}, "sale.payment.list", 403, "insufficient_scope"},
		{"no crm", Options{Rights: Rights{Scopes: []string{"sale"}}}, "crm.item.payment.get", 403, "insufficient_scope"},
		{"not an administrator", Options{Rights: Rights{NotAdmin: true}}, "sale.payment.list", 400, "200040300010"},
		{"nor for orders", Options{Rights: Rights{NotAdmin: true}}, "sale.order.list", 400, "200040300010"},
		{"no bindings", Options{Rights: Rights{NoBindings: true}}, "crm.orderentity.list", 400, "200040300010"},
		{"no plan", Options{State: StateNoPlan}, "profile", 403, "ACCESS_DENIED"},
		{"blocked", Options{State: StateBlocked}, "profile", 503, "OVERLOAD_LIMIT"},
		{"closed", Options{State: StateClosed}, "profile", 500, "PORTAL_DELETED"},
		{"no user", Options{State: StateNoUser}, "profile", 403, "user_access_error"},
		{"no right", Options{State: StateNoRight}, "profile", 403, "INVALID_CREDENTIALS"},
		{"events by a webhook", Options{}, "event.offline.get", 403, "WRONG_AUTH_TYPE"},
		{"an older portal", Options{State: StateClosed, Errors200: true}, "profile", 200, "PORTAL_DELETED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := open(t, test.options)
			if r := c.call(test.method, `{"id":1}`); r.status != test.status || r.Error != test.code {
				t.Errorf("%s: %d %s, want %d %s", test.method, r.status, r.raw, test.status, test.code)
			}
			if test.options.State != "" {
				return
			}
			b := c.batch("a", test.method+"?id=1")
			if got := fmt.Sprint(b.Errors["a"].Error); b.status != 200 || got != test.code {
				t.Errorf("in a batch: %d, %s", b.status, b.failure.raw)
			}
		})
	}
}

func TestWrongSecretsAndAddresses(t *testing.T) {
	c := open(t, Options{Secret: "right", RequireHTTPS: true})
	for url, want := range map[string]string{
		"https://h/rest/1/right/profile":  "200 ",
		"https://h/rest/1/right/profile/": "200 ",
		"https://h/rest/1/wrong/profile":  "401 NO_AUTH_FOUND",
		"https://h/rest/2/right/profile":  "401 NO_AUTH_FOUND",
		"https://h/rest/profile":          "401 NO_AUTH_FOUND",
		"https://h/elsewhere":             "404 html",
	} {
		status, data, err := c.send(t.Context(), url, `{}`)
		if err != nil {
			t.Fatal(err)
		}
		var r reply
		if json.Unmarshal(data, &r) != nil {
			r.Error = "html"
		}
		got := fmt.Sprint(status, " ")
		if r.Error != nil {
			got += fmt.Sprint(r.Error)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
	var strict recorder
	c.p.Adjust(func(o *Options) { o.Strict = &strict })
	status, data, _ := c.send(t.Context(), "http://h/rest/1/right/profile", `{}`)
	if status != 400 || !strings.Contains(string(data), "INVALID_REQUEST") || len(strict.list) != 1 {
		t.Errorf("plain HTTP: %d %s, reported %q", status, data, strict.list)
	}
}

func TestMovedPortal(t *testing.T) {
	c := open(t, Options{MovedTo: "https://new.example"})
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req := newRequest(t, c.base+"profile?x=1", "application/json", "{}")
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	want := strings.Replace(c.base, "acme.example", "new.example", 1) + "profile?x=1"
	if got := resp.Header.Get("Location"); resp.StatusCode != 302 || got != want {
		t.Errorf("status %d to %q, want 302 to %q", resp.StatusCode, got, want)
	}
	c.base = strings.Replace(c.base, "acme.example", "new.example", 1)
	if r := c.call("profile", "{}"); r.status != 200 {
		t.Errorf("at the new address: %s", r.raw)
	}
}
