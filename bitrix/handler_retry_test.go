package bitrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestRetries(t *testing.T) {
	const good = `{"result":1}`
	for _, tt := range []struct {
		name     string
		answers  []string
		attempts int
		code     string        // of the error, "" for none
		min, max time.Duration // how long it took
	}{
		{"at once", []string{good}, 1, "", 0, 0},
		{"after HTML", []string{"502 <html>", good}, 2, "", 250 * time.Millisecond, 750 * time.Millisecond},
		{"a page with 401 that stays", []string{"401 <html>"}, 5, CodeBadAnswer, 3750 * time.Millisecond, 11250 * time.Millisecond},
		{"a page with 403 that stays", []string{"403 <html>"}, 5, CodeBadAnswer, 3750 * time.Millisecond, 11250 * time.Millisecond},
		{"a page with 404 that stays", []string{"404 <html>"}, 5, CodeBadAnswer, 3750 * time.Millisecond, 11250 * time.Millisecond},
		{"a page with 404 that passes", []string{"404 <html>", "404 <html>", "404 <html>", "404 <html>", good}, 5, "", 3750 * time.Millisecond, 11250 * time.Millisecond},
		{"after the portal stumbled", []string{`500 {"error":"INTERNAL_SERVER_ERROR"}`, `200 {"error":"ERROR_UNEXPECTED_ANSWER"}`, good}, 3, "", 750 * time.Millisecond, 2250 * time.Millisecond},
		{"a slow one", []string{`504 <html>`, good}, 2, "", 250 * time.Millisecond, 750 * time.Millisecond},
		{"an unknown code that passes", []string{`400 {"error":"NEW"}`, `400 {"error":"NEWER"}`, good}, 3, "", 750 * time.Millisecond, 2250 * time.Millisecond},
		{"an unknown code that stays", []string{`400 {"error":"NEW"}`}, 3, "NEW", 750 * time.Millisecond, 2250 * time.Millisecond},
		{"a reject", []string{`400 {"error":0,"error_description":"Access denied"}`}, 1, "0", 0, 0},
		{"a stop", []string{`401 {"error":"NO_AUTH_FOUND"}`}, 1, "NO_AUTH_FOUND", 0, 0},
		{"blocked by the vendor", []string{`503 {"error":"OVERLOAD_LIMIT"}`}, 1, "OVERLOAD_LIMIT", 0, 0},
		{"an expired token", []string{`401 {"error":"expired_token"}`}, 1, "expired_token", 0, 0},
		{"to be called singly, although it was", []string{`405 {"error":"ERROR_BATCH_METHOD_NOT_ALLOWED"}`}, 1, "ERROR_BATCH_METHOD_NOT_ALLOWED", 0, 0},
		{"the rate limit: no pause but the next token", []string{`503 {"error":"QUERY_LIMIT_EXCEEDED"}`, good}, 2, "", time.Second, time.Second},
		{"the budget: half of the window", []string{`429 {"error":"OPERATION_TIME_LIMIT"}`, good}, 2, "", 5*time.Minute + 600*time.Millisecond, 5*time.Minute + 600*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(t, says(tt.answers...), Options{Limits: Limits{Rate: 2, Burst: 50}})
				start := time.Now()
				r, err := c.Call(t.Context(), "a.b", nil)
				took := time.Since(start)
				e, _ := errors.AsType[*Error](err)
				if (err == nil) != (tt.code == "") || err != nil && e.Code != tt.code {
					t.Errorf("error %v, want code %q", err, tt.code)
				}
				if r.Attempts != tt.attempts || took < tt.min || took > tt.max {
					t.Errorf("%d attempts in %v, want %d in %v to %v", r.Attempts, took, tt.attempts, tt.min, tt.max)
				}
				if u := c.Use(); u.Requests != int64(tt.attempts) || u.Retries != int64(tt.attempts-1) {
					t.Errorf("use %+v", u)
				}
			})
		})
	}
}

// TestPatience: a temporary problem that does not end fails when patience is exhausted,
// and not before. Waits for limits do not count.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer string
		took   time.Duration // for each request
		min    time.Duration
		max    time.Duration
	}{
		{"quick failures", "502 <html>", 0, 10 * time.Minute, 10 * time.Minute},
		{"slow failures", "502 <html>", 20 * time.Second, 10 * time.Minute, 10*time.Minute + 20*time.Second},
		{"limits for ever", `503 {"error":"QUERY_LIMIT_EXCEEDED"}`, 0, 20 * time.Minute, 21 * time.Minute},
		{"a budget that is never given", `429 {"error":"OPERATION_TIME_LIMIT"}`, 0, 20 * time.Minute, 31 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(t, portal(func(*http.Request) (*http.Response, error) {
					after(tt.took)
					return reply(tt.answer), nil
				}), Options{Patience: 10 * time.Minute, Limits: Limits{Rate: 2, Burst: 50}})
				start := time.Now()
				_, err := c.Call(t.Context(), "a.b", nil)
				if took := time.Since(start); !errors.Is(err, ErrPatience) || took < tt.min || took > tt.max {
					t.Errorf("%v after %v, want patience to run out after %v to %v", err, took, tt.min, tt.max)
				}
				if e, ok := errors.AsType[*Error](err); !ok || e.Method != "a.b" {
					t.Errorf("%v does not tell its cause", err)
				}
			})
		})
	}
}

