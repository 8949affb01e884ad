package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"b24export/bitrix/bitrixtest"
)

// servedPortal runs the command portal until the returned function is called. That
// function returns the portal's last output.
func servedPortal(t *testing.T, args ...string) (first string, end func() (rest string, code int)) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		code <- run(ctx, append([]string{"portal", "--addr", "127.0.0.1:0", "--json"}, args...), noEnv, nil, w, &stderr)
		w.Close()
	}()
	buf := make([]byte, 4096)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatalf("it printed nothing: %v; stderr: %s", err, &stderr)
	}
	return string(buf[:n]), func() (string, int) {
		cancel(errInterrupted)
		rest, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(rest), <-code
	}
}

func TestPortalServesOverTLS(t *testing.T) {
	first, end := servedPortal(t, "--payments", "70", "--tls", "self-signed")
	var announced struct {
		Webhook, CA string
		Payments    int
	}
	if err := json.Unmarshal([]byte(first), &announced); err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	if announced.Payments != 70 || !strings.HasPrefix(announced.Webhook, "https://127.0.0.1:") {
		t.Errorf("announced %s", first)
	}
	pem, err := os.ReadFile(announced.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", announced.CA)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, Timeout: 10 * time.Second}
	resp, err := client.Post(announced.Webhook+"sale.payment.list", "application/json", strings.NewReader(`{"order":{"id":"asc"}}`))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Total int }
	err = json.NewDecoder(resp.Body).Decode(&answer)
	if err := errors.Join(err, resp.Body.Close()); err != nil || answer.Total != 70 {
		t.Errorf("total %d, %v; want 70", answer.Total, err)
	}
	if resp, err := http.Post(announced.Webhook+"profile", "application/json", nil); err == nil {
		resp.Body.Close()
		t.Error("a client that does not know the authority got through")
	}

	rest, code := end()
	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if !strings.HasPrefix(rest, `{"requests":1,"commands":1,`) {
		t.Errorf("at the end: %s", rest)
	}
	if _, err := os.Stat(announced.CA); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the authority's file is left: %v", err)
	}
}

// The rules that tests check do not matter to somebody who tries the program: the
// portal prints broken rules only if asked.
func TestPortalTellsBrokenRulesIfStrict(t *testing.T) {
	for _, strict := range []bool{false, true} {
		args := []string{"--payments", "70"}
		if strict {
			args = append(args, "--strict")
		}
		first, end := servedPortal(t, args...)
		var announced struct{ Webhook string }
		if err := json.Unmarshal([]byte(first), &announced); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		// Its User-Agent is not of the form name/version.
		resp, err := http.Post(announced.Webhook+"profile", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		rest, code := end()
		if strings.Contains(rest, "User-Agent") != strict || (code != 0) != strict {
			t.Errorf("strict %v: exit code %d, %s", strict, code, rest)
		}
	}
}

func TestPortalIsWhatItsFlagsSay(t *testing.T) {
	var f portalFlags
	cmd := f.command()
	err := cmd.ParseFlags([]string{
		"--payments", "5", "--seed", "9", "--plan", "enterprise", "--rate", "7", "--burst", "8", "--operating", "9s", "--operating-window", "10s",
		"--charge", "batch", "--no-counters", "--speed", "2", "--latency", "3ms", "--jitter", "4ms", "--odd", "--unknown", "--refuse", "0.1",
		"--poison", "0.2", "--not-admin", "--scopes", "crm,sale", "--state", "blocked", "--fault", "html,every=20", "--churn", "6",
		"--server-zone", "Europe/Berlin", "--list-shift", "2h", "--date-format", "swapped", "--profile-offset", "--list-names",
		"--cast-lists", "--filter-dates", "wall", "--filter-offset", "-5h", "--queue", "hidden", "--queue-clears", "--queue-unreserved",
		"--no-offline-feature", "--no-feature-get", "--no-bind", "--zero-counters",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.portalOptions()
	if err != nil {
		t.Fatal(err)
	}
	want := bitrixtest.Options{
		Seed: 9, Payments: 5, Plan: bitrixtest.PlanEnterprise,
		Limits: bitrixtest.Limits{Rate: 7, Burst: 8, Operating: 9 * time.Second, Window: 10 * time.Second},
		Charge: bitrixtest.ChargeBatch, NoCounters: true, ZeroCounters: true, Speed: 2,
		Latency: 3 * time.Millisecond, Jitter: 4 * time.Millisecond,
		Odd: true, Unknown: true, Refuse: 0.1, Poison: 0.2,
		Rights: bitrixtest.Rights{NotAdmin: true, Scopes: []string{"crm", "sale"}},
		State:  bitrixtest.StateBlocked,
		Values: bitrixtest.ValueQuirks{
			Zone: "Europe/Berlin", ListShift: 2 * time.Hour, DateFormat: bitrixtest.DatesSwapped, ProfileOffset: true, ListNames: true,
			CastLists: true, FilterDates: bitrixtest.FilterDatesWall, FilterOffset: -5 * time.Hour, Queue: bitrixtest.QueueHidden,
			QueueClears: true, QueueUnreserved: true, NoOfflineFeature: true, NoFeatureGet: true, NoBind: true,
		},
		Faults: []bitrixtest.Fault{{Kind: bitrixtest.FaultHTML, Every: 20}},
		Churn:  bitrixtest.Churn{Every: 6, Count: 1, Seed: 9},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFaultFlag(t *testing.T) {
	tests := []struct {
		text string
		want bitrixtest.Fault
		err  string
	}{
		{text: "lost-answer", want: bitrixtest.Fault{Kind: bitrixtest.FaultLostAnswer}},
		{text: "html,at=2,at=5,status=503,times=1", want: bitrixtest.Fault{Kind: bitrixtest.FaultHTML, At: []int{2, 5}, Status: 503, Times: 1}},
		{text: "slow,from=3,to=9,every=2,delay=2s", want: bitrixtest.Fault{Kind: bitrixtest.FaultSlow, From: 3, To: 9, Every: 2, Delay: 2 * time.Second}},
		{
			text: "command,share=0.5,method=crm.item.payment.get,code=OPERATION_TIME_LIMIT,description=too much",
			want: bitrixtest.Fault{Kind: bitrixtest.FaultCommand, Share: 0.5, Method: "crm.item.payment.get", Code: "OPERATION_TIME_LIMIT", Description: "too much"},
		},
		{text: "html,every=x", err: `every: "x": must be a whole number`},
		{text: "html,share=x", err: `share: "x": must be a number from 0 to 1`},
		{text: "html,delay=5", err: `delay: "5": must be a duration such as 2s`},
		{text: "html,evry=2", err: "evry: unknown; there are"},
	}
	for _, test := range tests {
		got, err := parseFault(test.text)
		switch {
		case test.err != "" && (err == nil || !strings.HasPrefix(err.Error(), test.err)):
			t.Errorf("%s: got error %v, want %s", test.text, err, test.err)
		case test.err == "" && err != nil:
			t.Errorf("%s: %v", test.text, err)
		case test.err == "":
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s: -want +got:\n%s", test.text, diff)
			}
		}
	}
	for _, args := range [][]string{
		{"--fault", "no-such-kind"}, {"--fault", "html,every=x"}, {"--refuse", "2"}, {"--mutate", "-1"}, {"--addr", "127.0.0.1:0", "--payments", "-1"},
	} {
		if code, _, stderr := runProgram(t, append([]string{"portal"}, args...)...); code != 2 || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, want 2; stderr: %s", args, code, stderr)
		}
	}
}
