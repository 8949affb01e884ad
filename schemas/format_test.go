package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func TestFormat(t *testing.T) {
	extensions := map[string]string{"json": "json", "bigquery": "bigquery.json", "duckdb": "sql", "arrow": "arrow.txt", "markdown": "md"}
	for _, schema := range []*arrow.Schema{Payments(), Changes(), Rejects()} {
		table := meta(schema.Metadata(), MetaTable)
		for _, format := range Formats() {
			t.Run(table+" as "+format, func(t *testing.T) {
				var got bytes.Buffer
				if err := Format(&got, schema, format); err != nil {
					t.Fatal(err)
				}
				golden(t, table+"."+extensions[format], got.Bytes())
			})
		}
	}
}

// golden compares got with a file of testdata, or writes it there.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, path)), string(got)); diff != "" {
		t.Errorf("%s (-want +got); go generate ./schemas writes it if it is right so:\n%s", path, diff)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go generate ./schemas writes it", err)
	}
	return data
}

func TestFormatBigQueryIsWhatTheAPITakes(t *testing.T) {
	var b bytes.Buffer
	if err := Format(&b, Payments(), "bigquery"); err != nil {
		t.Fatal(err)
	}
	var columns []map[string]string // numbers as strings, nothing nested
	if err := json.Unmarshal(b.Bytes(), &columns); err != nil {
		t.Fatal(err)
	}
	types := map[string]bool{"INTEGER": true, "STRING": true, "BOOLEAN": true, "TIMESTAMP": true, "NUMERIC": true}
	for i, c := range columns {
		if c["name"] != Payments().Field(i).Name || !types[c["type"]] || c["mode"] != "NULLABLE" {
			t.Errorf("column %d: %v", i, c)
		}
		if (c["type"] == "NUMERIC") != (c["precision"] == "18" && c["scale"] == "4") {
			t.Errorf("column %s: type %s has precision %q, scale %q", c["name"], c["type"], c["precision"], c["scale"])
		}
	}
}

func TestFormatErrors(t *testing.T) {
	odd := func(kind arrow.DataType) *arrow.Schema {
		return arrow.NewSchema([]arrow.Field{{Name: "x", Type: kind}}, nil)
	}
	tests := []struct {
		name   string
		schema *arrow.Schema
		format string
		want   string
	}{
		{"unknown format", Payments(), "avro", `schema format "avro": must be one of json, bigquery, duckdb, arrow, markdown`},
		{"no format", Payments(), "", `schema format "": must be one of json, bigquery, duckdb, arrow, markdown`},
		{"type that no table has", odd(arrow.PrimitiveTypes.Float64), "json", "column x: no spelling for type float64"},
		{"time in another unit", odd(arrow.FixedWidthTypes.Timestamp_ns), "json", "column x: no spelling for type timestamp[ns, tz=UTC]"},
		{"time without zone", odd(&arrow.TimestampType{Unit: arrow.Microsecond}), "duckdb", "column x: no spelling for type timestamp[us]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := Format(io.Discard, tt.schema, tt.format); err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestFormatTellsWhenItCannotWrite(t *testing.T) {
	full := errors.New("disk full")
	for _, format := range Formats() {
		if err := Format(brokenWriter{full}, Payments(), format); !errors.Is(err, full) {
			t.Errorf("%s: error %v, want %v", format, err, full)
		}
	}
}

func TestDuckDBQuotes(t *testing.T) {
	fields := []arrow.Field{{
		Name: `a"b`, Type: arrow.BinaryTypes.String,
		Metadata: arrow.NewMetadata([]string{MetaDescription}, []string{"it's"}),
	}}
	table := arrow.NewMetadata([]string{MetaTable}, []string{"t"})
	var b strings.Builder
	if err := Format(&b, arrow.NewSchema(fields, &table), "duckdb"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`  "a""b" VARCHAR`, `COMMENT ON COLUMN "t"."a""b" IS 'it''s';`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in:\n%s", want, &b)
		}
	}
}
