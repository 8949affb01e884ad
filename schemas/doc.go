// Package schemas says what a row of the dataset is and how it comes out of
// the portal's JSON.
//
// # Overview
//
// [Payment] is the row, a comparable value. [Payment.ReadListed] fills it from
// an element of sale.payment.list or crm.item.payment.list, and
// [Payment.ReadGot] lays the answer of crm.item.payment.get over that;
// [ReadOwner] reads an element of crm.orderentity.list. [SameListed] and
// [Changed] compare rows. [Payments], [Changes] and [Rejects] declare the
// dataset's three tables as Arrow schemas, each column with its source, unit,
// null rule and description, and [Format] writes them in the forms that other
// systems take. [AppendPayment] hands rows to Arrow, [Totals] adds them up.
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
// another type or meaning. To add one:
//
//  1. Add the field at the end of [Payment].
//  2. Add its column at the end of paymentColumns, with its metadata.
//  3. Read it in Payment.setColumn, append it in [AppendPayment], compare it in
//     [Changed]; if the listing does not know it, mask it in [SameListed]; if it
//     does, add the field's name to listFields.
//  4. Raise [Version], add the column to the list of frozen ones in the tests,
//     and run them with -update. They hold the places above against each other.
//
// A row from before the column has null there.
package schemas
