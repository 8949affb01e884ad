package bitrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func gets(n int) []Command {
	cmds := make([]Command, n)
	for i := range cmds {
		cmds[i] = Command{Key: fmt.Sprintf("p%d", i), Method: "get", Params: Params{"id": i}}
	}
	return cmds
}

// scripted answers the commands of batches one by one. f returns a result or an error
// as raw JSON, or neither, for the n-th occurrence of a command.
type scripted struct {
	t     testing.TB
	f     func(c sentCommand, n int) (result, err string)
	mu    sync.Mutex
	times map[string]int
	sizes []int // commands of each request, 0 for a single call
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	cmds := commandsOf(s.t, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times == nil {
		s.times = map[string]int{}
	}
	s.sizes = append(s.sizes, len(cmds))
	if cmds == nil {
		method := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		s.times[method]++
		result, err := s.f(sentCommand{method: method}, s.times[method])
		if err != "" {
			return reply("400 " + err), nil
		}
		return reply(`{"result":` + result + `}`), nil
	}
	results, errs := map[string]string{}, map[string]string{}
	for _, c := range cmds {
		s.times[c.key]++
		result, err := s.f(c, s.times[c.key])
		if result != "" {
			results[c.key] = result
		}
		if err != "" {
			errs[c.key] = err
		}
	}
	return batchReply(results, errs), nil
}

func TestBatchOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{t: t, f: func(c sentCommand, _ int) (string, string) { return `{"id":` + c.param("id") + `}`, "" }}
		c := clientOf(t, s, Options{})
		results, err := c.Batch(t.Context(), gets(120))
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if want := fmt.Sprintf(`{"id":%d}`, i); string(r.Value) != want || r.Err != nil || r.Attempts != 1 || r.Total != -1 || r.Next != -1 || r.At.IsZero() {
				t.Errorf("result %d: %+v, want %s", i, r, want)
			}
		}
		if u := c.Use(); u.Requests != 3 || u.Commands != 120 || u.Retries != 0 {
			t.Errorf("use %+v, want 120 commands in 3 requests", u)
		}
	})
}

