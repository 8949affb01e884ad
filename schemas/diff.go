package schemas

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// SameListed reports whether a row that a listing gave has the same values as
// the last snapshot's, as far as a listing knows them: all columns but those of
// the CRM item and the time, and of Extra only the given fields, which are
// those that listed was read with.
func SameListed(listed, last *Payment, fields []string) bool {
	a, b := *listed, *last
	a.clearUnlisted()
	b.clearUnlisted()
	return a == b && sameMembers(listed.Extra, last.Extra, fields)
}

// Mark returns a number that stands for what a listing shows of a payment, in the
// columns that a get has too, if got, which was fetched for it, has other values
// there. It returns 0 if the values are the same. The number is the same on every
// machine; a program with other columns of a get makes other numbers.
func Mark(listed, got *Payment) uint64 {
	for i := range PaymentTable.Columns {
		if c := &PaymentTable.Columns[i]; c.From == FromGet && c.differs(listed, got) {
			return markOf(listed)
		}
	}
	return 0
}

// markOf returns the mark of a listing's row.
func markOf(listed *Payment) uint64 {
	text := make([]byte, 0, 256)
	for i := range PaymentTable.Columns {
		if c := &PaymentTable.Columns[i]; c.From == FromGet {
			// Name and length keep values of neighbours apart.
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

// SameMarked is SameListed for a row that was fetched when Mark returned mark: the
// columns that a get has too are compared with what the listing showed at that
// time, not with the row.
func SameMarked(listed, last *Payment, fields []string, mark uint64) bool {
	if mark == 0 {
		return SameListed(listed, last, fields)
	}
	seen := *last
	seen.takeListed(listed)
	return seen == *last && sameMembers(listed.Extra, last.Extra, fields) && markOf(listed) == mark
}

// ListedChanges names the columns in which a listing's row differs from the last
// snapshot's, in the table's order.
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

// Fill returns the last snapshot's row with the values that a listing has and a
// get has not, where the listing shows it to be the same in all others, as
// SameMarked reports. So a column that the snapshot's program did not know yet costs
// no get. The row is then as of the listing. It reports false where it is not the
// same, or is another order's, whose owner has to be asked for.
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

// Changed names the columns in which two rows differ, in the table's order.
// When a row was read is no difference: extracted_at is never among them.
func Changed(old, new *Payment) []string {
	var names []string
	for i := range PaymentTable.Columns {
		if c := &PaymentTable.Columns[i]; !c.Untracked && c.differs(old, new) {
			names = append(names, c.Name)
		}
	}
	return names
}
