package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// proseRule is a phrase that must not appear, and what to write instead.
type proseRule struct {
	phrase  string // regular expression; a space stands for any white space
	instead string
}

// proseRules is the list of words. A rule names a phrase that readers stumble over, or
// a second word for something that docs/glossary.md has a word for.
var proseRules = []proseRule{
	{`mend(s|ed|ing)?`, "fix"},
	{`anew`, "again"},
	{`(take|takes|taking|taken|took) up( to)?`, "resume; of memory or time: use"},
	{`(take|takes|taking|taken|took) (it|them|that|this|work) up`, "resume"},
	{`(go|goes|going|gone|went) on`, "continue, resume"},
	{`(hold|holds|holding|held) [^.;:]{0,60}\bagainst`, "compare with, check against"},
	{`who is at (it|work)`, "which run holds the lease"},
	{`(got|gets|get|getting) (\w+ ){0,2}(again|once more)`, "fetch again"},
	{`gives( up)?`, "returns, has"},
	{`gave( up)?`, "returned, had"},
	{`(tells?|telling|told)`, "print, report, show, send"},
	{`lets? (\w+ ){1,2}in`, "connect, approve"},
	{`let in`, "connected, approved, accepted"},
	{`of the two,? the one`, "the … one"},
	{`narrower door`, "tighter limit"},
	{`for ever`, "permanently, without end"},
	{`by lot`, "at random"},
	{`in the place of`, "instead of"},
	{`are those of`, "returns …, contains …"},
	{`(was|were|is|are|be|been) cut off`, "was interrupted; of text: was cut"},
	{`thousandths of a second`, "milliseconds"},
	{`(stand|stands|standing|stood) beside`, "is next to"},
	{`but for`, "except"},
	{`all the same`, "nevertheless, anyway"},
	{`now and then`, "sometimes"},
	{`nobody (knows|can say|has asked)`, "is not known"},
	{`cannot be had`, "cannot be fetched"},
	{`for want of`, "because … is missing"},
	{`what (came|comes|becomes|became) of`, "the result of, the outcome of"},
	{`clean up behind`, "clean up after"},
	{`(lest|whence|thence|thereof|thereby|whereby|wherein|therein|herein|hitherto|thither)`, "say it in a plain sentence"},
	{`(tenants?|savepoints?|dead letters?|tombstones?)`, "the glossary's word: portal, checkpoint, reject, delete"},
}

var prosePatterns = func() []*regexp.Regexp {
	var all []*regexp.Regexp
	for _, rule := range proseRules {
		all = append(all, regexp.MustCompile(`(?i)\b`+strings.ReplaceAll(rule.phrase, " ", `\s+`)+`\b`))
	}
	return all
}()

// cleanPackages are the packages whose comments and messages keep to the list.
var cleanPackages = []string{
	"bitrix", "bitrix/bitrixtest", "bitrix/jsonscan", "cmd/export", "cmd/export/e2e", "jobs", "jobs/jobfile", "jobs/source", "jobs/source/spill",
	"pipeline", "schemas", "schemas/totals", "sinks", "sinks/address", "sinks/durable", "sinks/parquetcheck", "sinks/sinktest",
}

// prose is a piece of text with its position.
type prose struct {
	file string
	line int
	text string
}

// check reports each phrase of the list.
func (p prose) check(t *testing.T) {
	t.Helper()
	for i, pattern := range prosePatterns {
		for _, at := range pattern.FindAllStringIndex(p.text, -1) {
			line := p.line + strings.Count(p.text[:at[0]], "\n")
			phrase := strings.Join(strings.Fields(p.text[at[0]:at[1]]), " ")
			if phrase == "gives up" || phrase == "gave up" || strings.HasSuffix(phrase, " up to") {
				continue
			}
			t.Errorf("%s:%d: %q; write instead: %s", p.file, line, phrase, proseRules[i].instead)
		}
	}
}

// The documentation and the help are plain English: they have none of the phrases of
// the list.
func TestPlainEnglishInDocumentation(t *testing.T) {
	_, page, _ := runProgram(t, "help", "all")
	prose{file: "help all", line: 1, text: page}.check(t)
	for _, name := range documents(t) {
		prose{file: name, line: 1, text: readFile(t, filepath.Join("../..", name))}.check(t)
	}
}

// documents returns the texts that are not Go: documentation, and files of deploy.
func documents(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "findings/README.md"}
	for _, dir := range []string{"docs", "deploy", "jobs/examples"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !slices.Contains([]string{".md", ".yaml", ".yml", ".py", ".sql", ".sh", ".service", ".timer"}, filepath.Ext(name)) && !strings.HasPrefix(d.Name(), "Dockerfile") {
				return err
			}
			rel, err := filepath.Rel("../..", name)
			names = append(names, filepath.ToSlash(rel))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// The comments of all Go files are too, and the texts in files that are not tests.
func TestPlainEnglishInGo(t *testing.T) {
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); base == "testdata" || base == "node_modules" || base == "dist" || base != ".." && strings.HasPrefix(base, ".") {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel("../..", name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if dir, _ := filepath.Split(rel); filepath.Ext(name) != ".go" || !slices.Contains(cleanPackages, strings.TrimSuffix(dir, "/")) || rel == "cmd/export/prose_test.go" {
			return nil
		}
		return checkGo(t, name, rel)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// commentMark matches the mark at the beginning of each line of a comment.
var commentMark = regexp.MustCompile(`(?m)^[ \t]*//`)

// checkGo checks one Go file.
func checkGo(t *testing.T, name, rel string) error {
	t.Helper()
	source, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	text := func(n ast.Node) prose {
		from, to := set.Position(n.Pos()), set.Position(n.End())
		return prose{file: rel, line: from.Line, text: string(source[from.Offset:to.Offset])}
	}
	for _, group := range file.Comments {
		p := text(group)
		p.text = commentMark.ReplaceAllString(p.text, " ")
		p.check(t)
	}
	test := strings.HasSuffix(name, "_test.go")
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if n.Kind == token.STRING && strings.Contains(n.Value, " ") && !test {
				text(n).check(t)
			}
		case *ast.FuncDecl:
			if problem := docProblem(n); problem != "" && !test {
				t.Errorf("%s:%d: %s", rel, set.Position(n.Pos()).Line, problem)
			}
		}
		return true
	})
	return nil
}

// docProblem returns what is wrong with the form of a function's doc comment.
func docProblem(f *ast.FuncDecl) string {
	doc := strings.Join(strings.Fields(f.Doc.Text()), " ")
	name := f.Name.Name
	for _, verb := range []string{"gives", "tells", "says", "is whether", "are those"} {
		if strings.HasPrefix(doc, name+" "+verb+" ") {
			return fmt.Sprintf("%q; write instead: %s returns, reports whether, is", name+" "+verb, name)
		}
	}
	return ""
}