// TestCommandErrors: temporary errors make the client send the command again alone,
// permanent ones stay with their command, and errors that concern all end the batch.
func TestCommandErrors(t *testing.T) {
	const good = `{"a":1}`
	first := func(err string) func(sentCommand, int) (string, string) {
		return func(c sentCommand, n int) (string, string) {
			if c.key == "p2" && n == 1 {
				return "", err
			}
			return good, ""
		}
	}
	always := func(err string) func(sentCommand, int) (string, string) {
		return func(c sentCommand, n int) (string, string) {
			if c.key == "p2" {
				return "", err
			}
			return good, ""
		}
	}
	for _, tt := range []struct {
		name     string
		f        func(sentCommand, int) (string, string)
		attempts int    // of p2
		code     string // of its Err, or of the batch's error
		stops    bool
		sizes    []int
		took     time.Duration // at least
	}{
		{"neither result nor error", func(c sentCommand, n int) (string, string) {
			if c.key == "p2" && n == 1 {
				return "", ""
			}
			return good, ""
		}, 2, "", false, []int{5, 1}, 250 * time.Millisecond},
		{"the portal stumbles", first(`{"error":"INTERNAL_SERVER_ERROR"}`), 2, "", false, []int{5, 1}, 250 * time.Millisecond},
		{"for want of budget", first(`{"error":"OPERATION_TIME_LIMIT"}`), 2, "", false, []int{5, 1}, 5*time.Minute + 600*time.Millisecond},
		{"the rate limit, within", first(`{"error":"QUERY_LIMIT_EXCEEDED"}`), 2, "", false, []int{5, 1}, time.Second},
		{"an unknown code that passes", first(`{"error":"NEW"}`), 2, "", false, []int{5, 1}, 250 * time.Millisecond},
		{"an unknown code that stays", always(`{"error":"NEW","error_description":"x"}`), 3, "NEW", false, []int{5, 1, 1}, 750 * time.Millisecond},
		{"not found", always(`{"error":0,"error_description":"Payment has not been found"}`), 1, "0", false, []int{5}, 0},
		{"denied", always(`{"error":"ACCESS_DENIED","error_description":"Access denied"}`), 1, "ACCESS_DENIED", false, []int{5}, 0},
		{"an error beside a result", func(c sentCommand, _ int) (string, string) {
			if c.key == "p2" {
				return good, `{"error":"ERROR_CORE"}`
			}
			return good, ""
		}, 1, "ERROR_CORE", false, []int{5}, 0},
		{"a bare text", always(`"so it is"`), 1, "", false, []int{5}, 0},
		{"a scope is missing", always(`{"error":"insufficient_scope"}`), 1, "insufficient_scope", true, []int{5}, 0},
		{"a parameter is missing", always(`{"error":"100"}`), 1, "100", true, []int{5}, 0},
		{"an expired token", always(`{"error":"expired_token"}`), 1, "expired_token", true, []int{5}, 0},
		{"not to be batched", func(c sentCommand, n int) (string, string) {
			if c.key == "p2" {
				return "", `{"error":"ERROR_BATCH_METHOD_NOT_ALLOWED"}`
			}
			return good, ""
		}, 2, "", false, []int{5, 0}, 0},
		{"too many", first(`{"error":"ERROR_BATCH_LENGTH_EXCEEDED"}`), 2, "", false, []int{5, 1}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{t: t, f: tt.f}
				c := clientOf(t, s, Options{})
				start := time.Now()
				results, err := c.Batch(t.Context(), gets(5))
				if d := cmp.Diff(tt.sizes, s.sizes); d != "" {
					t.Errorf("requests: want -, got +:\n%s", d)
				}
				if took := time.Since(start); took < tt.took || took > tt.took*5 {
					t.Errorf("took %v, want %v at least", took, tt.took)
				}
				if tt.stops {
					if e, ok := errors.AsType[*Error](err); !ok || e.Code != tt.code || e.Key != "p2" || e.Class() != Stop && e.Class() != Refresh {
						t.Errorf("error %v, want %s, which needs a person", err, tt.code)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				for i, r := range results {
					switch {
					case i == 2 && (tt.code != "" || strings.Contains(tt.name, "bare")):
						if r.Err == nil || r.Err.Code != tt.code || r.Err.Class() != Reject || r.Value != nil || r.Attempts != tt.attempts {
							t.Errorf("p2: %+v, want error %q after %d attempts", r, tt.code, tt.attempts)
						}
					case string(r.Value) != good || r.Err != nil:
						t.Errorf("result %d: %+v", i, r)
					case i == 2 && r.Attempts != tt.attempts:
						t.Errorf("p2: %d attempts, want %d", r.Attempts, tt.attempts)
					}
				}
				if u := c.Use(); u.Commands != 5 || u.Retries != int64(tt.attempts-1) {
					t.Errorf("use %+v", u)
				}
			})
		})
	}
}

// TestBatchErrors: the errors of a portal for a batch as a whole.
func TestBatchErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first string // the answer to the first request
		sizes []int
		code  string // of the error, "" for none
	}{
		{"it stumbles", `500 {"error":"INTERNAL_SERVER_ERROR"}`, []int{40, 40}, ""},
		{"HTML", `502 <html>`, []int{40, 40}, ""},
		{"results that nobody can tell apart", `{"result":{"result":[1,2,3]}}`, []int{40, 40}, ""},
		{"too long", `504 <html>`, []int{40, 20, 20}, ""},
		{"too many", `400 {"error":"ERROR_BATCH_LENGTH_EXCEEDED"}`, []int{40, 20, 20}, ""},
		{"not to be batched", `405 {"error":"ERROR_BATCH_METHOD_NOT_ALLOWED"}`, append([]int{40}, make([]int, 40)...), ""},
		{"a code that would be one command's", `400 {"error":"","error_description":"x"}`, []int{40, 40}, ""},
		{"blocked", `503 {"error":"OVERLOAD_LIMIT"}`, []int{40}, "OVERLOAD_LIMIT"},
		{"no commercial plan", `403 {"error":"ACCESS_DENIED"}`, []int{40}, "ACCESS_DENIED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{t: t, f: func(sentCommand, int) (string, string) { return "1", "" }}
				n := 0
				c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
					if n++; n == 1 {
						s.sizes = append(s.sizes, len(commandsOf(t, r)))
						return reply(tt.first), nil
					}
					return s.RoundTrip(r)
				}), Options{})
				results, err := c.Batch(t.Context(), gets(40))
				if tt.code != "" {
					if e, ok := errors.AsType[*Error](err); !ok || e.Code != tt.code || e.Class() != Stop {
						t.Errorf("error %v, want %s", err, tt.code)
					}
				} else if err != nil {
					t.Error(err)
				}
				for i, r := range results {
					if string(r.Value) != "1" {
						t.Errorf("result %d: %+v", i, r)
					}
				}
				if d := cmp.Diff(tt.sizes, s.sizes); d != "" {
					t.Errorf("requests: want -, got +:\n%s", d)
				}
			})
		})
	}
}

