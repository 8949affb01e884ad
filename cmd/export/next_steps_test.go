package main

import (
	"testing"

	"b24export/sinks/address"
)

func TestPathsToLookAt(t *testing.T) {
	const object = "payments/portal=acme/payments.parquet"
	tests := []struct{ sink, cat, duck string }{
		{"data", "data/" + object, "data/" + object},
		{"./data/", "data/" + object, "data/" + object},
		{"/var/b24", "/var/b24/" + object, "/var/b24/" + object},
		{"file:///var/b24", "/var/b24/" + object, "/var/b24/" + object},
		{"s3://warehouse/bitrix24?region=eu-central-1", "s3://warehouse/bitrix24/" + object + "?region=eu-central-1", "s3://warehouse/bitrix24/" + object},
		{"gs://bucket", "gs://bucket/" + object, "gs://bucket/" + object},
		{"azblob://container/b24/", "azblob://container/b24/" + object, "az://container/b24/" + object},
	}
	for _, test := range tests {
		sink, err := address.Parse(test.sink)
		if err != nil {
			t.Fatal(err)
		}
		if got := sink.Object(object); got != test.cat {
			t.Errorf("%s for cat: got %s, want %s", test.sink, got, test.cat)
		}
		if got := duckPath(sink, object); got != test.duck {
			t.Errorf("%s for DuckDB: got %s, want %s", test.sink, got, test.duck)
		}
		if !isParquet(test.cat) {
			t.Errorf("%s does not look like a file to cat", test.cat)
		}
	}
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{
		"":                          `""`,
		"data/portal=acme/x.csv":    "data/portal=acme/x.csv",
		"my data":                   `"my data"`,
		"it's":                      `"it's"`,
		"$HOME":                     `'$HOME'`,
		`say "it's"`:                `'say "it'\''s"'`,
		"s3://b/x?region=eu&y=1":    `"s3://b/x?region=eu&y=1"`,
		"SELECT * FROM 'a.parquet'": `"SELECT * FROM 'a.parquet'"`,
	} {
		if got := shellWord(word); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := queryTotals("it's"); got != "SELECT currency, count(*) AS payments, sum(sum) AS total FROM 'it''s' GROUP BY ALL ORDER BY total DESC" {
		t.Errorf("got %s", got)
	}
}
