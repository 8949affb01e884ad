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
	// maxBatchAnswer bounds the answer to several commands, of which fewer may be asked
	// for. It is four times longAnswer, because what is expected is a mean.
	maxBatchAnswer = 32 << 20
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
//
// large has room for one: who reads a large answer, so that the memory of many does not
// add up. The answer keeps that place until free is called.
func sendHTTP(transport http.RoundTripper, secrets redactor, agent string, large chan struct{}, count *counters) handler {
	return func(ctx context.Context, x *exchange) (*answer, error) {
		start := time.Now()
		timed, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		body := x.payload()
		holds := false
		limit := bodyLimit{most: x.mostBytes(), large: func() error {
			select {
			case large <- struct{}{}:
				holds = true
				return nil
			case <-timed.Done():
				return timed.Err()
			}
		}}
		a, err := post(timed, transport, x.url, "application/json", body, agent, limit)
		if err != nil && holds {
			<-large
		} else if holds {
			a.large = large
		}
		tooLarge, isTooLarge := errors.AsType[*tooLargeError](err)
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
		case isTooLarge:
			e := x.failure(CodeTooLarge, err.Error())
			e.size = tooLarge.size
			return nil, e
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

// free lets another large answer be read. It may be called more than once.
func (a *answer) free() {
	if a.large != nil {
		<-a.large
		a.large = nil
	}
}

// post sends a body with a content type. It does not follow redirects.
func post(ctx context.Context, transport http.RoundTripper, url, contentType string, body []byte, agent string, limit bodyLimit) (*answer, error) {
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
		limit.most, limit.large = min(limit.most, largeBody), nil
	}
	a.body, err = readAll(resp, limit)
	return a, err
}
