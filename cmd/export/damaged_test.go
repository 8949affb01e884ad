package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/pipeline"
	"b24export/sinks"
)

// damagedRow is a row of the table in docs/operating.md: a file that was damaged, what a
// run does then, and the commands that lead out of it.
type damagedRow struct {
	file     string
	exit     int // of the next run
	commands []string
}

func damagedRows(t *testing.T) []damagedRow {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), "\n| damaged file | ")
	if !ok {
		t.Fatal("docs/operating.md has no table of damaged files")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	code := regexp.MustCompile("`([^`]+)`")
	exit := regexp.MustCompile(`exit code (\d+)`)
	var rows []damagedRow
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 3 {
			t.Fatalf("%d cells in %s", len(cells), line)
		}
		row := damagedRow{file: code.FindStringSubmatch(cells[0])[1]}
		if _, err := fmt.Sscanf(exit.FindString(cells[1]), "exit code %d", &row.exit); err != nil {
			t.Fatalf("no exit code in %s", line)
		}
		for _, found := range code.FindAllStringSubmatch(cells[2], -1) {
			row.commands = append(row.commands, found[1])
		}
		rows = append(rows, row)
	}
	return rows
}

// damagedWorld is a dataset in a folder that was exported several times, and its portal.
type damagedWorld struct {
	t        *testing.T
	portal   *bitrixtest.Portal
	gate     *gate
	job      string // its job file, and that of a backfill
	backfill string
	data     string
	webhook  string
}

// newDamagedWorld returns a world that has the file.
func newDamagedWorld(t *testing.T, file string) *damagedWorld {
	opts := bitrixtest.Options{Seed: 3, Payments: 600, AllowRegets: true, Strict: t}
	more := ""
	switch {
	case strings.Contains(file, "rejects"):
		opts.Refuse = 0.004
	case strings.Contains(file, "listed"):
		opts.Values.ListNames = true
	case strings.Contains(file, "orders"):
		more = ", source: {related: [orders]}"
	}
	w := &damagedWorld{t: t, portal: bitrixtest.New(opts)}
	w.gate = newGate(w.portal)
	server := httptest.NewServer(w.gate)
	t.Cleanup(server.Close)
	w.webhook = w.portal.Webhook(server.URL)
	dir := t.TempDir()
	w.data = filepath.Join(dir, "data")
	w.job, w.backfill = filepath.Join(dir, "JOB"), filepath.Join(dir, "BACKFILL")
	const job = `{version: 1, name: payments, portals: [{name: acme, webhook: "${B24_WEBHOOK}", plan: unlimited}], ` +
		`sink: {url: data, history: 2}, checkpoint: {rows: 100}%s}`
	for path, more := range map[string]string{w.job: more, w.backfill: ", mode: backfill, backfill: {billed: {from: 2000-01-01, to: 2040-01-01}}"} {
		if err := os.WriteFile(path, fmt.Appendf(nil, job, more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		w.mustRun("run", w.job)
		w.portal.Mutate(60, 2)
	}
	return w
}

// run runs the program in the process.
func (w *damagedWorld) run(ctx context.Context, args ...string) (code int, stderr string) {
	w.t.Helper()
	if args[0] == "run" {
		args = append(args, "--rejects-ok")
	}
	lookup := func(name string) (string, bool) { return w.webhook, name == webhookVariable }
	var out, errs bytes.Buffer
	code = run(ctx, args, lookup, nil, &out, &errs)
	return code, errs.String() + out.String()
}

func (w *damagedWorld) mustRun(args ...string) {
	w.t.Helper()
	if code, stderr := w.run(w.t.Context(), args...); code != jobs.ExitComplete {
		w.t.Fatalf("%q: exit code %d\n%s", args, code, stderr)
	}
}

// interrupt stops a run when it has sent so many requests.
func (w *damagedWorld) interrupt(requests int, args ...string) {
	w.t.Helper()
	w.gate.close(requests)
	ctx, cancel := context.WithCancelCause(w.t.Context())
	ended := make(chan struct{})
	// Ends at the first request that is held back, or with the run.
	go func() {
		select {
		case <-w.gate.held:
		case <-ended:
		}
		cancel(errInterrupted)
		w.gate.open()
	}()
	code, stderr := w.run(ctx, args...)
	close(ended)
	if code != jobs.ExitInterrupted {
		w.t.Fatalf("%q: exit code %d, want it interrupted\n%s", args, code, stderr)
	}
}

// path replaces the words in a path of the document.
func (w *damagedWorld) path(file string) string {
	w.t.Helper()
	manifests := w.glob("_runs/payments/portal=acme/*.json")
	id := func(path string) string { return strings.TrimSuffix(filepath.Base(path), ".json") }
	file = strings.NewReplacer("SNAPSHOT", id(manifests[len(manifests)-1]), "OLDER", id(manifests[0]), "NUMBER", "*").Replace(file)
	found := w.glob(file)
	return found[len(found)-1]
}

func (w *damagedWorld) glob(pattern string) []string {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.data, filepath.FromSlash(pattern)))
	if err != nil || len(found) == 0 {
		w.t.Fatalf("no file is %s: %v", pattern, err)
	}
	slices.Sort(found)
	return found
}

