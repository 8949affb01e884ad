package schemas

// Version is that of the tables' columns. It rises when columns are added.
const Version = 1

// Payment is a row of the dataset: a payment as its portal showed it. Two rows
// are equal if == says so. The columns are described by [Payments].
type Payment struct {
	ID            int64
	AccountNumber Null[string]
	Paid          Null[bool]
	DatePaid      Null[Instant]
	EmpPaidID     Null[int64]
	PaySystemID   Null[int64]
	Sum           Null[Decimal]
	Currency      Null[string]
	PaySystemName Null[string]
	OrderID       Null[int64]
	EntityTypeID  Null[int64]
	EntityID      Null[int64]
	DateBill      Null[Instant]
	// Extra is a compact JSON object with sorted names, never an empty one.
	Extra       Null[string]
	ExtractedAt Null[Instant]
}
