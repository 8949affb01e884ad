package schemas

// Reject is a row of the table of rejects: a payment that could not be read.
type Reject struct {
	ID          int64
	Stage       Null[string]
	Code        Null[string]
	Description Null[string]
	Attempts    Null[int64]
	Raw         Null[string]
	SeenAt      Null[Instant]
}

// RejectTable is the table of the payments that could not be read.
var RejectTable = newTable("payments_rejects", "Payments that could not be read. The next run tries them again.", []Column[Reject]{
	{
		Name: "id", Since: 1, Field: "id", Encoding: Delta,
		Null: never, Example: "1036", Changes: never,
		Description: "The payment's number on its portal.",
		At:          func(r *Reject) any { return &r.ID },
	},
	{
		Name: "stage", Since: 1, Encoding: Dictionary, Source: "this program",
		Null: never, Example: "get", Changes: never,
		Description: "The step that failed: list or get.",
		At:          func(r *Reject) any { return &r.Stage },
	},
	{
		Name: "code", Since: 1, Encoding: Dictionary, Source: "error",
		Null: never, Example: "ACCESS_DENIED", Changes: never,
		Description: "The portal's error code, which may be empty; or BAD_VALUE for an answer that cannot be read as its column's type.",
		At:          func(r *Reject) any { return &r.Code },
	},
	{
		Name: "description", Since: 1, Large: true, Source: "error_description",
		Null: "the portal returns none", Example: "Access denied", Changes: never,
		Description: "The portal's text, or the rule that the value breaks.",
		At:          func(r *Reject) any { return &r.Description },
	},
	{
		Name: "attempts", Since: 1, Encoding: Delta, Source: "this program", Unit: "calls",
		Null: never, Example: "1", Changes: never,
		Description: "How often the payment was requested.",
		At:          func(r *Reject) any { return &r.Attempts },
	},
	{
		Name: "raw", Since: 1, Large: true, Source: "the portal's answer",
		Null: "the portal refused, and sent only code and description", Example: `"12,50"`, Changes: never,
		Description: "For BAD_VALUE the text that the portal sent, at most 200 bytes: its beginning, or the text from just before the position where it is not JSON.",
		At:          func(r *Reject) any { return &r.Raw },
	},
	{
		Name: "seen_at", Since: 1, Encoding: Delta, Unit: microseconds, Source: "this program's clock",
		Null: never, Example: "2026-11-22T02:00:09.120000Z", Changes: never,
		Description: "When it failed.",
		At:          func(r *Reject) any { return &r.SeenAt },
	},
})
