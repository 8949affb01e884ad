package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
)

// TestGitHubWorkflow parses the workflow with a linter that has GitHub's schema,
// contexts and actions.
func TestGitHubWorkflow(t *testing.T) {
	workflow := readFile(t, "deploy", "github-actions.yaml")
	lint := func(text string) []*actionlint.Error {
		linter, err := actionlint.NewLinter(t.Output(), &actionlint.LinterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		found, err := linter.Lint("<stdin>", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, e := range lint(workflow) {
		t.Errorf("github-actions.yaml:%d: %s", e.Line, e.Message)
	}
	for _, tt := range []struct{ from, to string }{
		{`cron: "0 2 * * *"`, `cron: "0 25 * * *"`},
		{"secrets.B24_WEBHOOK", "secret.B24_WEBHOOK"},
		{"cancel-in-progress", "cancel-in-progres"},
		{"actions/checkout@v5", "actions/checkout"},
	} {
		if bad := strings.Replace(workflow, tt.from, tt.to, 1); bad == workflow || len(lint(bad)) == 0 {
			t.Errorf("nothing is wrong with %s", tt.to)
		}
	}
}

// step returns the script of a workflow's step.
func step(t *testing.T, name string) string {
	t.Helper()
	workflow, errs := actionlint.Parse([]byte(readFile(t, "deploy", "github-actions.yaml")))
	for _, err := range errs {
		t.Fatal(err)
	}
	for _, step := range workflow.Jobs["export"].Steps {
		if step.Name != nil && step.Name.Value == name {
			return step.Exec.(*actionlint.ExecRun).Run.Value
		}
	}
	t.Fatalf("no step %s", name)
	return ""
}

func exportStep(t *testing.T) string { t.Helper(); return step(t, "Export") }

// githubAfter runs the workflow's script as GitHub does, with a stand-in for the
// program.
func githubAfter(t *testing.T, code int) verdict {
	t.Helper()
	dir, calls := standIn(t, "b24export", code)
	if err := os.WriteFile(filepath.Join(dir, "sleep"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", exportStep(t))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	return after(t, cmd, calls, code)
}

// after runs a script that calls the program, and returns what the script does about
// the program's exit code, which must be the last exit code of the script.
func after(t *testing.T, cmd *exec.Cmd, calls string, code int) verdict {
	t.Helper()
	out, err := cmd.CombinedOutput()
	data, readErr := os.ReadFile(calls)
	if readErr != nil {
		t.Fatalf("the program was not called: %v\n%s", err, out)
	}
	switch tries := strings.Count(string(data), "\n"); {
	case err == nil:
		return succeeds
	case cmd.ProcessState.ExitCode() != code:
		t.Errorf("exit code %d, the program's is %d\n%s", cmd.ProcessState.ExitCode(), code, out)
		return fails
	case tries > 1:
		return triesAgain
	}
	return fails
}

// TestGitHubInstalls runs the step that installs the program, with an archive that has
// the name of a release. A wrong checksum must end the step.
func TestGitHubInstalls(t *testing.T) {
	script := step(t, "Install b24export")
	for _, good := range []bool{true, false} {
		dir := t.TempDir()
		// gh replaces GitHub: it creates the archive and its checksum.
		gh := "#!/bin/sh\nset -e\necho '#!/bin/sh' > b24export\ntar -czf b24export_0.1.0_linux_amd64.tar.gz b24export\nrm b24export\n" +
			"sha256sum b24export_0.1.0_linux_amd64.tar.gz > checksums.txt\necho '" + strings.Repeat("f", 64) + "  b24export_0.1.0_windows_amd64.zip' >> checksums.txt\n"
		if !good {
			gh += "echo >> b24export_0.1.0_linux_amd64.tar.gz\n"
		}
		if err := os.WriteFile(filepath.Join(dir, "gh"), []byte(gh), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "VERSION=0.1.0", "REPOSITORY=somebody/b24export")
		out, err := cmd.CombinedOutput()
		if (err == nil) != good {
			t.Errorf("good archive %v: %v\n%s", good, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "b24export")); (err == nil) != good {
			t.Errorf("good archive %v: %v", good, err)
		}
	}
}
