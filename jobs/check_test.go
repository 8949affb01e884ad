package jobs_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
)

// checked returns the lines of a check, by portal and name.
func checked(t *testing.T, e *runJob) (lines []jobs.CheckLine, byName map[string]jobs.CheckLine) {
	t.Helper()
	byName = make(map[string]jobs.CheckLine)
	for line := range jobs.Check(t.Context(), e.spec, e.opts) {
		lines = append(lines, line)
		if _, twice := byName[line.Check]; twice {
			t.Errorf("two lines %s", line.Check)
		}
		byName[line.Check] = line
	}
	return lines, byName
}

// exitOf returns the exit code of a check, as the program does.
func exitOf(lines []jobs.CheckLine) int {
	var outcomes []jobs.Outcome
	for _, line := range lines {
		outcomes = append(outcomes, jobs.Outcome{Exit: line.Exit})
	}
	return jobs.ExitOfAll(outcomes)
}

func TestCheckOfAGoodJob(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Payments: 300, Odd: true, Plan: bitrixtest.PlanStandard, Strict: t})
	e := newRunJob(t, portal, "")
	e.spec.Sink.URL = filepath.Join(e.folder, "not", "there yet")
	lines, _ := checked(t, e)
	var got []string
	for _, line := range lines {
		if line.State != jobs.CheckOK || line.Exit != 0 || line.Detail == "" {
			t.Errorf("%+v", line)
		}
		got = append(got, strings.TrimSpace(line.Portal+" "+line.Check))
	}
	want := []string{
		"file", "acme secrets", "acme reachable", "acme webhook", "acme plan", "acme scopes", "acme administrator",
		"acme sale.payment.list", "acme crm.item.payment.get", "acme crm.orderentity.list", "acme counters", "acme clock",
		"sink.write", "sink.conditional_write", "sink.read", "sink.list", "sink.delete", "sink.space", "acme sink.lease", "acme sink.unfinished",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if left, err := os.ReadDir(e.folder); err != nil || len(left) > 0 {
		t.Errorf("the check left %v (%v)", left, err)
	}
	if n := portal.Stats().Requests; n > 7 {
		t.Errorf("%d requests, want at most 7", n)
	}
}

