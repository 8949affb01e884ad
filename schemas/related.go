package schemas

import (
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
)

// Order is a row of the table of orders.
type Order struct {
	ID            int64
	AccountNumber Null[string]
	StatusID      Null[string]
	Price         Null[Decimal]
	Currency      Null[string]
	Paid          Null[bool]
	Canceled      Null[bool]
	CreatedAt     Null[Instant]
	UpdatedAt     Null[Instant]
	ResponsibleID Null[int64]
	PersonTypeID  Null[int64]
	ExtractedAt   Null[Instant]
}

// Owner is a row of the table of owners: what a payment's order belongs to.
type Owner struct {
	EntityTypeID int64
	EntityID     int64
	Title        Null[string]
	CategoryID   Null[int64]
	StageID      Null[string]
	Amount       Null[Decimal]
	Currency     Null[string]
	CompanyID    Null[int64]
	ContactID    Null[int64]
	AssignedByID Null[int64]
	CreatedAt    Null[Instant]
	UpdatedAt    Null[Instant]
	ClosedOn     Null[Instant]
	Closed       Null[bool]
	ExtractedAt  Null[Instant]
}

// Stage is a row of the table of stages.
type Stage struct {
	EntityTypeID int64
	CategoryID   Null[int64]
	StageID      Null[string]
	Stage        Null[string]
	Category     Null[string]
	Sort         Null[int64]
	Outcome      Null[string]
	ExtractedAt  Null[Instant]
}

// Company is a row of the table of companies. A company may be a person.
type Company struct {
	ID          int64
	Name        Null[string]
	ExtractedAt Null[Instant]
}

// Contact is a row of the table of contacts.
type Contact struct {
	ID          int64
	Name        Null[string]
	LastName    Null[string]
	ExtractedAt Null[Instant]
}

// User is a row of the table of users.
type User struct {
	ID          int64
	Name        Null[string]
	LastName    Null[string]
	Active      Null[bool]
	UserType    Null[string]
	ExtractedAt Null[Instant]
}

// PaySystem is a row of the table of payment systems.
type PaySystem struct {
	ID          int64
	Name        Null[string]
	Active      Null[bool]
	Settlement  Null[string]
	ExtractedAt Null[Instant]
}

const (
	noText    = "the portal returns none"
	noRef     = "none, or 0"
	theEdit   = "an edit"
	readTable = "each time that the table is read"
)

// readAt is the last column of each related table.
func readAt[R any](at func(*R) *Null[Instant]) Column[R] {
	return Column[R]{
		Name: "extracted_at", Since: 1, Untracked: true, Encoding: Delta, Unit: microseconds, Source: "this program's clock",
		Null: never, Example: "2026-11-22T02:00:09.120000Z", Changes: readTable,
		Description: "When these values were read from the portal.",
		At:          func(r *R) any { return at(r) },
	}
}

// OrderTable is the related table of the orders that payments refer to.
var OrderTable = newTable("payments_orders", "The orders that the payments belong to.", []Column[Order]{
	{
		Name: "id", Since: 1, Field: "id", Encoding: Delta, Null: never, Example: "77", Changes: never,
		Description: "The order's number on its portal; order_id of payments.",
		At:          func(r *Order) any { return &r.ID },
	},
	{
		Name: "account_number", Since: 1, Field: "accountNumber", Null: noText, Example: "3653", Changes: theEdit,
		Description: "The number that people see.",
		At:          func(r *Order) any { return &r.AccountNumber },
	},
	{
		Name: "status_id", Since: 1, Field: "statusId", Encoding: Dictionary, Null: noText, Example: "N", Changes: "the order's progress",
		Description: "The order's status, by the portal's own code.",
		At:          func(r *Order) any { return &r.StatusID },
	},
	{
		Name: "price", Since: 1, Field: "price", Unit: "the row's currency", Null: noText, Example: "12345.6000", Changes: theEdit,
		Description: "What the order costs, taxes and delivery included: the amount due.",
		At:          func(r *Order) any { return &r.Price },
	},
	{
		Name: "currency", Since: 1, Field: "currency", Encoding: Dictionary, Null: noText, Example: "USD", Changes: theEdit,
		Description: "The currency of price.",
		At:          func(r *Order) any { return &r.Currency },
	},
	{
		Name: "paid", Since: 1, Field: "payed", Null: noText, Example: "true", Changes: "its payments are made",
		Description: "Whether the order is paid in full.",
		At:          func(r *Order) any { return &r.Paid },
	},
	{
		Name: "canceled", Since: 1, Field: "canceled", Null: noText, Example: "false", Changes: "it is canceled, or that is taken back",
		Description: "Whether the order was canceled.",
		At:          func(r *Order) any { return &r.Canceled },
	},
	{
		Name: "created_at", Since: 1, Field: "dateInsert", Encoding: Delta, Unit: microseconds, Null: noText, Example: "2024-05-01T09:00:00.000000Z", Changes: never,
		Description: "When the order was created; see date_bill of payments for portals that print it wrong.",
		At:          func(r *Order) any { return &r.CreatedAt },
	},
	{
		Name: "updated_at", Since: 1, Field: "dateUpdate", Encoding: Delta, Unit: microseconds, Null: noText, Example: "2024-05-20T10:32:02.000000Z", Changes: "each time that it or a payment of it is saved",
		Description: "When the order was last saved; see date_bill of payments for portals that print it wrong.",
		At:          func(r *Order) any { return &r.UpdatedAt },
	},
	{
		Name: "responsible_id", Since: 1, Field: "responsibleId", Encoding: Dictionary, Null: noRef, Example: "7", Changes: theEdit,
		Description: "The portal's user who is responsible for the order.",
		At:          func(r *Order) any { return &r.ResponsibleID },
	},
	{
		Name: "person_type_id", Since: 1, Field: "personTypeId", Encoding: Dictionary, Null: noRef, Example: "4", Changes: theEdit,
		Description: "The kind of payer, by the portal's own number.",
		At:          func(r *Order) any { return &r.PersonTypeID },
	},
	readAt(func(r *Order) *Null[Instant] { return &r.ExtractedAt }),
})

