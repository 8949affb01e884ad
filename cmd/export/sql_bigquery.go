package main

import (
	"fmt"
	"regexp"
	"strings"

	"b24export/schemas"
	"b24export/sinks/address"
)

// sqlName matches a dataset of BigQuery, with or without its project.
var sqlName = regexp.MustCompile(`^([A-Za-z0-9-]+\.)?[A-Za-z0-9_-]+$`)

// bigQueryParts are the values of --part, in the order in which sql prints the parts. A
// scheduler executes table once, and load or merge after each run.
var bigQueryParts = []string{"table", "external", "load", "merge"}

// allParts is the value of --part for all of them.
const allParts = "all"

// bigQueryStatements returns the statements that load a dataset and keep it up to date:
// those of one part, or of all parts.
func bigQueryStatements(sinkURL, dataset, part string, f *sqlFiles) ([]statement, error) {
	sink, err := address.Parse(sinkURL)
	if err != nil || sink.Scheme() != "gs" {
		return nil, &startError{errNotInGCS}
	}
	b := &bigQuery{root: "gs://" + sink.Bucket() + "/" + sink.Prefix(), dataset: dataset, name: f.name}
	types, err := schemas.SQLTypes(schemas.Payments(), "bigquery")
	if err != nil {
		return nil, err
	}
	for i, field := range schemas.Payments().Fields() {
		b.columns = append(b.columns, "`"+field.Name+"`")
		b.declared = append(b.declared, "  `"+field.Name+"` "+types[i])
	}
	b.columns = append(b.columns, "`portal`", "`snapshot`")

	const shape = "PARTITION BY TIMESTAMP_TRUNC(date_bill, MONTH)\nCLUSTER BY portal, currency, id"
	parts := map[string][]statement{
		"table": {{
			"The table: by the month in which payments were billed.",
			fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (\n%s,\n  `portal` STRING,\n  `snapshot` STRING\n)\n%s", b.table(""), strings.Join(b.declared, ",\n"), shape),
		}},
		"external": append([]statement{{
			"The current tables, as a table of its own that is read from the bucket at each query.",
			b.external("_external", f.name, []string{f.name + "/*"}, "portal"),
		}, b.days(f)}, b.related(f)...),
		"load":  b.load(f, shape),
		"merge": b.feed(f),
	}
	if part != allParts {
		return parts[part], nil
	}
	all := []statement{{comment: "The dataset " + f.name + " in BigQuery. bq takes each part: bq query --use_legacy_sql=false < FILE"}}
	for _, name := range bigQueryParts {
		all = append(all, parts[name]...)
	}
	return all, nil
}

// load returns the statements that replace the table with one load job.
func (b *bigQuery) load(f *sqlFiles, shape string) []statement {
	if len(f.current) == 0 {
		return []statement{{comment: "No portal has a snapshot yet: print again after a run for the load job."}}
	}
	return []statement{{
		"Everything, in place of what the table has: one load job of the files that the newest manifests name. With bq:\n" +
			"  b24export schema --format bigquery > schema.json\n" +
			fmt.Sprintf("  bq load --replace --source_format=PARQUET --hive_partitioning_mode=STRINGS --hive_partitioning_source_uri_prefix=%s%s_history \\\n", b.root, f.name) +
			fmt.Sprintf("    --time_partitioning_type=MONTH --time_partitioning_field=date_bill --clustering_fields=portal,currency,id \\\n    %s \\\n    %s schema.json",
				strings.ReplaceAll(b.dataset, ".", ":")+"."+f.name, b.root+strings.Join(f.current, ","+b.root)),
		fmt.Sprintf("LOAD DATA OVERWRITE %s\n%s\nFROM FILES (\n  format = 'PARQUET',\n  hive_partition_uri_prefix = %s,\n  uris = [\n    %s\n  ]\n)\nWITH PARTITION COLUMNS (portal STRING, snapshot STRING)",
			b.table(""), shape, b.text(b.root+f.name+"_history"), strings.Join(b.paths(f.current), ",\n    ")),
	}}
}

// feed returns the statements that update the table from the change feed.
func (b *bigQuery) feed(f *sqlFiles) []statement {
	var all []statement
	var feeds []string
	columns := strings.Join(b.columns, ", ")
	if len(f.changes) > 0 {
		all = append(all, statement{
			"The change feed of the snapshots that are kept.",
			b.external("_changes", f.name+"_changes", f.changes, "portal", "snapshot"),
		})
		feeds = append(feeds, "SELECT `op`, "+columns+" FROM "+b.table("_changes"))
	}
	if len(f.first) > 0 {
		all = append(all, statement{
			"The tables of first snapshots, which have no change feed: each row is an insert.",
			b.external("_first", f.name+"_history", f.first, "portal", "snapshot"),
		})
		feeds = append(feeds, "SELECT 'insert' AS `op`, "+columns+" FROM "+b.table("_first"))
	}
	if len(feeds) == 0 {
		return []statement{{comment: "No snapshot has changes yet: print again after a run for the MERGE."}}
	}
	return append(all, statement{
		"Instead of loading everything again: the change feed into the table. To repeat it does no harm. It is enough as long as it\n" +
			"is done more often than snapshots go (sink.history); after that, load everything.",
		b.merge(feeds),
	})
}

// bigQuery builds the statements for one dataset.
type bigQuery struct {
	root, dataset, name string
	columns, declared   []string
}

func (b *bigQuery) table(suffix string) string {
	return "`" + b.dataset + "." + b.name + suffix + "`"
}

// text returns a literal. Of the characters in a bucket's name or path, only these two
// have a special meaning in a literal.
func (b *bigQuery) text(s string) string {
	return `'` + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), `'`, `\'`) + `'`
}

func (b *bigQuery) paths(files []string) []string {
	var paths []string
	for _, f := range files {
		paths = append(paths, b.text(b.root+f))
	}
	return paths
}

// external returns a statement that creates a table of files below a folder. The files
// stay in the bucket.
func (b *bigQuery) external(suffix, folder string, files []string, partitions ...string) string {
	return fmt.Sprintf("CREATE OR REPLACE EXTERNAL TABLE %s\nWITH PARTITION COLUMNS (%s STRING)\nOPTIONS (\n  format = 'PARQUET',\n  hive_partition_uri_prefix = %s,\n  uris = [\n    %s\n  ]\n)",
		b.table(suffix), strings.Join(partitions, " STRING, "), b.text(b.root+folder), strings.Join(b.paths(files), ",\n    "))
}

// merge returns a statement that applies the last change of each payment among those of
// feeds.
func (b *bigQuery) merge(feeds []string) string {
	var set, insert []string
	for _, c := range b.columns {
		set = append(set, c+" = S."+c)
		insert = append(insert, "S."+c)
	}
	return fmt.Sprintf(`MERGE INTO %s AS T
USING (
  SELECT * FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY portal, id ORDER BY snapshot DESC) AS nth FROM (
      %s
    ) AS feeds
  ) AS feed WHERE nth = 1
) AS S
ON T.portal = S.portal AND T.id = S.id
WHEN MATCHED AND S.op = 'delete' THEN DELETE
WHEN MATCHED AND S.snapshot >= T.snapshot THEN UPDATE SET %s
WHEN NOT MATCHED AND S.op != 'delete' THEN INSERT (%s) VALUES (%s)`,
		b.table(""), strings.Join(feeds, "\n      UNION ALL\n      "), strings.Join(set, ", "), strings.Join(b.columns, ", "), strings.Join(insert, ", "))
}
