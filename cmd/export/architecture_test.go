package main

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// docs/architecture.md names the files that a change touches, and a search that finds
// them. Both are compared with the existing files.
func TestArchitectureNamesTheFilesThatThereAre(t *testing.T) {
	doc, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	sources := make(map[string]string)
	for _, f := range moduleFiles(t) {
		if f.test || slices.Contains([]string{"bitrix/bitrixtest", "sinks/sinktest"}, f.pkg()) {
			continue
		}
		data, err := os.ReadFile(path.Join("../..", f.path))
		if err != nil {
			t.Fatal(err)
		}
		sources[f.path] = string(data)
	}
	file := regexp.MustCompile("`([a-z0-9_/]+\\.go)`")
	rows := 0
	for line := range strings.Lines(string(doc)) {
		cells := regexp.MustCompile(` (?:\| |\|\n)`).Split(strings.TrimPrefix(line, "| "), -1)
		if !strings.HasPrefix(line, "| ") || len(cells) < 3 || cells[0] == "X" {
			continue
		}
		rows++
		search, err := regexp.Compile(strings.ReplaceAll(strings.Trim(cells[2], "`"), `\|`, "|"))
		if err != nil {
			t.Errorf("%s: %v", cells[0], err)
			continue
		}
		var named, found []string
		for _, m := range file.FindAllStringSubmatch(cells[1], -1) {
			named = append(named, m[1])
		}
		for name, text := range sources {
			if search.MatchString(text) {
				found = append(found, name)
			}
		}
		slices.Sort(named)
		slices.Sort(found)
		if diff := cmp.Diff(found, slices.Compact(named)); diff != "" {
			t.Errorf("to change %s: the search %s finds other files than the row names (-found +named):\n%s", cells[0], cells[2], diff)
		}
	}
	if rows != 12 {
		t.Errorf("the table has %d changes, want 12", rows)
	}
}

// Every package has its lines in docs/architecture.md.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	doc, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range allowed {
		if !strings.Contains(string(doc), "`"+rule.pkg+"`") && !strings.Contains(string(doc), "["+rule.pkg+"](../"+rule.pkg+")") {
			t.Errorf("docs/architecture.md does not name the package %s", rule.pkg)
		}
	}
}
