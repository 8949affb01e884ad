package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
	"b24export/schemas/totals"
)

// heldPortal serves a fake portal that answers only this number of requests, until the
// gate opens.
func heldPortal(t *testing.T, requests int) (webhook string, g *gate) {
	t.Helper()
	portal := bitrixtest.New(bitrixtest.Options{Payments: 2000, Secret: markedSecret})
	g = newGate(portal)
	g.close(requests)
	server := httptest.NewServer(g)
	t.Cleanup(func() {
		g.open()
		server.Close()
	})
	return portal.Webhook(server.URL), g
}

func TestInterruptedRun(t *testing.T) {
	webhook, gate := heldPortal(t, 4)
	lookup := func(name string) (string, bool) { return webhook, name == webhookVariable }
	ctx, cancel := context.WithCancelCause(t.Context())
	var stdout, stderr bytes.Buffer
	code := make(chan int)
	go func() {
		code <- run(ctx, []string{"run", "--to", t.TempDir(), "--portal", "acme", "--json"}, lookup, nil, &stdout, &stderr)
	}()
	<-gate.held
	cancel(errInterrupted)
	gate.open()
	if got := <-code; got != jobs.ExitInterrupted {
		t.Errorf("exit code %d, want 130; stderr:\n%s", got, &stderr)
	}
	if !strings.Contains(stderr.String(), "b24export: acme: interrupted by a signal\nhint: what was read is saved") {
		t.Errorf("stderr:\n%s", &stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	var last struct {
		Portal     string
		Exit       int
		Error      *string
		Unfinished *pipeline.Ledger
		Ledger     *pipeline.Ledger
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.Portal != "acme" || last.Exit != 130 || last.Error == nil || last.Unfinished == nil || last.Ledger != nil {
		t.Errorf("last line: %s", lines[len(lines)-1])
	}
}

// The first signal saves a checkpoint, and so do two at once, as timeout sends them.
// Whoever sends later signals does not want to wait for that.
func TestSignalsEndTheProgram(t *testing.T) {
	for _, tt := range []struct {
		name    string
		signals []os.Signal
		saves   bool
	}{
		{"one", []os.Signal{syscall.SIGTERM}, true},
		// The kernel may combine two equal signals that are not received yet, so the
		// second is another one.
		{"two at once", []os.Signal{syscall.SIGTERM, os.Interrupt}, true},
		{"one, and others later", []os.Signal{syscall.SIGTERM}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			webhook, gate := heldPortal(t, 4)
			cmd := exec.Command("b24export", "run", "--to", filepath.Join(t.TempDir(), "data"))
			cmd.Env = append(os.Environ(), webhookVariable+"="+webhook)
			var stderr lockedBuffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-gate.held
			for _, signal := range tt.signals {
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
			}
			if tt.saves {
				gate.open()
			} else {
				again := time.NewTicker(100 * time.Millisecond)
				defer again.Stop()
				ended := make(chan struct{})
				defer close(ended)
				go func() {
					for {
						select {
						case <-again.C:
							_ = cmd.Process.Signal(os.Interrupt) // it may have ended
						case <-ended:
							return
						}
					}
				}()
			}
			err := cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != jobs.ExitInterrupted {
				t.Errorf("exit code %d (%v), want 130; stderr:\n%s", code, err, &stderr)
			}
			if said := strings.Contains(stderr.String(), "hint: what was read is saved"); said != tt.saves {
				t.Errorf("stderr:\n%s", &stderr)
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	manifest := &pipeline.Manifest{
		Dataset: "payments", Portal: "acme", Snapshot: "20261122T020000Z", Mode: pipeline.Full,
		Ledger:  pipeline.Ledger{Listed: 1235, Got: 1234, Rejected: 1},
		Changes: pipeline.Changes{Insert: 1234},
		Totals:  map[string]totals.Total{"USD": {Payments: 1234, Sum: "1234567.8900", Paid: 3, PaidSum: "-4.0000"}, "": {Sum: "0.0000", PaidSum: "0.0000"}},
		Files:   []pipeline.File{{Path: "payments_history/portal=acme/snapshot=20261122T020000Z/payments.parquet", Rows: 1234, Bytes: 5000}},
	}
	outcomes := []jobs.Outcome{
		{Portal: "acme", Summary: pipeline.Summary{Manifest: manifest, Snapshot: manifest.Snapshot, Use: pipeline.PortalUse{Requests: 99, RateWaitS: 999}, Own: pipeline.PortalUse{Requests: 30, Commands: 1300, Retries: 2, RateWaitS: 1.5}}, Exit: 3, Seconds: 75},
		{Portal: "beta", Summary: pipeline.Summary{Snapshot: "20261122T020001Z", Ledger: pipeline.Ledger{Rejected: 7}}, Err: errTest, Exit: 1, Seconds: 0.25},
	}
	var b bytes.Buffer
	if err := writeOutcomes(&b, outcomes, 0); err != nil {
		t.Fatal(err)
	}
	want := ` portal │ snapshot         │  rows │     + │ ~ │ - │ rejected │ requests │  time │ exit
────────┼──────────────────┼───────┼───────┼───┼───┼──────────┼──────────┼───────┼──────
 acme   │ 20261122T020000Z │ 1,234 │ 1,234 │ 0 │ 0 │        1 │       30 │ 1m15s │    3
 beta   │ not published    │       │       │   │   │        7 │        0 │ 0.2 s │    1
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", &b, want)
	}

	b.Reset()
	if err := writeSummary(&b, "s3://warehouse/bitrix24?secret=1", &outcomes[0]); err != nil {
		t.Fatal(err)
	}
	want = `acme: snapshot 20261122T020000Z of 1,234 payments (full)

  changes   1,234 new, 0 changed, 0 gone (the first snapshot)
  ledger    1,235 listed = 1,234 got + 1 rejected
  portal    30 requests for 1,300 commands in 1m15s, 2 repeated, 1.5 s of waiting for the rate limit

   currency │ payments │            sum │ paid │ paid sum
  ──────────┼──────────┼────────────────┼──────┼──────────
   (none)   │        0 │         0.0000 │    0 │   0.0000
   USD      │    1,234 │ 1,234,567.8900 │    3 │  -4.0000

in s3://warehouse/bitrix24:
   file                                                                    │  rows │    size
  ─────────────────────────────────────────────────────────────────────────┼───────┼─────────
   payments/portal=acme/payments.parquet                                   │ 1,234 │ 4.9 KiB
   payments_history/portal=acme/snapshot=20261122T020000Z/payments.parquet │ 1,234 │ 4.9 KiB
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", &b, want)
	}

	// For machines, the line has the fields of the manifest and those of the outcome.
	line, err := json.Marshal(lineOf(loadedJob{file: "job.yaml", spec: new(jobfile.Spec)}, &outcomes[0]))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"dataset": "payments", "portal": "acme", "snapshot": "20261122T020000Z", "mode": "full",
		"exit": 3.0, "error": nil, "seconds": 75.0, "job": "job.yaml",
	} {
		if got, ok := fields[key]; !ok || got != want {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
	for _, key := range []string{"ledger", "changes", "totals", "files", "portal_use", "previous_of_none"} {
		if _, ok := fields[key]; ok != (key != "previous_of_none") {
			t.Errorf("%s is there: %v", key, ok)
		}
	}
}

// On a narrow terminal the table has fewer columns, and always the exit codes.
func TestOutcomesFit(t *testing.T) {
	outcomes := []jobs.Outcome{{Portal: "acme", Exit: 75}, {Portal: "beta", Summary: pipeline.Summary{Manifest: &pipeline.Manifest{
		Snapshot: "20261122T020000Z", Ledger: pipeline.Ledger{Listed: 1000, Got: 1000},
	}}}}
	for _, tt := range []struct {
		width int
		want  string
	}{
		{0, "portal snapshot rows + ~ - rejected requests time exit"},
		{200, "portal snapshot rows + ~ - rejected requests time exit"},
		{78, "portal snapshot rows + ~ - rejected time exit"},
		{70, "portal snapshot rows rejected time exit"},
		{50, "portal rows rejected time exit"},
		{30, "portal rows exit"},
		{5, "portal rows exit"},
	} {
		var b bytes.Buffer
		if err := writeOutcomes(&b, outcomes, tt.width); err != nil {
			t.Fatal(err)
		}
		header, _, _ := strings.Cut(b.String(), "\n")
		if got := strings.Join(strings.Fields(strings.ReplaceAll(header, "│", " ")), " "); got != tt.want {
			t.Errorf("%d wide: got columns %s, want %s", tt.width, got, tt.want)
		}
		for line := range strings.Lines(b.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); tt.width > 5 && n > tt.width {
				t.Errorf("%d wide: a line of %d: %s", tt.width, n, line)
			}
		}
	}
}

func TestLedgerText(t *testing.T) {
	tests := []struct {
		ledger pipeline.Ledger
		want   string
	}{
		{pipeline.Ledger{}, "0 listed = 0 got"},
		{pipeline.Ledger{Listed: 1000, Got: 1, Carried: 997, Rejected: 1, Vanished: 1, Kept: 1}, "1,000 listed = 1 got + 997 carried over + 1 rejected + 1 vanished; 1 of the rejected keep their last known row"},
		{pipeline.Ledger{Listed: 5, Got: 5, Outside: 20}, "5 listed = 5 got; 20 left as they were"},
	}
	for _, test := range tests {
		if got := ledgerText(test.ledger); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