// TestCalledSinglyFromThenOn: the client remembers what it has learned about a method.
func TestCalledSinglyFromThenOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{t: t, f: func(c sentCommand, _ int) (string, string) {
			if c.method == "get" && c.key != "" {
				return "", `{"error":"ERROR_BATCH_METHOD_NOT_ALLOWED"}`
			}
			return "1", ""
		}}
		c := clientOf(t, s, Options{})
		for range 2 {
			if _, err := c.Batch(t.Context(), append(gets(2), Command{Key: "l", Method: "list"})); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff([]int{3, 0, 0, 0, 0, 1}, sorted(s.sizes, 3)); d != "" {
			t.Errorf("requests: want -, got +:\n%s", d)
		}
	})
}

// sorted returns sizes with all from the n-th on in ascending order, because those
// requests run concurrently.
func sorted(sizes []int, n int) []int {
	out := append([]int(nil), sizes[:n]...)
	ones := 0
	for _, size := range sizes[n:] {
		if size == 0 {
			out = append(out, 0)
		} else {
			ones++
		}
	}
	for range ones {
		out = append(out, 1)
	}
	return out
}

func TestBatchNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, most := 0, 0
		var mu sync.Mutex
		c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
			if commandsOf(t, r) != nil {
				t.Error("a batch was sent")
			}
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			after(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			if strings.HasSuffix(r.URL.Path, "denied") {
				return reply(`400 {"error":0,"error_description":"Access denied"}`), nil
			}
			return reply(`{"result":7}`), nil
		}), Options{BatchNever: true, Limits: Limits{Concurrency: 8}})
		start := time.Now()
		results, err := c.Batch(t.Context(), append(gets(31), Command{Key: "x", Method: "denied"}))
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results[:31] {
			if string(r.Value) != "7" {
				t.Errorf("result %d: %+v", i, r)
			}
		}
		if e := results[31].Err; e == nil || e.Code != "0" || e.Key != "x" {
			t.Errorf("the denied one: %+v", results[31])
		}
		if took := time.Since(start); most != 8 || took != 4*time.Second {
			t.Errorf("%d at once in %v, want 8 in 4s", most, took)
		}
	})
}

func TestBatchPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{t: t, f: func(c sentCommand, _ int) (string, string) {
			if c.key == "p1" {
				return "", `{"error":"INTERNAL_SERVER_ERROR","error_description":"it hurts"}`
			}
			return "1", ""
		}}
		c := clientOf(t, s, Options{Patience: 5 * time.Minute})
		start := time.Now()
		_, err := c.Batch(t.Context(), gets(3))
		if took := time.Since(start); !errors.Is(err, ErrPatience) || took != 5*time.Minute || !strings.Contains(err.Error(), "it hurts") {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestBatchChecks(t *testing.T) {
	c := clientOf(t, says(`{}`), Options{})
	for _, tt := range []struct {
		name string
		cmds []Command
		text string
	}{
		{"none", nil, "no commands"},
		{"a number for a key", []Command{{Key: "17", Method: "get"}}, `key "17"`},
		{"no key", []Command{{Method: "get"}}, `key ""`},
		{"a bracket in a key", []Command{{Key: "a[", Method: "get"}}, `key "a["`},
		{"a key twice", []Command{{Key: "a", Method: "get"}, {Key: "a", Method: "list"}}, "two commands"},
		{"no method", []Command{{Key: "a"}}, `method ""`},
		{"a query for a method", []Command{{Key: "a", Method: "get?x=1"}}, "method"},
		{"a value that cannot be sent", []Command{{Key: "a", Method: "get", Params: Params{"x": nil}}}, "get (a)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := c.Batch(t.Context(), tt.cmds); err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want one with %q", err, tt.text)
			}
		})
	}
	if u := c.Use(); u.Requests != 0 {
		t.Errorf("%d requests", u.Requests)
	}
}

func TestCancelledBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), Options{Limits: Limits{Concurrency: 2}})
		time.AfterFunc(time.Second, func() { cancel(gone) })
		if _, err := c.Batch(ctx, gets(500)); !errors.Is(err, gone) {
			t.Errorf("error %v, want the context's cause", err)
		}
		if _, err := c.Batch(ctx, gets(500)); !errors.Is(err, gone) {
			t.Errorf("after the end: error %v, want the context's cause", err)
		}
	})
}

// TestCancelledByAnotherCall: the cause of a context may be the Error of another call.
// This call must not react to its class: it would send smaller and smaller batches
// without end, or reject a command that the portal has never seen.
func TestCancelledByAnotherCall(t *testing.T) {
	for _, code := range []string{CodeBatchLength, CodeTimeout, CodeMethodNotAllowed, CodeCore, CodeInternal} {
		for _, never := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/never=%v", code, never), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cause := &Error{Code: code, Key: "another", where: inCommand}
					ctx, cancel := context.WithCancelCause(t.Context())
					var requests atomic.Int64
					c := clientOf(t, portal(func(r *http.Request) (*http.Response, error) {
						if r.Context().Err() == nil { // otherwise a transport does not send it
							requests.Add(1)
						}
						<-r.Context().Done()
						return nil, r.Context().Err()
					}), Options{BatchNever: never, Limits: Limits{Concurrency: 2}})
					time.AfterFunc(time.Second, func() { cancel(cause) })
					if results, err := c.Batch(ctx, gets(7)); !errors.Is(err, cause) {
						t.Errorf("results %v, error %v, want the context's cause", results, err)
					}
					if n := requests.Load(); n > 2 {
						t.Errorf("%d requests, want those that were under way", n)
					}
				})
			})
		}
	}
}

// TestBudgetThatIsNeverGiven: waits for limits cost no patience, but the client gives
// up a portal that answers nothing else.
func TestBudgetThatIsNeverGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{t: t, f: func(c sentCommand, _ int) (string, string) {
			if c.key == "p1" {
				return "", `{"error":"OPERATION_TIME_LIMIT"}`
			}
			return "1", ""
		}}
		c := clientOf(t, s, Options{Patience: 5 * time.Minute})
		start := time.Now()
		_, err := c.Batch(t.Context(), gets(3))
		e, _ := errors.AsType[*Error](err)
		if took := time.Since(start); !errors.Is(err, ErrPatience) || e == nil || e.Code != CodeOperatingLimit || took < 15*time.Minute || took > 40*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// TestSinglesAmongTheOthers: a command that cannot be batched does not affect the rest
// of its batch.
func TestSinglesAmongTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{t: t, f: func(sentCommand, int) (string, string) { return "1", "" }}
		c := clientOf(t, s, Options{})
		c.callSingly("list")
		cmds := append(gets(3), Command{Key: "l", Method: "list"}, Command{Key: "z", Method: "get"})
		results, err := c.Batch(t.Context(), cmds)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range results {
			if string(r.Value) != "1" {
				t.Errorf("result %d: %+v", i, r)
			}
		}
		if d := cmp.Diff([]int{3, 0, 1}, s.sizes); d != "" {
			t.Errorf("requests: want -, got +:\n%s", d)
		}
		if _, err := c.Batch(t.Context(), []Command{{Key: "l", Method: "list", Params: Params{"x": 1.5}}}); err == nil || !strings.Contains(err.Error(), "list (l)") {
			t.Errorf("error %v", err)
		}
	})
}
