package schemas

import (
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
)

// Column describes one column of a table whose rows have the type R. It is the only
// place that describes the column: everything else loops over the table, or is
// generated from it.
type Column[R any] struct {
	Name string
	// Since is the version of the table that added the column. It never decreases from
	// one column to the next.
	Since int
	// From is the answer of the portal that has the value, and Field its name there.
	From  Origin
	Field string
	// Words maps the portal's codes to this column's values, for a text that is one of
	// a few. "" means null. Any other code is an error.
	Words map[string]string
	// Zero reports that 0 is a value of a whole number, not the portal's spelling of
	// none.
	Zero bool
	// Encoding is the way values are stored in Parquet.
	Encoding Encoding
	// Large marks texts of any length. They count towards the memory of a row group.
	Large bool
	// Untracked marks a value that is different each time the row is fetched. A
	// difference in it is not a change of the row.
	Untracked bool

	// Texts for people. Source may be empty if it is the same as Field.
	Source, Unit, Null, Example, Changes, Description string

	// At returns a pointer to the column's value in a row. Its type is the column's
	// kind: *Null[int64], *Null[string], *Null[bool], *Null[Instant] or *Null[Decimal];
	// or *int64 or *bool for a value that every row has. All columns are nullable in
	// files, so the latter differ only in how they are read.
	At func(*R) any
}

// Origin is the source of a column's value.
type Origin int

// FromProgram: the value does not come from a field of an answer. FromGet: from
// crm.item.payment.get and every listing of payments. FromList: from sale.payment.list
// only. FromOwners: from crm.orderentity.list.
const (
	FromProgram Origin = iota
	FromGet
	FromList
	FromOwners
)

// Encoding is the way the values of a column are stored.
type Encoding int

// Plain is the default. Delta is for integers that are close to the previous one.
// Dictionary is for values that repeat; such texts are also kept once in memory.
//
// Only encodings that old readers know are used: delta encodings of text would save 5 %
// of a file, but some readers could not read it. Amounts are plain: the compression
// finds the common endings of prices in whole bytes, but not in the packed bits of
// differences.
const (
	Plain Encoding = iota
	Delta
	Dictionary
)

// kind returns the column's type in Arrow.
func (c *Column[R]) kind() arrow.DataType {
	switch at := c.At(new(R)).(type) {
	case *int64, *Null[int64]:
		return arrow.PrimitiveTypes.Int64
	case *Null[string]:
		return arrow.BinaryTypes.String
	case *bool, *Null[bool]:
		return arrow.FixedWidthTypes.Boolean
	case *Null[Instant]:
		return arrow.FixedWidthTypes.Timestamp_us // in UTC
	case *Null[Decimal]:
		return &arrow.Decimal128Type{Precision: Precision, Scale: Scale}
	default:
		panic(fmt.Sprintf("column %s: no kind of column is a %T", c.Name, at))
	}
}

// source returns the text that describes the value's source.
func (c *Column[R]) source() string {
	if c.Source != "" {
		return c.Source
	}
	return c.Field
}

// set reads a field of the portal into row. It returns the rule that v breaks, or "" if
// none. Generated code reads payments instead.
func (c *Column[R]) set(row *R, v *value, pool *interner) (rule string) {
	switch at := c.At(row).(type) {
	case *int64:
		*at, rule = v.id()
	case *Null[int64]:
		if c.Zero {
			*at, rule = v.whole()
		} else {
			*at, rule = v.ref()
		}
	case *Null[string]:
		switch {
		case c.Words != nil:
			*at, rule = v.code(c.Words)
		case c.Encoding == Dictionary:
			*at, rule = v.str(pool, *at)
		default:
			*at, rule = v.str(nil, *at)
		}
	case *Null[bool]:
		*at, rule = v.flag()
	case *Null[Instant]:
		*at, rule = v.instant()
	case *Null[Decimal]:
		*at, rule = v.decimal()
	}
	return rule
}

// Listed reports whether listings of payments have a field for the column.
func (c *Column[R]) Listed() bool { return c.From == FromGet || c.From == FromList }

// differs reports whether two rows have different values.
func (c *Column[R]) differs(a, b *R) bool {
	switch at := c.At(a).(type) {
	case *int64:
		return *at != *c.At(b).(*int64)
	case *bool:
		return *at != *c.At(b).(*bool)
	case *Null[int64]:
		return *at != *c.At(b).(*Null[int64])
	case *Null[string]:
		return *at != *c.At(b).(*Null[string])
	case *Null[bool]:
		return *at != *c.At(b).(*Null[bool])
	case *Null[Instant]:
		return *at != *c.At(b).(*Null[Instant])
	case *Null[Decimal]:
		return *at != *c.At(b).(*Null[Decimal])
	}
	return false
}

// text returns the row's value as text, or "" for null. Equal values have equal texts,
// and different values different texts.
func (c *Column[R]) text(row *R) string {
	whole := func(n int64, valid bool) string {
		if !valid {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	switch at := c.At(row).(type) {
	case *int64:
		return whole(*at, true)
	case *bool:
		return strconv.FormatBool(*at)
	case *Null[int64]:
		return whole(at.V, at.Valid)
	case *Null[Instant]:
		return whole(int64(at.V), at.Valid)
	case *Null[Decimal]:
		return whole(int64(at.V), at.Valid)
	case *Null[bool]:
		if at.Valid {
			return strconv.FormatBool(at.V)
		}
	case *Null[string]:
		if at.Valid {
			return "=" + at.V
		}
	}
	return ""
}

// append adds the row's value to b, a builder of the column's kind.
func (c *Column[R]) append(b array.Builder, row *R) {
	switch at := c.At(row).(type) {
	case *int64:
		b.(*array.Int64Builder).Append(*at)
	case *bool:
		b.(*array.BooleanBuilder).Append(*at)
	case *Null[int64]:
		if at.Valid {
			b.(*array.Int64Builder).Append(at.V)
			return
		}
		b.AppendNull()
	case *Null[string]:
		if at.Valid {
			b.(*array.StringBuilder).Append(at.V)
			return
		}
		b.AppendNull()
	case *Null[bool]:
		if at.Valid {
			b.(*array.BooleanBuilder).Append(at.V)
			return
		}
		b.AppendNull()
	case *Null[Instant]:
		if at.Valid {
			b.(*array.TimestampBuilder).Append(arrow.Timestamp(at.V))
			return
		}
		b.AppendNull()
	case *Null[Decimal]:
		if at.Valid {
			b.(*array.Decimal128Builder).Append(decimal128.FromI64(int64(at.V)))
			return
		}
		b.AppendNull()
	}
}
