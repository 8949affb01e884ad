package main

import (
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/spf13/cobra"

	"b24export/schemas"
)

// tableName is the name of a table of the dataset on the command line.
type tableName string

const (
	payments tableName = "payments"
	changes  tableName = "changes"
	rejects  tableName = "rejects"
)

func (t tableName) schema() *arrow.Schema {
	switch t {
	case payments:
		return schemas.Payments()
	case changes:
		return schemas.Changes()
	case rejects:
		return schemas.Rejects()
	}
	related, ok := schemas.RelatedNamed(string(t))
	if !ok {
		panic("no table " + string(t)) // unreachable: the flag accepts tableNames only
	}
	return related.Schema
}

// tableNames returns the names of all tables: the dataset's own, then the related ones.
func tableNames() []string {
	names := []string{string(payments), string(changes), string(rejects)}
	for _, t := range schemas.Related {
		names = append(names, t.Name)
	}
	return names
}

func (p *program) schemaCommand() *cobra.Command {
	var format, name string
	cmd := &cobra.Command{
		Use: "schema",
		Example: `b24export schema                              # the columns, to read
b24export schema --format bigquery > schema.json
bq load --source_format=PARQUET --schema=schema.json …`,
		Short: "Print the columns of a table of the dataset.",
		Long: `For each column: name, type, source, meaning of null, an example, and what changes
its value. Columns may be appended, never removed or changed.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if p.json {
				if cmd.Flags().Changed("format") && format != "json" {
					return usagef(cmd, "--json and --format %s exclude each other", format)
				}
				return p.schemaLines(tableName(name))
			}
			return schemas.Format(p.stdout, tableName(name).schema(), format)
		},
	}
	// Markdown can be read without a tool, so it is the default.
	formats := slices.Concat([]string{"markdown"}, slices.DeleteFunc(schemas.Formats(), func(f string) bool { return f == "markdown" }))
	cmd.Flags().Var(oneOf(&format, formats...), "format", "output format: "+strings.Join(formats, ", "))
	cmd.Flags().Var(oneOf(&name, tableNames()...), "table", "table to print: "+strings.Join(tableNames(), ", "))
	return cmd
}

// schemaLines prints one JSON object for each column.
func (p *program) schemaLines(t tableName) error {
	for _, f := range t.schema().Fields() {
		text := func(key string) string { value, _ := f.Metadata.GetValue(key); return value }
		err := p.stdout.line(struct {
			Name        string `json:"name"`
			Type        string `json:"type"`
			Source      string `json:"source"`
			Unit        string `json:"unit,omitempty"`
			Null        string `json:"null"`
			Example     string `json:"example"`
			Changes     string `json:"changes"`
			Description string `json:"description"`
		}{f.Name, f.Type.String(), text(schemas.MetaSource), text(schemas.MetaUnit), text(schemas.MetaNull),
			text(schemas.MetaExample), text(schemas.MetaChanges), text(schemas.MetaDescription)})
		if err != nil {
			return err
		}
	}
	return nil
}
