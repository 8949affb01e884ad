package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"b24export/cmd/export/e2e/internal/procs"
	"b24export/pipeline"
	"b24export/sinks/sinktest"
)

// bin is the path of the built program while the tests run.
var bin string

func TestMain(m *testing.M) {
	sinktest.TempInMemory()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "b24export-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = filepath.Join(dir, "b24export")
		return m.Run()
	}())
}

var program = flag.String("program", "", "test this program instead of building it, such as an older one")

// build builds the program as it is shipped, once.
var build = sync.OnceValue(func() error {
	if *program != "" {
		bin = *program
		return nil
	}
	cmd := exec.Command("go", "build", "-C", filepath.Join("..", "..", ".."), "-trimpath",
		"-tags", "grpcnotrace,disable_grpc_modules", "-o", bin, "./cmd/export")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return nil
})

// runLimit is the maximum duration of a run of the program. It is far longer than any
// run.
const runLimit = 2 * time.Minute

// job is a job file as JSON, which is also YAML. with sets a key of a section.
type job map[string]any

// newJob returns a full export of one portal, called acme, to a sink.
func newJob(webhook, sink string) job {
	return job{
		"version": 1,
		"name":    "payments",
		"mode":    "full",
		"portals": []any{map[string]any{
			"name": "acme", "webhook": webhook, "plan": "unlimited",
			"limits": map[string]any{"operating": "0s", "concurrency": 4},
		}},
		"sink":     map[string]any{"url": sink},
		"patience": "30s",
	}
}

// with returns the job with a section's key set.
func (j job) with(section, key string, value any) job {
	part, ok := j[section].(map[string]any)
	if !ok {
		part = map[string]any{}
		j[section] = part
	}
	part[key] = value
	return j
}

// write stores the job file and returns its path.
func (j job) write(t testing.TB) string {
	t.Helper()
	data, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts the program with args.
func start(t testing.TB, env []string, args ...string) *procs.Process {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "TMPDIR=" + os.TempDir(), "GOTRACEBACK=all"}, env...)
	return procs.Start(t, "b24export", cmd)
}

// startRun starts a run of a job file.
func startRun(t testing.TB, env []string, jobFile string) *procs.Process {
	t.Helper()
	return start(t, env, "run", "--json", "--progress", "none", "--log-format", "json", jobFile)
}

// outcome is the result of a run of one portal: its last line on standard output.
type outcome struct {
	pipeline.Manifest
	Resumed bool    `json:"resumed"`
	Exit    int     `json:"exit"`
	Error   *string `json:"error"`

	// Process has the exit of the child.
	Process procs.Exit `json:"-"`
}

// finish waits for a run's end and reads its result.
func finish(t testing.TB, p *procs.Process) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	exit := p.Wait(t, ctx)
	lines := strings.Split(strings.TrimSpace(string(exit.Stdout)), "\n")
	o := outcome{Process: exit}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &o); err != nil {
		t.Fatalf("last line of the output: %v\nexit code %d, stdout:\n%s\nstderr:\n%s", err, exit.Code, exit.Stdout, exit.Stderr)
	}
	if o.Exit != exit.Code {
		t.Errorf("last line says exit %d, the process %d", o.Exit, exit.Code)
	}
	return o
}

// output runs a command that must succeed and returns its output.
func output(t testing.TB, env []string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	exit := start(t, env, args...).Wait(t, ctx)
	if exit.Code != 0 {
		t.Fatalf("%s: exit code %d; it said:\n%.3000s\n%s", args[0], exit.Code, exit.Stdout, exit.Stderr)
	}
	return exit.Stdout
}

// runJob runs a job file. The test fails if the exit code is not want.
func runJob(t testing.TB, env []string, jobFile string, want int) outcome {
	t.Helper()
	o := finish(t, startRun(t, env, jobFile))
	o.wantExit(t, want)
	return o
}

func (o *outcome) wantExit(t testing.TB, want int) {
	t.Helper()
	if o.Process.Code != want {
		t.Fatalf("exit code %d, want %d; it said:\n%s\n%s", o.Process.Code, want, o.Process.Stdout, o.Process.Stderr)
	}
}
