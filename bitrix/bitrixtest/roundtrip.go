package bitrixtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// RoundTripper returns a transport that calls the portal without a network. It handles
// each request in the goroutine that sends it, so in a synctest bubble only time
// blocks. A request's context ends its waits. Faults are returned as errors of a
// network: io.EOF if a connection ends before the answer, io.ErrUnexpectedEOF if it
// ends within it, and a reset.
func (p *Portal) RoundTripper() http.RoundTripper { return roundTripper{p} }

type roundTripper struct{ p *Portal }

// bodyLimit is the longest body of a request that the portal reads.
const bodyLimit = 64 << 20

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := request{
		secure:  r.URL.Scheme == "https",
		host:    r.URL.Host,
		path:    r.URL.Path,
		query:   r.URL.RawQuery,
		content: r.Header.Get("Content-Type"),
		agent:   r.Header.Get("User-Agent"),
		source:  "in process",
		// As in net/http: a client that does not request gzip does not see it.
		gzip: strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"),
	}
	if r.Body != nil {
		body, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit))
		if err != nil {
			return nil, fmt.Errorf("read the request's body: %w", err)
		}
		in.body = string(body)
	}
	x, a := t.p.serve(ctx, &in)
	if a == nil {
		x.close(nil, false)
		return nil, ctx.Err()
	}
	defer x.close(a, a.cut == cutNot)
	if a.cut == cutBefore {
		return nil, io.EOF
	}
	resp := &http.Response{
		Status:        strconv.Itoa(a.status) + " " + http.StatusText(a.status),
		StatusCode:    a.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {a.content}},
		ContentLength: int64(len(a.body)),
		Request:       r,
	}
	if a.location != "" {
		resp.Header.Set("Location", a.location)
	}
	switch a.cut {
	case cutShort:
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(a.body[:len(a.body)/2]), failing{io.ErrUnexpectedEOF}))
	case cutReset:
		reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(a.body[:len(a.body)/2]), failing{reset}))
	case cutEndless:
		resp.ContentLength = -1
		resp.Body = io.NopCloser(&spaces{left: -1, done: ctx.Done(), err: ctx.Err})
	case cutBomb:
		resp.ContentLength = -1
		if in.gzip {
			resp.Header.Set("Content-Encoding", "gzip")
			resp.Body = io.NopCloser(newBomb())
		} else {
			resp.Uncompressed = true
			resp.Body = io.NopCloser(&spaces{left: bombMembers * bombMember, done: ctx.Done(), err: ctx.Err})
		}
	case cutNot, cutBefore:
		resp.Body = io.NopCloser(bytes.NewReader(a.body))
	}
	return resp, nil
}

// failing is a body that ends in an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// spaces is a body of that many blanks. If left is negative, it is endless until done.
type spaces struct {
	left int64
	done <-chan struct{}
	err  func() error
}

func (s *spaces) Read(b []byte) (int, error) {
	select {
	case <-s.done:
		return 0, s.err()
	default:
	}
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.left > 0 {
		b = b[:min(int64(len(b)), s.left)]
		s.left -= int64(len(b))
	}
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// A bomb is a gzip file of many equal members, each of which unpacks to a large size.
const (
	bombMember  = 1 << 20
	bombMembers = 64 << 10 // 64 GiB in all, from about 65 MiB
)

func newBomb() io.Reader {
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	io.Copy(w, &spaces{left: bombMember})
	w.Close()
	return &repeated{member.Bytes(), 0, bombMembers}
}

// repeated returns the same bytes so many times.
type repeated struct {
	bytes []byte
	at    int
	times int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.times == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.bytes[r.at:])
	if r.at += n; r.at == len(r.bytes) {
		r.at, r.times = 0, r.times-1
	}
	return n, nil
}
