package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/servers"
	"b24export/cmd/export/e2e/internal/table"
	"b24export/sinks"
)

// sqlStatement is a line of sql --json.
type sqlStatement struct{ Comment, SQL string }

// printSQL returns the statements that the program prints for a job.
func printSQL(t testing.TB, env []string, jobFile string, args ...string) []sqlStatement {
	t.Helper()
	var all []sqlStatement
	for line := range bytes.Lines(output(t, env, append([]string{"sql", "--json", jobFile}, args...)...)) {
		var s sqlStatement
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatalf("sql: %v: %s", err, line)
		}
		all = append(all, s)
	}
	return all
}

// away matches statements that need the network: extensions, which this suite does not
// have, and the secrets for them.
var away = regexp.MustCompile(`^(INSTALL|LOAD|CREATE OR REPLACE SECRET) `)

// execute executes the statements of a job in a place. DuckDB's extension for buckets
// is not available here, so DuckDB reads the same objects as the gateway's files. For
// statements that use the bucket, execute checks only the form.
func execute(t *testing.T, duck *table.DuckDB, p place, statements []sqlStatement) {
	t.Helper()
	bucket, _, _ := strings.Cut(p.url, "?")
	inBucket := strings.Contains(bucket, "://")
	remote := 0
	for _, s := range statements {
		if s.SQL == "" {
			continue
		}
		if away.MatchString(s.SQL) {
			remote++
			if strings.HasPrefix(s.SQL, "CREATE") {
				if err := duck.Exec(s.SQL); err == nil || strings.Contains(err.Error(), "Parser Error") {
					t.Errorf("a secret without its extension: %v", err)
				}
			}
			continue
		}
		if inBucket {
			s.SQL = strings.ReplaceAll(s.SQL, bucket+"/", p.dir+"/")
		}
		if err := duck.Exec(s.SQL); err != nil {
			t.Error(err)
		}
	}
	if inBucket != (remote > 0) {
		t.Errorf("%d statements let DuckDB into %s", remote, p.url)
	}
}

// TestSQLForDuckDB executes the output of sql before the first run, after it, and after
// others, and compares each view with the portal and the manifests.
func TestSQLForDuckDB(t *testing.T) {
	for _, kind := range places {
		t.Run(kind.name, func(t *testing.T) {
			p := kind.open(t)
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 500, AllowRegets: true, Strict: t})
			j := newJob(serve(t, portal, portal), p.url)
			j["mode"] = "incremental"
			file := j.write(t)
			duck := table.OpenDuckDB(t)
			types := func(view string) [][]string {
				return duck.Query(t, "SELECT column_name, column_type FROM (DESCRIBE "+view+")", 2)
			}
			views := []string{"payments", "payments_live", "payments_history", "payments_changes", "payments_rejects"}

			execute(t, duck, p, printSQL(t, p.env, file))
			empty := map[string]string{}
			for _, v := range views {
				empty[v] = fmt.Sprint(types(v))
				if n := duck.Query(t, "SELECT count(*) FROM "+v, 1); n[0][0] != "0" {
					t.Errorf("%s has %s rows before the first run", v, n[0][0])
				}
			}
			duck.Query(t, "SELECT id FROM payments_as_of('20990101T000000Z')", 1)

			for run := range 3 {
				portal.Mutate(40, uint64(run))
				runJob(t, p.env, file, 0)
			}
			execute(t, duck, p, printSQL(t, p.env, file))
			for _, v := range views {
				if got := fmt.Sprint(types(v)); got != empty[v] {
					t.Errorf("%s has columns\n%s, before the first run it had\n%s", v, got, empty[v])
				}
			}
			manifests := p.manifests(t)
			newest := manifests[len(manifests)-1]
			whole := func(from string) string {
				print, err := fingerprintOf(duck, from)
				if err != nil {
					t.Fatal(err)
				}
				return print
			}
			for _, v := range []string{"payments", "payments_live"} {
				if whole(v) != whole(table.Quote(p.current())) {
					t.Errorf("%s is not the current table", v)
				}
			}
			for _, m := range manifests {
				if whole("payments_as_of('"+string(m.Snapshot)+"')") != whole(table.Quote(p.path(tableOf(t, m).Path))) {
					t.Errorf("as of %s it is not that snapshot", m.Snapshot)
				}
			}
			// A day means its end.
			last := manifests[0].Snapshot
			for _, m := range manifests {
				last = max(last, m.Snapshot)
			}
			for _, day := range []string{string(last[:8]), string(last[:4] + "-" + last[4:6] + "-" + last[6:8])} {
				if whole("payments_as_of('"+day+"')") != whole(table.Quote(p.current())) {
					t.Errorf("as of the day %s it is not the newest snapshot", day)
				}
			}
			var changes int64
			for _, m := range manifests {
				changes += m.Changes.Sum()
			}
			if got := duck.Query(t, "SELECT count(*) FROM payments_changes", 1)[0][0]; got != fmt.Sprint(changes) {
				t.Errorf("%s changes, the manifests count %d", got, changes)
			}
			// Totals, to the last digit.
			for _, row := range duck.Query(t, "SELECT currency, count(*), sum(sum)::VARCHAR, count(*) FILTER (paid), coalesce(sum(sum) FILTER (paid), 0)::DECIMAL(38,4)::VARCHAR FROM payments GROUP BY ALL", 5) {
				m := newest.Totals[row[0]]
				if want := []string{row[0], fmt.Sprint(m.Payments), m.Sum, fmt.Sprint(m.Paid), m.PaidSum}; !slices.Equal(row, want) {
					t.Errorf("totals %v, the manifest says %v", row, want)
				}
			}
			// An older snapshot, named.
			execute(t, duck, p, printSQL(t, p.env, file, "--snapshot", string(manifests[0].Snapshot)))
			if whole("payments") != whole(table.Quote(p.path(tableOf(t, manifests[0]).Path))) {
				t.Error("with --snapshot, payments is not that snapshot")
			}
		})
	}
}

