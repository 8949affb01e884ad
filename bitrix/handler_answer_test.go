package bitrix

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// readOnce passes an answer to the layer that reads it.
func readOnce(x *exchange, g *governor, a *answer) (*answer, error) {
	a.ticket = &ticket{needs: x.needs, sent: a.received.Add(-time.Second)}
	return readAnswers(g, Secret(testSecret), &counters{}, func(context.Context, *exchange) (*answer, error) {
		return a, nil
	})(context.Background(), x)
}

func TestErrorsFromBodies(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name, body string
		status     int
		took       time.Duration
		code, text string
	}{
		{"an error", `{"error":"NO_AUTH_FOUND","error_description":"Wrong authorization data"}`, 401, 0, "NO_AUTH_FOUND", "Wrong authorization data"},
		{"an error with status 200", `{"error":"NO_AUTH_FOUND","error_description":"x"}`, 200, 0, "NO_AUTH_FOUND", "x"},
		{"a number", `{"error":0,"error_description":"Access denied"}`, 400, 0, "0", "Access denied"},
		{"the secret in it", `{"error":"X","error_description":"no ` + testSecret + `"}`, 400, 0, "X", "no ***"},
		{"HTML", "<!DOCTYPE html>\n<h1>Bad Gateway</h1>", 502, 0, CodeBadAnswer, "HTML instead of JSON: <!DOCTYPE html> <h1>Bad Gateway</h1>"},
		{"HTML with status 200", "  <html>", 200, 0, CodeBadAnswer, "HTML instead of JSON: <html>"},
		{"HTML, after a while", "<html>", 502, time.Minute, CodeTimeout, "HTML"},
		{"a gate's timeout", "<html>", 504, 0, CodeTimeout, "HTML"},
		{"a gate's own limit", "", 429, 0, CodeQueryLimit, ""},
		{"JSON that is cut", `{"result":{"a"`, 200, 0, CodeBadAnswer, "EOF"},
		{"nothing", "", 200, 0, CodeBadAnswer, "EOF"},
		{"another shape", `{"answer":42}`, 200, 0, CodeBadAnswer, "shape"},
		{"a result with an error's status", `{"result":1}`, 500, 0, CodeBadAnswer, "neither"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := &exchange{method: "a.b", where: inCall}
			a := &answer{status: tt.status, body: []byte(tt.body), ticket: &ticket{sent: now}, received: now.Add(tt.took)}
			e := x.read(a, Secret(testSecret))
			if e == nil || e.Code != tt.code || e.Status != tt.status || e.Method != "a.b" || !strings.Contains(e.Description, tt.text) {
				t.Errorf("got %+v, want code %s with %q", e, tt.code, tt.text)
			}
		})
	}
}

// TestFiguresReachTheGovernor: the figures of an answer are recorded for the methods
// that they are about.
func TestFiguresReachTheGovernor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, says(`{"result":{"result":{"a":1,"b":2,"l":[]},"result_error":{"c":{"error":"OPERATION_TIME_LIMIT"}},
			"result_time":{"a":{"processing":0.5,"operating":7,"operating_reset_at":946684900},"b":{"duration":1.5,"operating":8,"operating_reset_at":946684900},
			"l":{"start":5,"finish":5.25,"operating":0.5}}},
			"time":{"start":946684800,"finish":946684802.25,"operating":3}}`), Options{Limits: Limits{Operating: 100 * time.Second}})
		now := time.Now() // 2000-01-01 UTC: 946684800
		x, err := newBatch([]Command{{Key: "a", Method: "get"}, {Key: "b", Method: "get"}, {Key: "c", Method: "get"}, {Key: "l", Method: "list"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		got := map[string]MethodGauge{}
		for _, m := range c.Gauge().Methods {
			got[m.Method] = m
		}
		// The refused get uses up what the counter did not show.
		if m := got["get"]; !m.Blocked || m.Used != 50*time.Second || m.ResetAt.Before(now.Add(97*time.Second)) {
			t.Errorf("get: %+v", m)
		}
		if m := got["list"]; m.Blocked || m.Used != 750*time.Millisecond || !m.ResetAt.IsZero() {
			t.Errorf("list: %+v, want 0.5 s and 0.25 s more", m)
		}
		if m := got[MethodBatch]; m.Used != 5250*time.Millisecond {
			t.Errorf("batch: %+v, want 3 s and what the commands cost", m)
		}
		if u := c.Use(); u.OverBudget != 1 {
			t.Errorf("use %+v", u)
		}
		g := c.governor
		g.budgets.mu.Lock()
		defer g.budgets.mu.Unlock()
		if mean := g.budgets.account("get").mean; mean != 1 {
			t.Errorf("a get costs %v s, want 1", mean)
		}
	})
}

