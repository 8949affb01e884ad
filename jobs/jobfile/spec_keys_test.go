package jobfile

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestKeys checks the table for consistency: the program must accept what the reference
// shows.
func TestKeys(t *testing.T) {
	flags := make(map[string]string)
	for _, key := range Keys() {
		if key.Text == "" || !strings.HasSuffix(key.Text, ".") {
			t.Errorf("%s: its text is no sentence: %q", key.Path, key.Text)
		}
		if other, ok := flags[key.Flag]; ok && key.Flag != "" {
			t.Errorf("%s and %s have the flag %s", key.Path, other, key.Flag)
		}
		flags[key.Flag] = key.Path
		if key.Flag != "" && key.Secret {
			t.Errorf("%s is secret and has a flag", key.Path)
		}
		if key.Type == typeSection || key.Type == typeSections {
			continue
		}
		if key.Type == "" || key.Rule == "" || key.Example == "" {
			t.Errorf("%s: type %q, rule %q, example %q", key.Path, key.Type, key.Rule, key.Example)
		}
		if key.Flag == "" && !key.Secret && key.Path != "version" && key.Path != "include" &&
			!strings.HasPrefix(key.Path, "portals[].oauth.") && !strings.HasPrefix(key.Path, "notify.") {
			t.Errorf("%s has no flag", key.Path)
		}
		for _, value := range []string{key.Default, key.Example} {
			if f := tryValue(&key, value); f != nil {
				t.Errorf("%s: its default or example %s %s", key.Path, value, f.What)
			}
		}
	}
}

// tryValue reads a value into a spec that has room for it.
func tryValue(key *Key, value string) *Problem {
	e, _ := (&expander{lookup: environment}).expand(value)
	spec := &Spec{Portals: []PortalSpec{{OAuth: new(OAuthSpec)}}}
	if e.text == "" {
		return nil
	}
	if !key.reading.list {
		return key.reading.read(spec, 0, e.text)
	}
	for item := range strings.SplitSeq(strings.Trim(e.text, "[]"), ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if f := key.reading.read(spec, 0, item); f != nil {
			return f
		}
	}
	return nil
}

func TestKeysAreACopy(t *testing.T) {
	Keys()[0].Path = "other"
	if Keys()[0].Path != "version" {
		t.Error("the table can be changed from outside")
	}
}

// TestDocumentation compares the generated parts of the documentation with their
// sources: the reference with the table, the examples with the files.
func TestDocumentation(t *testing.T) {
	const path = "../../docs/job-file.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	for marker, content := range map[string]string{
		"keys":    reference(),
		"minimal": exampleBlock(t, "minimal.yaml"),
		"full":    exampleBlock(t, "full.yaml"),
	} {
		begin, end := "<!-- "+marker+" -->\n", "<!-- /"+marker+" -->\n"
		before, rest, ok := strings.Cut(doc, begin)
		got, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s: no markers %q and %q", path, begin, end)
		}
		want := "\n" + content + "\n"
		if got != want && !*update {
			t.Errorf("%s: what is between %q and its end is out of date; go generate ./... writes it again", path, begin)
		}
		doc = before + begin + want + end + after
	}
	if *update && doc != string(data) {
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func exampleBlock(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile("../examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return "```yaml\n" + string(data) + "```\n"
}

// TestDocumentedJobs reads every job that the documentation shows.
func TestDocumentedJobs(t *testing.T) {
	data, err := os.ReadFile("../../docs/job-file.md")
	if err != nil {
		t.Fatal(err)
	}
	jobs := 0
	for i, part := range strings.Split(string(data), "```yaml\n")[1:] {
		job, _, _ := strings.Cut(part, "```")
		if !strings.Contains(job, "version: 1\n") {
			continue // only a part of a job
		}
		jobs++
		if _, err := parse("job.yaml", []byte(job), environment, nil, nil); err != nil {
			t.Errorf("example %d:\n%s\n%v", i, job, err)
		}
	}
	if jobs < 2 {
		t.Errorf("%d jobs in the documentation, want the smallest and a full one", jobs)
	}
}

func TestNearest(t *testing.T) {
	tests := []struct {
		got  string
		want string
	}{
		{"portal", "portals"}, {"Portals", "portals"}, {"protals", "portals"}, {"sinks", "sink"},
		{"full-every", "full_every"}, {"fullevery", "full_every"}, {"x", ""}, {"frobnicate", ""}, {"", ""},
		{strings.Repeat("portals", 20), ""},
	}
	names := slices.Clone(tree.names)
	for _, tt := range tests {
		if got := nearest(tt.got, names); got != tt.want {
			t.Errorf("nearest(%q) = %q, want %q", tt.got, got, tt.want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "axc", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestSpans(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0s", "30s": "30s", "90s": "1m30s", "45m": "45m", "7d": "7d", "1d12h": "36h", "1h30m": "90m", "1.5h": "90m",
		"250ms": "250ms", "24h": "1d", "0d": "0s", "60m": "1h",
	} {
		v, f := parseSpan(text)
		if f != nil {
			t.Errorf("%s %s", text, f.What)
			continue
		}
		if got := printSpan(v); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
		if again, f := parseSpan(printSpan(v)); f != nil || again != v {
			t.Errorf("%s prints as %s, which is %v", text, printSpan(v), again)
		}
	}
	for _, text := range []string{"", "d", "-", "7", "1.5", "7 d", "1w", "12h1d", "1d1", "h", "١s", "9999999999s", "106751d24h"} {
		if v, f := parseSpan(text); f == nil && text != "106751d24h" {
			t.Errorf("%q is a duration: %v", text, v)
		}
	}
	if fmt.Sprint(Date{2019, 1, 2}) != "2019-01-02" {
		t.Errorf("date prints as %v", Date{2019, 1, 2})
	}
}
