package main

import (
	"slices"
	"strings"
	"testing"
)

// The statements of each store have the files and the login of DuckDB, and no parameter
// of a URL that must stay secret.
func TestDuckDBRoots(t *testing.T) {
	for _, test := range []struct {
		url, root string
		secret    []string // parts of it
	}{
		{"/var/lib/x", "/var/lib/x/", nil},
		{"file:///var/lib/x", "/var/lib/x/", nil},
		{"s3://b/p/q?region=eu-central-1", "s3://b/p/q/", []string{"TYPE s3", "PROVIDER credential_chain", "REGION 'eu-central-1'", "SCOPE 's3://b/p/q/'"}},
		{
			"s3://b?region=r&endpoint=http://127.0.0.1:7070&use_path_style=true&kmskeyid=hidden", "s3://b/",
			[]string{"ENDPOINT '127.0.0.1:7070'", "USE_SSL false", "URL_STYLE 'path'"},
		},
		{"gs://b/p", "gs://b/p/", []string{"TYPE gcs", "KEY_ID '<access id>'", "SECRET '<secret>'"}},
		{"azblob://c/p?storage_account=acct", "az://c/p/", []string{"TYPE azure", "ACCOUNT_NAME 'acct'"}},
		{"azblob://c", "az://c/", []string{"ACCOUNT_NAME '<storage account>'"}},
	} {
		root, statements, err := duckDBRoot(test.url)
		if err != nil || root != test.root {
			t.Errorf("%s: root %s, %v; want %s", test.url, root, err, test.root)
		}
		var all []string
		for _, s := range statements {
			all = append(all, s.sql)
		}
		text := strings.Join(all, ";\n")
		for _, part := range test.secret {
			if !strings.Contains(text, part) {
				t.Errorf("%s: want %s in %s", test.url, part, text)
			}
		}
		if strings.Contains(text, "hidden") || (text == "") != (test.secret == nil) {
			t.Errorf("%s: %s", test.url, text)
		}
	}
	if _, _, err := duckDBRoot("mem://x"); err == nil {
		t.Error("mem:// can be read by DuckDB, it says")
	}
}

func TestBigQueryStatements(t *testing.T) {
	files := &sqlFiles{name: "payments"}
	if all, err := bigQueryStatements("gs://b/p", "sales", allParts, files); err != nil || len(all) != 6 {
		t.Errorf("before the first run: %v, %v", all, err)
	}
	files.current = []string{"payments_history/portal=acme/snapshot=20261122T020000Z/payments.parquet"}
	files.first = files.current
	files.changes = []string{"payments_changes/portal=acme/snapshot=20261123T020000Z/changes.parquet"}
	all, err := bigQueryStatements("gs://b/p", "proj.sales", allParts, files)
	if err != nil {
		t.Fatal(err)
	}
	var begins []string
	for _, s := range all[1:] {
		begins = append(begins, strings.SplitN(s.sql, "\n", 2)[0])
	}
	want := []string{
		"CREATE TABLE IF NOT EXISTS `proj.sales.payments` (",
		"CREATE OR REPLACE EXTERNAL TABLE `proj.sales.payments_external`",
		"CREATE OR REPLACE VIEW `proj.sales.payments_days` AS",
		"LOAD DATA OVERWRITE `proj.sales.payments`",
		"CREATE OR REPLACE EXTERNAL TABLE `proj.sales.payments_changes`",
		"CREATE OR REPLACE EXTERNAL TABLE `proj.sales.payments_first`",
		"MERGE INTO `proj.sales.payments` AS T",
	}
	if !slices.Equal(begins, want) {
		t.Errorf("got %q, want %q", begins, want)
	}
	for _, part := range []string{"`sum` NUMERIC(18,4)", "PARTITION BY TIMESTAMP_TRUNC(date_bill, MONTH)"} {
		if !strings.Contains(all[1].sql, part) {
			t.Errorf("want %s in %s", part, all[1].sql)
		}
	}
	if !strings.Contains(all[4].comment, "proj:sales.payments") || !strings.Contains(all[4].sql, "'gs://b/p/"+files.current[0]+"'") {
		t.Errorf("load job: %s\n%s", all[4].comment, all[4].sql)
	}
	if _, err := bigQueryStatements("s3://b", "sales", allParts, files); err == nil {
		t.Error("BigQuery reads s3://, it says")
	}
}
