package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// scrape reads the metrics of a file with Prometheus' own parser and returns the values
// by their series.
func scrape(t *testing.T, path string) map[string]float64 {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := promlint.New(bytes.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
		t.Fatalf("%v %v in:\n%s", err, problems, text)
	}
	values := map[string]float64{}
	for _, family := range parseMetrics(t, text) {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, l := range m.GetLabel() {
				if l.GetName() != "dataset" {
					name += " " + l.GetValue()
				}
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func TestMetricsOfRuns(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 500, AllowRegets: true, Strict: t})
	server := httptest.NewServer(portal)
	defer server.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "b24export.prom")
	export := func(webhook string) int {
		t.Helper()
		var stderr bytes.Buffer
		code := run(t.Context(), []string{"run", "--to", filepath.Join(dir, "data"), "--portal", "acme", "--rate", "0", "--operating", "0s", "--metrics-file", file},
			func(name string) (string, bool) { return webhook, name == webhookVariable }, strings.NewReader(""), io.Discard, &stderr)
		if strings.Contains(stderr.String(), "usage") {
			t.Fatal(stderr.String())
		}
		return code
	}
	if code := export(portal.Webhook(server.URL)); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	got := scrape(t, file)
	for name, want := range map[string]float64{
		"b24export_running acme":                 0,
		"b24export_run_exit_code acme":           0,
		"b24export_payments_total acme got":      500,
		"b24export_payments_total acme rejected": 0,
		"b24export_portal_payments acme":         500,
		"b24export_snapshot_rows acme":           500,
		"b24export_snapshot_changes insert acme": 500,
		"b24export_retries_total acme":           0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %g (there: %t), want %g", name, value, ok, want)
		}
	}
	for _, name := range []string{"b24export_requests_total acme", "b24export_received_bytes_total acme", "b24export_snapshot_bytes acme", "b24export_last_success_timestamp_seconds acme"} {
		if got[name] <= 0 {
			t.Errorf("%s is %g", name, got[name])
		}
	}

	// A run that fails reports that, and still the age of the newest snapshot.
	success := got["b24export_last_success_timestamp_seconds acme"]
	if code := export(strings.TrimSuffix(portal.Webhook(server.URL), "/") + "x/"); code != 4 {
		t.Fatalf("with a wrong webhook: exit code %d", code)
	}
	got = scrape(t, file)
	if got["b24export_run_exit_code acme"] != 4 || got["b24export_last_success_timestamp_seconds acme"] != success {
		t.Errorf("after a failure: exit code %g, last success %g, want 4 and %g",
			got["b24export_run_exit_code acme"], got["b24export_last_success_timestamp_seconds acme"], success)
	}
}

