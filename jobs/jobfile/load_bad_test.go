package jobfile

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

//go:generate go test . -run "^(TestBadJobs|TestDocumentation)$" -update

var update = flag.Bool("update", false, "rewrite the transcripts and the reference")

// marked is in the test files wherever a secret may be. No problem may show it.
const marked = "MARKEDSECRET"

// environment returns the values of the variables in the test files.
func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"B24_WEBHOOK":       "https://acme.bitrix24.com/rest/1/" + marked + "/",
		"B24_WEBHOOK_2":     "https://beta.bitrix24.com/rest/1/" + marked + "/",
		"B24_CLIENT_ID":     "local.5f3e",
		"B24_CLIENT_SECRET": marked,
		"HOOK_URL":          "https://hooks.example.org/" + marked,
		"TOKEN":             marked,
		"EMPTY":             "",
		"MINUS":             "-5",
	}[name]
	return v, ok
}

// archived reads files of an archive by their base names.
func archived(a *txtar.Archive) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		if strings.HasSuffix(path, "closed.txt") {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		}
		if data, ok := section(a, filepath.Base(path)); ok {
			return data, nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
}

func section(a *txtar.Archive, name string) ([]byte, bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// TestBadJobs reads each malformed job file of testdata/bad and compares the whole text
// of its problems with the transcript. It allows every feature: what the program
// supports changes with time, the rules do not.
func TestBadJobs(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 60 {
		t.Fatalf("%d transcripts, want at least 60", len(paths))
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data, ok := section(archive, "job.yaml")
			if !ok {
				t.Fatal("no job.yaml in it")
			}
			spec, err := parse("job.yaml", data, environment, archived(archive), nil)
			problems, ok := errors.AsType[*Problems](err)
			if !ok || spec != nil {
				t.Fatalf("spec %v, error %v; want problems", spec, err)
			}
			got := problems.Error() + "\n"
			checkQuiet(t, got)
			if *update {
				writeTranscript(t, path, archive, got)
				return
			}
			want, _ := section(archive, "problems")
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// checkQuiet checks that a text for users contains nothing that must never be in one.
func checkQuiet(t *testing.T, text string) {
	t.Helper()
	for _, never := range []string{marked, "goroutine", ".go:", "panic", "%!"} {
		if strings.Contains(text, never) {
			t.Errorf("%q is in the text:\n%s", never, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 400 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
}

func writeTranscript(t *testing.T, path string, archive *txtar.Archive, problems string) {
	t.Helper()
	files := archive.Files[:0]
	for _, f := range archive.Files {
		if f.Name != "problems" {
			files = append(files, f)
		}
	}
	archive.Files = append(files, txtar.File{Name: "problems", Data: []byte(problems)})
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
