package table

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the driver
)

// DuckDB is an engine in memory. It is safe for concurrent use.
type DuckDB struct{ db *sql.DB }

// OpenDuckDB starts an engine for the test.
func OpenDuckDB(t testing.TB) *DuckDB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatalf("open DuckDB: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	return &DuckDB{db}
}

// Quote returns text as a literal.
func Quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// Query returns rows of n columns as texts. Nulls are Null.
func (d *DuckDB) Query(t testing.TB, query string, n int) [][]string {
	t.Helper()
	all, err := d.TryQuery(query, n)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TryQuery is Query with an error as a result.
func (d *DuckDB) TryQuery(query string, n int) ([][]string, error) {
	rows, err := d.db.Query(query) //nolint:noctx // in memory, and ends by itself
	if err != nil {
		return nil, fmt.Errorf("DuckDB: %s: %w", query, err)
	}
	defer rows.Close()
	var all [][]string
	values, places := make([]sql.NullString, n), make([]any, n)
	for i := range values {
		places[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return nil, fmt.Errorf("DuckDB: %s: %w", query, err)
		}
		texts := make([]string, n)
		for i, v := range values {
			if texts[i] = v.String; !v.Valid {
				texts[i] = Null
			}
		}
		all = append(all, texts)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("DuckDB: %s: %w", query, err)
	}
	return all, nil
}

// Exec runs statements.
func (d *DuckDB) Exec(statements string) error {
	if _, err := d.db.Exec(statements); err != nil { //nolint:noctx // in memory, and ends by itself
		return fmt.Errorf("DuckDB: %w", err)
	}
	return nil
}

// Payments reads a payments file in the order of the file, and checks the names and
// types of its columns.
func (d *DuckDB) Payments(t testing.TB, path string) []Row {
	t.Helper()
	// Without the columns that DuckDB derives from the folders' names.
	from := "FROM read_parquet(" + Quote(path) + ", hive_partitioning = false)"
	described := d.Query(t, "SELECT column_name, column_type FROM (DESCRIBE SELECT * "+from+")", 2)
	if len(described) != len(Columns)+1 {
		t.Fatalf("%s has columns %v, want %v and extracted_at", path, described, Columns)
	}
	selected := make([]string, len(Columns))
	for i, c := range described {
		name, typ := "extracted_at", "TIMESTAMP WITH TIME ZONE"
		if i != extractedAt {
			at := i
			if i > extractedAt {
				at--
			}
			name, typ = Columns[at], Types[at]
			selected[at] = asText(name, typ)
		}
		if c[0] != name || c[1] != typ {
			t.Errorf("column %d is %s %s, want %s %s", i, c[0], c[1], name, typ)
		}
	}
	rows := d.Query(t, "SELECT "+strings.Join(selected, ", ")+" "+from, len(Columns))
	table := make([]Row, len(rows))
	for i := range rows {
		table[i] = Row(rows[i])
	}
	return table
}

// asText casts a column of a type to a text in the form of Row.
func asText(name, typ string) string {
	if typ == "TIMESTAMP WITH TIME ZONE" {
		return fmt.Sprintf(`strftime(%q AT TIME ZONE 'UTC', '%%Y-%%m-%%dT%%H:%%M:%%S.%%fZ')`, name)
	}
	return fmt.Sprintf("CAST(%q AS VARCHAR)", name)
}

// Extracted returns the earliest and the latest extracted_at of a file. The test fails
// if any is null.
func (d *DuckDB) Extracted(t testing.TB, path string) (first, last time.Time) {
	t.Helper()
	const typ = "TIMESTAMP WITH TIME ZONE"
	row := d.Query(t, fmt.Sprintf(`SELECT %s, %s, missing FROM (
		SELECT min(extracted_at) a, max(extracted_at) b, count(*) - count(extracted_at) AS missing FROM read_parquet(%s))`,
		asText("a", typ), asText("b", typ), Quote(path)), 3)[0]
	if row[2] != "0" {
		t.Errorf("%s: %s rows without extracted_at", path, row[2])
	}
	for i, at := range []*time.Time{&first, &last} {
		var err error
		if *at, err = time.Parse(TimeLayout, row[i]); err != nil {
			t.Fatal(err)
		}
	}
	return first, last
}
