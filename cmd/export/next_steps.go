package main

import (
	"fmt"
	"io"
	"strings"

	"b24export/jobs"
	"b24export/pipeline"
	"b24export/sinks/address"
)

// writeNextSteps prints commands that show what a job has published.
func writeNextSteps(w io.Writer, job loadedJob, outcomes []jobs.Outcome) error {
	var first *pipeline.Manifest
	var published, rejected int64
	for i := range outcomes {
		if m := outcomes[i].Summary.Manifest; m != nil {
			if first == nil {
				first = m
			}
			published++
			rejected += m.Ledger.Rejected
		}
	}
	sink, err := address.Parse(job.spec.Sink.URL)
	if err != nil {
		return err
	}
	table := currentTable(first.Dataset, first.Portal)
	source := shellWord(sink.Object(table))
	if job.file != "" {
		source = shellWord(job.file)
		if len(job.spec.Portals) > 1 {
			source += " --only " + first.Portal
		}
	}
	var b strings.Builder
	b.WriteString("\nlook at it:\n")
	fmt.Fprintf(&b, "  b24export cat %s\n", source)
	if rejected > 0 && job.file != "" {
		fmt.Fprintf(&b, "  b24export cat %s --rejects\n", source)
	}
	query := queryTotals(duckPath(sink, table))
	if published > 1 {
		query = queryAllTotals(duckPath(sink, currentTable(first.Dataset, "*")))
	}
	fmt.Fprintf(&b, "  duckdb -c %s\n", shellWord(query))
	_, err = io.WriteString(w, b.String())
	return err
}

// currentTable returns the path of a portal's current table in a dataset.
func currentTable(dataset, portal string) string {
	return dataset + "/portal=" + portal + "/" + dataset + ".parquet"
}

// queryTotals returns a first query for a table of payments.
func queryTotals(path string) string {
	return fmt.Sprintf("SELECT currency, count(*) AS payments, sum(sum) AS total FROM %s GROUP BY ALL ORDER BY total DESC", sqlText(path))
}

// queryAllTotals returns the same query for the tables of several portals.
func queryAllTotals(paths string) string {
	return fmt.Sprintf("SELECT portal, currency, count(*) AS payments, sum(sum) AS total FROM read_parquet(%s, hive_partitioning = true) GROUP BY ALL ORDER BY ALL", sqlText(paths))
}

// duckPath returns an object of a sink as DuckDB names it.
func duckPath(sink address.Address, object string) string {
	if sink.IsFolder() {
		return sink.Object(object)
	}
	return duckBucket(sink) + object
}

func sqlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// shellWord quotes s for a shell, if it needs to be.
func shellWord(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%", r)
	}) < 0
	if plain {
		return s
	}
	if !strings.ContainsAny(s, "\"$`\\!") {
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
