package bitrixtest

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A context ends a request while it waits. The portal has handled it nevertheless, but
// does not count its answer as delivered.
func TestContextEndsARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, Options{Seed: 1, Payments: 10, Latency: 10 * time.Second})
		get := fmt.Sprintf(`{"id":%d}`, c.p.ID(0))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if _, _, err := c.send(ctx, c.base+"crm.item.payment.get", get); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v, want 3 s", took)
		}
		if st := c.p.Stats(); st.Requests != 1 || st.GetsMax != 1 {
			t.Errorf("stats %+v", st)
		}
		// No broken rule: the answer never arrived.
		if r := c.call("crm.item.payment.get", get); r.status != 200 {
			t.Errorf("again: %s", r.raw)
		}
		if _, _, err := c.send(ctx, c.base+"profile", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with an ended context: %v", err)
		}
		if st := c.p.Stats(); st.Requests != 2 || st.AtOnce != 1 {
			t.Errorf("an ended context reaches the portal: %+v", st)
		}
	})
}

// The client unpacks a bomb automatically, as a network's transport would, unless it
// requests gzip itself.
func TestBombInProcess(t *testing.T) {
	c := open(t, Options{Faults: []Fault{{Kind: FaultBomb}}})
	for _, asked := range []bool{false, true} {
		req := newRequest(t, c.base+"profile", "", "")
		if asked {
			req.Header.Set("Accept-Encoding", "gzip")
		}
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = resp.Body
		if asked {
			if resp.Header.Get("Content-Encoding") != "gzip" {
				t.Fatal("the answer is not gzip")
			}
			if body, err = gzip.NewReader(resp.Body); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := io.Copy(io.Discard, io.LimitReader(body, 8<<20)); n != 8<<20 || err != nil {
			t.Errorf("asked for gzip %t: %d bytes, %v", asked, n, err)
		}
		resp.Body.Close()
	}
}

func TestEndlessBodyEndsWithItsContext(t *testing.T) {
	c := open(t, Options{Faults: []Fault{{Kind: FaultEndless}}})
	ctx, cancel := context.WithCancel(t.Context())
	req := newRequest(t, c.base+"profile", "", "").WithContext(ctx)
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// Over sockets, answers are compressed for clients that accept it, unless NoGzip is
// set. The network's transport unpacks them.
func TestGzipOverSockets(t *testing.T) {
	for _, off := range []bool{false, true} {
		p := New(Options{Seed: 1, Payments: 100, NoGzip: off, Strict: t})
		server := httptest.NewServer(p)
		req := newRequest(t, p.Webhook(server.URL)+"sale.payment.list", "", `{"start":-1}`)
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		server.Close()
		if err != nil || !strings.HasPrefix(string(data), `{"result":{"payments":[`) || resp.Uncompressed == off {
			t.Errorf("off %t: %v, unpacked %t, %.50s", off, err, resp.Uncompressed, data)
		}
		if st := p.Stats(); st.BytesOut != int64(len(data)) {
			t.Errorf("%d bytes out, want %d", st.BytesOut, len(data))
		}
	}
}

// Both transports return the same answers.
func TestTransportsAgree(t *testing.T) {
	p := New(Options{Seed: 1, Payments: 500, Odd: true, AllowRegets: true, NoCounters: true, Strict: t})
	server := httptest.NewServer(p)
	defer server.Close()
	body := batchBody(p, 0, 50)
	var got [2]string
	for i, c := range []*http.Client{{Transport: p.RoundTripper()}, server.Client()} {
		data := do(t, c, newRequest(t, p.Webhook(server.URL)+"batch", "application/json", body))
		got[i], _, _ = strings.Cut(data, `"result_time"`)
	}
	if got[0] != got[1] || len(got[0]) < 5000 {
		t.Errorf("in process:\n%.300s\nover a socket:\n%.300s", got[0], got[1])
	}
}
