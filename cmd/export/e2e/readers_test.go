package e2e

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"b24export/cmd/export/e2e/internal/odd"
	"b24export/schemas"
	"b24export/sinks"
)

var oddFolder = flag.String("odd", "", "let the readers read this dataset of package odd instead of writing one, such as one that an older program wrote")

const readersDoc = "../../../docs/readers.md"

// question is the input of a reader, and answer its output; readers.mjs describes them.
type question struct {
	Tables     []matrixTable `json:"tables"`
	Predicates []predicate   `json:"predicates"`
	Odd        string        `json:"odd"`
}

type answer struct {
	Lines  [][]string        `json:"lines"`
	Counts []int             `json:"counts"`
	Shown  map[string]string `json:"shown"`
	Error  string            `json:"error"`
}

// matrixReader is a reader of the matrix.
type matrixReader struct {
	name    string
	version func(t testing.TB) string
	ask     func(t testing.TB, q *question) answer
	// literal returns the literals of values in predicates. It is nil if the reader
	// does not filter, or if it takes values as they are.
	filters, like bool
	literal       func(kind string, c cell) string
	// small reports that the reader supports only numbers below 2^53, old that it
	// cannot read the standard profile, and uncompressed that it cannot even read
	// snappy.
	small, old, uncompressed bool
	// setting is the setting with which a reader shows the written values.
	setting string
}

var matrixReaders = []matrixReader{
	{name: "DuckDB (Go)", version: duckDBVersion, ask: askDuckDB, filters: true, like: true, literal: duckDBLiteral},
	{name: "DuckDB (Node)", version: npmVersion("@duckdb/node-api"), ask: askNode("duckdb")},
	{name: "ClickHouse (chdb)", version: npmVersion("chdb"), ask: askNode("clickhouse"), filters: true, like: true, literal: clickHouseLiteral,
		setting: "none; it reads instants of the years 1900 to 2299"},
	{name: "polars (Node)", version: npmVersion("nodejs-polars"), ask: askNode("polars"), filters: true, like: true,
		setting: "cast to `Utf8` (`Int64` first, for instants) before values leave the frame"},
	{name: "hyparquet", version: npmVersion("hyparquet"), ask: askNode("hyparquet"), filters: true,
		setting: "`parsers: { timestampFromMicroseconds: micros => micros }`, and no `converted_type` for decimals in the metadata (and no statistics then)"},
	{name: "parquet-wasm with apache-arrow", version: npmVersion("parquet-wasm"), ask: askNode("parquet-wasm"), setting: "read `vector.data[i].values`"},
	{name: "Arrow Go v17", version: goVersion("github.com/apache/arrow/go/v17"), ask: askArrow},
	{name: "Arrow Go v18", version: moduleVersion("github.com/apache/arrow-go/v18"), ask: askGo("arrow18")},
	{name: "xitongsys/parquet-go", version: moduleVersion("github.com/xitongsys/parquet-go"), ask: askGo("xitongsys")},
	{name: "`cat --format arrow` by apache-arrow", version: npmVersion("apache-arrow"), ask: askStream("arrow-stream"), setting: "read `vector.data[i].values`"},
	{name: "`cat --format arrow` by polars", version: npmVersion("nodejs-polars"), ask: askStream("polars-stream"), setting: "as for polars"},
	{name: "@dsnp/parquetjs", version: npmVersion("@dsnp/parquetjs"), ask: askNode("@dsnp/parquetjs"), old: true,
		setting: "`ParquetEnvelopeReader`, and no `converted_type` in the footer's elements"},
	{name: "parquets", version: npmVersion("parquets"), ask: askNode("parquets"), old: true, small: true,
		setting: "`ParquetEnvelopeReader`, and no `converted_type` in the footer's elements"},
	{name: "parquetjs", version: npmVersion("parquetjs"), ask: askNode("parquetjs"), old: true, small: true, uncompressed: true,
		setting: "`ParquetEnvelopeReader`, and no `converted_type` in the footer's elements"},
}

// oddDataset is a dataset of package odd in one form.
type oddDataset struct {
	place
	name     string
	tables   []matrixTable // of acme
	small    []matrixTable // of the portal with small numbers
	compared int           // predicates for each engine that filters
}

// TestReaders is the matrix. Each reader reads each form of the dataset, with the same
// results. Readers that filter agree with brute force about random predicates over
// every column, with their own pruning. docs/readers.md has the tables.
func TestReaders(t *testing.T) {
	datasets := oddDatasets(t)
	results := make([]readerResult, len(matrixReaders))
	t.Run("readers", func(t *testing.T) {
		for i := range matrixReaders {
			r := &matrixReaders[i]
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				results[i] = readAll(t, r, datasets)
			})
		}
	})
	if t.Failed() || *oddFolder != "" {
		return
	}
	wantBetween(t, readersDoc, "readers", readersTable(t, results))
	wantBetween(t, readersDoc, "defaults", defaultsTable(t, results, datasets[0]))
}

func oddDatasets(t *testing.T) []*oddDataset {
	t.Helper()
	all := []*oddDataset{{name: "standard", compared: 1000}, {name: "compatible", compared: 200}, {name: "uncompressed"}}
	options := []*sinks.Options{{}, {Profile: "compatible"}, {Profile: "compatible", Compression: "none"}}
	if *oddFolder != "" {
		all, options = all[:1], []*sinks.Options{nil}
	}
	for i, d := range all {
		d.place = newFolder(t)
		if *oddFolder != "" {
			d.place = place{url: *oddFolder, dir: *oddFolder}
		}
		truth := odd.Write(t, d.dir, options[i])
		d.tables = matrixTables(t, d.place, truth)
		d.small = []matrixTable{tableOfRows(t, "payments", d.path("payments/portal="+odd.Small+"/payments.parquet"), schemas.PaymentTable.Columns, truth.Payments[odd.Small])}
		if *oddFolder == "" {
			verifyOdd(t, d.dir)
		}
	}
	return all
}

