package schemas

import (
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
)

// Names in a schema's metadata: its table, that table's description and, as a
// number, the version of its columns.
const (
	MetaTable       = "table"
	MetaDescription = "description"
	MetaVersion     = "version"
)

// Names in a column's metadata, beside MetaDescription: where it comes from, its
// unit (if it has one), what null means, a value as an example, and what on the
// portal makes a row's value another one from one snapshot to the next.
const (
	MetaSource  = "source"
	MetaUnit    = "unit"
	MetaNull    = "null"
	MetaExample = "example"
	MetaChanges = "changes"
)

// Payments is the schema of the table of payments, one [Payment] a row. Like
// the others it is a constant: all callers share it. All columns are nullable,
// since engines infer that across files.
func Payments() *arrow.Schema { return payments }

// Changes is the schema of the change feed: what happened, then the columns of
// Payments.
func Changes() *arrow.Schema { return changes }

// Rejects is the schema of the payments that could not be read.
func Rejects() *arrow.Schema { return rejects }

var (
	payments = table("payments", "The payments of one portal, sorted by id, each once.", paymentColumns)
	changes  = table("payments_changes", "What changed against the snapshot before, sorted by id.",
		slices.Concat(changeColumns, paymentColumns))
	rejects = table("payments_rejects", "Payments that could not be read. The next run tries them again.", rejectColumns)
)

// column is a column as the tables below spell it.
type column struct {
	name        string
	kind        arrow.DataType
	source      string
	unit        string
	null        string
	example     string
	changes     string
	description string
}

var (
	integerKind = arrow.PrimitiveTypes.Int64
	textKind    = arrow.BinaryTypes.String
	flagKind    = arrow.FixedWidthTypes.Boolean
	timeKind    = arrow.FixedWidthTypes.Timestamp_us // in UTC
	decimalKind = &arrow.Decimal128Type{Precision: Precision, Scale: Scale}
)

const (
	microseconds = "microseconds, UTC"
	never        = "never"
)

// paymentColumns are frozen: see Evolution in the package's description.
var paymentColumns = []column{
	{
		name: "id", kind: integerKind, source: "id", null: never,
		example: "1036", changes: never,
		description: "The payment's number on its portal.",
	},
	{
		name: "account_number", kind: textKind, source: "accountNumber", null: "the portal gives none",
		example: "3653/1", changes: "an edit of the payment",
		description: "The number that people see, such as 3653/1.",
	},
	{
		name: "paid", kind: flagKind, source: "paid", null: "the portal gives none",
		example: "true", changes: "it is marked as paid, or as not paid",
		description: "Whether the payment has been made.",
	},
	{
		name: "date_paid", kind: timeKind, source: "datePaid", unit: microseconds, null: "the portal gives none",
		example: "2024-05-20T10:32:02.000000Z", changes: "with paid, or by an edit of the payment",
		description: "When the payment was made.",
	},
	{
		name: "emp_paid_id", kind: integerKind, source: "empPaidId", null: "nobody, or 0",
		example: "1", changes: "with paid",
		description: "The portal's user who made the payment.",
	},
	{
		name: "pay_system_id", kind: integerKind, source: "paySystemId", null: "none, or 0",
		example: "6", changes: "another payment system is chosen",
		description: "The payment system.",
	},
	{
		name: "sum", kind: decimalKind, source: "sum", unit: "the row's currency", null: "the portal gives none",
		example: "12345.6000", changes: "an edit of the payment or of its order",
		description: "The amount, exact; rounded half to even to four digits where an old portal prints more.",
	},
	{
		name: "currency", kind: textKind, source: "currency", null: "the portal gives none",
		example: "USD", changes: "the order gets another one",
		description: "The currency of sum, such as USD.",
	},
	{
		name: "pay_system_name", kind: textKind, source: "paySystemName", null: "the portal gives none",
		example: "Visa/Mastercard", changes: "with pay_system_id; a system that is renamed keeps its name here",
		description: "The payment system's name, as this payment has it.",
	},
	{
		name: "order_id", kind: integerKind, source: "orderId of sale.payment.list, else the order that it was listed by", null: "not known, or 0",
		example: "77", changes: never,
		description: "The order that the payment is for.",
	},
	{
		name: "entity_type_id", kind: integerKind, source: "ownerTypeId of crm.orderentity.list", null: "the order belongs to no CRM item",
		example: "2", changes: "with entity_id",
		description: "The type of the CRM item that the order belongs to: 2 deal, 31 smart invoice, from 128 smart processes.",
	},
	{
		name: "entity_id", kind: integerKind, source: "ownerId of crm.orderentity.list", null: "the order belongs to no CRM item",
		example: "99", changes: "the order goes to another CRM item; an incremental run sees it when the payment is got anew, by full_every at the latest",
		description: "The CRM item that the order belongs to.",
	},
	{
		name: "date_bill", kind: timeKind, source: "dateBill of sale.payment.list", unit: microseconds, null: "not known",
		example: "2024-05-01T00:00:00.000000Z", changes: "an edit of the payment",
		description: "When the payment was billed.",
	},
	{
		name: "extra", kind: textKind, source: "fields without a column, and source.fields", unit: "JSON object", null: "there are none",
		example: `{"comments":"by phone","isReturn":"N"}`, changes: "any of the fields in it",
		description: "Fields that the portal sent and this table has no column for, in its spelling, names sorted.",
	},
	{
		name: "extracted_at", kind: timeKind, source: "this program's clock", unit: microseconds, null: never,
		example: "2026-11-22T02:00:09.120000Z", changes: "each time that the payment is got; rows that are carried over keep theirs",
		description: "When these values were read from the portal.",
	},
}

