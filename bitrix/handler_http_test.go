package bitrix

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// overHTTP returns the innermost layer for a real server, and an exchange for it.
func overHTTP(t *testing.T, f http.HandlerFunc) (handler, *exchange, *counters) {
	t.Helper()
	server := httptest.NewServer(f)
	transport := newTransport(4)
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		goleak.VerifyNone(t)
	})
	count := &counters{}
	x := &exchange{method: "a.b", where: inCall, body: []byte(`{"id":1}`), url: server.URL + "/rest/1/" + testSecret + "/a.b"}
	return sendHTTP(transport, Secret(testSecret), "b24export/1.2", make(chan struct{}, 1), count), x, count
}

func TestRequestForm(t *testing.T) {
	send, x, count := overHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "b24export/1.2", "Accept-Encoding": "gzip",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("header %s is %q, want %q", name, got, want)
			}
		}
		if r.Method != "POST" || r.URL.Path != "/rest/1/"+testSecret+"/a.b" || string(body) != `{"id":1}` || r.ContentLength != 8 {
			t.Errorf("%s %s, body %s of %d bytes", r.Method, r.URL.Path, body, r.ContentLength)
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, `{"result":7}`)
		z.Close()
	})
	a, err := send(t.Context(), x)
	if err != nil || string(a.body) != `{"result":7}` || a.status != 200 || a.date.IsZero() || a.received.IsZero() {
		t.Errorf("answer %+v, error %v", a, err)
	}
	if count.sent.Load() != 8 || count.received.Load() != 12 {
		t.Errorf("%d bytes sent, %d received", count.sent.Load(), count.received.Load())
	}
}

func TestAnswersThatDoNotArrive(t *testing.T) {
	big := bytes.Repeat([]byte(" "), 1<<20)
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		code   string
	}{
		{"cut short", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"result"`)
		}, CodeNoAnswer},
		{"reset", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, CodeNoAnswer},
		{"broken compression", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "not gzip")
		}, CodeNoAnswer},
		{"compression cut short", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(big)
			z.Flush()
		}, CodeNoAnswer},
		{"headers without end", func(w http.ResponseWriter, r *http.Request) {
			for i := range 2000 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 100))
			}
		}, CodeNoAnswer},
		{"a bomb", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 65 {
				z.Write(big)
			}
			z.Close()
		}, CodeTooLarge},
		{"too much", func(w http.ResponseWriter, r *http.Request) {
			for range 65 {
				w.Write(big)
			}
		}, CodeTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send, x, _ := overHTTP(t, tt.answer)
			_, err := send(t.Context(), x)
			if e, ok := errors.AsType[*Error](err); !ok || e.Code != tt.code {
				t.Errorf("error %v, want one of code %s", err, tt.code)
			}
			if strings.Contains(err.Error(), testSecret) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

// TestTransportErrorsDoNotShowTheSecret: errors of net/http about a request may quote
// its address, at any depth.
func TestTransportErrorsDoNotShowTheSecret(t *testing.T) {
	for _, cause := range []error{
		&url.Error{Op: "Post", URL: testHook + "a.b", Err: errors.New("no route")},
		fmt.Errorf("proxy: %w", &url.Error{Op: "Post", URL: testHook + "a.b", Err: io.EOF}),
		errors.New("dial " + testHook),
	} {
		send := sendHTTP(portal(func(*http.Request) (*http.Response, error) { return nil, cause }), Secret(testSecret), "", make(chan struct{}, 1), &counters{})
		_, err := send(t.Context(), &exchange{method: "a.b", url: testHook + "a.b"})
		for ; err != nil; err = errors.Unwrap(err) {
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, testSecret) {
				t.Errorf("%T shows the secret: %s", err, text)
			}
		}
	}
	send := sendHTTP(portal(nil), Secret(testSecret), "", make(chan struct{}, 1), &counters{})
	if _, err := send(t.Context(), &exchange{method: "a.b", url: testHook + "\x7f"}); err == nil || strings.Contains(err.Error(), testSecret) {
		t.Errorf("an address that cannot be read: %v", err)
	}
}

// TestSlowFailures: a request that fails after half a minute was too large; one that
// fails sooner had a connection problem. Nothing takes longer than 70 s.
func TestSlowFailures(t *testing.T) {
	for _, tt := range []struct {
		name string
		wait time.Duration
		code string
		took time.Duration
	}{
		{"at once", 0, CodeNoAnswer, 0},
		{"cut after a minute", time.Minute, CodeTimeout, time.Minute},
		{"never", time.Hour, CodeTimeout, 70 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				send := sendHTTP(portal(func(r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(tt.wait):
						return nil, io.ErrUnexpectedEOF
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				}), Secret(testSecret), "", make(chan struct{}, 1), &counters{})
				start := time.Now()
				_, err := send(t.Context(), &exchange{method: "a.b", url: testHook + "a.b"})
				if e, ok := errors.AsType[*Error](err); !ok || e.Code != tt.code || time.Since(start) != tt.took {
					t.Errorf("error %v after %v, want code %s after %v", err, time.Since(start), tt.code, tt.took)
				}
			})
		})
	}
}

func TestCancelledRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		send := sendHTTP(portal(func(r *http.Request) (*http.Response, error) {
			cancel(gone)
			<-r.Context().Done()
			return nil, r.Context().Err()
		}), Secret(testSecret), "", make(chan struct{}, 1), &counters{})
		if _, err := send(ctx, &exchange{method: "a.b", url: testHook + "a.b"}); err != gone {
			t.Errorf("error %v, want the context's cause", err)
		}
	})
}

// A certificate that cannot be verified ends the call at once.
func TestCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // for the handshakes that fail
	server.StartTLS()
	defer server.Close()
	known := x509.NewCertPool()
	known.AddCert(server.Certificate())
	for _, tt := range []struct {
		name, text string
		config     *tls.Config
	}{
		{"unknown authority", "unknown authority", &tls.Config{}},
		{"another host", "not wrong.example", &tls.Config{RootCAs: known, ServerName: "wrong.example"}},
		{"out of date", "expired", &tls.Config{RootCAs: known, Time: func() time.Time { return server.Certificate().NotAfter.Add(time.Hour) }}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			transport := newTransport(1)
			defer transport.CloseIdleConnections()
			transport.TLSClientConfig = tt.config
			access, err := ParseWebhook(server.URL + "/rest/1/" + testSecret + "/")
			if err != nil {
				t.Fatal(err)
			}
			c := New(access, &Options{Transport: transport})
			defer c.Close()
			r, err := c.Call(t.Context(), "a.b", nil)
			e, _ := errors.AsType[*Error](err)
			if e == nil || e.Code != CodeCertificate || e.Class() != Stop || !strings.Contains(e.Description, tt.text) || r.Attempts != 1 {
				t.Errorf("%d attempts, error %v", r.Attempts, err)
			}
			if strings.Contains(fmt.Sprint(err), testSecret) {
				t.Errorf("the secret is in %v", err)
			}
		})
	}
}
