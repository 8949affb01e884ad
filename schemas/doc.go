// Package schemas says what a row of the dataset is and how it comes out of
// the portal's JSON.
//
// # Overview
//
// [Payment] is the row, a comparable value. [Payment.ReadListed] fills it from
// an element of sale.payment.list or crm.item.payment.list, and
// [Payment.ReadGot] lays the answer of crm.item.payment.get over that;
// [ReadOwner] reads an element of crm.orderentity.list. [SameListed] and
// [Changed] compare rows. [PaymentTable], [ChangeTable] and [RejectTable] describe
// the dataset's three tables, each column in one place: where it comes from, how
// it is stored, its unit, null rule and description. [Table.Schema] is a table as
// an Arrow schema, which [Format] writes in the forms that other systems take.
// [Table.Append] appends rows to Arrow records, [Totals] adds them up.
//
// The package imports nothing of the rest of the program. All functions may be
// called concurrently; a value being read into or added to belongs to its
// caller.
//
// # Spellings
//
// The portal is written in PHP, and older parts of it send the same value in
// different ways. A column takes each of these, and nothing else:
//
//   - absent, which becomes null: null, "", false, [] and {}; for a boolean,
//     false is a value.
//   - whole numbers: 7 and "7"; 0 and "0" in an id mean that there is none.
//     The payment's own id must be there, and at least 1.
//   - decimals: any JSON number, as such or in a string, with or without
//     exponent. The value is taken from the text and never passes through a
//     binary float; what exceeds four digits is rounded half to even, so that
//     the 0.10000000000000001 of an old portal is 0.1000.
//   - booleans: "Y" and "N" in either case, true and false, 1 and 0 as numbers
//     and strings.
//   - times: RFC 3339 in a string, with any offset and any fraction. What
//     exceeds a microsecond is cut off. Years 1 to 9999 in UTC.
//   - texts: strings with any escapes; a number becomes its own text.
//
// # Errors
//
// What cannot be read is a [*FieldError] that names the field, the rule that it
// broke and the text that was sent. Nothing is guessed: a payment is read
// whole or, on an error, left as it was. An object that is no valid JSON, is not
// valid UTF-8, or has a name twice is an error too, even where the field itself
// is of no interest.
//
// # Evolution
//
// Readers of the dataset, and its own older snapshots, rely on these columns.
// Columns are only ever added, at the end; none is renamed, removed, or given
// another type or meaning. To add one to the payments:
//
//  1. In payment.go, add a field at the end of [Payment] and its [Column] at the
//     end of [PaymentTable], with Since one above the column before (or equal to
//     it, if no release has that one yet).
//  2. Run: go generate ./schemas
//
// All else follows from that row: the schemas, the encodings, what reads, writes,
// compares and selects the column, and the tables in README and docs. The command
// writes the parts that are files, and the tests of this package compare them.
// TestRecipeForAColumn of package sinks does these two steps on a copy.
//
// A row from before the column has null there. A column that listings have
// ([Column.Listed]) gets its value for such a row from the next listing. Each
// table has a version of its own, that of its newest column; files state it, and
// a program refuses files of a newer one.
package schemas
