package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// receiver is a collector's end of OTLP over HTTP.
type receiver struct {
	mu       sync.Mutex
	requests int
	service  string
	auth     string
	bodies   bytes.Buffer
	spans    []*traces.Span
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	r.auth = req.Header.Get("Api-Key")
	body, err := io.ReadAll(req.Body)
	var got collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &got)
	}
	if err != nil || req.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprint(req.URL.Path, err), http.StatusBadRequest)
		return
	}
	r.bodies.Write(body)
	for _, resource := range got.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" {
				r.service = a.Value.GetStringValue()
			}
		}
		for _, scope := range resource.ScopeSpans {
			r.spans = append(r.spans, scope.Spans...)
		}
	}
}

// attr is a span's attribute as text; "" if it has none of that name.
func attr(s *traces.Span, name string) string {
	for _, a := range s.Attributes {
		if a.Key != "b24export."+name {
			continue
		}
		if v := a.Value.GetStringValue(); v != "" {
			return v
		}
		return fmt.Sprint(a.Value.GetIntValue())
	}
	return ""
}

// tracedRun runs a job of one good portal and one whose webhook is wrong, with
// the environment's variables and these.
func tracedRun(t *testing.T, env map[string]string) (code int, stderr string) {
	t.Helper()
	portal := bitrixtest.New(bitrixtest.Options{Payments: 500, Refuse: 0.01, Secret: markedSecret})
	server := httptest.NewServer(portal)
	t.Cleanup(server.Close)
	webhook := portal.Webhook(server.URL)
	for name, value := range env {
		t.Setenv(name, value)
	}
	dir := t.TempDir()
	job := filepath.Join(dir, "job.yaml")
	err := os.WriteFile(job, fmt.Appendf(nil, `
version: 1
name: payments
portals:
  - {name: acme, webhook: %q}
  - {name: wrong, webhook: %q}
checkpoint: {rows: 200}
rejects: {max: 5%%}
sink: {url: %q}
`, webhook, strings.Replace(webhook, markedSecret, "wrong"+markedSecret, 1), filepath.Join(dir, "data")), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, errs lockedBuffer
	code = run(t.Context(), []string{"run", job}, os.LookupEnv, nil, &stdout, &errs)
	return code, errs.String()
}

func TestTraces(t *testing.T) {
	r := new(receiver)
	server := httptest.NewServer(r)
	defer server.Close()
	code, stderr := tracedRun(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL,
		"OTEL_EXPORTER_OTLP_HEADERS":  "api-key=letmein",
		"OTEL_SERVICE_NAME":           "nightly",
	})
	if code != jobs.ExitRefused || strings.Contains(stderr, "traces") {
		t.Fatalf("exit code %d, stderr:\n%s", code, stderr)
	}
	if r.service != "nightly" || r.auth != "letmein" {
		t.Errorf("service %q, key %q: want those of the variables", r.service, r.auth)
	}
	if bytes.Contains(r.bodies.Bytes(), []byte(markedSecret)) {
		t.Error("the secret is in the traces")
	}

	byID := make(map[string]*traces.Span)
	for _, s := range r.spans {
		byID[string(s.SpanId)] = s
	}
	count := make(map[string]int) // by the names from the run down, and the portal
	payments := 0
	for _, s := range r.spans {
		path, of := s.Name, attr(s, "portal")
		for up := byID[string(s.ParentSpanId)]; up != nil; up = byID[string(up.ParentSpanId)] {
			path = up.Name + "/" + path
			if of == "" {
				of = attr(up, "portal")
			}
			if s.StartTimeUnixNano < up.StartTimeUnixNano || s.EndTimeUnixNano > up.EndTimeUnixNano {
				t.Errorf("%s does not lie within %s", s.Name, up.Name)
			}
		}
		count[strings.TrimSpace(path+" "+of)]++
		switch path {
		case "run/portal/get":
			var n int
			if _, err := fmt.Sscan(attr(s, "payments"), &n); err != nil {
				t.Errorf("get of %q payments: %v", attr(s, "payments"), err)
			}
			payments += n
		case "run/portal/list":
			if of == "acme" && attr(s, "payments") != "500" {
				t.Errorf("list of %s payments, want 500", attr(s, "payments"))
			}
		case "run/portal":
			want, status := "3", traces.Status_STATUS_CODE_UNSET
			if of == "wrong" {
				want, status = "4", traces.Status_STATUS_CODE_ERROR
			}
			if attr(s, "exit") != want || s.Status.GetCode() != status {
				t.Errorf("%s: exit %s, status %v; want %s, %v", of, attr(s, "exit"), s.Status, want, status)
			}
			if of == "wrong" && !strings.Contains(s.Status.Message, "NO_AUTH_FOUND") {
				t.Errorf("status %q does not say what is wrong", s.Status.Message)
			}
		case "run":
			if attr(s, "exit") != "4" || attr(s, "dataset") != "payments" || attr(s, "portals") != "2" {
				t.Errorf("run: %v", s.Attributes)
			}
		}
	}
	if payments != 500 {
		t.Errorf("gets of %d payments, want 500", payments)
	}
	for name, least := range map[string]int{
		"run": 1, "run/portal acme": 1, "run/portal wrong": 1, "run/portal/begin acme": 1, "run/portal/list acme": 1, "run/portal/get acme": 11,
		"run/portal/segment acme": 1, "run/portal/checkpoint acme": 1, "run/portal/merge acme": 1, "run/portal/publish acme": 1, "run/portal/sweep acme": 1,
	} {
		// How often it saves depends on the machine's load.
		once := least == 1 && !strings.HasSuffix(name, "/segment acme") && !strings.HasSuffix(name, "/checkpoint acme")
		if count[name] < least || once && count[name] > 1 {
			t.Errorf("%d spans %s, want %d; there are %v", count[name], name, least, count)
		}
	}
}

// Whatever is wrong with the variables, or with the collector, is told, and the
// run is what it is without them.
func TestTracesThatCannotBe(t *testing.T) {
	r := new(receiver)
	server := httptest.NewServer(r)
	defer server.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer refusing.Close()
	for _, tt := range []struct {
		name string
		env  map[string]string
		said string // "": nothing
	}{
		{"disabled", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_SDK_DISABLED": "true"}, ""},
		{"no exporter", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_TRACES_EXPORTER": "none"}, ""},
		{"another exporter", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_TRACES_EXPORTER": "zipkin"}, "only otlp is known"},
		{"another protocol", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "only http/protobuf is spoken"},
		{"no address", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318"}, "it must be an address"},
		{"refused", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": refusing.URL}, "traces are lost"},
		{"sampled away", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_TRACES_SAMPLER": "always_off"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stderr := tracedRun(t, tt.env)
			if code != jobs.ExitRefused {
				t.Errorf("exit code %d, want 4; stderr:\n%s", code, stderr)
			}
			if said := strings.Contains(stderr, "traces"); said != (tt.said != "") || !strings.Contains(stderr, tt.said) {
				t.Errorf("want %q to be said; stderr:\n%s", tt.said, stderr)
			}
		})
	}
	if r.requests != 0 {
		t.Errorf("%d requests to a collector that nobody asked for", r.requests)
	}
}
