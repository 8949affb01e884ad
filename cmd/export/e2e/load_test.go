package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/procs"
	"b24export/cmd/export/e2e/internal/servers"
	"b24export/cmd/export/e2e/internal/table"
	"b24export/schemas"
)

// block returns the fenced text of a section in docs/recipes.md.
func block(t testing.TB, section, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)\n## " + regexp.QuoteMeta(section) + "\n.*?```" + language + "\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("docs/recipes.md has no %s under %q", language, section)
	}
	return string(found[1])
}

// TestPostgreSQL executes the lines that load a table into PostgreSQL, twice, and
// compares what is there with the manifest.
func TestPostgreSQL(t *testing.T) {
	p, _, file := manyNights(t)
	env := startPostgres(t)
	dir := t.TempDir()
	if err := os.Symlink(bin, filepath.Join(dir, "b24export")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "job.yaml"), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	env = append(env, "HOME="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
	run := func(script string) []byte {
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
		cmd.Dir, cmd.Env = dir, env
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		exit := procs.Start(t, "recipe", cmd).Wait(t, ctx)
		if exit.Code != 0 {
			t.Fatalf("exit code %d: %s\n%s", exit.Code, exit.Stderr, script)
		}
		return exit.Stdout
	}
	for range 2 {
		run(block(t, "Into PostgreSQL", "sh"))
	}
	manifests := p.manifests(t)
	newest := manifests[len(manifests)-1]
	var want []string
	for currency, total := range newest.Totals {
		want = append(want, fmt.Sprintf("%s|%d|%s|%d|%s", currency, total.Payments, total.Sum, total.Paid, total.PaidSum))
	}
	slices.Sort(want)
	got := strings.Fields(string(run(`psql -At -c 'SELECT currency, count(*), sum(sum), count(*) FILTER (WHERE paid), coalesce(sum(sum) FILTER (WHERE paid), 0) FROM payments GROUP BY currency ORDER BY currency COLLATE "C"'`)))
	if !slices.Equal(got, want) {
		t.Errorf("in PostgreSQL\n%v\nthe manifest says\n%v", got, want)
	}
}

// TestLoadFiles compares the files to copy with the lines that the tests execute.
func TestLoadFiles(t *testing.T) {
	for _, tt := range []struct{ file, section, language string }{
		{"postgresql.sh", "Into PostgreSQL", "sh"},
		{"clickhouse.sql", "Into ClickHouse", "clickhouse"},
		{"duckdb.sql", textFiles, "duckdb"},
		{"clickhouse-csv.sql", textFiles, "clickhouse"},
	} {
		data, err := os.ReadFile("../../../deploy/load/" + tt.file)
		if err != nil {
			t.Fatal(err)
		}
		if want := block(t, tt.section, tt.language); !strings.HasSuffix(string(data), "\n"+want) {
			t.Errorf("%s does not end in what docs/recipes.md has under %q:\n%s", tt.file, tt.section, want)
		}
	}
}

const textFiles = "Text files, without losing digits"

// TestTextFiles loads the output of cat with the lines of the recipes into DuckDB and
// ClickHouse, and compares each with its own reading of the Parquet file.
func TestTextFiles(t *testing.T) {
	p, _, file := manyNights(t)
	dir := t.TempDir()
	if err := os.Symlink(bin, filepath.Join(dir, "b24export")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(block(t, textFiles, "sh"), "job.yaml", table.Quote(file)))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append(p.env, "PATH="+dir+":"+os.Getenv("PATH"))...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if exit := procs.Start(t, "recipe", cmd).Wait(t, ctx); exit.Code != 0 {
		t.Fatalf("exit code %d: %s", exit.Code, exit.Stderr)
	}
	schema, err := os.ReadFile(filepath.Join(dir, "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}

	lines := strings.Split(strings.TrimSpace(block(t, textFiles, "duckdb")), "\n")
	fromCSV, fromJSON := lines[1], strings.TrimPrefix(lines[2], "-- or: ")
	for _, load := range []string{fromCSV, fromJSON} {
		duck := table.OpenDuckDB(t)
		for _, statement := range []string{string(schema), strings.ReplaceAll(load, "'payments.", "'"+dir+"/payments.")} {
			if err := duck.Exec(statement); err != nil {
				t.Fatalf("%v\n%s", err, statement)
			}
		}
		if err := duck.Exec("CREATE VIEW parquet AS FROM read_parquet(" + table.Quote(p.current()) + ", hive_partitioning = false)"); err != nil {
			t.Fatal(err)
		}
		got, err := fingerprintOf(duck, "payments")
		if err != nil {
			t.Fatal(err)
		}
		if want, err := fingerprintOf(duck, "parquet"); err != nil || got != want {
			t.Errorf("%s\nmakes  %s\nof     %s, %v", load, got, want, err)
		}
	}

	load := strings.ReplaceAll(block(t, textFiles, "clickhouse"), "'payments.csv'", table.Quote(filepath.Join(dir, "payments.csv")))
	const line = "SELECT count(), sum(id), sum(sum), count(date_paid), sum(toUnixTimestamp64Micro(assumeNotNull(date_paid)) * (date_paid IS NOT NULL)), " +
		"sum(toUnixTimestamp64Micro(assumeNotNull(extracted_at))), countIf(paid), sum(cityHash64(account_number, currency, pay_system_name, extra, returned)), " +
		"sum(responsible_id), sum(entity_id), sum(emp_paid_id) FROM "
	input, err := json.Marshal([]string{load, line + "payments_csv", line + "file(" + table.Quote(p.current()) + ", Parquet)"})
	if err != nil {
		t.Fatal(err)
	}
	var answers [][][]string
	node(t, "clickhouse", input, &answers)
	if fmt.Sprint(answers[1]) != fmt.Sprint(answers[2]) || len(answers[1]) != 1 {
		t.Errorf("ClickHouse makes of the text\n%v\nof the Parquet file\n%v", answers[1], answers[2])
	}
}

// TestClickHouse executes the statement that loads tables from a bucket into
// ClickHouse, twice, and compares what is there with the manifests.
func TestClickHouse(t *testing.T) {
	gateway := servers.StartS3(t)
	p := newBucket(t, gateway, "warehouse")
	j := newJob("", p.url)
	j["rejects"] = map[string]any{"max": "5%"}
	var portals []any
	// Names that engines read as numbers, booleans and days.
	for i, name := range []string{"12", "012", "acme", "true", "2024-01-01"} {
		portal := bitrixtest.New(bitrixtest.Options{Seed: uint64(i + 1), Payments: 200 + 100*i, Odd: true, Strict: t})
		portals = append(portals, map[string]any{"name": name, "webhook": serve(t, portal, portal), "plan": "unlimited"})
	}
	j["portals"] = portals
	run := start(t, p.env, "run", j.write(t), "--json", "--progress", "none")
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	exit := run.Wait(t, ctx)
	if exit.Code != 0 {
		t.Fatalf("exit code %d; it said:\n%s", exit.Code, exit.Stderr)
	}
	var want []string
	for _, o := range outcomesOf(t, exit.Stdout) {
		for currency, total := range o.Totals {
			want = append(want, fmt.Sprint([]string{o.Portal, currency, fmt.Sprint(total.Payments), total.Sum, fmt.Sprint(total.Paid), total.PaidSum}))
		}
	}
	slices.Sort(want)

	access := map[string]string{}
	for _, kv := range p.env {
		key, value, _ := strings.Cut(kv, "=")
		access[key] = value
	}
	load := strings.NewReplacer(
		"https://warehouse.s3.eu-central-1.amazonaws.com/bitrix24/", "http://"+gateway.Addr+"/warehouse/",
		"'KEY'", table.Quote(access["AWS_ACCESS_KEY_ID"]), "'SECRET'", table.Quote(access["AWS_SECRET_ACCESS_KEY"]),
	).Replace(block(t, "Into ClickHouse", "clickhouse"))
	input, err := json.Marshal([]string{load, load, "SELECT portal, currency, count(), sum(sum), countIf(paid), sumIf(sum, paid) FROM payments " +
		"GROUP BY ALL ORDER BY ALL SETTINGS output_format_decimal_trailing_zeros = 1"})
	if err != nil {
		t.Fatal(err)
	}
	var answers [][][]string
	node(t, "clickhouse", input, &answers)
	var got []string
	for _, row := range answers[2] {
		got = append(got, fmt.Sprint(row))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) || len(got) < 6 {
		t.Errorf("in ClickHouse\n%v\nthe manifests say\n%v", got, want)
	}
}

// startPostgres starts a server on a socket, and returns the variables that connect
// psql. PostgreSQL refuses to run as root; it then runs as its own user.
func startPostgres(t testing.TB) (env []string) {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/pg_ctl")
	if err != nil || len(found) == 0 {
		t.Fatalf("no PostgreSQL in /usr/lib/postgresql: install Debian's package postgresql (%v)", err)
	}
	dir, err := os.MkdirTemp("", "b24export-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := []string{}
	if os.Geteuid() == 0 {
		postgres, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(postgres.Uid)
		gid, _ := strconv.Atoi(postgres.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		as = []string{"runuser", "-u", "postgres", "--"}
	}
	folder := filepath.Join(dir, "data")
	ctl := func(args ...string) {
		args = slices.Concat(as, []string{found[len(found)-1], "-D", folder}, args)
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	ctl("-s", "-o", "-A trust -U postgres --no-sync", "initdb")
	// The server has its own log: a server that held our output would never release it.
	ctl("-s", "-w", "-l", filepath.Join(dir, "log"), "-o", "-k "+dir+" -c listen_addresses= -c fsync=off", "start")
	t.Cleanup(func() { ctl("-s", "-m", "immediate", "stop") })
	return []string{"PGHOST=" + dir, "PGUSER=postgres", "PGDATABASE=postgres"}
}

// The source file of the recipes is YAML. It names the table's columns in their order,
// and the column of the folders.
func TestDBTSource(t *testing.T) {
	var doc struct {
		Version int
		Sources []struct {
			Name   string
			Tables []struct {
				Name          string
				LoadedAtField string `json:"loaded_at_field"`
				Columns       []struct{ Name string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(block(t, "As a dbt source", "yaml")), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Version != 2 || len(doc.Sources) != 1 || len(doc.Sources[0].Tables) != 1 {
		t.Fatalf("%+v", doc)
	}
	table := doc.Sources[0].Tables[0]
	var got, want []string
	for _, c := range table.Columns {
		got = append(got, c.Name)
	}
	for _, f := range schemas.Payments().Fields() {
		want = append(want, f.Name)
	}
	want = append(want, "portal")
	if !slices.Equal(got, want) || !slices.Contains(got, table.LoadedAtField) {
		t.Errorf("columns %v, loaded at %s; want %v", got, table.LoadedAtField, want)
	}
}
