package main

import (
	"iter"
	"math"

	"b24export/pipeline"
	"b24export/schemas"
)

// idRange is a range of payments: those with ids above after, up to and including
// through. A table is sorted by id, so row groups outside of a range are not read.
type idRange struct{ after, through pipeline.PaymentID }

// ids returns the range that the conditions on id allow. If a condition is invalid it
// returns the whole range; the function that prints the rows reports the error.
func (f *catFlags) ids() idRange {
	r := idRange{through: math.MaxInt64}
	schema := schemas.Payments()
	for _, text := range f.where {
		where, err := parseWhere(schema, text)
		if err != nil {
			return idRange{through: math.MaxInt64}
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
				r.after, r.through = max(r.after, before), min(r.through, n)
			case ">":
				r.after = max(r.after, n)
			case ">=":
				r.after = max(r.after, before)
			case "<":
				r.through = min(r.through, before)
			case "<=":
				r.through = min(r.through, n)
			}
		}
	}
	return r
}

// of ends rows after the range.
func (r idRange) of(rows iter.Seq2[*schemas.Payment, error]) iter.Seq2[*schemas.Payment, error] {
	return func(yield func(*schemas.Payment, error) bool) {
		for row, err := range rows {
			if err == nil && row.ID > int64(r.through) || !yield(row, err) {
				return
			}
		}
	}
}
