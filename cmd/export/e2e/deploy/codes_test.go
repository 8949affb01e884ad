package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// verdict is what a scheduler does after the program has exited.
type verdict string

const (
	succeeds   verdict = "success"
	triesAgain verdict = "tries again"
	fails      verdict = "fails"
)

// codes are the program's exit codes.
var codes = []int{0, 1, 2, 3, 4, 5, 75, 130}

// documented returns the table of docs/operating.md: what a scheduler does after
// each exit code.
func documented(t *testing.T) map[int]verdict {
	t.Helper()
	table := make(map[int]verdict)
	row := regexp.MustCompile(`(?m)^\| ([0-9]+) \| [^|]+ \| ([^|]+) \|`)
	for _, m := range row.FindAllStringSubmatch(readFile(t, "docs", "operating.md"), -1) {
		code, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		switch m[2] {
		case "success":
			table[code] = succeeds
		case "yes":
			table[code] = triesAgain
		case "no":
			table[code] = fails
		case "cannot happen with `--rejects-ok`":
			// A run with the flag ends with 0 instead.
		default:
			t.Errorf("docs/operating.md: exit code %d: %q is no answer that this test knows", code, m[2])
		}
	}
	return table
}

// TestSchedulersAgreeWithTheTable compares what each file in deploy does after each
// exit code with docs/operating.md.
func TestSchedulersAgreeWithTheTable(t *testing.T) {
	table := documented(t)
	for _, code := range codes {
		if _, ok := table[code]; !ok && code != 3 {
			t.Errorf("docs/operating.md has no row for exit code %d", code)
		}
	}
	schedulers := map[string]func(code int) verdict{
		"github-actions.yaml": func(code int) verdict { return githubAfter(t, code) },
		"airflow.py":          func(code int) verdict { return airflowAfter(t, code) },
		"b24export@.service":  func(code int) verdict { return systemdAfter(t, code) },
	}
	for _, name := range manifests {
		schedulers[name] = func(code int) verdict { return kubernetesAfter(t, name, code) }
	}
	for name, after := range schedulers {
		for _, code := range codes {
			if code == 3 {
				continue // see TestCommandLines
			}
			if got := after(code); got != table[code] {
				t.Errorf("%s: exit code %d: %s; docs/operating.md says %s", name, code, got, table[code])
			}
		}
	}
}

// TestCommandLines runs the program with the arguments of each file. Only one scheduler
// can count exit code 3 as success, so all must pass --rejects-ok. A second run of a
// fleet must export only what is missing. No flag may be unknown.
func TestCommandLines(t *testing.T) {
	lines := map[string][]string{
		"github-actions.yaml": strings.Fields(find(t, `\./b24export (run .*) \|\|`, exportStep(t))),
		"airflow.py":          airflowCommand(t),
		"b24export@.service":  strings.Fields(find(t, `(?m)^ExecStart=/usr/local/bin/b24export (.*)$`, readFile(t, "deploy", "systemd", "b24export@.service"))),
	}
	for _, name := range manifests {
		lines[name] = kubernetesCommand(t, name)
	}
	if err := build(); err != nil {
		t.Fatal(err)
	}
	for name, args := range lines {
		line := strings.Join(args, " ") + " "
		if !strings.Contains(line, " --rejects-ok ") || !regexp.MustCompile(` --if-older[= ]12h `).MatchString(line) {
			t.Errorf("%s: b24export %s: lacks --rejects-ok or --if-older 12h", name, line)
		}
		for i, arg := range args {
			if strings.HasPrefix(arg, "--metrics-push=http://pushgateway.") {
				args[i] = "--metrics-push=http://127.0.0.1:1"
			}
			if file, ok := strings.CutPrefix(arg, "/var/lib/"); ok {
				args[i] = filepath.Join(t.TempDir(), filepath.Base(file))
			}
		}
		// The job file does not exist. That must be the only error.
		out, err := exec.CommandContext(t.Context(), bin, args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "the job file does not exist") {
			t.Errorf("%s: b24export %s: %v\n%s", name, line, err, out)
		}
	}
}

// find returns what the first group of a pattern matches.
func find(t *testing.T, pattern, text string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in\n%s", pattern, text)
	}
	return found[1]
}

// bin is the built program.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "b24export-deploy-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = filepath.Join(dir, "b24export")
		return m.Run()
	}())
}

// build builds the program once.
var build = sync.OnceValue(func() error {
	cmd := exec.Command("go", "build", "-C", root, "-o", bin, "./cmd/export")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return nil
})

// standIn writes an executable that appends a line to the file calls and exits with
// code. It returns the executable's folder.
func standIn(t *testing.T, name string, code int) (dir, calls string) {
	t.Helper()
	dir = t.TempDir()
	calls = filepath.Join(dir, "calls")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %q\nexit %d\n", calls, code)
	if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, calls
}
