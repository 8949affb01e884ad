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
