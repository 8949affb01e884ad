// Package table reads a payments file with engines that are not the program's,
// into rows of plain text, so that rows of every origin compare by ==.
package table

import (
	"fmt"
	"strings"
)

// Columns are the columns of the payments table that are compared: all but
// extracted_at, in the file's order.
var Columns = [...]string{
	"id", "account_number", "paid", "date_paid", "emp_paid_id", "pay_system_id", "sum", "currency",
	"pay_system_name", "order_id", "entity_type_id", "entity_id", "date_bill", "extra", "returned", "responsible_id",
}

// Types are the columns' types as DuckDB names them.
var Types = [...]string{
	"BIGINT", "VARCHAR", "BOOLEAN", "TIMESTAMP WITH TIME ZONE", "BIGINT", "BIGINT", "DECIMAL(18,4)", "VARCHAR",
	"VARCHAR", "BIGINT", "BIGINT", "BIGINT", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "VARCHAR", "BIGINT",
}

// extractedAt is the index of the column extracted_at in the file.
const extractedAt = 14

// Null stands for null.
const Null = "∅"

// TimeLayout is the layout of instants: in UTC, to the microsecond.
const TimeLayout = "2006-01-02T15:04:05.000000Z"

// Row has a payment's values in the order of Columns. Booleans are true and
// false, decimals have four digits after the point, instants are as TimeLayout,
// nulls are Null.
type Row [len(Columns)]string

// String returns a row on one line.
func (r Row) String() string { return strings.Join(r[:], " | ") }

// Diff compares two tables and returns the first few rows that differ. It returns "" if
// they are equal, in values and in order.
func Diff(got, want []Row) string {
	var b strings.Builder
	if len(got) != len(want) {
		fmt.Fprintf(&b, "got %d rows, want %d\n", len(got), len(want))
	}
	told := 0
	for i := 0; i < min(len(got), len(want)) && told < 5; i++ {
		if got[i] == want[i] {
			continue
		}
		told++
		fmt.Fprintf(&b, "row %d:\n got  %v\n want %v\n", i, got[i], want[i])
	}
	return b.String()
}
