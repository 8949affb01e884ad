package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"b24export/schemas"
	"b24export/sinks"
	"b24export/sinks/address"
)

// duckDBStatements returns the statements that create the views of a dataset.
func duckDBStatements(sinkURL string, f *sqlFiles) ([]statement, error) {
	root, secrets, err := duckDBRoot(sinkURL)
	if err != nil {
		return nil, err
	}
	shown := "no portal has a snapshot yet: all views are empty"
	if len(f.shown) > 0 {
		shown = "what they show: " + strings.Join(f.shown, ", ")
	}
	all := []statement{{comment: "Views of the dataset " + f.name + ", for DuckDB 1.4 or newer; print and execute them again to see newer snapshots.\n" + shown}}
	all = append(all, secrets...)
	for _, v := range []struct {
		name, comment string
		schema        *arrow.Schema
		files         []string
		partitions    []string
		inserts       []string // tables whose rows are all in the view, as inserts
	}{
		{f.name, "Each portal's table as of its newest snapshot. These files never change, so no run disturbs a query.", schemas.Payments(), f.current, []string{"portal", "snapshot"}, nil},
		{f.name + "_live", "The paths that each run replaces: always the newest table without printing the statements again. A query that is under way while a\nrun replaces a table can fail (DuckDB opens a file more than once); it can then be executed again.", schemas.Payments(), f.live, []string{"portal"}, nil},
		{f.name + "_history", "All snapshots that are kept; say which: WHERE snapshot = '…'.", schemas.Payments(), f.history, []string{"portal", "snapshot"}, nil},
		{f.name + "_changes", "What each snapshot changed against the one before. A portal's first snapshot has no change feed: each row of its table\nis an insert.", schemas.Changes(), f.changes, []string{"portal", "snapshot"}, f.first},
		{f.name + "_rejects", "Payments that could not be read, and why.", schemas.Rejects(), f.rejects, []string{"portal", "snapshot"}, nil},
	} {
		sql, err := duckDBView(v.name, root, v.schema, v.files, v.inserts, v.partitions)
		if err != nil {
			return nil, err
		}
		all = append(all, statement{v.comment, sql})
	}
	all = append(all, duckDBDays(f))
	related, err := relatedViews(root, f)
	if err != nil {
		return nil, err
	}
	all = append(all, related...)
	return append(all, statement{
		"Each portal's table as it was at some time: SELECT * FROM " + f.name + "_as_of('20261122T020000Z'), or at the end of a day in UTC: ('2026-11-22').",
		duckDBAsOf(f),
	}), nil
}

// duckDBAsOf returns the macro of snapshots. The macro has their names, because a
// snapshot without payments has no row that shows its name.
func duckDBAsOf(f *sqlFiles) string {
	kept := "SELECT NULL::VARCHAR, NULL::VARCHAR WHERE false"
	for i, s := range f.kept {
		if i == 0 {
			kept = "VALUES "
		} else {
			kept += ", "
		}
		kept += "(" + sqlText(s[0]) + ", " + sqlText(s[1]) + ")"
	}
	return fmt.Sprintf(`CREATE OR REPLACE MACRO %s(instant) AS TABLE
  SELECT h.* FROM %s h
  SEMI JOIN (
    SELECT portal, max(snapshot) AS snapshot FROM (%s) kept (portal, snapshot)
    WHERE left(snapshot, length(replace(instant, '-', ''))) <= replace(instant, '-', '') GROUP BY portal
  ) USING (portal, snapshot)`, sqlIdentifier(f.name+"_as_of"), sqlIdentifier(f.name+"_history"), kept)
}

// duckDBView returns a view of files, and of inserts, which are tables of payments
// whose rows are all inserts. Without files and inserts the view is empty and has the
// same columns.
func duckDBView(name, root string, schema *arrow.Schema, files, inserts, partitions []string) (string, error) {
	types, err := schemas.SQLTypes(schema, "duckdb")
	if err != nil {
		return "", err
	}
	var columns, empty, inserted, row, hive []string
	for i, field := range schema.Fields() {
		column := sqlIdentifier(field.Name)
		none := fmt.Sprintf("NULL::%s AS %s", types[i], column)
		columns, empty = append(columns, column), append(empty, none)
		switch field.Name {
		case "op":
			column = "'" + sinks.OpInsert + "' AS " + column
		case "changed":
			column = none
		default:
			row = append(row, none)
		}
		inserted = append(inserted, column)
	}
	for _, p := range partitions {
		hive = append(hive, fmt.Sprintf("'%s': VARCHAR", p))
		none := "NULL::VARCHAR AS " + p
		columns, empty, inserted, row = append(columns, p), append(empty, none), append(inserted, p), append(row, none)
	}
	// Columns are read by name, because files of older versions lack the columns that
	// were added since. Types of partitions are declared, because a portal may be
	// called 123.
	read := func(files []string) string {
		return fmt.Sprintf("read_parquet([\n    %s\n  ], union_by_name = true, hive_partitioning = true, hive_types = {%s})",
			strings.Join(sqlPaths(root, files), ",\n    "), strings.Join(hive, ", "))
	}
	var parts []string
	if len(files) > 0 {
		parts = append(parts, fmt.Sprintf("SELECT %s\n  FROM %s", strings.Join(columns, ", "), read(files)))
	}
	if len(inserts) > 0 {
		// All files may be older than a column. An empty part adds its name and type.
		parts = append(parts, fmt.Sprintf("SELECT %s\n  FROM (SELECT %s WHERE false\n  UNION ALL BY NAME FROM %s)",
			strings.Join(inserted, ", "), strings.Join(row, ", "), read(inserts)))
	}
	if len(parts) == 0 {
		parts = append(parts, "SELECT "+strings.Join(empty, ", ")+"\n  WHERE false")
	}
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s AS\n  %s", sqlIdentifier(name), strings.Join(parts, "\n  UNION ALL\n  ")), nil
}