// A reset later than the window is invalid: no basket is that new.
func TestResetBehindTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, says(`{"result":{"result":{"a":1},"result_error":{"b":{"error":"OPERATION_TIME_LIMIT"}},
			"result_time":{"a":{"processing":0.5,"operating":7,"operating_reset_at":999999999}}},
			"time":{"start":946684800,"finish":946684802.25}}`), Options{Limits: Limits{Operating: 100 * time.Second}})
		now := time.Now()
		x, err := newBatch([]Command{{Key: "a", Method: "get"}, {Key: "b", Method: "get"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		for _, m := range c.Gauge().Methods {
			if m.Method == "get" && (!m.Blocked || m.ResetAt.After(now.Add(11*time.Minute))) {
				t.Errorf("%+v", m)
			}
		}
	})
}

// A portal that always reports 0 has no counter. Its refusals are then the measure, as
// on portals without reports.
func TestConstantCounter(t *testing.T) {
	now := time.Now()
	a := &account{budget: 100 * time.Second, window: 10 * time.Minute, clock: new(clock)}
	for i := range 30 {
		at := now.Add(time.Duration(i) * time.Second)
		a.start(at, &stake{account: a, method: "get", commands: 1}, false)
		a.report(0, time.Time{}, at)
		a.end(at, at, a.flying[0], 1, 1)
		if i == 2 && !a.counted {
			t.Error("a few seconds may not be booked yet")
		}
	}
	if a.counted {
		t.Error("30 s were used, the portal says 0, and it is believed")
	}
	a.report(5, time.Time{}, now.Add(time.Minute))
	if !a.counted {
		t.Error("it has a counter after all")
	}
}

// TestInstantsOfAnswers: what an answer shows about the portal's clock.
func TestInstantsOfAnswers(t *testing.T) {
	date := time.Unix(2_000_000, 0)
	for _, tt := range []struct {
		name          string
		start, finish float64
		date          time.Time
		wantStart     time.Time
		wantFinish    time.Time
	}{
		{"both", 1_999_999.5, 2_000_000.25, date, date.Add(-time.Second / 2), date.Add(time.Second / 4)},
		{"only a finish", math.NaN(), 2_000_000.25, date, time.Time{}, date.Add(time.Second / 4)},
		{"only the header's date, which is cut", math.NaN(), math.NaN(), date, date.Add(time.Second), date},
		{"nonsense", -5, 1e300, time.Time{}, time.Time{}, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGovernor(Limits{}, quiet)
			defer g.close()
			x := &exchange{method: "a.b", where: inCall}
			a := &answer{ticket: &ticket{}, date: tt.date, wire: wireAnswer{time: noTime}}
			a.wire.time.start, a.wire.time.finish = tt.start, tt.finish
			x.feedBack(g, a, &counters{})
			if got := a.ticket; !got.start.Equal(tt.wantStart) || !got.finish.Equal(tt.wantFinish) {
				t.Errorf("from %v to %v, want %v to %v", got.start, got.finish, tt.wantStart, tt.wantFinish)
			}
		})
	}
}

func TestReadAnswersPassesOn(t *testing.T) {
	g := newGovernor(Limits{}, quiet)
	defer g.close()
	x := &exchange{method: "a.b", where: inCall, needs: []need{{"a.b", 1}}}
	a, err := readOnce(x, g, &answer{status: 200, body: []byte(`{"result":[1]}`), received: time.Now()})
	if err != nil || string(a.wire.result) != `[1]` {
		t.Errorf("answer %+v, error %v", a, err)
	}
	gone := errors.New("gone")
	_, err = readAnswers(g, Secret(testSecret), &counters{}, func(context.Context, *exchange) (*answer, error) { return nil, gone })(t.Context(), x)
	if err != gone {
		t.Errorf("error %v", err)
	}
}

// TestPageThatQuotesTheSecret: no part of a secret gets into the error for a page, wherever
// the page's text is cut.
func TestPageThatQuotesTheSecret(t *testing.T) {
	g := newGovernor(Limits{}, quiet)
	defer g.close()
	for n := range descriptionLimit + 20 {
		x := &exchange{method: "a.b", where: inCall, needs: []need{{"a.b", 1}}}
		page := "<p>" + strings.Repeat("x", n) + "/rest/1/" + testSecret + "/a.b {</p>"
		_, err := readOnce(x, g, &answer{status: 502, body: []byte(page), received: time.Now()})
		if err == nil || strings.Contains(err.Error(), testSecret[:1+len(testSecret)/2]) {
			t.Fatalf("after %d characters: %v", n, err)
		}
	}
}
