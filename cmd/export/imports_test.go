package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"b24export/jobs/jobfile"
)

const module = "b24export"

// sourceFile is a Go file of the module with its imports.
type sourceFile struct {
	path    string // relative to the module
	test    bool
	imports []string
	syntax  *ast.File
}

func (f *sourceFile) pkg() string { return path.Dir(f.path) }

// moduleFiles parses every Go file of the module. Folders with a go.mod are other
// modules.
func moduleFiles(t *testing.T) []sourceFile {
	t.Helper()
	root := filepath.Join("..", "..")
	var files []sourceFile
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name == root {
				return nil
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return fs.SkipDir
			}
			if base := d.Name(); base == "testdata" || strings.HasPrefix(base, ".") || base == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		f := sourceFile{path: filepath.ToSlash(rel), test: strings.HasSuffix(name, "_test.go"), syntax: syntax}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// allowed has the packages of this module that a package may import, directly and
// through others.
var allowed = []struct {
	pkg     string
	imports []string
	why     string
}{
	{"sinks/address", nil, "an address is checked without what opens it"},
	{"sinks/durable", nil, "a file is written in one order of system calls, whoever writes it"},
	{"bitrix/jsonscan", nil, "JSON is JSON, whoever reads it"},
	{"bitrix", []string{"bitrix/jsonscan", "sinks/durable"}, "the portal's client is of use without the rest"},
	{"bitrix/bitrixtest", []string{"bitrix", "bitrix/jsonscan", "sinks/durable"}, "the fake portal must not share its mistakes with what it tests"},
	{"schemas", []string{"bitrix/jsonscan", "schemas/totals"}, "what a row is depends on no engine and no storage"},
	{"schemas/totals", nil, "a total is numbers, whoever adds them up"},
	{"pipeline", []string{"schemas/totals"}, "the engine is tested without a portal, and without storage"},
	{"sinks/parquetcheck", nil, "what a file may be is known without what is in it"},
	{"sinks", []string{"bitrix/jsonscan", "pipeline", "schemas", "schemas/totals", "sinks/address", "sinks/durable", "sinks/parquetcheck"}, "storage does not know where rows come from"},
	{"sinks/sinktest", []string{"bitrix/jsonscan", "pipeline", "schemas", "schemas/totals", "sinks", "sinks/address", "sinks/durable", "sinks/parquetcheck"}, "the suite of stores and datasets needs no portal"},
	{"jobs/jobfile", []string{"bitrix", "bitrix/jsonscan", "pipeline", "schemas", "schemas/totals", "sinks/address", "sinks/durable"}, "a job file is read without a portal, and without storage"},
	{"jobs/source/spill", nil, "records are sorted whatever they are"},
	{"jobs/source", []string{"bitrix", "bitrix/jsonscan", "jobs/jobfile", "jobs/source/spill", "pipeline", "schemas", "schemas/totals", "sinks/address", "sinks/durable"}, "how payments are read does not depend on where they go"},
	{"jobs", []string{"bitrix", "bitrix/jsonscan", "jobs/jobfile", "jobs/source", "jobs/source/spill", "pipeline", "schemas", "schemas/totals", "sinks", "sinks/address", "sinks/durable", "sinks/parquetcheck"}, "jobs wires them, and knows no command"},
	{"cmd/export", []string{"bitrix", "bitrix/bitrixtest", "bitrix/jsonscan", "jobs", "jobs/jobfile", "jobs/source", "jobs/source/spill", "pipeline", "schemas", "schemas/totals", "sinks", "sinks/address", "sinks/durable", "sinks/parquetcheck"}, "the program shows them all"},
}

func TestImportsPointOneWay(t *testing.T) {
	direct := make(map[string]map[string]string) // package → imported → by which file
	for _, f := range moduleFiles(t) {
		if f.test {
			continue
		}
		pkg := f.pkg()
		if direct[pkg] == nil {
			direct[pkg] = make(map[string]string)
		}
		for _, imported := range f.imports {
			if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
				direct[pkg][ours] = f.path
			}
		}
	}
	for pkg := range direct {
		i := slices.IndexFunc(allowed, func(rule struct {
			pkg     string
			imports []string
			why     string
		}) bool {
			return rule.pkg == pkg
		})
		if i < 0 {
			t.Errorf("package %s has no rule here: say what it may import, and why", pkg)
			continue
		}
		rule := allowed[i]
		seen := map[string]bool{}
		var walk func(from string, chain []string)
		walk = func(from string, chain []string) {
			for imported, file := range direct[from] {
				if seen[imported] {
					continue
				}
				seen[imported] = true
				if !slices.Contains(rule.imports, imported) {
					t.Errorf("%s must not import %s (%s, by way of %s): %s",
						pkg, imported, file, strings.Join(append(chain, imported), " → "), rule.why)
				}
				walk(imported, append(slices.Clone(chain), imported))
			}
		}
		walk(pkg, []string{pkg})
	}
}