func TestMetricsAreServed(t *testing.T) {
	var log bytes.Buffer
	e, err := startMetrics(t.Context(), metricsFlags{address: ":0"}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(log.String(), "address=")
	url := strings.TrimSpace(rest)
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Errorf("served at %s, want this machine only", url)
	}
	e.ended("payments", &outcomeOfFailure, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if !strings.Contains(string(body), `b24export_run_exit_code{dataset="payments",portal="acme"} 75`) {
		t.Errorf("served:\n%s", body)
	}
	e.close()

	for _, f := range []metricsFlags{{address: "127.0.0.1:99999"}, {file: filepath.Join(t.TempDir(), "none", "m.prom")}} {
		if _, err := startMetrics(context.Background(), f, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%+v: no error", f)
		}
	}
}

// A registry rejects series that were not announced, so a new series must be in the
// list.
func TestMetricsAreAllDescribed(t *testing.T) {
	names := map[string]bool{}
	for _, s := range metricList {
		text := s.desc.String()
		if names[text] {
			t.Errorf("twice: %s", text)
		}
		names[text] = true
	}
	if err := prometheus.NewPedanticRegistry().Register(new(metrics)); err != nil {
		t.Error(err)
	}
}

var outcomeOfFailure = jobs.Outcome{Portal: "acme", Exit: 75}

func parseMetrics(t *testing.T, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return families
}

// The dashboard, the alerts and the manual use only existing metrics.
func TestDeployedMetricsExist(t *testing.T) {
	known := map[string]bool{metricName.FindString(metricJobExit.String()): true}
	for _, s := range metricList {
		known[metricName.FindString(s.desc.String())] = true
	}
	for _, path := range []string{"deploy/grafana.json", "deploy/alerts.yaml", "docs/operating.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
		if err != nil {
			t.Fatal(err)
		}
		names := metricName.FindAllString(string(text), -1)
		for _, name := range names {
			if !known[name] {
				t.Errorf("%s names %s, which is no metric", path, name)
			}
		}
		if len(names) == 0 {
			t.Errorf("%s names no metric", path)
		}
	}
}

var metricName = regexp.MustCompile(`\bb24export_[a-z_]+`)

// A job file that no longer parses shows at once, and the age of the last snapshot
// stays known.
func TestMetricsOfAWrongJobFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "b24export.prom")
	job := filepath.Join(dir, "nightly.yaml")
	if err := os.WriteFile(job, []byte("version: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := `# HELP b24export_job_exit_code Exit code of a job file's last run; 2: it was wrong, and nothing was started.
# TYPE b24export_job_exit_code gauge
b24export_job_exit_code{file="` + job + `"} 0
# HELP b24export_last_success_timestamp_seconds When the newest snapshot was finished; its age is time() less this.
# TYPE b24export_last_success_timestamp_seconds gauge
b24export_last_success_timestamp_seconds{dataset="payments",portal="acme"} 1.7e+09
`
	for _, before := range []string{before, "", "half a fi"} {
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, _ := runProgram(t, "run", job, "--metrics-file", file)
		if code != jobs.ExitUsage {
			t.Fatalf("exit code %d", code)
		}
		got := scrape(t, file)
		if got["b24export_job_exit_code "+job] != 2 {
			t.Errorf("got %v", got)
		}
		if success := got["b24export_last_success_timestamp_seconds acme"]; success != 1.7e9 && len(before) > 20 {
			t.Errorf("the last success is %g", success)
		}
	}
}

// A job file may have a name that is not UTF-8, as from a disk of another system. A label
// must not.
func TestMetricsOfAnOddFileName(t *testing.T) {
	dir := t.TempDir()
	file, job := filepath.Join(dir, "b24export.prom"), filepath.Join(dir, "caf\xe9.yaml")
	if err := os.WriteFile(job, []byte("version: 2\n"), 0o600); err != nil {
		t.Skip(err) // the system has no such names
	}
	if code, _, _ := runProgram(t, "run", job, "--metrics-file", file); code != jobs.ExitUsage {
		t.Errorf("exit code %d", code)
	}
	if got := scrape(t, file); got["b24export_job_exit_code "+strings.ToValidUTF8(job, "\ufffd")] != 2 {
		t.Errorf("got %v", got)
	}
}

// A run that nothing can scrape pushes all metrics at its end. After a wrong job file
// it pushes only the exit code, so that the others stay.
func TestMetricsArePushed(t *testing.T) {
	type pushed struct{ method, path, text string }
	var got []pushed
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var text strings.Builder
		decoder := expfmt.NewDecoder(r.Body, expfmt.ResponseFormat(r.Header))
		for {
			var family dto.MetricFamily
			if err := decoder.Decode(&family); err != nil {
				break
			}
			expfmt.MetricFamilyToText(&text, &family)
		}
		got = append(got, pushed{r.Method, r.URL.EscapedPath(), text.String()})
	}))
	defer gateway.Close()
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 50, Strict: t})
	server := httptest.NewServer(portal)
	defer server.Close()
	job := filepath.Join(t.TempDir(), "nightly.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(job, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("version: 1\nname: payments\nportals:\n  - {name: acme, webhook: '" + portal.Webhook(server.URL) + "', plan: unlimited}\nsink: {url: data}\n")
	t.Chdir(filepath.Dir(job))
	if code, _, stderr := runProgram(t, "run", job, "--metrics-push", gateway.URL+"?instance=nightly"); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	write("version: 2\n")
	if code, _, stderr := runProgram(t, "run", job, "--shard", "0/2", "--metrics-push", gateway.URL); code != jobs.ExitUsage {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if len(got) != 2 {
		t.Fatalf("%d pushes: %v", len(got), got)
	}
	if first := got[0]; first.method != http.MethodPut || first.path != "/metrics/job/b24export/instance/nightly" ||
		!strings.Contains(first.text, `b24export_snapshot_rows{dataset="payments",portal="acme"} 50`) ||
		!strings.Contains(first.text, `b24export_job_exit_code{file="`+job+`"} 0`) {
		t.Errorf("got %v", first)
	}
	group, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(got[1].path, "/metrics/job/b24export/instance@base64/"))
	if second := got[1]; err != nil || second.method != http.MethodPost || string(group) != job+" 0/2" ||
		strings.Count(second.text, "\nb24export_") != 1 || !strings.Contains(second.text, `b24export_job_exit_code{file="`+job+`"} 2`) {
		t.Errorf("got %v, group %s", second, group)
	}

	if code, _, stderr := runProgram(t, "run", job, "--metrics-push", "http://me:secret@gateway"); code != jobs.ExitUsage || strings.Contains(stderr, "secret") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
