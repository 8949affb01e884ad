package bitrixtest

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// ServeHTTP answers a request from a network. It is safe for concurrent use. If a fault
// closes a connection, it panics with http.ErrAbortHandler, as handlers do.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	in := request{
		secure:  r.TLS != nil,
		host:    r.Host,
		path:    r.URL.Path,
		query:   r.URL.RawQuery,
		content: r.Header.Get("Content-Type"),
		body:    string(body),
		agent:   r.UserAgent(),
		source:  source,
		gzip:    strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"),
	}
	x, a := p.serve(r.Context(), &in)
	arrived := false
	defer func() { x.close(a, arrived) }()
	if a == nil {
		panic(http.ErrAbortHandler)
	}
	arrived = x.send(w, r, a)
}

// send writes an answer, and reports whether all of it was written.
func (x *exchange) send(w http.ResponseWriter, r *http.Request, a *answer) bool {
	if a.cut == cutBefore {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("Content-Type", a.content)
	if a.location != "" {
		h.Set("Location", a.location)
	}
	flush := func() { http.NewResponseController(w).Flush() } // not all writers support it
	switch a.cut {
	case cutShort, cutReset:
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
		w.WriteHeader(a.status)
		w.Write(a.body[:len(a.body)/2])
		flush()
		if a.cut == cutReset {
			reset(w)
		}
		panic(http.ErrAbortHandler)
	case cutEndless:
		w.WriteHeader(a.status)
		// Ends when the client closes the connection, or the server stops serving it.
		io.Copy(w, &spaces{left: -1, done: r.Context().Done(), err: r.Context().Err})
		return false
	case cutBomb:
		h.Set("Content-Encoding", "gzip")
		w.WriteHeader(a.status)
		io.Copy(w, newBomb())
		return false
	case cutNot, cutBefore:
	}
	body := a.body
	if x.in.gzip && !x.c.NoGzip && len(body) > 1024 {
		body = compress(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	n, err := w.Write(body)
	return err == nil && n == len(body)
}

var compressors = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	return w
}}

func compress(body []byte) []byte {
	var packed bytes.Buffer
	w := compressors.Get().(*gzip.Writer)
	defer compressors.Put(w)
	w.Reset(&packed)
	w.Write(body) // a bytes.Buffer never fails
	w.Close()
	return packed.Bytes()
}

// reset ends the connection with a reset, if the connection can be hijacked.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) // Close then sends a reset
		tcp.Close()
	}
}
