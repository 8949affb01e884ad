package main

import (
	"fmt"
	"go/ast"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"b24export/jobs"
	"b24export/jobs/jobfile"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// testProgram returns a program that runs nothing.
func testProgram() *program {
	return &program{lookup: noEnv, stdout: newOutput(&strings.Builder{}), stderr: newScreen(&strings.Builder{})}
}

func TestManualHasEveryCommandAndExitCode(t *testing.T) {
	manual := readFile(t, "doc.go")
	root := testProgram().rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if !strings.Contains(manual, "//\tb24export "+cmd.Name()+" ") {
			t.Errorf("doc.go does not have the command %s", cmd.Name())
		}
	}
	commands := regexp.MustCompile(`(?m)^//\tb24export ([a-z]+) `)
	for _, found := range commands.FindAllStringSubmatch(manual, -1) {
		if cmd, _, err := root.Find([]string{found[1]}); err != nil || cmd == root {
			t.Errorf("doc.go has the command %s, which does not exist", found[1])
		}
	}
	for _, code := range []int{
		jobs.ExitComplete, jobs.ExitFailed, jobs.ExitUsage, jobs.ExitRejects, jobs.ExitRefused, jobs.ExitHeld, jobs.ExitTemporary, jobs.ExitInterrupted,
	} {
		line := fmt.Sprintf("%3d  ", code)
		if !strings.Contains(manual, "//\t"+line) || !strings.Contains(exitCodesHelp+"\n", "  "+line) {
			t.Errorf("doc.go or the help does not have exit code %d", code)
		}
	}
}

func TestManualHasEveryVariable(t *testing.T) {
	manual := readFile(t, "doc.go")
	for _, f := range moduleFiles(t) {
		if f.test || f.pkg() != "cmd/export" && f.pkg() != "jobs" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil || !regexp.MustCompile(`^(B24|JOB|CLOUD_RUN|AWS_BATCH|NO|COLUMNS$|TERM$)[A-Z0-9_]*$`).MatchString(text) || text == "NO" {
				return true
			}
			if !strings.Contains(manual, text) {
				t.Errorf("%s reads the variable %s, which doc.go does not have", f.path, text)
			}
			return true
		})
	}
}

// The help of every command begins with one line that says what the command does.
// Examples follow, then details and flags. Every flag has a description. help all
// has the same for all commands.
func TestEveryCommandHelps(t *testing.T) {
	_, page, _ := runProgram(t, "help", "all")
	root := testProgram().rootCommand()
	root.InitDefaultHelpCmd()
	commands := slices.Clone(root.Commands())
	for _, cmd := range root.Commands() {
		commands = append(commands, cmd.Commands()...)
	}
	if len(commands) < 20 {
		t.Errorf("%d commands", len(commands))
	}
	for _, cmd := range commands {
		library := strings.HasPrefix(cmd.CommandPath(), "b24export completion")
		if !strings.HasSuffix(cmd.Short, ".") || strings.Contains(cmd.Short, "\n") {
			t.Errorf("%s: short description %q", cmd.Name(), cmd.Short)
		}
		if !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: its example does not have it: %s", cmd.Name(), cmd.Example)
		}
		code, stdout, stderr := runProgram(t, append([]string{"help"}, strings.Fields(cmd.CommandPath())[1:]...)...)
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, cmd.Short+"\n\nExamples:\n"+indent(cmd.Example)+"\n") {
			t.Errorf("help %s: exit code %d, stderr %s, stdout %s", cmd.Name(), code, stderr, stdout)
		}
		if flags := cmd.Flags().FlagUsages(); regexp.MustCompile(`(?m)^ +--[a-z-]+( [a-z]+)? *$`).MatchString(flags) {
			t.Errorf("%s has a flag without a description:\n%s", cmd.Name(), flags)
		}
		for line := range strings.Lines(stdout) {
			if strings.Contains(line, " word ") {
				t.Errorf("help %s: a flag of type word: %s", cmd.Name(), line)
			}
			if !library && len([]rune(line)) > helpWidth+1 && !strings.Contains(line, "python3") {
				t.Errorf("help %s: a line of %d characters: %s", cmd.Name(), len([]rune(line)), line)
			}
		}
		if cmd.Name() == "help" {
			continue
		}
		title := "\n" + cmd.CommandPath() + "\n" + strings.Repeat("=", len(cmd.CommandPath())) + "\n\n"
		_, part, ok := strings.Cut(page, title+cmd.Short+"\n\nExamples:\n"+indent(cmd.Example)+"\n")
		if !ok {
			t.Errorf("help all has no part of %s that begins with what it does and an example", cmd.CommandPath())
			continue
		}
		part, _, _ = strings.Cut(part, "\n\n\n")
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(part, " --"+f.Name+" ") && !strings.Contains(part, " --"+f.Name+"\n") {
				t.Errorf("help all lacks --%s of %s", f.Name, cmd.CommandPath())
			}
		})
	}
}