// TestMergeForBigQuery executes the MERGE that sql prints for BigQuery, which DuckDB
// also understands, except the quotes. The first snapshot and the change feed produce
// the newest snapshot. A second execution changes nothing.
func TestMergeForBigQuery(t *testing.T) {
	gcs := servers.StartGCS(t)
	p := place{url: gcs.Bucket("warehouse"), dir: t.TempDir(), env: gcs.Env()}
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 500, AllowRegets: true, Strict: t})
	j := newJob(serve(t, portal, portal), p.url)
	j["mode"] = "incremental"
	file := j.write(t)
	for run := range 4 {
		runJob(t, p.env, file, 0)
		portal.Mutate(40, uint64(run))
	}
	setEnv(t, p.env)
	download(t, p)
	duck := table.OpenDuckDB(t)
	execute(t, duck, p, printSQL(t, p.env, file))

	merge := ""
	var parts []sqlStatement
	for _, part := range []string{"table", "external", "load", "merge"} {
		parts = append(parts, printSQL(t, p.env, file, "--engine", "bigquery", "--part", part)...)
	}
	all := printSQL(t, p.env, file, "--engine", "bigquery")
	if !slices.Equal(parts, all[1:]) { // except the comment at the start
		t.Errorf("the parts are\n%v\nall is\n%v", parts, all)
	}
	for _, s := range printSQL(t, p.env, file, "--engine", "bigquery", "--part", "merge") {
		if strings.HasPrefix(s.SQL, "MERGE ") {
			merge = strings.NewReplacer("`bitrix24.payments`", "loaded", "`bitrix24.payments_changes`", "later", "`bitrix24.payments_first`", "first", "`", `"`).Replace(s.SQL)
		}
	}
	// The external tables: the change feeds that are files, and the first snapshot's table.
	for _, sql := range []string{
		"CREATE VIEW first AS FROM payments_history WHERE snapshot = (SELECT min(snapshot) FROM payments_history)",
		"CREATE VIEW later AS FROM payments_changes WHERE snapshot != (SELECT min(snapshot) FROM payments_history)",
		"CREATE TABLE loaded AS FROM first",
		"CREATE TABLE begun AS FROM first WHERE false",
	} {
		if err := duck.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	inserts := duck.Query(t, "SELECT count(*), count(*) FILTER (op = 'insert' AND changed IS NULL) FROM payments_changes SEMI JOIN first USING (snapshot)", 2)[0]
	if rows := duck.Query(t, "SELECT count(*) FROM first", 1)[0][0]; inserts[0] != rows || inserts[1] != rows || rows == "0" {
		t.Errorf("the first snapshot has %s rows, its change feed %s with %s inserts", rows, inserts[0], inserts[1])
	}
	// extracted_at of rows that were read again and found unchanged is no change.
	want, err := fingerprintOf(duck, "payments")
	if err != nil {
		t.Fatal(err)
	}
	if before, err := fingerprintOf(duck, "loaded"); err != nil || before == want {
		t.Errorf("before the merge: %s, %v", before, err)
	}
	for range 2 {
		if err := duck.Exec(merge); err != nil {
			t.Fatal(err)
		}
		if got, err := fingerprintOf(duck, "loaded"); err != nil || got != want {
			t.Errorf("merged: %s, %v, want %s", got, err, want)
		}
	}
	// Without a load, into an empty table.
	if err := duck.Exec(strings.ReplaceAll(merge, "loaded", "begun")); err != nil {
		t.Fatal(err)
	}
	if got, err := fingerprintOf(duck, "begun"); err != nil || got != want {
		t.Errorf("merged into an empty table: %s, %v, want %s", got, err, want)
	}
}

// download copies a bucket's objects into the place's folder.
func download(t *testing.T, p place) {
	t.Helper()
	store, err := sinks.OpenStore(t.Context(), p.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for e, err := range store.List(t.Context(), "payments") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := store.Read(t.Context(), e.Key)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(p.path(e.Key)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(p.path(e.Key), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
