package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// mark is in each value of a payment that a marking portal sends.
const mark = "MARKED"

// marking serves a portal whose payments have mark in their values. One in ten cannot
// be read.
func marking(t *testing.T, portal http.Handler, spoil func(body string) string) *httptest.Server {
	t.Helper()
	values := regexp.MustCompile(`"(accountNumber|paySystemName|comments)":"[^"]*"`)
	sums := regexp.MustCompile(`"sum":[0-9]*[05]\b[0-9.]*`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		r.Header.Del("Accept-Encoding")
		portal.ServeHTTP(rec, r)
		body := values.ReplaceAllString(rec.Body.String(), `"$1":"`+mark+` 17.5"`)
		body = spoil(sums.ReplaceAllString(body, `"sum":"`+mark+` 17.5"`))
		for name, v := range rec.Header() {
			if name != "Content-Length" {
				w.Header()[name] = v
			}
		}
		w.WriteHeader(rec.Code)
		if _, err := io.WriteString(w, body); err != nil {
			t.Log(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// No value of a payment is in an error, a log, --json or a notification, whatever
// fails.
func TestNoValuesOfPayments(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the program some thirty times")
	}
	lists := regexp.MustCompile(`"payments":\[`)
	as := func(body string) string { return body }
	for _, tt := range []struct {
		name  string
		job   string
		spoil func(string) string
		exits []int
	}{
		{"rejects, too many", "", as, []int{jobs.ExitFailed}},
		{"rejects, published", "rejects: {max: 90%}", as, []int{jobs.ExitRejects}},
		{"values of the list", "rejects: {max: 90%}\nsource: {enrich: list}", as, []int{jobs.ExitRejects}},
		{"list and get differ", "rejects: {max: 90%}\nsource: {enrich: list}", func(body string) string {
			if lists.MatchString(body) {
				return strings.ReplaceAll(body, mark, mark+"!")
			}
			return body
		}, []int{jobs.ExitFailed, jobs.ExitRejects}},
		{"broken JSON", "patience: 1s", func(body string) string {
			if i := strings.LastIndex(body, mark); i > 0 {
				return body[:i+len(mark)]
			}
			return body
		}, []int{jobs.ExitTemporary}},
		{"names twice", "patience: 1s\nrejects: {max: 90%}", func(body string) string {
			return strings.ReplaceAll(body, `"accountNumber"`, `"sum":"`+mark+`","accountNumber"`)
		}, []int{jobs.ExitRejects, jobs.ExitTemporary, jobs.ExitFailed}},
		{"no list", "patience: 1s", func(body string) string {
			return strings.ReplaceAll(body, `"payments":[`, `"`+mark+`":[`)
		}, []int{jobs.ExitTemporary, jobs.ExitFailed}},
		{"ids that are none", "patience: 1s", func(body string) string {
			return strings.ReplaceAll(body, `"payments":[{"id":"`, `"payments":[{"id":"`+mark)
		}, []int{jobs.ExitTemporary, jobs.ExitFailed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 3, Payments: 120, NoGzip: true})
			server := marking(t, portal, tt.spoil)
			var mu sync.Mutex
			var notices bytes.Buffer
			hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if _, err := io.Copy(&notices, r.Body); err != nil {
					t.Error(err)
				}
			}))
			defer hook.Close()
			folder := t.TempDir()
			job := filepath.Join(folder, "job.yaml")
			text := fmt.Sprintf("version: 1\nname: payments\nportals:\n  - name: acme\n    webhook: %s\nsink: {url: data}\nnotify: {url: %s, on: [success, failure, rejects]}\n%s\n",
				portal.Webhook(server.URL), hook.URL, tt.job)
			if err := os.WriteFile(job, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			none := func(string) (string, bool) { return "", false }
			commands := [][]string{{"run", job, "--json", "--log-level", "debug"}, {"run", job, "--progress", "log"}}
			if !strings.Contains(tt.job, "patience") {
				commands = append(commands, []string{"check", job, "--json"}, []string{"plan", job, "--json"},
					[]string{"status", job, "--json"}, []string{"verify", job, "--sample", "20", "--json"})
			}
			for _, args := range commands {
				var stdout, stderr bytes.Buffer
				code := run(t.Context(), args, none, nil, &stdout, &stderr)
				for what, text := range map[string]string{"stdout": stdout.String(), "stderr": stderr.String()} {
					if i := strings.Index(text, mark); i >= 0 {
						t.Errorf("%s: %s has a value: …%.300s", args[0], what, text[max(0, i-200):])
					}
				}
				if args[0] == "run" && !slices.Contains(tt.exits, code) {
					t.Errorf("run: exit code %d, want one of %v; stderr:\n%s", code, tt.exits, &stderr)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if notices.Len() == 0 || strings.Contains(notices.String(), mark) {
				t.Errorf("notices: %s", &notices)
			}
		})
	}
}
