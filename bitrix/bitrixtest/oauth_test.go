package bitrixtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

type pair struct {
	AccessToken    string `json:"access_token"`
	RefreshToken   string `json:"refresh_token"`
	Expires        int64
	ExpiresIn      int64  `json:"expires_in"`
	ClientEndpoint string `json:"client_endpoint"`
	Error          string
}

// application is a client of the authorization server and, with its token, of the
// portal.
type application struct {
	*client
	pair
}

func openApp(t *testing.T, o Options) *application {
	t.Helper()
	o.OAuth.ClientID, o.OAuth.ClientSecret = "app.1", "hush"
	a := &application{client: open(t, o)}
	a.base = "https://acme.example/rest/"
	a.RefreshToken = a.p.RefreshToken()
	return a
}

func (a *application) token(values ...string) (int, pair) {
	a.t.Helper()
	form := url.Values{"client_id": {"app.1"}, "client_secret": {"hush"}}
	for i := 0; i < len(values); i += 2 {
		form.Set(values[i], values[i+1])
	}
	req := newRequest(a.t, "https://acme.example/oauth/token/", "application/x-www-form-urlencoded", form.Encode())
	resp, err := a.http.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	var p pair
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, p
}

func (a *application) refresh() {
	a.t.Helper()
	status, p := a.token("grant_type", "refresh_token", "refresh_token", a.RefreshToken)
	if status != 200 || p.AccessToken == "" || p.RefreshToken == a.RefreshToken {
		a.t.Fatalf("refresh: %d %+v", status, p)
	}
	a.pair = p
}

func (a *application) do(method string, params map[string]any) reply {
	a.t.Helper()
	if params == nil {
		params = map[string]any{}
	}
	params["auth"] = a.AccessToken
	body, err := json.Marshal(params)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.call(method, string(body))
}

func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := openApp(t, Options{Seed: 1, User: 5})
		if r := a.do("profile", nil); r.status != 401 || r.Error != "NO_AUTH_FOUND" {
			t.Errorf("without a token: %s", r.raw)
		}
		a.AccessToken = "made up"
		if r := a.do("profile", nil); r.status != 401 || r.Error != "invalid_token" {
			t.Errorf("with another's token: %s", r.raw)
		}
		first := a.RefreshToken
		a.refresh()
		if a.ExpiresIn != 3600 || a.Expires != time.Now().Unix()+3600 || a.ClientEndpoint != "https://acme.example/rest/" {
			t.Errorf("the pair %+v", a.pair)
		}
		if status, p := a.token("grant_type", "refresh_token", "refresh_token", first); status != 400 || p.Error != "invalid_grant" {
			t.Errorf("a refresh token twice: %d %+v", status, p)
		}
		<-time.After(time.Hour - time.Nanosecond)
		if r := a.do("profile", nil); r.status != 200 {
			t.Errorf("a nanosecond before an hour: %s", r.raw)
		}
		<-time.After(time.Nanosecond)
		if r := a.do("profile", nil); r.status != 401 || r.Error != "expired_token" {
			t.Errorf("after an hour: %s", r.raw)
		}
		a.refresh()
		if r := a.do("profile", nil); r.status != 200 {
			t.Errorf("refreshed: %s", r.raw)
		}
		if a.p.RefreshToken() != a.RefreshToken || a.p.Stats().Refreshes != 2 {
			t.Error("the portal's refresh token is another one")
		}
		a.p.ExpireTokens()
		if r := a.do("profile", nil); r.Error != "expired_token" {
			t.Errorf("expired by hand: %s", r.raw)
		}
		if status, p := a.token("grant_type", "authorization_code", "code", a.p.AuthCode()); status != 200 || p.RefreshToken == "" {
			t.Errorf("a code: %d %+v", status, p)
		}
	})
}

func TestTokenErrors(t *testing.T) {
	a := openApp(t, Options{})
	code := a.p.AuthCode()
	for _, test := range []struct {
		name   string
		values []string
		status int
		want   string
	}{
		{"no grant", nil, 400, "invalid_request"},
		{"no such grant", []string{"grant_type", "password"}, 400, "invalid_request"},
		{"no client", []string{"grant_type", "refresh_token", "client_id", ""}, 400, "invalid_request"},
		{"another client", []string{"grant_type", "refresh_token", "client_id", "x"}, 401, "invalid_client"},
		{"a wrong secret", []string{"grant_type", "refresh_token", "client_secret", "x"}, 401, "invalid_client"},
		{"a wrong refresh token", []string{"grant_type", "refresh_token", "refresh_token", "x"}, 400, "invalid_grant"},
		{"a wrong code", []string{"grant_type", "authorization_code", "code", "x"}, 400, "invalid_grant"},
		{"a code", []string{"grant_type", "authorization_code", "code", code}, 200, ""},
		{"a code again", []string{"grant_type", "authorization_code", "code", code}, 400, "invalid_grant"},
	} {
		if status, p := a.token(test.values...); status != test.status || p.Error != test.want {
			t.Errorf("%s: %d %+v, want %d %s", test.name, status, p, test.status, test.want)
		}
	}
}