func TestFakePortalIsForTestsAndItsCommands(t *testing.T) {
	for _, f := range moduleFiles(t) {
		if f.test || f.pkg() == "bitrix/bitrixtest" || !slices.Contains(f.imports, module+"/bitrix/bitrixtest") {
			continue
		}
		name := path.Base(f.path)
		command := strings.HasPrefix(name, "demo") || strings.HasPrefix(name, "portal") ||
			name == "cmd_demo.go" || name == "cmd_portal.go"
		if f.pkg() != "cmd/export" || !command {
			t.Errorf("%s imports the fake portal: no export may ever depend on it", f.path)
		}
	}
}

func TestForeignImports(t *testing.T) {
	rules := []struct {
		prefix string
		only   []string // the packages that may; none if empty
		why    string
	}{
		{"github.com/apache/arrow-go/", nil, "its Parquet package and that of arrow v17 cannot be linked into one program"},
		{"github.com/spf13/", []string{"cmd/export"}, "flags are the program's business"},
		{"github.com/jedib0t/", []string{"cmd/export"}, "what people see is the program's business"},
		{"gocloud.dev/", []string{"sinks"}, "buckets are the sink's business"},
		{"github.com/parquet-go/", []string{"sinks", "sinks/parquetcheck"}, "files are the sink's business"},
		{"github.com/goccy/go-yaml", []string{"jobs/jobfile"}, "the job file is the job's business"},
		{"html/template", nil, "a template finds methods by name, so the linker keeps every exported method of every type: a quarter of the program"},
		{"text/template", nil, "a template finds methods by name, so the linker keeps every exported method of every type: a quarter of the program"},
		{"net/http", []string{"bitrix", "bitrix/bitrixtest", "jobs", "sinks", "cmd/export"}, "rows and the engine know no network"},
	}
	for _, f := range moduleFiles(t) {
		if f.test {
			continue
		}
		for _, imported := range f.imports {
			for _, rule := range rules {
				if strings.HasPrefix(imported+"/", strings.TrimSuffix(rule.prefix, "/")+"/") && !slices.Contains(rule.only, f.pkg()) {
					t.Errorf("%s imports %s: %s", f.path, imported, rule.why)
				}
			}
		}
	}
}

// A package that depends on the environment without a parameter for it cannot be
// reproduced. The libraries of the clouds still read their own variables, and one file
// checks whether they will.
func TestOnlyTheProgramReadsTheEnvironment(t *testing.T) {
	reads := []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}
	for _, f := range moduleFiles(t) {
		if f.test || f.pkg() == "cmd/export" || f.path == "sinks/bucket_login.go" || f.path == "sinks/sinktest/temp.go" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "os" && slices.Contains(reads, sel.Sel.Name) {
				t.Errorf("%s uses os.%s: only cmd/export reads the environment", f.path, sel.Sel.Name)
			}
			return true
		})
	}
}

// The packages below the program return typed errors. Hints with the names of commands
// and job keys are in one place: the tables of hints in jobs.
func TestLowerPackagesNameNoCommandAndNoKey(t *testing.T) {
	words := []string{"b24export "}
	for _, key := range jobfile.Keys() {
		// A key of one word, such as name, is an ordinary word.
		if strings.Contains(key.Path, ".") {
			words = append(words, strings.ReplaceAll(key.Path, "[]", ""))
		}
	}
	for _, f := range moduleFiles(t) {
		if top, _, _ := strings.Cut(f.path, "/"); f.test || !slices.Contains([]string{"bitrix", "pipeline", "sinks"}, top) ||
			slices.Contains([]string{"bitrix/bitrixtest", "sinks/sinktest"}, f.pkg()) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			for _, word := range words {
				if strings.Contains(lit.Value, word) {
					t.Errorf("%s says %s: only the program knows %q", f.path, lit.Value, word)
				}
			}
			return true
		})
	}
}

// The name of a portal's method is in one place, so that a search for its uses finds
// them all.
func TestMethodsAreNamedInOnePlace(t *testing.T) {
	method := regexp.MustCompile(`^"(sale|crm|event|user|feature|server)\.[a-z.]+"$`)
	found := 0
	for _, f := range moduleFiles(t) {
		if f.test || f.pkg() == "bitrix/bitrixtest" {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && method.MatchString(lit.Value) {
				if found++; f.path != "bitrix/methods.go" {
					t.Errorf("%s names the method %s: use the constant of bitrix/methods.go", f.path, lit.Value)
				}
			}
			return true
		})
	}
	if found == 0 {
		t.Error("no method is named anywhere")
	}
}
