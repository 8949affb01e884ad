package sinks

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"b24export/pipeline"
	"b24export/schemas"
)

// TestRecipeForAColumn adds a column to a copy of the module as package schemas
// describes under Evolution: a field and a row of the table in schemas/payment.go, and
// one command. The copy then reads and resumes the work of this program.
func TestRecipeForAColumn(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds programs for a minute")
	}
	t.Parallel()
	copied := t.TempDir()
	for _, name := range append(packages(t), "docs") {
		if err := os.CopyFS(filepath.Join(copied, name), os.DirFS(filepath.Join("..", name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "README.md"} {
		copyFile(t, filepath.Join(copied, name), filepath.Join("..", name))
	}
	copyFile(t, filepath.Join(copied, "sinks", "added_column_test.go"), filepath.Join("testdata", "added_column_test.go.txt"))
	addColumn(t, filepath.Join(copied, "schemas", "payment.go"))
	run := func(env string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = copied
		cmd.Env = append(os.Environ(), env)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run("", "generate", "./schemas")
	run("", "test", "-vet=off", "./schemas")
	older := leaveWork(t)
	out := run("OLDER_DATASET="+older, "test", "-vet=off", "-v", "-run", "^(TestAddedColumn|TestFilesHaveTheSchemasOfTheContract|TestWrittenPaymentsReadBack)$", "./sinks")
	if !strings.Contains(out, "--- PASS: TestAddedColumn") {
		t.Errorf("the copy's test was not executed:\n%s", out)
	}

	// This program refuses files of the newer one, so that it does not lose the column.
	store, err := OpenFolder(older)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	newer := New(store, &Options{Portal: "acme"}).HistoryPath(snapshot2)
	for _, err = range Payments(t.Context(), store, newer, Above(0)) {
		break
	}
	if err == nil || !strings.Contains(err.Error(), "use a newer one") {
		t.Errorf("a file of the newer program: error %v", err)
	}
}

// packages returns the folders of the module's packages that sinks and its tests need,
// without folders inside of others.
func packages(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", "-f", "{{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	dirs := strings.Fields(string(out))
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(folders); n == 0 || !strings.HasPrefix(rel, folders[n-1]+string(filepath.Separator)) {
			folders = append(folders, rel)
		}
	}
	return folders
}

func copyFile(t *testing.T, dst, src string) {
	t.Helper()
	data, err := os.ReadFile(src)
	if err == nil {
		err = os.WriteFile(dst, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// addColumn adds the column "added" to payment.go, as a person does by the recipe.
func addColumn(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	source := string(data)
	fields, table, ok := strings.Cut(source, "\n}\n")
	if !ok || !strings.HasSuffix(table, "\n})\n") {
		t.Fatalf("%s does not end its struct and its table as it did", path)
	}
	source = fields + "\n\tAdded Null[string]\n}\n" + strings.TrimSuffix(table, "})\n") + `	{
		Name: "added", Since: ` + strconv.Itoa(schemas.Version+1) + `, From: FromList, Field: "added", Encoding: Dictionary,
		Null: "before version 2", Example: "x", Changes: never,
		Description: "A column that a test adds.",
		At:          func(p *Payment) any { return &p.Added },
	},
})
`
	if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
}

// leaveWork returns a folder with a published snapshot and a segment of an unfinished
// run, as this program leaves them.
func leaveWork(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	store, err := OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	m := newMerger(t, store)
	rows := generate(1, 1, 50)
	last := m.last(rows)
	if err := m.d.Publish(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	changed, added := rows[4], rows[49]
	changed.Currency = schemas.Some("XTS")
	added.ID += 1000
	m.segment(7, part{Rows: []schemas.Payment{changed, added}})
	data, err := json.Marshal(struct {
		Rows         []schemas.Payment
		Changed, New schemas.Payment
		Segments     []pipeline.Segment
	}{rows, changed, added, m.cp.Segments})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "left.json"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := m.d.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}