// Tokens may be refreshed only after the portal has reported that they expired.
func TestEarlyRefresh(t *testing.T) {
	var strict recorder
	a := openApp(t, Options{Strict: &strict})
	a.refresh()
	a.refresh()
	if len(strict.list) != 1 || !strings.Contains(strict.list[0], "without an expired_token") {
		t.Errorf("reported %q", strict.list)
	}
}

func TestTokensExpireByUse(t *testing.T) {
	a := openApp(t, Options{OAuth: OAuth{ExpireAfter: 3, Life: time.Minute, Endpoint: "https://elsewhere/rest/"}})
	for round := range 3 {
		a.refresh()
		for n := range 3 {
			if r := a.do("profile", nil); r.status != 200 {
				t.Fatalf("round %d, use %d: %s", round, n, r.raw)
			}
		}
		if r := a.do("profile", nil); r.Error != "expired_token" {
			t.Fatalf("round %d: %s", round, r.raw)
		}
	}
	if a.ExpiresIn != 60 || a.ClientEndpoint != "https://elsewhere/rest/" {
		t.Errorf("the pair %+v", a.pair)
	}
}

func TestNoApplication(t *testing.T) {
	c := open(t, Options{})
	a := &application{client: c}
	if status, p := a.token("grant_type", "refresh_token", "refresh_token", c.p.RefreshToken()); status != http.StatusUnauthorized || p.Error != "invalid_client" {
		t.Errorf("%d %+v", status, p)
	}
}

type offline struct {
	ProcessID *string `json:"process_id"`
	Events    []struct {
		ID        string
		Name      string                              `json:"EVENT_NAME"`
		Data      struct{ Fields struct{ ID int64 } } `json:"EVENT_DATA"`
		MessageID string                              `json:"MESSAGE_ID"`
	}
}

func (o offline) payments() (ids []int64) {
	for _, e := range o.Events {
		ids = append(ids, e.Data.Fields.ID)
	}
	return ids
}

func TestOfflineEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := openApp(t, Options{Seed: 1, Payments: 300})
		a.refresh()
		result := func(method string, params map[string]any, v any) {
			t.Helper()
			r := a.do(method, params)
			if r.status != 200 {
				t.Fatalf("%s: %s", method, r.raw)
			}
			if err := json.Unmarshal(r.Result, v); err != nil {
				t.Fatal(err)
			}
		}
		tick := func() { <-time.After(time.Second) }
		first, second, third := a.p.ID(10), a.p.ID(20), a.p.ID(30)
		a.p.Touch(1 << 40)
		change := func(id int64) {
			if !a.p.Pay(id) {
				a.p.Unpay(id)
			}
			tick()
		}
		change(first) // before an event is bound: not queued
		var ok bool
		for _, event := range []string{"OnPaymentEntitySaved", "ONPAYMENTDELETED"} {
			if result("event.bind", map[string]any{"event": event, "event_type": "offline"}, &ok); !ok {
				t.Fatal("event.bind gave false")
			}
		}
		var handlers []struct {
			Event   string
			Offline int
		}
		if result("event.get", nil, &handlers); len(handlers) != 2 || handlers[0].Event != eventSaved || handlers[0].Offline != 1 {
			t.Errorf("handlers %+v", handlers)
		}
		change(first)
		change(second)
		change(first) // the same again: only its date changes
		q, _ := a.p.Truth(third)
		a.p.Touch(q.OrderID)
		a.p.Delete(third)
		if n := a.p.Queued(); n != 3 {
			t.Errorf("%d events are queued, want 3", n)
		}
		var got offline
		result("event.offline.list", nil, &got.Events)
		if fmt.Sprint(got.payments()) != fmt.Sprint([]int64{first, second, third}) {
			t.Errorf("listed %v", got.payments())
		}
		if result("event.offline.get", map[string]any{"clear": 0, "limit": 2}, &got); got.ProcessID == nil || fmt.Sprint(got.payments()) != fmt.Sprint([]int64{second, first}) {
			t.Fatalf("reserved %+v, want %d and %d, oldest first", got, second, first)
		}
		process := *got.ProcessID
		change(second) // a new event besides the reserved one
		var rest offline
		if result("event.offline.get", map[string]any{"clear": 0}, &rest); fmt.Sprint(rest.payments()) != fmt.Sprint([]int64{third, second}) || *rest.ProcessID == process {
			t.Errorf("the rest %+v", rest)
		}
		if rest.Events[0].Name != eventDeleted {
			t.Errorf("the deleted one is %s", rest.Events[0].Name)
		}
		// The process can read reserved events again until they are cleared.
		var again offline
		if result("event.offline.get", map[string]any{"clear": 0, "process_id": process}, &again); fmt.Sprint(again.payments()) != fmt.Sprint(got.payments()) {
			t.Errorf("again %v, want %v", again.payments(), got.payments())
		}
		result("event.offline.clear", map[string]any{"process_id": process, "id": []string{got.Events[0].ID}}, &ok)
		result("event.offline.get", map[string]any{"clear": 0, "process_id": process}, &again)
		if len(again.Events) != 1 || a.p.Queued() != 3 {
			t.Errorf("one was cleared: %v left of the process, %d queued", again.payments(), a.p.Queued())
		}
		result("event.offline.clear", map[string]any{"process_id": process, "message_id": []string{got.Events[1].MessageID}}, &ok)
		result("event.offline.clear", map[string]any{"process_id": *rest.ProcessID}, &ok)
		if a.p.Queued() != 0 {
			t.Errorf("%d events are left", a.p.Queued())
		}
		change(first)
		if result("event.offline.get", map[string]any{"filter": map[string]any{"=EVENT_NAME": eventDeleted}}, &got); len(got.Events) != 0 {
			t.Errorf("filtered: %v", got.payments())
		}
		got.ProcessID = nil
		if result("event.offline.get", nil, &got); len(got.Events) != 1 || got.ProcessID != nil || a.p.Queued() != 0 {
			t.Errorf("cleared as read: %+v, %d left", got, a.p.Queued())
		}
		// Handlers with an address can be bound too, but nothing is sent to them.
		if r := a.do("event.bind", map[string]any{"event": eventSaved}); r.Error != "100" {
			t.Errorf("without a handler: %s", r.raw)
		}
		result("event.bind", map[string]any{"event": eventSaved, "handler": "https://h/x"}, &ok)
		if r := a.do("event.get", nil); !strings.Contains(r.raw, `"handler":"https:\/\/h\/x","auth_type":"0","offline":0`) {
			t.Errorf("handlers %s", r.raw)
		}
		for _, filter := range []map[string]any{
			{">ID": 0}, {">=TIMESTAMP_X": "1999-01-01T00:00:00+00:00", "!=EVENT_NAME": eventDeleted}, {"!MESSAGE_ID": "x"},
		} {
			change(first)
			if result("event.offline.get", map[string]any{"filter": filter}, &got); len(got.Events) != 1 {
				t.Errorf("filtered by %v: %v", filter, got.payments())
			}
		}
		var count struct{ Count int }
		if result("event.unbind", map[string]any{"event": eventSaved, "event_type": "offline"}, &count); count.Count != 1 {
			t.Errorf("unbound %d", count.Count)
		}
		change(first)
		if a.p.Queued() != 0 {
			t.Error("an unbound event is queued")
		}
		for _, method := range []string{"event.bind", "event.unbind"} {
			if r := a.do(method, map[string]any{"event": "ONCRMLEADADD", "event_type": "offline"}); r.Error != "ERROR_EVENT_NOT_FOUND" {
				t.Errorf("another event: %s", r.raw)
			}
		}
		if r := a.do("event.offline.clear", nil); r.Error != "100" {
			t.Errorf("clear without a process: %s", r.raw)
		}
		var info struct {
			License string `json:"LICENSE_FAMILY"`
		}
		a.p.Adjust(func(o *Options) { o.Plan = PlanEnterprise })
		if result("app.info", nil, &info); info.License != "ent" {
			t.Errorf("app.info: %+v", info)
		}
		a.p.Adjust(func(o *Options) { o.Rights.NotAdmin = true })
		for _, method := range []string{"event.offline.get", "event.offline.list", "event.offline.clear", "event.bind"} {
			if r := a.do(method, map[string]any{"event": eventSaved, "event_type": "offline"}); r.status != 403 || r.Error != "ACCESS_DENIED" {
				t.Errorf("%s by no administrator: %s", method, r.raw)
			}
		}
	})
}
