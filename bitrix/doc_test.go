package bitrix

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"text/tabwriter"
)

// TestPackageCommentShowsTheClassTable compares the table of the package comment with
// the class table.
func TestPackageCommentShowsTheClassTable(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	want := tableText()
	if got := codeBlock(file.Doc); got != want {
		t.Errorf("the table in doc.go is not the one of class.go. Want:\n%s", want)
	}
	for _, heading := range []string{"# Overview", "# Guarantees", "# Errors", "# Limits", "# Testing"} {
		if !strings.Contains(file.Doc.Text(), "\n"+heading+"\n") {
			t.Errorf("no heading %q", heading)
		}
	}
}

// tableText returns the rules in the form of the package comment.
func tableText() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "code\tin\tclass\twhat it is")
	for _, r := range rules {
		code := r.code
		if code == "" {
			code = `""`
		}
		where := r.place.String()
		if r.status != 0 {
			where += fmt.Sprintf(", %d", r.status)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", code, where, r.class, r.why)
	}
	fmt.Fprintf(w, "any other\tany\tReject\tafter %d attempts\n", unknownAttempts)
	w.Flush()
	return b.String()
}

// codeBlock returns the indented lines of a comment after the one that begins with
// "code".
func codeBlock(doc *ast.CommentGroup) string {
	var b strings.Builder
	inside := false
	for line := range strings.Lines(doc.Text()) {
		text, indented := strings.CutPrefix(line, "\t")
		inside = indented && (inside || strings.HasPrefix(text, "code "))
		if inside {
			b.WriteString(text)
		}
	}
	return b.String()
}