// verifyOdd verifies each snapshot with package sinks.
func verifyOdd(t *testing.T, dir string) {
	t.Helper()
	store, err := sinks.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, portal := range odd.Portals {
		d := sinks.New(store, &sinks.Options{Portal: portal})
		ids, err := d.SnapshotIDs(t.Context())
		if err != nil || len(ids) != 3 {
			t.Fatalf("%s has snapshots %v, %v", portal, ids, err)
		}
		for _, id := range ids {
			if _, found, err := d.Verify(t.Context(), id); err != nil || len(found) > 0 {
				t.Errorf("verify %s %s: %v, %v", portal, id, found, err)
			}
		}
	}
}

// readerResult is a reader's row in docs/readers.md.
type readerResult struct {
	standard, compatible string
	predicates           string
	shown                map[string]string
}

func readAll(t *testing.T, r *matrixReader, datasets []*oddDataset) (result readerResult) {
	result.standard, result.compatible = "same", "same"
	if r.uncompressed {
		result.compatible = "same, with `compression: none`"
	}
	if r.small {
		result.compatible += ", numbers below 2^53"
	}
	compared := 0
	for i, d := range datasets {
		q := &question{Tables: d.tables, Predicates: []predicate{}, Odd: d.tables[0].Path}
		if r.small && d.name != "standard" {
			q.Tables, q.Odd = d.small, d.small[0].Path
		}
		if d.name == "uncompressed" && !r.uncompressed {
			continue
		}
		if r.filters {
			q.Predicates = randomPredicates(uint64(i+1), d.tables, d.compared, r.like)
			if r.literal != nil {
				q.Predicates = withSQL(q.Predicates, r.literal)
			}
		}
		a := r.ask(t, q)
		switch refused := r.old && d.name == "standard" || r.uncompressed && d.name == "compatible"; {
		case refused && a.Error == "":
			t.Errorf("%s: it reads what it is said to refuse", d.name)
			continue
		case refused:
			if d.name == "standard" {
				result.standard = "no"
			}
			continue
		case a.Error != "":
			t.Fatalf("%s: %s", d.name, a.Error)
		}
		for j := range q.Tables {
			if want := q.Tables[j].line(); !slices.Equal(a.Lines[j], want) {
				t.Errorf("%s, %s: it reads\n%v, written was\n%v", d.name, q.Tables[j].Name, a.Lines[j], want)
			}
		}
		wrong := 0
		for j := range q.Predicates {
			p := &q.Predicates[j]
			compared++
			if j < len(a.Counts) && a.Counts[j] == p.want {
				continue
			}
			if wrong++; wrong <= 5 {
				t.Errorf("%s, %s: %s %s %.200q: %d rows, by brute force %d", d.name, p.Table, p.Column, p.Op, p.Values, a.Counts[j], p.want)
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d predicates differ", d.name, wrong, len(q.Predicates))
		}
		if result.shown == nil || d.name == "standard" {
			result.shown = a.Shown
		}
	}
	if r.filters {
		result.predicates = fmt.Sprintf("%d, differences 0", compared)
		if !r.like {
			result.predicates += "; it has no `LIKE`"
		}
	}
	return result
}

func readersTable(t testing.TB, results []readerResult) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| reader | version | `profile: standard` | `profile: compatible` | random predicates |\n|---|---|---|---|---|\n")
	for i, r := range matrixReaders {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.name, r.version(t), results[i].standard, results[i].compatible, results[i].predicates)
	}
	return b.String()
}

// defaultsTable returns the table of how readers show the dataset's first row without a
// setting.
func defaultsTable(t testing.TB, results []readerResult, d *oddDataset) string {
	t.Helper()
	names := []string{"sum", "date_paid", "order_id", "paid"}
	var b strings.Builder
	b.WriteString("| reader | `sum` | `date_paid` | `order_id` | `paid` | setting |\n|---|---|---|---|---|---|\n| written |")
	for _, name := range names {
		i := slices.IndexFunc(d.tables[0].Columns, func(c matrixColumn) bool { return c.Name == name })
		text := "null"
		if c := d.tables[0].rows[i][0]; !c.null {
			text = spelled(d.tables[0].Columns[i].Kind, c)
		}
		fmt.Fprintf(&b, " %s |", text)
	}
	b.WriteString(" |\n")
	for i, r := range matrixReaders {
		if results[i].shown == nil || r.small {
			continue
		}
		fmt.Fprintf(&b, "| %s |", r.name)
		for _, name := range names {
			fmt.Fprintf(&b, " `%s` |", results[i].shown[name])
		}
		fmt.Fprintf(&b, " %s |\n", r.setting)
	}
	for i, r := range matrixReaders {
		if r.small {
			fmt.Fprintf(&b, "| %s | `%s` | | `error` | | %s |\n", r.name, results[i].shown["sum"], r.setting)
		}
	}
	return b.String()
}

// wantBetween compares the text between two marks of a document with want, or writes
// want there.
func wantBetween(t testing.TB, path, mark, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+mark+": begin -->\n", "<!-- "+mark+": end -->"
	before, rest, ok := strings.Cut(string(data), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no marks of %s", path, mark)
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("%s: between the marks of %s it says\n%s\nthe run found\n%s\ngo test -run '^%s$' -update . writes it", path, mark, got, want, t.Name())
		return
	}
	if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// clickHouseText returns a text as a literal of ClickHouse.
func clickHouseText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
