package jobs_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// answers is a network that answers every request in the same way.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return a(r)
}

// page answers with an HTML page.
func page(status int) answers {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
			Header: http.Header{"Content-Type": {"text/html"}}, Body: io.NopCloser(strings.NewReader("<!DOCTYPE html><h1>No</h1>")),
		}, nil
	}
}

// badCertificate fails as crypto/tls does when it cannot verify a certificate.
func badCertificate(err error) answers {
	return func(*http.Request) (*http.Response, error) { return nil, &tls.CertificateVerificationError{Err: err} }
}

// What no patience can cure ends a run within half a minute, with the exit code for a
// portal that refuses and with a hint of what to fix.
func TestWhatCannotPassEndsTheRun(t *testing.T) {
	for _, tt := range []struct {
		name    string
		network answers
		hint    string
	}{
		{"certificate of an unknown authority", badCertificate(x509.UnknownAuthorityError{Cert: new(x509.Certificate)}), "SSL_CERT_FILE"},
		{"certificate of another host", badCertificate(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"b.example"}}, Host: "a.example"}), "SSL_CERT_FILE"},
		{"certificate that is out of date", badCertificate(x509.CertificateInvalidError{Cert: new(x509.Certificate), Reason: x509.Expired}), "renewed"},
		{"page with 401", page(http.StatusUnauthorized), "firewall"},
		{"page with 403", page(http.StatusForbidden), "firewall"},
		{"page with 404", page(http.StatusNotFound), "check the webhook's address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newRunJob(t, bitrixtest.New(bitrixtest.Options{Payments: 10, Strict: t}), "patience: 2h")
				e.opts.Transport = tt.network
				start := time.Now()
				out := e.run(t, jobs.ExitRefused)
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("it took %s", took)
				}
				if hint := jobs.Hint(out.Err); !strings.Contains(hint, tt.hint) {
					t.Errorf("hint %q, want one with %q; error %v", hint, tt.hint, out.Err)
				}
				if strings.Contains(fmt.Sprint(out.Err), "secret") {
					t.Errorf("the secret is in %v", out.Err)
				}
			})
		})
	}
}