// Every key of the job file has a flag of the same name, except secrets, what
// belongs to them, and the files that only a file can include.
func TestEveryKeyHasAFlag(t *testing.T) {
	var run *cobra.Command
	for _, cmd := range testProgram().commands() {
		if cmd.Name() == "run" {
			run = cmd
		}
	}
	var without []string
	for _, key := range jobfile.Keys() {
		switch {
		case key.Flag != "":
			if flag := run.Flags().Lookup(key.Flag); flag == nil || flag.Annotations[keyAnnotation][0] != key.Path {
				t.Errorf("run has no flag --%s for %s", key.Flag, key.Path)
			}
			if key.Secret {
				t.Errorf("--%s would show a secret", key.Flag)
			}
		case !strings.HasSuffix(key.Type, "section") && !strings.HasSuffix(key.Type, "sections"):
			without = append(without, key.Path)
		}
	}
	for _, path := range without {
		if !slices.ContainsFunc([]string{"version", "include", "portals[].webhook", "portals[].oauth.", "notify."}, func(p string) bool { return strings.HasPrefix(path, p) }) {
			t.Errorf("the key %s has no flag", path)
		}
	}
}

var (
	testName   = regexp.MustCompile(`\bTest[A-Z][A-Za-z0-9]*\b`)
	linkTarget = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

// Everything that README names must exist: tests, files, commands.
func TestReadmeNamesWhatExists(t *testing.T) {
	tests := make(map[string]bool)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") && !strings.Contains(name, "sinktest") {
			return err
		}
		data, err := os.ReadFile(name)
		for _, found := range regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`).FindAllSubmatch(data, -1) {
			tests[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"README.md", "docs/guarantees.md", "docs/operating.md"} {
		text := readFile(t, filepath.Join(root, page))
		for _, name := range testName.FindAllString(text, -1) {
			if !tests[name] {
				t.Errorf("%s names %s, which does not exist", page, name)
			}
		}
		for _, found := range linkTarget.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(page), found[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, found[1], err)
			}
		}
	}
	readme := readFile(t, filepath.Join(root, "README.md"))
	if lines := strings.Count(readme, "\n"); lines > 150 {
		t.Errorf("README has %d lines, more than anybody reads", lines)
	}
	commands := testProgram().commands()
	for _, found := range regexp.MustCompile("(?m)(?:^|`)b24export ([a-z]+)").FindAllStringSubmatch(readme, -1) {
		if !slices.ContainsFunc(commands, func(c *cobra.Command) bool { return c.Name() == found[1] }) && found[1] != "help" {
			t.Errorf("README has the command %s, which does not exist", found[1])
		}
	}
}

// All builds of the program that people use have the same tags, and so have those of the
// tests that use it.
func TestBuildsHaveTheSameTags(t *testing.T) {
	for _, name := range []string{
		"README.md", "docs/speed.md", "deploy/Dockerfile", "deploy/goreleaser.yaml", ".ci/run",
		"cmd/export/e2e/program_test.go", "cmd/export/e2e/speed/main.go",
	} {
		text := strings.ReplaceAll(readFile(t, filepath.Join("../..", name)), ", ", ",")
		if !strings.Contains(text, "grpcnotrace,disable_grpc_modules") {
			t.Errorf("%s does not build with the tags grpcnotrace,disable_grpc_modules", name)
		}
	}
}
