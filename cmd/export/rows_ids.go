package main

import (
	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// ids returns the range that the conditions on id allow. A table is sorted by id, so rows
// outside of the range are not decoded. If a condition is invalid, ids returns the whole
// range; the function that prints the rows reports the error.
func (f *catFlags) ids() pipeline.Range {
	r := sinks.Above(0)
	schema := schemas.Payments()
	for _, text := range f.where {
		where, err := parseWhere(schema, text)
		if err != nil {
			return sinks.Above(0)
		}
		for _, c := range where {
			if schema.Field(c.column).Name != "id" || c.null {
				continue
			}
			// Ids begin at 1.
			n := pipeline.PaymentID(max(0, c.number))
			before := max(1, n) - 1
			switch c.op {
			case "=":
				r.After, r.Through = max(r.After, before), min(r.Through, n)
			case ">":
				r.After = max(r.After, n)
			case ">=":
				r.After = max(r.After, before)
			case "<":
				r.Through = min(r.Through, before)
			case "<=":
				r.Through = min(r.Through, n)
			}
		}
	}
	return r
}