// damages are ways to damage a file, each of a new file in its place: the old one may
// have other names.
var damages = []struct {
	name string
	make func([]byte) []byte
	// unfinished: a run was interrupted before, and its work is based on this file.
	unfinished bool
}{
	{"changed", func(data []byte) []byte {
		if data[0] == '{' {
			data[len(data)/2] ^= 4
			return data
		}
		// A bit in the header of a page may change no row.
		for i := range len(data) / 20 {
			data[len(data)/2+i] ^= 4
		}
		return data
	}, false},
	{"cut, beside unfinished work", func(data []byte) []byte { return data[:len(data)*2/3] }, true},
}

// TestDamagedFiles damages each file that docs/operating.md names. The next run ends as
// the document says, and its commands lead to a dataset that is complete and right.
func TestDamagedFiles(t *testing.T) {
	kinds := map[string]bool{}
	for i, row := range damagedRows(t) {
		for _, kind := range []string{"segment", "checkpoint", "_runs/", "payments.parquet", "rejects", "listed", "orders", "attempt"} {
			kinds[kind] = kinds[kind] || strings.Contains(row.file, kind)
		}
		for _, how := range damages {
			t.Run(fmt.Sprint(i, " ", how.name), func(t *testing.T) {
				t.Parallel()
				t.Log(row.file)
				w := newDamagedWorld(t, row.file)
				job := w.job
				switch {
				case strings.Contains(row.file, "/backfill/"):
					job = w.backfill
					w.interrupt(12, "run", job)
				case how.unfinished, strings.Contains(row.file, "checkpoint-"), strings.Contains(row.file, "segment-"):
					w.interrupt(12, "run", job, "--mode", "full")
				}
				file := w.path(row.file)
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, how.make(data), 0o600); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(row.file, "segment-") && !strings.Contains(row.file, "listed") && job == w.job {
					if code, out := w.run(t.Context(), "check", job); code != jobs.ExitComplete || !strings.Contains(out, "the next run reads the payments of this segment again") {
						t.Errorf("check does not report the segment: exit code %d\n%s", code, out)
					}
				}
				code, stderr := w.run(t.Context(), "run", job)
				// The listing of the resumed run is complete.
				reads := !how.unfinished || !strings.Contains(row.file, "payments_rejects/")
				if code != row.exit && reads {
					t.Errorf("the next run ends with exit code %d, the document says %d\n%s", code, row.exit, stderr)
				}
				if code == jobs.ExitFailed && !strings.Contains(stderr, "docs/operating.md") {
					t.Errorf("no hint names the document:\n%s", stderr)
				}
				if code == row.exit {
					for _, command := range row.commands {
						w.do(command)
					}
				}
				w.mustRun("run", w.job)
				w.mustRun("verify", w.job, "--sample", "50")
				w.wantComplete()
				// What nothing builds on is gone when its history ends.
				for range 2 {
					w.portal.Mutate(10, 3)
					w.mustRun("run", w.job)
				}
				w.mustRun("verify", w.job, "--all")
				for _, file := range w.glob("payments_*/portal=acme/snapshot=*/*") {
					manifest := "_runs/payments/portal=acme/" + strings.TrimPrefix(filepath.Base(filepath.Dir(file)), "snapshot=") + ".json"
					if _, err := os.Stat(filepath.Join(w.data, filepath.FromSlash(manifest))); err != nil {
						t.Errorf("a file of a snapshot without a manifest is left: %s", file)
					}
				}
			})
		}
	}
	for kind, there := range kinds {
		if !there {
			t.Errorf("the table has no row of %s", kind)
		}
	}
}

// do executes a command of the document.
func (w *damagedWorld) do(command string) {
	w.t.Helper()
	words := strings.Fields(command)
	switch words[0] {
	case "rm":
		if err := os.Remove(w.path(words[1])); err != nil {
			w.t.Fatal(err)
		}
	case "b24export":
		args := words[1:]
		for i, arg := range args {
			if arg == "JOB" || arg == "BACKFILL" {
				args[i] = filepath.Join(filepath.Dir(w.job), arg)
			}
		}
		w.mustRun(args...)
	default:
		w.t.Fatalf("the document has the command %q", command)
	}
}

// wantComplete compares the current table with the portal. Payments that the portal
// refuses are rejects and not rows.
func (w *damagedWorld) wantComplete() {
	w.t.Helper()
	store, err := sinks.OpenStore(w.t.Context(), w.data, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer store.Close()
	want := map[int64]string{}
	for p := range w.portal.All() {
		want[p.ID] = fmt.Sprint(p.Sum)
	}
	for row, err := range sinks.Payments(w.t.Context(), store, "payments/portal=acme/payments.parquet", sinks.Above(0)) {
		if err != nil {
			w.t.Fatal(err)
		}
		if _, ok := want[row.ID]; !ok {
			w.t.Errorf("payment %d is not on the portal", row.ID)
		}
		delete(want, row.ID)
	}
	manifests := w.glob("_runs/payments/portal=acme/*.json")
	data, err := os.ReadFile(manifests[len(manifests)-1])
	if err != nil {
		w.t.Fatal(err)
	}
	var m pipeline.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		w.t.Fatal(err)
	}
	if int64(len(want)) != m.Ledger.Rejected {
		w.t.Errorf("%d payments are missing, and %d are rejects", len(want), m.Ledger.Rejected)
	}
}
