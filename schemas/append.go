package schemas

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
)

// AppendPayment adds p as a row to b, which must have been made for the schema
// of [Payments].
func AppendPayment(b *array.RecordBuilder, p *Payment) {
	fields := b.Fields()
	appendInteger(fields[0], Some(p.ID))
	appendText(fields[1], p.AccountNumber)
	appendFlag(fields[2], p.Paid)
	appendTime(fields[3], p.DatePaid)
	appendInteger(fields[4], p.EmpPaidID)
	appendInteger(fields[5], p.PaySystemID)
	appendDecimal(fields[6], p.Sum)
	appendText(fields[7], p.Currency)
	appendText(fields[8], p.PaySystemName)
	appendInteger(fields[9], p.OrderID)
	appendInteger(fields[10], p.EntityTypeID)
	appendInteger(fields[11], p.EntityID)
	appendTime(fields[12], p.DateBill)
	appendText(fields[13], p.Extra)
	appendTime(fields[14], p.ExtractedAt)
}

func appendInteger(b array.Builder, v Null[int64]) {
	if !v.Valid {
		b.AppendNull()
		return
	}
	b.(*array.Int64Builder).Append(v.V)
}

func appendText(b array.Builder, v Null[string]) {
	if !v.Valid {
		b.AppendNull()
		return
	}
	b.(*array.StringBuilder).Append(v.V)
}

func appendFlag(b array.Builder, v Null[bool]) {
	if !v.Valid {
		b.AppendNull()
		return
	}
	b.(*array.BooleanBuilder).Append(v.V)
}

func appendTime(b array.Builder, v Null[Instant]) {
	if !v.Valid {
		b.AppendNull()
		return
	}
	b.(*array.TimestampBuilder).Append(arrow.Timestamp(v.V))
}

func appendDecimal(b array.Builder, v Null[Decimal]) {
	if !v.Valid {
		b.AppendNull()
		return
	}
	b.(*array.Decimal128Builder).Append(decimal128.FromI64(int64(v.V)))
}