// OwnerTable is the related table of the owners that payments refer to.
var OwnerTable = newTable("payments_owners", "The owners of the payments' orders: deals, smart invoices and items of smart processes.", []Column[Owner]{
	{
		Name: "entity_type_id", Since: 1, Encoding: Dictionary, Source: "the type that was asked for", Null: never, Example: "2", Changes: never,
		Description: "The item's type: 2 deal, 31 smart invoice, from 128 smart processes.",
		At:          func(r *Owner) any { return &r.EntityTypeID },
	},
	{
		Name: "entity_id", Since: 1, Field: "id", Encoding: Delta, Null: never, Example: "99", Changes: never,
		Description: "The item's number among those of its type.",
		At:          func(r *Owner) any { return &r.EntityID },
	},
	{
		Name: "title", Since: 1, Field: "title", Null: noText, Example: "Kitchen, oak", Changes: theEdit,
		Description: "The item's title.",
		At:          func(r *Owner) any { return &r.Title },
	},
	{
		Name: "category_id", Since: 1, Field: "categoryId", Zero: true, Encoding: Dictionary, Null: "the type has no funnels", Example: "0", Changes: "the item moves to another funnel",
		Description: "The item's funnel; 0 is the general one.",
		At:          func(r *Owner) any { return &r.CategoryID },
	},
	{
		Name: "stage_id", Since: 1, Field: "stageId", Encoding: Dictionary, Null: "the type has no stages", Example: "C10:NEW", Changes: "the item moves to another stage",
		Description: "The item's stage in its funnel.",
		At:          func(r *Owner) any { return &r.StageID },
	},
	{
		Name: "amount", Since: 1, Field: "opportunity", Unit: "the row's currency", Null: noText, Example: "12345.6000", Changes: theEdit,
		Description: "The item's amount.",
		At:          func(r *Owner) any { return &r.Amount },
	},
	{
		Name: "currency", Since: 1, Field: "currencyId", Encoding: Dictionary, Null: noText, Example: "USD", Changes: theEdit,
		Description: "The currency of amount.",
		At:          func(r *Owner) any { return &r.Currency },
	},
	{
		Name: "company_id", Since: 1, Field: "companyId", Encoding: Delta, Null: noRef, Example: "12", Changes: theEdit,
		Description: "The company that the item is for.",
		At:          func(r *Owner) any { return &r.CompanyID },
	},
	{
		Name: "contact_id", Since: 1, Field: "contactId", Encoding: Delta, Null: noRef, Example: "15", Changes: theEdit,
		Description: "The contact that the item is for.",
		At:          func(r *Owner) any { return &r.ContactID },
	},
	{
		Name: "assigned_by_id", Since: 1, Field: "assignedById", Encoding: Dictionary, Null: noRef, Example: "7", Changes: theEdit,
		Description: "The portal's user who is responsible for the item: the manager.",
		At:          func(r *Owner) any { return &r.AssignedByID },
	},
	{
		Name: "created_at", Since: 1, Field: "createdTime", Encoding: Delta, Unit: microseconds, Null: noText, Example: "2024-05-01T09:00:00.000000Z", Changes: never,
		Description: "When the item was created, as the portal prints it: some portals print it an hour or more off.",
		At:          func(r *Owner) any { return &r.CreatedAt },
	},
	{
		Name: "updated_at", Since: 1, Field: "updatedTime", Encoding: Delta, Unit: microseconds, Null: noText, Example: "2024-05-20T10:32:02.000000Z", Changes: theEdit,
		Description: "When the item was last saved, as the portal prints it: some portals print it an hour or more off.",
		At:          func(r *Owner) any { return &r.UpdatedAt },
	},
	{
		Name: "closed_on", Since: 1, Field: "closedate", Encoding: Delta, Unit: microseconds, Null: noText, Example: "2024-05-31T00:00:00.000000Z", Changes: theEdit,
		Description: "When the item was closed, or is planned to be.",
		At:          func(r *Owner) any { return &r.ClosedOn },
	},
	{
		Name: "closed", Since: 1, Field: "closed", Null: "the type does not say", Example: "true", Changes: "its stage becomes a last one",
		Description: "Whether the item is closed.",
		At:          func(r *Owner) any { return &r.Closed },
	},
	readAt(func(r *Owner) *Null[Instant] { return &r.ExtractedAt }),
}).sortedBy("entity_type_id", "entity_id")

