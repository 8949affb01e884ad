package schemas

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

// Fill returns the last snapshot's row with the values that a listing has and a
// get has not, where the listing shows it to be the same in all others, as
// SameListed says. So a column that the snapshot's program did not know yet costs
// no get. The row is then as of the listing. It reports false where it is not the
// same, or is another order's, whose owner has to be asked for.
func Fill(listed, last *Payment, fields []string) (Payment, bool) {
	if listed.OrderID != last.OrderID {
		return Payment{}, false
	}
	row := *last
	row.takeListed(listed)
	if err := row.fillExtra(listed.Extra, fields); err != nil || !SameListed(listed, &row, fields) {
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