// duckDBRoot returns the address of a sink for DuckDB, with the slash at its end, and
// the statements that grant access to it.
func duckDBRoot(sinkURL string) (root string, secrets []statement, err error) {
	sink, err := address.Parse(sinkURL)
	if err != nil {
		return "", nil, err
	}
	if sink.IsFolder() {
		// Statements are executed in another folder than the program's.
		folder, err := filepath.Abs(sink.Folder())
		return strings.TrimSuffix(filepath.ToSlash(folder), "/") + "/", nil, err
	}
	root = duckBucket(sink)
	query := sink.Query()
	switch sink.Scheme() {
	case "s3":
		return root, duckDBS3(root, query), nil
	case "gs":
		return root, []statement{
			{"The bucket's extension.", "INSTALL httpfs"},
			{"It is to be used.", "LOAD httpfs"},
			{
				"The bucket's key, which is an HMAC key of Google Cloud Storage (Settings, Interoperability): put it in.",
				fmt.Sprintf("CREATE OR REPLACE SECRET b24export (\n  TYPE gcs, KEY_ID '<access id>', SECRET '<secret>', SCOPE %s\n)", sqlText(root)),
			},
		}, nil
	case "azblob":
		account := query.Get("storage_account")
		if account == "" {
			account = "<storage account>"
		}
		return root, []statement{
			{"The bucket's extension.", "INSTALL azure"},
			{"It is to be used.", "LOAD azure"},
			{
				"Credentials as the environment, az login or the machine's identity give them.",
				fmt.Sprintf("CREATE OR REPLACE SECRET b24export (\n  TYPE azure, PROVIDER credential_chain, ACCOUNT_NAME %s, SCOPE %s\n)", sqlText(account), sqlText(root)),
			},
		}, nil
	}
	return "", nil, fmt.Errorf("DuckDB cannot read %s:// addresses", sink.Scheme())
}

// duckBucket returns DuckDB's address of a bucket and the prefix in it, with the slash
// at its end.
func duckBucket(sink address.Address) string {
	scheme := sink.Scheme()
	if scheme == "azblob" {
		scheme = "az"
	}
	return scheme + "://" + sink.Bucket() + "/" + sink.Prefix()
}

func duckDBS3(root string, query url.Values) []statement {
	options := []string{"TYPE s3", "PROVIDER credential_chain"}
	if region := query.Get("region"); region != "" {
		options = append(options, "REGION "+sqlText(region))
	}
	if endpoint := query.Get("endpoint"); endpoint != "" {
		host, plain := strings.CutPrefix(endpoint, "http://")
		host = strings.TrimSuffix(strings.TrimPrefix(host, "https://"), "/")
		options = append(options, "ENDPOINT "+sqlText(host))
		if plain {
			options = append(options, "USE_SSL false")
		}
	}
	for _, key := range []string{"use_path_style", "s3ForcePathStyle", "hostname_immutable"} {
		if query.Get(key) == "true" {
			options = append(options, "URL_STYLE 'path'")
			break
		}
	}
	options = append(options, "SCOPE "+sqlText(root))
	return []statement{
		{"The bucket's extensions.", "INSTALL httpfs"},
		{"They are to be used.", "LOAD httpfs"},
		{"Credentials as AWS's own tools find them come with an extension of their own.", "INSTALL aws"},
		{"It is to be used.", "LOAD aws"},
		{
			"Credentials as the environment, a profile or the machine's role give them.",
			"CREATE OR REPLACE SECRET b24export (\n  " + strings.Join(options, ", ") + "\n)",
		},
	}
}

func sqlPaths(root string, files []string) []string {
	var paths []string
	for _, f := range files {
		paths = append(paths, sqlText(root+f))
	}
	return paths
}

func sqlIdentifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
