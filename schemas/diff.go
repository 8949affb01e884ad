package schemas

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// SameListed reports whether a listed row has the same values as the last snapshot's
// row. It compares the columns that a listing has: all except those of the owner and
// the time, and of Extra only the given fields, which must be the fields that listed
// was read with.
func SameListed(listed, last *Payment, fields []string) bool {
	a, b := *listed, *last
	a.clearUnlisted()
	b.clearUnlisted()
	return a == b && sameMembers(listed.Extra, last.Extra, fields)
}

// Mark returns a number that identifies the listed values of a payment in the columns
// that a get also has, if got, which was fetched for it, has other values there. It
// returns 0 if the values are the same. The number is the same on every machine. A
// program with other columns of a get returns other numbers.
func Mark(listed, got *Payment) uint64 {
	if listed.sameGot(got) {
		return 0
	}
	return markOf(listed)
}

// markOf returns the mark of a listed row.
func markOf(listed *Payment) uint64 {
	text := make([]byte, 0, 256)
	for i := range PaymentTable.Columns {
		if c := &PaymentTable.Columns[i]; c.From == FromGet {
			// The name and the length separate neighbouring values.
			value := c.text(listed)
			text = append(text, c.Name...)
			text = append(text, 0)
			text = strconv.AppendInt(text, int64(len(value)), 10)
			text = append(append(text, 0), value...)
		}
	}
	sum := sha256.Sum256(text)
	return max(binary.BigEndian.Uint64(sum[:]), 1)
}

// SameMarked is SameListed for a row that was fetched when Mark returned mark. It
// compares the columns that a get also has with the values that were listed at that
// time, not with the row.
func SameMarked(listed, last *Payment, fields []string, mark uint64) bool {
	if mark == 0 {
		return SameListed(listed, last, fields)
	}
	seen := *last
	seen.takeListed(listed)
	return seen == *last && sameMembers(listed.Extra, last.Extra, fields) && markOf(listed) == mark
}

// ListedChanges returns the names of the columns in which a listed row differs from the
// last snapshot's row, in the table's order.
func ListedChanges(listed, last *Payment, fields []string) []string {
	var names []string
	for i := range PaymentTable.Columns {
		if c := &PaymentTable.Columns[i]; c.Listed() && c.differs(listed, last) {
			names = append(names, c.Name)
		}
	}
	if !sameMembers(listed.Extra, last.Extra, fields) {
		names = append(names, "extra")
	}
	return names
}

// Fill returns the last snapshot's row with the values that only a listing has, if the
// listing shows the same values in all other columns, as SameMarked reports. A column
// that the snapshot's program did not know then needs no get. The returned row is as of
// the listing. Fill returns false if the values differ, or if the row belongs to
// another order, whose owner must be fetched.
func Fill(listed, last *Payment, fields []string, mark uint64) (Payment, bool) {
	if listed.OrderID != last.OrderID {
		return Payment{}, false
	}
	row := *last
	row.takeListed(listed)
	if err := row.fillExtra(listed.Extra, fields); err != nil || !SameMarked(listed, &row, fields, mark) {
		return Payment{}, false
	}
	row.ExtractedAt = listed.ExtractedAt
	return row, true
}

// Changed returns the names of the columns in which two rows differ, in the table's
// order. It ignores when a row was read: extracted_at is never among them.
func Changed(old, new *Payment) []string {
	var names []string
	for i := range PaymentTable.Columns {
		if c := &PaymentTable.Columns[i]; !c.Untracked && c.differs(old, new) {
			names = append(names, c.Name)
		}
	}
	return names
}
