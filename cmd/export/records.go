package main

import (
	"iter"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// recordRows is how many rows a record has: enough to be quick, few enough to
// show the first ones at once.
const recordRows = 1024

// copyRows writes rows in records of the named columns, limit of them at most;
// a limit of 0 is all. It gives how many there were.
func copyRows[T any](w rowWriter, rows iter.Seq2[T, error], b recordBuilder[T], columns []int, limit int64) (n int64, err error) {
	defer b.release()
	flush := func() error {
		rec := b.record()
		defer rec.Release()
		picked := make([]arrow.Array, len(columns))
		for i, at := range columns {
			picked[i] = rec.Column(at)
		}
		out := array.NewRecord(project(rec.Schema(), columns), picked, rec.NumRows())
		defer out.Release()
		return w.Write(out)
	}
	pending := 0
	for row, err := range rows {
		if err != nil {
			return n, err
		}
		b.add(row)
		n++
		if pending++; pending == recordRows {
			if err := flush(); err != nil {
				return n, err
			}
			pending = 0
		}
		if n == limit {
			break
		}
	}
	if pending > 0 {
		err = flush()
	}
	return n, err
}

// recordBuilder makes records of rows of one kind.
type recordBuilder[T any] interface {
	add(row T)
	// record gives the rows added since the last call. The caller releases it.
	record() arrow.Record
	release()
}

// paymentRecords makes records of the table of payments.
type paymentRecords struct{ b *array.RecordBuilder }

func newPaymentRecords() paymentRecords {
	return paymentRecords{array.NewRecordBuilder(memory.DefaultAllocator, schemas.Payments())}
}

func (r paymentRecords) add(p *schemas.Payment) { schemas.AppendPayment(r.b, p) }
func (r paymentRecords) record() arrow.Record   { return r.b.NewRecord() }
func (r paymentRecords) release()               { r.b.Release() }

// changeRecords makes records of the change feed: what happened, then the
// columns of the payment.
type changeRecords struct {
	ops, changed *array.StringBuilder
	payments     paymentRecords
}

func newChangeRecords() changeRecords {
	return changeRecords{
		ops:      array.NewStringBuilder(memory.DefaultAllocator),
		changed:  array.NewStringBuilder(memory.DefaultAllocator),
		payments: newPaymentRecords(),
	}
}

func (r changeRecords) add(c *sinks.Change) {
	r.ops.Append(c.Op)
	if len(c.Changed) > 0 {
		r.changed.Append(strings.Join(c.Changed, ","))
	} else {
		r.changed.AppendNull()
	}
	r.payments.add(&c.Payment)
}

func (r changeRecords) record() arrow.Record {
	payments := r.payments.record()
	defer payments.Release()
	ops, changed := r.ops.NewArray(), r.changed.NewArray()
	defer ops.Release()
	defer changed.Release()
	return array.NewRecord(schemas.Changes(), slices.Concat([]arrow.Array{ops, changed}, payments.Columns()), payments.NumRows())
}

func (r changeRecords) release() {
	r.ops.Release()
	r.changed.Release()
	r.payments.release()
}

// rejectRecords makes records of the rejects.
type rejectRecords struct{ b *array.RecordBuilder }

func newRejectRecords() rejectRecords {
	return rejectRecords{array.NewRecordBuilder(memory.DefaultAllocator, schemas.Rejects())}
}

func (r rejectRecords) add(rej *pipeline.Reject) {
	integer := func(i int, v int64) { r.b.Field(i).(*array.Int64Builder).Append(v) }
	text := func(i int, v string) {
		if v == "" {
			r.b.Field(i).AppendNull()
			return
		}
		r.b.Field(i).(*array.StringBuilder).Append(v)
	}
	integer(0, int64(rej.ID))
	text(1, rej.Stage)
	text(2, rej.Code)
	text(3, rej.Description)
	integer(4, rej.Attempts)
	text(5, rej.Raw)
	if rej.SeenAt.IsZero() {
		r.b.Field(6).AppendNull()
	} else {
		r.b.Field(6).(*array.TimestampBuilder).Append(arrow.Timestamp(schemas.InstantOf(rej.SeenAt)))
	}
}

func (r rejectRecords) record() arrow.Record { return r.b.NewRecord() }
func (r rejectRecords) release()             { r.b.Release() }