// A problem of a portal is one failed line, with what to do and the exit code of a run.
// Checks that are still possible follow it.
func TestCheckOfPortals(t *testing.T) {
	bySale := func(s *jobfile.Spec) { s.Source.List = jobfile.ListSale }
	for _, tt := range []struct {
		name   string
		portal bitrixtest.Options
		edit   func(*jobfile.Spec)
		exit   int
		failed map[string]string // check → part of its hint
		warned []string
		absent []string
	}{
		{name: "not an administrator", portal: bitrixtest.Options{Payments: 60, Rights: bitrixtest.Rights{NotAdmin: true}}, exit: 4, edit: bySale,
			failed: map[string]string{"administrator": "administrator", "sale.payment.list": "administrator"}, warned: []string{"crm.item.payment.get"}},
		{name: "not an administrator, auto", portal: bitrixtest.Options{Payments: 60, Rights: bitrixtest.Rights{NotAdmin: true}},
			warned: []string{"administrator", "sale.payment.list", "crm.item.payment.get"}},
		{name: "scope sale missing, auto", portal: bitrixtest.Options{Payments: 60, Rights: bitrixtest.Rights{Scopes: []string{"crm"}}},
			warned: []string{"scopes", "sale.payment.list", "crm.item.payment.get"}},
		{name: "neither listing allowed", portal: bitrixtest.Options{Payments: 60, Rights: bitrixtest.Rights{NotAdmin: true, NoBindings: true}}, exit: 4,
			failed: map[string]string{"administrator": "let an administrator", "sale.payment.list": "need an administrator", "crm.orderentity.list": ""}, warned: []string{"crm.item.payment.get"}},
		{name: "items without the bindings of orders", portal: bitrixtest.Options{Payments: 60, Rights: bitrixtest.Rights{NotAdmin: true, NoBindings: true}},
			edit:   func(s *jobfile.Spec) { s.Source.List = jobfile.ListItems },
			warned: []string{"administrator", "sale.payment.list", "source.entity_types", "crm.item.payment.get", "crm.orderentity.list"}},
		{name: "scope sale missing", portal: bitrixtest.Options{Payments: 60, Rights: bitrixtest.Rights{Scopes: []string{"crm"}}}, exit: 4, edit: bySale,
			failed: map[string]string{"scopes": "the scope sale", "sale.payment.list": `scope "sale"`}, warned: []string{"crm.item.payment.get"}},
		{name: "scope crm missing", portal: bitrixtest.Options{Payments: 60, Rights: bitrixtest.Rights{Scopes: []string{"sale"}}}, exit: 4,
			failed: map[string]string{"scopes": "the scope crm", "crm.item.payment.get": `scope "crm"`, "crm.orderentity.list": `scope "crm"`}},
		{name: "no bindings", portal: bitrixtest.Options{Payments: 60, Rights: bitrixtest.Rights{NoBindings: true}}, exit: 4,
			failed: map[string]string{"crm.orderentity.list": ""}},
		{name: "no order may be read", portal: bitrixtest.Options{Payments: 60, Rights: bitrixtest.Rights{Deny: 1}}, exit: 4,
			failed: map[string]string{"crm.item.payment.get": "read access"}},
		{name: "some gets are refused", portal: bitrixtest.Options{Payments: 60, Refuse: 0.4}, warned: []string{"crm.item.payment.get"}},
		{name: "further fields", portal: bitrixtest.Options{Payments: 60}, edit: func(s *jobfile.Spec) { s.Source.Fields = []string{"comments", "companyId"} }},
		{name: "a field that the portal does not know", portal: bitrixtest.Options{Payments: 60},
			edit: func(s *jobfile.Spec) { s.Source.Fields = []string{"comments", "komments"} }, warned: []string{"source.fields"}},
		{name: "no payments", portal: bitrixtest.Options{}, warned: []string{"crm.item.payment.get"}},
		{name: "wrong secret", portal: bitrixtest.Options{Payments: 60}, exit: 4,
			edit: func(s *jobfile.Spec) {
				s.Portals[0].Webhook = "https://acme.example/rest/1/wrong/"
			},
			failed: map[string]string{"webhook": "mistyped"}, absent: []string{"scopes", "clock"}},
		{name: "no webhook", portal: bitrixtest.Options{Payments: 60}, exit: 2,
			edit: func(s *jobfile.Spec) {
				s.Portals[0].Webhook = bitrix.Secret("http://acme.example/rest/1/abc/")
			},
			failed: map[string]string{"secrets": "address"}, absent: []string{"reachable"}},
		{name: "no plan", portal: bitrixtest.Options{State: bitrixtest.StateNoPlan}, exit: 4,
			failed: map[string]string{"plan": "subscription"}, absent: []string{"webhook", "scopes"}},
		{name: "blocked", portal: bitrixtest.Options{State: bitrixtest.StateBlocked}, exit: 4,
			failed: map[string]string{"reachable": "support"}, absent: []string{"plan"}},
		{name: "closed", portal: bitrixtest.Options{State: bitrixtest.StateClosed}, exit: 4,
			failed: map[string]string{"reachable": "take it out"}, absent: []string{"plan"}},
		{name: "user without rights", portal: bitrixtest.Options{State: bitrixtest.StateNoRight}, exit: 4,
			failed: map[string]string{"webhook": "administrator"}, absent: []string{"plan"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newRunJob(t, bitrixtest.New(tt.portal), "")
			if tt.edit != nil {
				tt.edit(e.spec)
			}
			lines, byName := checked(t, e)
			if got := exitOf(lines); got != tt.exit {
				t.Errorf("exit code %d, want %d", got, tt.exit)
			}
			var warned []string
			for _, line := range lines {
				hint, want := tt.failed[line.Check]
				switch {
				case line.State == jobs.CheckWarning:
					warned = append(warned, line.Check)
				case (line.State == jobs.CheckFailed) != want, line.State == jobs.CheckFailed && (line.Exit == 0 || !strings.Contains(line.Hint, hint)):
					t.Errorf("%+v, want failed %t, hint %q", line, want, hint)
				}
				if strings.Contains(line.Detail+line.Hint, e.spec.Portals[0].Webhook.Reveal()) {
					t.Errorf("%s has the webhook in it", line.Check)
				}
			}
			if diff := cmp.Diff(tt.warned, warned); diff != "" {
				t.Errorf("warnings: %s", diff)
			}
			for _, name := range tt.absent {
				if _, ok := byName[name]; ok {
					t.Errorf("there is a line %s", name)
				}
			}
			if byName["sink.delete"].State != jobs.CheckOK {
				t.Error("the sink was not looked at")
			}
		})
	}
}

// A check does not wait for half an hour if a portal cannot be reached.
func TestCheckOfAPortalThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newRunJob(t, bitrixtest.New(bitrixtest.Options{}), "")
		e.opts.Transport = transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") })
		start := time.Now()
		lines, byName := checked(t, e)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("it took %v", took)
		}
		if line := byName["reachable"]; line.State != jobs.CheckFailed || !strings.Contains(line.Hint, "DNS") || exitOf(lines) != jobs.ExitTemporary {
			t.Errorf("%+v, exit code %d", line, exitOf(lines))
		}
	})
}

