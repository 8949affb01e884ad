package bitrix

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Times and sizes of one HTTP request.
const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
	// headerTimeout: the cloud aborts a request after 60 s, so no answer comes later.
	headerTimeout  = 65 * time.Second
	requestTimeout = 70 * time.Second
	// slowFailure is the time after which a request without an answer counts as too
	// large. Before that the connection counts as the reason.
	slowFailure = 30 * time.Second
	// maxAnswer bounds an answer after decompression. 50 commands of 50 rows of 45
	// fields are some 5 MiB.
	maxAnswer = 64 << 20
)

// newTransport returns a transport with a connection for each concurrent request.
func newTransport(concurrency int) *http.Transport {
	return &http.Transport{
		// Many networks are left only by a proxy of the environment. For an https
		// request the proxy sees the portal's host and nothing else.
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          concurrency,
		MaxIdleConnsPerHost:   concurrency,
		MaxConnsPerHost:       concurrency,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   tlsTimeout,
		ResponseHeaderTimeout: headerTimeout,
		// The headers of a portal are below a KiB.
		MaxResponseHeaderBytes: 64 << 10,
		// bodyReader decompresses, and checks the size.
		DisableCompression: true,
	}
}

// sendHTTP is the innermost layer: one POST, whose answer it reads to the end.
// Redirects are answers here. Its errors never contain the address, and never wrap an
// error of net/http, whose texts quote it.
func sendHTTP(transport http.RoundTripper, secrets redactor, agent string, count *counters) handler {
	return func(ctx context.Context, x *exchange) (*answer, error) {
		start := time.Now()
		timed, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		body := x.payload()
		a, err := post(timed, transport, x.url, "application/json", body, agent)
		switch {
		case err == nil:
			a.received = time.Now()
			count.sent.Add(int64(len(body)))
			count.received.Add(int64(len(a.body)))
			return a, nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case isCertificate(err):
			return nil, x.failure(CodeCertificate, oneLine(err.Error(), secrets))
		case errors.Is(err, errTooLarge):
			return nil, x.failure(CodeTooLarge, err.Error())
		case time.Since(start) >= slowFailure:
			return nil, x.failure(CodeTimeout, fmt.Sprintf("no answer after %.0f s: %s",
				time.Since(start).Seconds(), oneLine(err.Error(), secrets)))
		}
		return nil, x.failure(CodeNoAnswer, oneLine(err.Error(), secrets))
	}
}

// isCertificate reports whether a connection failed because the server's certificate
// cannot be verified. A later attempt fails the same way.
func isCertificate(err error) bool {
	_, is := errors.AsType[*tls.CertificateVerificationError](err)
	return is
}

// post sends a body with a content type. It does not follow redirects.
func post(ctx context.Context, transport http.RoundTripper, url, contentType string, body []byte, agent string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", agent)
	// It uses the transport, not an http.Client: no redirects, cookies or url.Error.
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode}
	a.date, _ = http.ParseTime(resp.Header.Get("Date"))
	if isRedirect(resp.StatusCode) {
		a.location = resp.Header.Get("Location")
	}
	a.body, err = readAll(resp)
	return a, err
}

var errTooLarge = fmt.Errorf("the answer has more than %d MiB", maxAnswer>>20)
