package schemas

// Payment is a row of the dataset: a payment as its portal showed it. Two rows are
// equal if == is true. PaymentTable describes the columns.
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
	// Returned is inner or pay_system; null if the payment was not refunded.
	Returned      Null[string]
	ResponsibleID Null[int64]
}

// PaymentTable is the table of payments, one Payment a row. Its columns are
// frozen: see Evolution in the package's description.
var PaymentTable = newTable("payments", "The payments of one portal, sorted by id, each once.", []Column[Payment]{
	{
		Name: "id", Since: 1, From: FromGet, Field: "id", Encoding: Delta,
		Null: never, Example: "1036", Changes: never,
		Description: "The payment's number on its portal.",
		At:          func(p *Payment) any { return &p.ID },
	},
	{
		Name: "account_number", Since: 1, From: FromGet, Field: "accountNumber",
		Null: "the portal returns none", Example: "3653/1", Changes: "an edit of the payment",
		Description: "The number that people see, such as 3653/1.",
		At:          func(p *Payment) any { return &p.AccountNumber },
	},
	{
		Name: "paid", Since: 1, From: FromGet, Field: "paid",
		Null: "the portal returns none", Example: "true", Changes: "it is marked as paid, or as not paid",
		Description: "Whether the payment has been made.",
		At:          func(p *Payment) any { return &p.Paid },
	},
	{
		Name: "date_paid", Since: 1, From: FromGet, Field: "datePaid", Encoding: Delta, Unit: microseconds,
		Null: "the portal returns none", Example: "2024-05-20T10:32:02.000000Z", Changes: "with paid, or by an edit of the payment",
		Description: "When the payment was made.",
		At:          func(p *Payment) any { return &p.DatePaid },
	},
	{
		Name: "emp_paid_id", Since: 1, From: FromGet, Field: "empPaidId", Encoding: Dictionary,
		Null: "nobody, or 0", Example: "1", Changes: "with paid",
		Description: "The portal's user who made the payment.",
		At:          func(p *Payment) any { return &p.EmpPaidID },
	},
	{
		Name: "pay_system_id", Since: 1, From: FromGet, Field: "paySystemId", Encoding: Dictionary,
		Null: "none, or 0", Example: "6", Changes: "another payment system is chosen",
		Description: "The payment system.",
		At:          func(p *Payment) any { return &p.PaySystemID },
	},
	{
		Name: "sum", Since: 1, From: FromGet, Field: "sum", Unit: "the row's currency",
		Null: "the portal returns none", Example: "12345.6000", Changes: "an edit of the payment or of its order",
		Description: "The amount, exact below 549755813888 (2^39), where a portal's float begins to lose the fourth digit; rounded half to even to four digits where an old portal prints more.",
		At:          func(p *Payment) any { return &p.Sum },
	},
	{
		Name: "currency", Since: 1, From: FromGet, Field: "currency", Encoding: Dictionary,
		Null: "the portal returns none", Example: "USD", Changes: "the order gets another one",
		Description: "The currency of sum, such as USD.",
		At:          func(p *Payment) any { return &p.Currency },
	},
	{
		Name: "pay_system_name", Since: 1, From: FromGet, Field: "paySystemName", Encoding: Dictionary,
		Null: "the portal returns none", Example: "Visa/Mastercard", Changes: "with pay_system_id; a system that is renamed keeps its name here",
		Description: "The payment system's name, as this payment has it.",
		At:          func(p *Payment) any { return &p.PaySystemName },
	},
	{
		Name: "order_id", Since: 1, From: FromList, Field: "orderId", Encoding: Delta,
		Source: "orderId of sale.payment.list, else the order that it was listed by",
		Null:   "not known, or 0", Example: "77", Changes: never,
		Description: "The order that the payment is for.",
		At:          func(p *Payment) any { return &p.OrderID },
	},
	{
		Name: "entity_type_id", Since: 1, From: FromOwners, Field: "ownerTypeId", Encoding: Dictionary,
		Source: "ownerTypeId of crm.orderentity.list",
		Null:   "the order has no owner", Example: "2", Changes: "with entity_id",
		Description: "The type of the order's owner: 2 deal, 31 smart invoice, from 128 smart processes.",
		At:          func(p *Payment) any { return &p.EntityTypeID },
	},
	{
		Name: "entity_id", Since: 1, From: FromOwners, Field: "ownerId", Encoding: Delta,
		Source: "ownerId of crm.orderentity.list",
		Null:   "the order has no owner", Example: "99",
		Changes:     "the order gets another owner; an incremental run sees it when the payment is fetched again, by full_every at the latest",
		Description: "The id of the order's owner.",
		At:          func(p *Payment) any { return &p.EntityID },
	},
	{
		Name: "date_bill", Since: 1, From: FromList, Field: "dateBill", Encoding: Delta, Unit: microseconds,
		Source: "dateBill of sale.payment.list",
		Null:   "not known", Example: "2024-05-01T00:00:00.000000Z", Changes: "an edit of the payment",
		Description: "When the payment was billed.",
		At:          func(p *Payment) any { return &p.DateBill },
	},
	{
		Name: "extra", Since: 1, Large: true, Unit: "JSON object",
		Source: "fields without a column, and source.fields",
		Null:   "there are none", Example: `{"comments":"by phone","companyId":12}`, Changes: "any of the fields in it",
		Description: "Fields that the portal sent and this table has no column for, in its spelling, names sorted.",
		At:          func(p *Payment) any { return &p.Extra },
	},
	{
		Name: "extracted_at", Since: 1, Untracked: true, Encoding: Delta, Unit: microseconds,
		Source: "this program's clock",
		Null:   never, Example: "2026-11-22T02:00:09.120000Z", Changes: "each time that the payment is fetched; a row that is carried over keeps its time",
		Description: "When these values were read from the portal.",
		At:          func(p *Payment) any { return &p.ExtractedAt },
	},
	{
		Name: "returned", Since: 2, From: FromList, Field: "isReturn", Encoding: Dictionary,
		Words:  map[string]string{"N": "", "Y": "inner", "P": "pay_system"},
		Source: "isReturn of sale.payment.list",
		Null:   "not refunded, or not known", Example: "pay_system", Changes: "the payment is refunded, or paid again",
		Description: "How the payment was refunded: inner, to the customer's inner account; pay_system, through the payment system. Such a payment is not paid, and keeps its sum and date_paid.",
		At:          func(p *Payment) any { return &p.Returned },
	},
	{
		Name: "responsible_id", Since: 2, From: FromList, Field: "responsibleId", Encoding: Dictionary,
		Source: "responsibleId of sale.payment.list",
		Null:   "nobody, 0, or not known", Example: "7", Changes: "an edit of the payment",
		Description: "The portal's user who is responsible for the payment.",
		At:          func(p *Payment) any { return &p.ResponsibleID },
	},
})