// TestLimitsCostNoPatience: the minutes of waiting for budgets do not count.
func TestLimitsCostNoPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answers []string
		for range 3 {
			answers = append(answers, `429 {"error":"OPERATION_TIME_LIMIT"}`, "502 <html>")
		}
		c := clientOf(t, says(append(answers, `{"result":1}`)...), Options{Patience: 4 * time.Minute, Limits: Limits{Rate: 2, Burst: 50}})
		start := time.Now()
		r, err := c.Call(t.Context(), "a.b", nil)
		if took := time.Since(start); err != nil || r.Attempts != 7 || took < 7*time.Minute {
			t.Errorf("%d attempts, error %v, after %v", r.Attempts, err, took)
		}
	})
}

// TestPausesGrow: pauses grow from half a second to half a minute, with a random part.
func TestPausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatience(time.Hour)
		cause := &Error{Code: CodeNoAnswer}
		for i := range 12 {
			mean := min(500*time.Millisecond<<i, 30*time.Second)
			start := time.Now()
			if err := p.pause(t.Context(), cause); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < mean/2 || took > min(mean*3/2, 30*time.Second) {
				t.Errorf("pause %d took %v, want %v, give or take half", i, took, mean)
			}
		}
		p.restore()
		start := time.Now()
		if err := p.pause(t.Context(), cause); err != nil || time.Since(start) > 750*time.Millisecond {
			t.Errorf("after a success: %v, error %v", time.Since(start), err)
		}
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(gone)
		if err := p.pause(ctx, cause); err != gone {
			t.Errorf("error %v, want the context's cause", err)
		}
	})
}

// TestEachAttemptPays: with a token per second and a burst of one, attempts are not
// faster, and another call can use the token during a pause.
func TestEachAttemptPays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []string
		n := 0
		c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
			at = append(at, fmt.Sprint(time.Since(start).Round(time.Microsecond)))
			if n++; n <= 3 {
				return reply("502 <html>"), nil
			}
			return reply(`{"result":1}`), nil
		}), Options{Limits: Limits{Rate: 0.1, Burst: 1}})
		if _, err := c.Call(t.Context(), "a.b", nil); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(at); got != "[0s 10s 20s 30s]" {
			t.Errorf("attempts at %s", got)
		}
	})
}

func TestCallChecks(t *testing.T) {
	c := clientOf(t, says(`{"result":1}`), Options{})
	for _, method := range []string{"", "a/b", "../x", "a?b", "a b"} {
		if _, err := c.Call(t.Context(), method, nil); err == nil {
			t.Errorf("method %q was called", method)
		}
	}
	if _, err := c.Call(t.Context(), "a.b", Params{"x": 1.5}); err == nil {
		t.Error("a float was sent")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := clientOf(t, portal(func(r *http.Request) (*http.Response, error) { return nil, r.Context().Err() }), Options{}).Call(ctx, "a.b", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if u := c.Use(); u.Requests != 0 {
		t.Errorf("%d requests", u.Requests)
	}
}

// TestEndedByAnotherCallsError: a context that ends because of an error of the portal
// ends a call with that error, whatever its class. It does not count as an answer.
func TestEndedByAnotherCallsError(t *testing.T) {
	for _, code := range []string{CodeQueryLimit, CodeOperatingLimit, CodeInternal, CodeBatchLength, CodeMethodNotAllowed, CodeExpiredToken, CodeNoAuth} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			cause := exhausted(time.Minute, &Error{Code: code, where: inBatch})
			n := 0
			c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
				n++
				cancel(cause)
				return nil, r.Context().Err()
			}), Options{})
			start := time.Now()
			_, err := c.Batch(ctx, []Command{{Key: "a", Method: "a.b"}, {Key: "b", Method: "a.b"}})
			if !errors.Is(err, ErrPatience) || n != 1 || time.Since(start) > 0 {
				t.Errorf("%s: error %v after %d requests in %v, want the cause at once", code, err, n, time.Since(start))
			}
			if u := c.Use(); u.Refused != 0 || u.Retries != 0 {
				t.Errorf("%s: use %+v", code, u)
			}
		})
	}
}