// StageTable is the related table of the stages that owners go through.
var StageTable = newTable("payments_stages", "The stages of the funnels of the owners.", []Column[Stage]{
	{
		Name: "entity_type_id", Since: 1, Encoding: Dictionary, Source: "ENTITY_ID of crm.status.list", Null: never, Example: "2", Changes: never,
		Description: "The type of the items that go through the stage.",
		At:          func(r *Stage) any { return &r.EntityTypeID },
	},
	{
		Name: "category_id", Since: 1, Encoding: Dictionary, Source: "ENTITY_ID of crm.status.list", Null: never, Example: "0", Changes: never,
		Description: "The funnel; 0 is the general one.",
		At:          func(r *Stage) any { return &r.CategoryID },
	},
	{
		Name: "stage_id", Since: 1, Field: "STATUS_ID", Encoding: Dictionary, Null: never, Example: "C10:NEW", Changes: never,
		Description: "The stage; stage_id of owners. The portal cuts long ones.",
		At:          func(r *Stage) any { return &r.StageID },
	},
	{
		Name: "stage", Since: 1, Field: "NAME", Encoding: Dictionary, Null: noText, Example: "Negotiation", Changes: "it is renamed",
		Description: "The stage's name.",
		At:          func(r *Stage) any { return &r.Stage },
	},
	{
		Name: "category", Since: 1, Encoding: Dictionary, Source: "name of crm.category.list", Null: "the type has one funnel, or its name may not be read", Example: "Wholesale", Changes: "it is renamed",
		Description: "The funnel's name.",
		At:          func(r *Stage) any { return &r.Category },
	},
	{
		Name: "sort", Since: 1, Field: "SORT", Zero: true, Encoding: Delta, Null: noText, Example: "30", Changes: "stages are put in another order",
		Description: "The stage's place in its funnel.",
		At:          func(r *Stage) any { return &r.Sort },
	},
	{
		Name: "outcome", Since: 1, Field: "SEMANTICS", Encoding: Dictionary, Words: map[string]string{"S": "won", "F": "lost", "P": ""},
		Null: "neither yet", Example: "won", Changes: "an edit of the stage",
		Description: "The outcome of an item in this stage: won, lost.",
		At:          func(r *Stage) any { return &r.Outcome },
	},
	readAt(func(r *Stage) *Null[Instant] { return &r.ExtractedAt }),
}).sortedBy("entity_type_id", "category_id", "stage_id")

// CompanyTable is the related table of the companies that owners refer to.
var CompanyTable = newTable("payments_companies", "The companies that the owners are for.", []Column[Company]{
	{
		Name: "id", Since: 1, Field: "id", Encoding: Delta, Null: never, Example: "12", Changes: never,
		Description: "The company's number; company_id of owners.",
		At:          func(r *Company) any { return &r.ID },
	},
	{
		Name: "name", Since: 1, Field: "title", Null: noText, Example: "Oak & Sons", Changes: theEdit,
		Description: "The company's name.",
		At:          func(r *Company) any { return &r.Name },
	},
	readAt(func(r *Company) *Null[Instant] { return &r.ExtractedAt }),
})