// A server whose certificate is not valid, and one that returns web pages, are not the
// portal: nothing says that it accepts the webhook, and no other method is tried.
func TestCheckOfAnotherServer(t *testing.T) {
	page := func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusNotFound, Body: io.NopCloser(strings.NewReader("<html>Log in</html>")), ContentLength: -1, Request: r}, nil
	}
	for _, tt := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		hint   string
		most   int
	}{
		{"certificate", func(*http.Request) (*http.Response, error) {
			return nil, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
		}, "SSL_CERT_FILE", 1},
		{"page", page, "login page", 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newRunJob(t, bitrixtest.New(bitrixtest.Options{}), "")
				requests := 0
				e.opts.Transport = transport(func(r *http.Request) (*http.Response, error) {
					requests++
					return tt.answer(r)
				})
				lines, byName := checked(t, e)
				if line := byName["reachable"]; line.State != jobs.CheckFailed || !strings.Contains(line.Hint, tt.hint) || exitOf(lines) != jobs.ExitRefused {
					t.Errorf("%+v, exit code %d", line, exitOf(lines))
				}
				if line, ok := byName["webhook"]; ok {
					t.Errorf("%+v", line)
				}
				if requests > tt.most {
					t.Errorf("%d requests, want at most %d", requests, tt.most)
				}
			})
		})
	}
}

// A run waits for a budget that other programs have used up; a check reports it.
func TestCheckOfAPortalInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{
			Payments: 60, Plan: bitrixtest.PlanStandard, Limits: bitrixtest.Limits{Operating: time.Second},
			Costs: map[string]time.Duration{"sale.payment.list": 2 * time.Second},
		})
		e := newRunJob(t, portal, "")
		if lines, _ := checked(t, e); exitOf(lines) != 0 {
			t.Fatalf("the first check failed: %+v", lines)
		}
		start := time.Now()
		lines, byName := checked(t, e)
		if line := byName["sale.payment.list"]; line.State != jobs.CheckWarning || !strings.Contains(line.Detail, "used up") {
			t.Errorf("%+v", line)
		}
		if took := time.Since(start); exitOf(lines) != 0 || took > 3*time.Minute {
			t.Errorf("exit code %d after %v", exitOf(lines), took)
		}
	})
}

func TestCheckComparesClocks(t *testing.T) {
	for _, tt := range []struct {
		off  time.Duration
		want string
	}{{0, "agree"}, {-3 * time.Minute, "3m0s behind"}, {3 * time.Minute, "ahead"}, {45 * time.Second, "agree"}} {
		t.Run(tt.off.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newRunJob(t, bitrixtest.New(bitrixtest.Options{Payments: 60}), "")
				e.opts.Now = func() time.Time { return time.Now().Add(tt.off) }
				_, byName := checked(t, e)
				line := byName["clock"]
				if !strings.Contains(line.Detail, tt.want) || (line.State == jobs.CheckOK) != (tt.want == "agree") {
					t.Errorf("%+v, want %q", line, tt.want)
				}
			})
		})
	}
}

// Portals are checked concurrently, and reported in the job's order.
func TestCheckOfSeveralPortals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Payments: 60, Latency: time.Second})
		e := newRunJob(t, portal, "")
		acme := e.spec.Portals[0]
		e.spec.Portals = nil
		for i := range 20 {
			acme.Name = fmt.Sprintf("p%02d", i)
			e.spec.Portals = append(e.spec.Portals, acme)
		}
		e.opts.Only = []string{"p03", "p01", "p02"}
		start, order := time.Now(), ""
		for line := range jobs.Check(t.Context(), e.spec, e.opts) {
			if line.State == jobs.CheckFailed {
				t.Errorf("%+v", line)
			}
			if line.Check == "clock" {
				order += line.Portal + " "
			}
		}
		if took := time.Since(start); order != "p01 p02 p03 " || took > 10*time.Second {
			t.Errorf("order %s, after %v", order, took)
		}
	})
}

// A reader that stops early, or an interrupt, does not wait for the rest.
func TestCheckEndsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newRunJob(t, bitrixtest.New(bitrixtest.Options{Payments: 60, Latency: time.Minute}), "")
		start := time.Now()
		for range jobs.Check(t.Context(), e.spec, e.opts) {
			break
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		for range jobs.Check(ctx, e.spec, e.opts) {
			cancel()
			n++
		}
		if took := time.Since(start); took > 0 || n != 1 {
			t.Errorf("%d lines, %v", n, took)
		}
	})
}

func TestFileProblems(t *testing.T) {
	_, err := jobfile.Parse("job.yaml", []byte("version: 1\nname: payments\nmoed: full\nportals:\n  - webhook: https://acme.bitrix24.com/rest/1/abcdef/\n    limits: {rate: -1}\nsink: {url: data}\n"),
		func(string) (string, bool) { return "", false }, nil)
	lines := jobs.FileProblems(err)
	if len(lines) != 2 || exitOf(lines) != jobs.ExitUsage {
		t.Fatalf("%+v", lines)
	}
	for i, place := range []string{"job.yaml:3:1: moed", "job.yaml:6:"} {
		if !strings.HasPrefix(lines[i].Detail, place) || lines[i].Check != "file" || lines[i].State != jobs.CheckFailed {
			t.Errorf("%+v, want %s", lines[i], place)
		}
	}
	lines = jobs.FileProblems(os.ErrNotExist)
	if len(lines) != 1 || exitOf(lines) != jobs.ExitUsage || lines[0].Detail == "" {
		t.Errorf("%+v", lines)
	}
}

// transport is a function as a transport.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