var changeColumns = []column{
	{
		name: "op", kind: textKind, source: "this program", null: never,
		example: "update", changes: never,
		description: "What happened: insert, update or delete.",
	},
	{
		name: "changed", kind: textKind, source: "this program", unit: "column names, comma-separated", null: "insert or delete",
		example: "paid,date_paid", changes: never,
		description: "The columns that have another value than before. Of a deleted payment the columns below are as last known.",
	},
}

var rejectColumns = []column{
	{
		name: "id", kind: integerKind, source: "id", null: never,
		example: "1036", changes: never,
		description: "The payment's number on its portal.",
	},
	{
		name: "stage", kind: textKind, source: "this program", null: never,
		example: "get", changes: never,
		description: "Where it failed: list or get.",
	},
	{
		name: "code", kind: textKind, source: "error", null: never,
		example: "ACCESS_DENIED", changes: never,
		description: "The portal's error code, or BAD_VALUE for an answer that cannot be read as its column's type.",
	},
	{
		name: "description", kind: textKind, source: "error_description", null: "the portal gives none",
		example: "Access denied", changes: never,
		description: "The portal's text, or which rule the value broke.",
	},
	{
		name: "attempts", kind: integerKind, source: "this program", unit: "calls", null: never,
		example: "1", changes: never,
		description: "How often the payment was asked for.",
	},
	{
		name: "raw", kind: textKind, source: "the portal's answer", null: "there was none",
		example: `{"error":"ACCESS_DENIED","error_description":"Access denied"}`, changes: never,
		description: "What was sent, cut to its beginning.",
	},
	{
		name: "seen_at", kind: timeKind, source: "this program's clock", unit: microseconds, null: never,
		example: "2026-11-22T02:00:09.120000Z", changes: never,
		description: "When it failed.",
	},
}

func table(name, description string, columns []column) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		keys := []string{MetaDescription, MetaSource, MetaNull, MetaExample, MetaChanges}
		values := []string{c.description, c.source, c.null, c.example, c.changes}
		if c.unit != "" {
			keys, values = append(keys, MetaUnit), append(values, c.unit)
		}
		fields[i] = arrow.Field{Name: c.name, Type: c.kind, Nullable: true, Metadata: arrow.NewMetadata(keys, values)}
	}
	meta := arrow.NewMetadata(
		[]string{MetaTable, MetaDescription, MetaVersion},
		[]string{name, description, strconv.Itoa(Version)},
	)
	return arrow.NewSchema(fields, &meta)
}