// ContactTable is the related table of the contacts that owners refer to.
var ContactTable = newTable("payments_contacts", "The contacts that the owners are for.", []Column[Contact]{
	{
		Name: "id", Since: 1, Field: "id", Encoding: Delta, Null: never, Example: "15", Changes: never,
		Description: "The contact's number; contact_id of owners.",
		At:          func(r *Contact) any { return &r.ID },
	},
	{
		Name: "name", Since: 1, Field: "name", Null: noText, Example: "Ann", Changes: theEdit,
		Description: "The contact's first name.",
		At:          func(r *Contact) any { return &r.Name },
	},
	{
		Name: "last_name", Since: 1, Field: "lastName", Null: noText, Example: "Smith", Changes: theEdit,
		Description: "The contact's last name.",
		At:          func(r *Contact) any { return &r.LastName },
	},
	readAt(func(r *Contact) *Null[Instant] { return &r.ExtractedAt }),
})

// UserTable is the related table of the portal's users, dismissed ones included.
var UserTable = newTable("payments_users", "The portal's users, without bots and integrations.", []Column[User]{
	{
		Name: "id", Since: 1, Field: "ID", Encoding: Delta, Null: never, Example: "7", Changes: never,
		Description: "The user's number; responsible_id, emp_paid_id and assigned_by_id elsewhere.",
		At:          func(r *User) any { return &r.ID },
	},
	{
		Name: "name", Since: 1, Field: "NAME", Null: noText, Example: "Ann", Changes: theEdit,
		Description: "The user's first name.",
		At:          func(r *User) any { return &r.Name },
	},
	{
		Name: "last_name", Since: 1, Field: "LAST_NAME", Null: noText, Example: "Smith", Changes: theEdit,
		Description: "The user's last name.",
		At:          func(r *User) any { return &r.LastName },
	},
	{
		Name: "active", Since: 1, Field: "ACTIVE", Null: noText, Example: "true", Changes: "the user is dismissed, or comes back",
		Description: "False for users who were dismissed.",
		At:          func(r *User) any { return &r.Active },
	},
	{
		Name: "user_type", Since: 1, Field: "USER_TYPE", Encoding: Dictionary, Null: noText, Example: "employee", Changes: theEdit,
		Description: "The kind of user, by the portal's own word: employee, extranet, email.",
		At:          func(r *User) any { return &r.UserType },
	},
	readAt(func(r *User) *Null[Instant] { return &r.ExtractedAt }),
})

// PaySystemTable is the related table of the current payment systems.
var PaySystemTable = newTable("payments_pay_systems", "The portal's payment systems. Payments may name others that were deleted since.", []Column[PaySystem]{
	{
		Name: "id", Since: 1, Field: "ID", Encoding: Delta, Null: never, Example: "6", Changes: never,
		Description: "The payment system's number; pay_system_id of payments.",
		At:          func(r *PaySystem) any { return &r.ID },
	},
	{
		Name: "name", Since: 1, Field: "NAME", Null: noText, Example: "Visa/Mastercard", Changes: "it is renamed",
		Description: "The payment system's name today.",
		At:          func(r *PaySystem) any { return &r.Name },
	},
	{
		Name: "active", Since: 1, Field: "ACTIVE", Null: noText, Example: "true", Changes: theEdit,
		Description: "Whether people can choose it.",
		At:          func(r *PaySystem) any { return &r.Active },
	},
	{
		Name: "settlement", Since: 1, Field: "IS_CASH", Encoding: Dictionary, Words: map[string]string{"Y": "cash", "N": "cashless", "A": "acquiring"},
		Null: noText, Example: "acquiring", Changes: theEdit,
		Description: "How the money is received: cash, cashless, acquiring.",
		At:          func(r *PaySystem) any { return &r.Settlement },
	},
	readAt(func(r *PaySystem) *Null[Instant] { return &r.ExtractedAt }),
})

// RelatedTable is a related table, without the type of its rows.
type RelatedTable struct {
	// Name is the table's name in source.related and in folders.
	Name    string
	Schema  *arrow.Schema
	Keys    []string
	Version int
}

// Related lists the related tables in the order in which they are read: companies and
// contacts come from owners.
var Related = []RelatedTable{
	OrderTable.related(), OwnerTable.related(), StageTable.related(), CompanyTable.related(),
	ContactTable.related(), UserTable.related(), PaySystemTable.related(),
}

func (t *Table[R]) related() RelatedTable {
	return RelatedTable{Name: t.Short(), Schema: t.schema, Keys: t.Keys, Version: t.Version()}
}

// Short returns the table's name without the dataset's name: orders for
// payments_orders.
func (t *Table[R]) Short() string { return strings.TrimPrefix(t.Name, "payments_") }

// RelatedNamed returns the related table of that name.
func RelatedNamed(name string) (RelatedTable, bool) {
	i := slices.IndexFunc(Related, func(t RelatedTable) bool { return t.Name == name })
	if i < 0 {
		return RelatedTable{}, false
	}
	return Related[i], true
}
