// Package schemas defines the rows of the dataset and parses them from the portal's
// JSON.
//
// # Overview
//
// [Payment] is the row, a comparable value. [Payment.ReadListed] fills it from an
// element of sale.payment.list or crm.item.payment.list, and [Payment.ReadGot]
// overwrites it with the answer of crm.item.payment.get; [ReadOwner] reads an element
// of crm.orderentity.list. [SameListed] and [Changed] compare rows. [PaymentTable],
// [ChangeTable] and [RejectTable] describe the dataset's three tables, each column in
// one place: its source, storage, unit, null rule and description. [Table.Schema]
// returns a table as an Arrow schema, which [Format] writes in the formats of other
// systems. [Table.Append] appends rows to Arrow records, [Totals] adds them up.
//
// The package imports no other package of the program. All functions may be called
// concurrently, but a value that a method reads into or adds to must not be used
// concurrently.
//
// # Spellings
//
// The portal is written in PHP, and its older parts spell the same value in different
// ways. A column accepts these spellings and no others:
//
//   - absent values, which become null: null, "", false, [] and {}; in a boolean
//     column, false is a value.
//   - whole numbers: 7 and "7"; 0 and "0" in an id mean that there is none.
//     The payment's own id must be present, and at least 1.
//   - decimals: any JSON number, as such or in a string, with or without
//     exponent. The value is taken from the text and never passes through a
//     binary float; what exceeds four digits is rounded half to even, so that
//     the 0.10000000000000001 of an old portal is 0.1000.
//   - booleans: "Y" and "N" in either case, true and false, 1 and 0 as numbers
//     and strings.
//   - times: RFC 3339 in a string, with any offset and any fraction. What
//     exceeds a microsecond is dropped. Years 1 to 9999 in UTC.
//   - texts: strings with any escapes; a number becomes its own text.
//
// # Errors
//
// A value that cannot be read is a [*FieldError] with the field, the rule that it
// breaks and the text that the portal sent. Nothing is guessed: on an error the payment
// is unchanged. An object that is not valid JSON, is not valid UTF-8, or has a name
// twice is also an error, even in a field that is not used.
//
// # Evolution
//
// Readers of the dataset, and its own older snapshots, rely on these columns. Columns
// may be appended, never renamed or removed, and their type and meaning never change.
// To add one to the payments:
//
//  1. In payment.go, add a field at the end of [Payment] and its [Column] at the
//     end of [PaymentTable], with Since one above the column before (or equal to
//     it, if no release has that one yet).
//  2. Run: go generate ./schemas
//
// Everything else follows from that entry: the schemas, the encodings, the code that
// reads, writes, compares and selects the column, and the tables in README and docs.
// The command writes the generated files, and the tests of this package compare them.
// TestRecipeForAColumn of package sinks does these two steps on a copy.
//
// Older rows have null in the column. A column that listings have ([Column.Listed])
// gets its value for such a row from the next listing. Each table has its own version,
// which is the version of its newest column. Files state it, and a program refuses
// files with a newer version.
package schemas
