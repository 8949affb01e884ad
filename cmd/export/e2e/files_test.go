package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/table"
	"b24export/jobs"
	"b24export/jobs/jobfile"
)

// BenchmarkFiles compares the program's file with DuckDB's own of the same rows: size,
// an aggregate over all of them, and point lookups by id, all read by DuckDB. It
// reports ours divided by theirs, of medians over queries in turn; below 1 is better.
//
//	go test -run '^$' -bench Files -benchtime 1x .
func BenchmarkFiles(b *testing.B) {
	const payments, rounds = 1_000_000, 41
	portal := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: payments})
	dir := b.TempDir()
	j := newJob(portal.Webhook("https://acme.bitrix24.com"), dir).with("source", "enrich", "list")
	j["portals"].([]any)[0].(map[string]any)["plan"] = "unlimited"
	spec, err := jobfile.Load(j.write(b), os.LookupEnv)
	if err != nil {
		b.Fatal(err)
	}
	outcomes := jobs.Run(b.Context(), spec, &jobs.RunOptions{Program: "b24export/e2e", Transport: portal.RoundTripper()})
	if len(outcomes) != 1 || outcomes[0].Err != nil {
		b.Fatalf("outcomes %+v", outcomes)
	}
	ours, theirs := filepath.Join(dir, filepath.FromSlash(currentTable)), filepath.Join(dir, "duckdb.parquet")
	duck := table.OpenDuckDB(b)
	if err := duck.Exec(fmt.Sprintf("COPY (SELECT * FROM %s ORDER BY id) TO %s (FORMAT parquet, COMPRESSION zstd)",
		table.Quote(ours), table.Quote(theirs))); err != nil {
		b.Fatal(err)
	}
	size := func(path string) float64 {
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		return float64(info.Size())
	}
	// once returns the time of a query on both files, one after the other.
	once := func(query string, n int) (took [2]time.Duration) {
		var answers [2][][]string
		for i, path := range []string{ours, theirs} {
			start := time.Now()
			answers[i] = duck.Query(b, fmt.Sprintf(query, table.Quote(path)), n)
			took[i] = time.Since(start)
		}
		if fmt.Sprint(answers[0]) != fmt.Sprint(answers[1]) {
			b.Fatalf("%s: %v and %v", query, answers[0], answers[1])
		}
		return took
	}
	ratio := func(name string, n int, query func(round int) string) {
		var all [2][]time.Duration
		for round := range rounds {
			took := once(query(round), n)
			all[0], all[1] = append(all[0], took[0]), append(all[1], took[1])
		}
		slices.Sort(all[0])
		slices.Sort(all[1])
		b.Logf("%s: medians %v and %v", name, all[0][rounds/2], all[1][rounds/2])
		b.ReportMetric(float64(all[0][rounds/2])/float64(all[1][rounds/2]), name+"-ratio")
	}
	for b.Loop() {
		b.Logf("size: %.0f and %.0f bytes", size(ours), size(theirs))
		b.ReportMetric(size(ours)/size(theirs), "size-ratio")
		ratio("aggregate", 4, func(int) string {
			return "SELECT currency, count(*), sum(sum)::varchar, max(date_paid)::varchar FROM %s GROUP BY ALL ORDER BY ALL"
		})
		ratio("scan", 1, func(int) string {
			return "SELECT bit_xor(hash(t)) FROM %s t"
		})
		ratio("lookup", 3, func(round int) string {
			return "SELECT id, account_number, sum::varchar FROM %s WHERE id = " + fmt.Sprint(portal.ID(int64(round)*payments/rounds))
		})
	}
}
