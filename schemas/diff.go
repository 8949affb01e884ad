package schemas

// SameListed reports whether a row that a listing gave has the same values as
// the last snapshot's, as far as a listing knows them: all columns but those of
// the CRM item and the time, and of Extra only the given fields, which are
// those that listed was read with.
func SameListed(listed, last *Payment, fields []string) bool {
	a, b := *listed, *last
	a.EntityTypeID, b.EntityTypeID = Null[int64]{}, Null[int64]{}
	a.EntityID, b.EntityID = Null[int64]{}, Null[int64]{}
	a.ExtractedAt, b.ExtractedAt = Null[Instant]{}, Null[Instant]{}
	a.Extra, b.Extra = Null[string]{}, Null[string]{}
	return a == b && sameMembers(listed.Extra, last.Extra, fields)
}

// Changed names the columns in which two rows differ, in the table's order.
// When a row was read is no difference: extracted_at is never among them.
func Changed(old, new *Payment) []string {
	var names []string
	differ := func(differs bool, name string) {
		if differs {
			names = append(names, name)
		}
	}
	differ(old.ID != new.ID, "id")
	differ(old.AccountNumber != new.AccountNumber, "account_number")
	differ(old.Paid != new.Paid, "paid")
	differ(old.DatePaid != new.DatePaid, "date_paid")
	differ(old.EmpPaidID != new.EmpPaidID, "emp_paid_id")
	differ(old.PaySystemID != new.PaySystemID, "pay_system_id")
	differ(old.Sum != new.Sum, "sum")
	differ(old.Currency != new.Currency, "currency")
	differ(old.PaySystemName != new.PaySystemName, "pay_system_name")
	differ(old.OrderID != new.OrderID, "order_id")
	differ(old.EntityTypeID != new.EntityTypeID, "entity_type_id")
	differ(old.EntityID != new.EntityID, "entity_id")
	differ(old.DateBill != new.DateBill, "date_bill")
	differ(old.Extra != new.Extra, "extra")
	return names
}
