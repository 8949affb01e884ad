package schemas

import "slices"

// Change is a row of a change feed.
type Change struct {
	// Op is insert, update or delete.
	Op Null[string]
	// Changed has the names of the columns that an update changed,
	// comma-separated; null for an insert or a delete.
	Changed Null[string]
	// Payment is the row after the change; for a delete, the last known row.
	Payment Payment
}

// ChangeTable is the change feed: the kind of change, then the columns of PaymentTable.
// Columns of its own can be added only once it has its own version, because they come
// before those of PaymentTable.
var ChangeTable = newTable("payments_changes", "The changes since the previous snapshot, sorted by id.", slices.Concat(
	[]Column[Change]{
		{
			Name: "op", Since: 1, Encoding: Dictionary, Source: "this program",
			Null: never, Example: "update", Changes: never,
			Description: "What happened: insert, update or delete.",
			At:          func(c *Change) any { return &c.Op },
		},
		{
			Name: "changed", Since: 1, Encoding: Dictionary, Source: "this program", Unit: "column names, comma-separated",
			Null: "insert or delete", Example: "paid,date_paid", Changes: never,
			Description: "The columns whose values differ from before. For a deleted payment, the columns below have the last known values.",
			At:          func(c *Change) any { return &c.Changed },
		},
	},
	Within(PaymentTable.Columns, func(c *Change) *Payment { return &c.Payment }),
))
