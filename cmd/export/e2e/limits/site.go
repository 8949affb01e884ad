package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"b24export/bitrix/bitrixtest"
)

// site is the fake portal on a new server, so that no client sees the counters of
// another one.
type site struct {
	portal *bitrixtest.Portal
	server *httptest.Server
	ca     string // file with the trusted certificate

	mu     sync.Mutex
	visits []visit
}

// visit is a request as the portal sees it.
type visit struct {
	neighbour           bool
	at                  time.Time
	took                time.Duration
	refused             bool
	gets, pages, owners int
}

// neighbourAgent is the user agent of the other client.
const neighbourAgent = "neighbour/1"

// open serves a portal. The caller closes the site.
func open(s *settings, dir string) (*site, error) {
	o := bitrixtest.Options{
		Seed: s.seed, Payments: s.payments, Charge: bitrixtest.Charge(s.charge),
		Limits:   bitrixtest.Limits{Rate: s.rate, Burst: s.burst, Operating: s.operating, Window: s.window},
		Costs:    map[string]time.Duration{methodGet: s.get},
		TakeTime: s.takeTime, Latency: s.latency, Jitter: s.jitter, Speed: s.speed,
		RequireHTTPS: true, AllowRegets: true,
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	p := &site{portal: bitrixtest.New(o)}
	p.server = httptest.NewTLSServer(p)
	p.ca = filepath.Join(dir, "ca.pem")
	// Go reads the variable once, when it first checks a certificate. All servers of
	// httptest have the same certificate.
	if err := os.Setenv("SSL_CERT_FILE", p.ca); err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	if err := os.WriteFile(p.ca, data, 0o600); err != nil {
		p.server.Close()
		return nil, fmt.Errorf("write the server's certificate: %w", err)
	}
	return p, nil
}

func (p *site) webhook() string { return p.portal.Webhook(p.server.URL) }

// The methods whose commands are counted.
const (
	methodGet    = "crm.item.payment.get"
	methodPages  = "sale.payment.list"
	methodOwners = "crm.orderentity.list"
)

// ServeHTTP passes the request to the portal, and records the visit.
func (p *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := visit{at: time.Now(), neighbour: r.UserAgent() == neighbourAgent}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	asked := r.URL.Path + " " + string(body)
	v.gets, v.pages, v.owners = strings.Count(asked, methodGet), strings.Count(asked, methodPages), strings.Count(asked, methodOwners)
	status := &statusWriter{ResponseWriter: w}
	p.portal.ServeHTTP(status, r)
	v.took, v.refused = time.Since(v.at), status.code == http.StatusServiceUnavailable
	p.mu.Lock()
	defer p.mu.Unlock()
	p.visits = append(p.visits, v)
}

// statusWriter records the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// take returns the visits of the measured client, or of its neighbour.
func (p *site) take(neighbour bool) []visit {
	p.mu.Lock()
	defer p.mu.Unlock()
	var visits []visit
	for _, v := range p.visits {
		if v.neighbour == neighbour {
			visits = append(visits, v)
		}
	}
	return visits
}
