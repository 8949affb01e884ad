package main

import (
	"context"
	"fmt"
	"strings"

	"b24export/schemas"
)

// addRelated finds a portal's related tables.
func (s *sqlFiles) addRelated(ctx context.Context, data *dataset) error {
	tables, err := data.RelatedTables(ctx)
	if err != nil {
		return err
	}
	for _, m := range tables {
		if m.Path == "" {
			continue
		}
		if s.related == nil {
			s.related = make(map[string][]string)
		}
		s.related[m.Table] = append(s.related[m.Table], m.Path)
	}
	return nil
}

// namedText describes the views with names.
const namedText = "The payments with names beside the numbers: whose deal, which company, which manager; and with\n" +
	"the days of the portal's time zone. What was deleted, or may not be read, has null there; so have portals without the\n" +
	"related table."

// namedColumns are the columns that payments_named adds to those of the payments: an
// expression over the joined tables, and its name.
var namedColumns = []struct{ expr, name string }{
	{"o.account_number", "order_number"}, {"o.price", "order_price"}, {"o.paid", "order_paid"}, {"o.canceled", "order_canceled"},
	{"w.title", "owner"}, {"w.category_id", "category_id"}, {"s.category", "category"}, {"w.stage_id", "stage_id"}, {"s.stage", "stage"}, {"s.outcome", "outcome"},
	{"w.assigned_by_id", "manager_id"}, {fullName("m"), "manager"}, {fullName("r"), "responsible"}, {fullName("e"), "paid_by"},
	{"w.company_id", "company_id"}, {"c.name", "company"}, {"w.contact_id", "contact_id"}, {fullName("k"), "contact"},
	{"y.name", "pay_system"}, {"y.settlement", "settlement"},
}

// fullName returns an expression for a first and a last name as one text. It is null
// without either.
func fullName(table string) string {
	return fmt.Sprintf("nullif(trim(concat(coalesce(%[1]s.name, ''), ' ', coalesce(%[1]s.last_name, ''))), '')", table)
}

// namedJoins are the joined tables: the table, its alias, and the condition besides the
// portal.
var namedJoins = []struct{ table, as, on string }{
	{"orders", "o", "o.id = p.order_id"},
	{"owners", "w", "w.entity_type_id = p.entity_type_id AND w.entity_id = p.entity_id"},
	{"stages", "s", "s.entity_type_id = w.entity_type_id AND s.category_id = coalesce(w.category_id, s.category_id) AND s.stage_id = w.stage_id"},
	{"users", "m", "m.id = w.assigned_by_id"},
	{"users", "r", "r.id = p.responsible_id"},
	{"users", "e", "e.id = p.emp_paid_id"},
	{"companies", "c", "c.id = w.company_id"},
	{"contacts", "k", "k.id = w.contact_id"},
	{"pay_systems", "y", "y.id = p.pay_system_id"},
}

// namedSelect returns the query of payments_named, over payments_days. table returns
// the name of a table for a suffix.
func namedSelect(table func(suffix string) string) string {
	var b strings.Builder
	b.WriteString("SELECT p.*")
	for _, c := range namedColumns {
		b.WriteString(",\n    " + c.expr + " AS " + c.name)
	}
	b.WriteString("\n  FROM " + table("_days") + " p")
	for _, j := range namedJoins {
		fmt.Fprintf(&b, "\n  LEFT JOIN %s %s ON %[2]s.portal = p.portal AND %s", table("_"+j.table), j.as, j.on)
	}
	return b.String()
}

// relatedViews returns DuckDB's views of the related tables, and payments_named.
func relatedViews(root string, f *sqlFiles) ([]statement, error) {
	if len(f.related) == 0 {
		return nil, nil
	}
	var all []statement
	for _, t := range schemas.Related {
		sql, err := duckDBView(f.name+"_"+t.Name, root, t.Schema, f.related[t.Name], nil, []string{"portal"})
		if err != nil {
			return nil, err
		}
		comment := "The related table " + t.Name + ", which runs replace."
		if len(f.related[t.Name]) == 0 {
			comment = "No portal has the related table " + t.Name + "."
		}
		all = append(all, statement{comment, sql})
	}
	return append(all, statement{
		namedText,
		fmt.Sprintf("CREATE OR REPLACE VIEW %s AS\n  %s", sqlIdentifier(f.name+"_named"), namedSelect(func(suffix string) string { return sqlIdentifier(f.name + suffix) })),
	}), nil
}

// related returns BigQuery's external tables of the related tables, and the view
// payments_named.
func (b *bigQuery) related(f *sqlFiles) []statement {
	if len(f.related) == 0 {
		return nil
	}
	var all []statement
	for _, t := range schemas.Related {
		if len(f.related[t.Name]) > 0 {
			all = append(all, statement{"The related table " + t.Name + ", read from the bucket at each query.", b.external("_"+t.Name, f.name+"_"+t.Name, f.related[t.Name], "portal")})
			continue
		}
		types, err := schemas.SQLTypes(t.Schema, "bigquery")
		if err != nil {
			continue // unreachable: it knows the types of all tables
		}
		columns := make([]string, t.Schema.NumFields())
		for i, field := range t.Schema.Fields() {
			columns[i] = "  `" + field.Name + "` " + types[i]
		}
		all = append(all, statement{
			"No portal has the related table " + t.Name + ": an empty one.",
			fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (\n%s,\n  `portal` STRING\n)", b.table("_"+t.Name), strings.Join(columns, ",\n")),
		})
	}
	return append(all, statement{namedText, fmt.Sprintf("CREATE OR REPLACE VIEW %s AS\n  %s", b.table("_named"), namedSelect(b.table))})
}
