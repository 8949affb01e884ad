package schemas

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
)

// formats are the formats of Format with their descriptions, in the order of Formats.
var formats = []struct {
	name  string
	write func(io.Writer, *arrow.Schema, []described) error
}{
	{"json", writeJSON},
	{"bigquery", writeBigQuery},
	{"duckdb", writeDuckDB},
	{"arrow", writeArrow},
	{"markdown", writeMarkdown},
}

// Formats returns the names of the formats that Format can write.
func Formats() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.name)
	}
	return names
}

// Format writes one of this package's schemas to w, as
//
//   - json: an object with the table's name, version, description and columns,
//   - bigquery: the array that bq takes as --schema,
//   - duckdb: a CREATE TABLE statement and a COMMENT for each column,
//   - arrow: the schema's text form, with all metadata,
//   - markdown: the columns as a table, for documentation.
func Format(w io.Writer, schema *arrow.Schema, format string) error {
	for _, f := range formats {
		if f.name != format {
			continue
		}
		columns, err := describe(schema)
		if err != nil {
			return err
		}
		return f.write(w, schema, columns)
	}
	return fmt.Errorf("schema format %q: must be one of %s", format, strings.Join(Formats(), ", "))
}

// described is a column with its type in the languages of other systems.
type described struct {
	name, description, source, unit, null, example, changes string

	parquet, bigquery, duckdb string
	precision, scale          int32 // of a decimal
}

func describe(schema *arrow.Schema) ([]described, error) {
	var columns []described
	for _, f := range schema.Fields() {
		d := described{
			name:        f.Name,
			description: meta(f.Metadata, MetaDescription),
			source:      meta(f.Metadata, MetaSource),
			unit:        meta(f.Metadata, MetaUnit),
			null:        meta(f.Metadata, MetaNull),
			example:     meta(f.Metadata, MetaExample),
			changes:     meta(f.Metadata, MetaChanges),
		}
		switch t := f.Type.(type) {
		case *arrow.Int64Type:
			d.parquet, d.bigquery, d.duckdb = "INT64", "INTEGER", "BIGINT"
		case *arrow.StringType:
			d.parquet, d.bigquery, d.duckdb = "STRING", "STRING", "VARCHAR"
		case *arrow.BooleanType:
			d.parquet, d.bigquery, d.duckdb = "BOOLEAN", "BOOLEAN", "BOOLEAN"
		case *arrow.TimestampType:
			if t.Unit != arrow.Microsecond || t.TimeZone != "UTC" {
				return nil, fmt.Errorf("column %s: no spelling for type %s", f.Name, f.Type)
			}
			d.parquet, d.bigquery, d.duckdb = "TIMESTAMP(MICROS, UTC)", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"
		case *arrow.Decimal128Type:
			d.precision, d.scale = t.Precision, t.Scale
			d.parquet = fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
			d.bigquery, d.duckdb = "NUMERIC", d.parquet
		default:
			return nil, fmt.Errorf("column %s: no spelling for type %s", f.Name, f.Type)
		}
		columns = append(columns, d)
	}
	return columns, nil
}

// SQLTypes returns the types of a schema's columns, in their order, as format spells
// them: duckdb or bigquery.
func SQLTypes(schema *arrow.Schema, format string) ([]string, error) {
	columns, err := describe(schema)
	if err != nil {
		return nil, err
	}
	types := make([]string, len(columns))
	for i, c := range columns {
		switch format {
		case "duckdb":
			types[i] = c.duckdb
		case "bigquery":
			// SQL has other names for the types than the API's schemas.
			types[i] = strings.NewReplacer("INTEGER", "INT64", "BOOLEAN", "BOOL").Replace(c.bigquery)
			if c.precision > 0 {
				types[i] = fmt.Sprintf("%s(%d,%d)", c.bigquery, c.precision, c.scale)
			}
		default:
			return nil, fmt.Errorf("types of %q: must be duckdb or bigquery", format)
		}
	}
	return types, nil
}

func meta(m arrow.Metadata, key string) string {
	value, _ := m.GetValue(key)
	return value
}

func writeIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func writeJSON(w io.Writer, schema *arrow.Schema, columns []described) error {
	type jsonColumn struct {
		Name        string `json:"name"`
		Type        string `json:"type"`
		Nullable    bool   `json:"nullable"`
		Source      string `json:"source"`
		Unit        string `json:"unit,omitempty"`
		Null        string `json:"null"`
		Example     string `json:"example"`
		Changes     string `json:"changes"`
		Description string `json:"description"`
	}
	doc := struct {
		Table       string       `json:"table"`
		Version     json.Number  `json:"version"`
		Description string       `json:"description"`
		Columns     []jsonColumn `json:"columns"`
	}{
		Table:       meta(schema.Metadata(), MetaTable),
		Version:     json.Number(meta(schema.Metadata(), MetaVersion)),
		Description: meta(schema.Metadata(), MetaDescription),
	}
	for i, c := range columns {
		doc.Columns = append(doc.Columns, jsonColumn{
			Name: c.name, Type: c.parquet, Nullable: schema.Field(i).Nullable,
			Source: c.source, Unit: c.unit, Null: c.null, Example: c.example, Changes: c.changes, Description: c.description,
		})
	}
	return writeIndented(w, doc)
}

func writeBigQuery(w io.Writer, _ *arrow.Schema, columns []described) error {
	// In the API's JSON, 64-bit integers are strings.
	type bigQueryColumn struct {
		Name        string `json:"name"`
		Type        string `json:"type"`
		Mode        string `json:"mode"`
		Precision   int32  `json:"precision,omitempty,string"`
		Scale       int32  `json:"scale,omitempty,string"`
		Description string `json:"description"`
	}
	var list []bigQueryColumn
	for _, c := range columns {
		list = append(list, bigQueryColumn{
			Name: c.name, Type: c.bigquery, Mode: "NULLABLE",
			Precision: c.precision, Scale: c.scale, Description: c.description,
		})
	}
	return writeIndented(w, list)
}

func writeDuckDB(w io.Writer, schema *arrow.Schema, columns []described) error {
	table := quoteIdentifier(meta(schema.Metadata(), MetaTable))
	lines := make([]string, len(columns))
	for i, c := range columns {
		lines[i] = "  " + quoteIdentifier(c.name) + " " + c.duckdb
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (\n%s\n);\n", table, strings.Join(lines, ",\n"))
	fmt.Fprintf(&b, "COMMENT ON TABLE %s IS %s;\n", table, quoteText(meta(schema.Metadata(), MetaDescription)))
	for _, c := range columns {
		fmt.Fprintf(&b, "COMMENT ON COLUMN %s.%s IS %s;\n", table, quoteIdentifier(c.name), quoteText(c.description))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func quoteIdentifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func quoteText(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

func writeArrow(w io.Writer, schema *arrow.Schema, _ []described) error {
	_, err := fmt.Fprintln(w, schema)
	return err
}

func writeMarkdown(w io.Writer, _ *arrow.Schema, columns []described) error {
	rows := [][]string{{"column", "type", "what", "from", "null", "example", "what changes it"}, slices.Repeat([]string{"---"}, 7)}
	for _, c := range columns {
		kind := c.parquet
		if c.unit != "" && c.unit != microseconds { // the type already says microseconds
			kind += ", " + c.unit
		}
		rows = append(rows, []string{"`" + c.name + "`", kind, c.description, c.source, c.null, "`" + c.example + "`", c.changes})
	}
	var b strings.Builder
	for _, cells := range rows {
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
