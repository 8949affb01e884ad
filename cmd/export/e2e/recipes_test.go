package e2e

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"b24export/cmd/export/e2e/internal/procs"
	"b24export/cmd/export/e2e/internal/table"
)

//go:generate go test . -run "^TestRecipes$" -update

var update = flag.Bool("update", false, "write what the recipes show into docs/recipes.md")

const recipes = "../../../docs/recipes.md"

var (
	// recipe matches a query of the recipes with its result.
	recipe = regexp.MustCompile("(?s)```sql\n(.*?)```\n\n```text\n(.*?)```")
	// forBigQuery matches a query of the recipes for BigQuery.
	forBigQuery = regexp.MustCompile("(?s)```bigquery\n(.*?)```")
)

// TestRecipes executes every query of docs/recipes.md on the demo's dataset, through
// the views that the program prints, and compares what it shows.
func TestRecipes(t *testing.T) {
	dir := demo(t)
	j := newJob("https://demo.bitrix24.com/rest/1/unusedunused/", filepath.Join(dir, "b24export-demo"))
	j["portals"] = []any{map[string]any{"name": "demo", "webhook": "https://demo.bitrix24.com/rest/1/unusedunused/"}}
	duck := table.OpenDuckDB(t)
	execute(t, duck, place{url: dir}, printSQL(t, nil, j.write(t)))

	text, err := os.ReadFile(recipes)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	now := recipe.ReplaceAllStringFunc(string(text), func(block string) string {
		found++
		parts := recipe.FindStringSubmatch(block)
		shown := show(t, duck, parts[1])
		if shown != parts[2] && !*update {
			t.Errorf("%s\nshows\n%s\nthe document says\n%s", parts[1], shown, parts[2])
		}
		return "```sql\n" + parts[1] + "```\n\n```text\n" + shown + "```"
	})
	if queries := strings.Count(string(text), "```sql"); found != queries || found == 0 {
		t.Errorf("%d of %d queries show something", found, queries)
	}
	if *update {
		if err := os.WriteFile(recipes, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	// BigQuery's forms of a query show the same. That they are BigQuery is
	// TestBigQueryStatementsParse's.
	inBigQuery := strings.NewReplacer("`bitrix24.payments`", "payments", "`bitrix24.payments_named`", "payments_named",
		"DATE_TRUNC(paid_day, MONTH)", "date_trunc('month', paid_day)::DATE", "GROUP BY month, manager", "GROUP BY ALL", "JSON_VALUE(", "json_extract_string(", "COUNTIF(", "count_if(", "INT64", "BIGINT")
	for _, at := range forBigQuery.FindAllStringSubmatchIndex(now, -1) {
		before := recipe.FindAllStringSubmatch(now[:at[0]], -1)
		if shown := show(t, duck, inBigQuery.Replace(now[at[2]:at[3]])); shown != before[len(before)-1][2] {
			t.Errorf("%s\nshows\n%s", now[at[2]:at[3]], shown)
		}
	}
}

// TestReadmeQueries executes README's queries on the demo's dataset: from nothing
// to something to look at, in the lines that README has.
func TestReadmeQueries(t *testing.T) {
	dir := demo(t)
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	duck := table.OpenDuckDB(t)
	queries := regexp.MustCompile("(?s)duckdb -c \"(.*?)\"|```sql\n(.*?);\n```").FindAllStringSubmatch(string(text), -1)
	if len(queries) < 2 {
		t.Fatalf("README has %d queries", len(queries))
	}
	for _, q := range queries {
		query := strings.NewReplacer("'b24export-demo/", "'"+filepath.Join(dir, "b24export-demo")+"/", "'data/", "'"+filepath.Join(dir, "b24export-demo")+"/").Replace(q[1] + q[2])
		if lines := strings.Count(show(t, duck, query), "\n"); lines < 5 {
			t.Errorf("%d lines of\n%s", lines, query)
		}
	}
}

// show is a query's result as a table of text.
func show(t *testing.T, duck *table.DuckDB, query string) string {
	t.Helper()
	var names []string
	var columns []string
	for _, c := range duck.Query(t, "SELECT column_name FROM (DESCRIBE "+query+")", 1) {
		names = append(names, c[0])
		columns = append(columns, `coalesce("`+c[0]+`"::VARCHAR, '')`)
	}
	rows := append([][]string{names}, duck.Query(t, "SELECT "+strings.Join(columns, ", ")+" FROM ("+query+")", len(names))...)
	if len(rows) == 1 {
		t.Errorf("no rows: %s", query)
	}
	widths := make([]int, len(names))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// demo runs the program's demo once and returns the folder that it ran in.
func demo(t *testing.T) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), bin, "demo", "--progress", "none")
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "TMPDIR=" + os.TempDir()}
	if exit := procs.Start(t, "b24export", cmd).Wait(t, t.Context()); exit.Code != 0 {
		t.Fatalf("demo: exit code %d: %s", exit.Code, exit.Stderr)
	}
	return dir
}
