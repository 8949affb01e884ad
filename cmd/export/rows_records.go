package main

import (
	"iter"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"b24export/pipeline"
	"b24export/schemas"
	"b24export/sinks"
)

// recordRows is the number of rows of a record. It is large enough for speed, and small
// enough to show the first rows at once.
const recordRows = 1024

// recordBytes is how many bytes the texts of any length in a record may have. One row alone
// may have more.
const recordBytes = 1 << 20

// selection selects rows and columns.
type selection struct {
	columns []int
	where   []condition // a row must meet all of them
	limit   int64       // 0 means no limit
	// all, if it is not nil, makes copyRows read to the end and store there the number
	// of rows that meet the conditions. If it is nil, copyRows stops at the limit.
	all *int64
}

// copyRows writes the selected rows in records. It returns their number.
func copyRows[T any](w rowWriter, rows iter.Seq2[T, error], b recordBuilder[T], sel *selection) (n int64, err error) {
	defer b.release()
	flush := func() error {
		rec := b.record()
		defer rec.Release()
		left := rec.NumRows()
		if sel.limit > 0 {
			left = min(left, sel.limit-n)
		}
		if sel.all != nil {
			*sel.all += sel.count(rec)
			if left == 0 {
				return nil
			}
		}
		out, err := sel.of(rec, left)
		if err != nil || out.NumRows() == 0 {
			return err
		}
		defer out.Release()
		n += out.NumRows()
		return w.Write(out)
	}
	pending, bytes := int64(0), 0
	for row, err := range rows {
		if err != nil {
			return n, err
		}
		b.add(row)
		// The last record ends at the limit, so that no more rows are read.
		bytes += b.size(row)
		if pending++; pending < recordRows && bytes < recordBytes && (sel.limit == 0 || len(sel.where) > 0 || sel.all != nil || n+pending < sel.limit) {
			continue
		}
		if err := flush(); err != nil {
			return n, err
		}
		pending, bytes = 0, 0
		if n == sel.limit && n > 0 && sel.all == nil {
			return n, nil
		}
	}
	if pending > 0 {
		err = flush()
	}
	return n, err
}

// count returns the number of rows of rec that are selected, without the limit.
func (s *selection) count(rec arrow.Record) (n int64) {
	if len(s.where) == 0 {
		return rec.NumRows()
	}
	for _, part := range matching(rec, s.where) {
		n += int64(part[1] - part[0])
	}
	return n
}

// of returns a record with the selected rows and columns of rec, and at most most rows.
// The caller releases it.
func (s *selection) of(rec arrow.Record, most int64) (arrow.Record, error) {
	stretches := [][2]int{{0, int(rec.NumRows())}}
	if len(s.where) > 0 {
		stretches = matching(rec, s.where)
	}
	picked := make([]arrow.Array, len(s.columns))
	defer func() {
		for _, column := range picked {
			if column != nil {
				column.Release()
			}
		}
	}()
	rows := int64(0)
	for i, at := range s.columns {
		var parts []arrow.Array
		rows = 0
		for _, part := range stretches {
			end := min(int64(part[1]), int64(part[0])+most-rows)
			parts = append(parts, array.NewSlice(rec.Column(at), int64(part[0]), end))
			if rows += end - int64(part[0]); rows == most {
				break
			}
		}
		var err error
		switch len(parts) {
		case 0:
			picked[i] = array.NewSlice(rec.Column(at), 0, 0)
		case 1:
			picked[i] = parts[0]
			continue
		default:
			picked[i], err = array.Concatenate(parts, memory.DefaultAllocator)
		}
		for _, part := range parts {
			part.Release()
		}
		if err != nil {
			return nil, err
		}
	}
	return array.NewRecord(project(rec.Schema(), s.columns), picked, rows), nil
}

// recordBuilder builds records from rows of one type.
type recordBuilder[T any] interface {
	add(row T)
	// size returns the bytes of the row's texts of any length.
	size(row T) int
	// record returns the rows added since the last call. The caller releases it.
	record() arrow.Record
	release()
}

// paymentRecords builds records of the table of payments.
type paymentRecords struct{ b *array.RecordBuilder }

func newPaymentRecords() paymentRecords {
	return paymentRecords{array.NewRecordBuilder(memory.DefaultAllocator, schemas.Payments())}
}

func (r paymentRecords) add(p *schemas.Payment)      { schemas.PaymentTable.Append(r.b, p) }
func (r paymentRecords) size(p *schemas.Payment) int { return len(p.Extra.V) }
func (r paymentRecords) record() arrow.Record        { return r.b.NewRecord() }
func (r paymentRecords) release()                    { r.b.Release() }

// changeRecords builds records of the change feed.
type changeRecords struct{ b *array.RecordBuilder }

func newChangeRecords() changeRecords {
	return changeRecords{array.NewRecordBuilder(memory.DefaultAllocator, schemas.Changes())}
}

func (r changeRecords) add(c *sinks.Change) {
	row := c.Row()
	schemas.ChangeTable.Append(r.b, &row)
}

func (r changeRecords) size(c *sinks.Change) int { return len(c.Payment.Extra.V) }

func (r changeRecords) record() arrow.Record { return r.b.NewRecord() }
func (r changeRecords) release()             { r.b.Release() }

// rejectRecords builds records of the rejects.
type rejectRecords struct{ b *array.RecordBuilder }

func newRejectRecords() rejectRecords {
	return rejectRecords{array.NewRecordBuilder(memory.DefaultAllocator, schemas.Rejects())}
}

func (r rejectRecords) add(rej *pipeline.Reject) {
	row := sinks.RejectRow(rej)
	schemas.RejectTable.Append(r.b, &row)
}

func (r rejectRecords) size(rej *pipeline.Reject) int { return len(rej.Raw) + len(rej.Description) }

func (r rejectRecords) record() arrow.Record { return r.b.NewRecord() }
func (r rejectRecords) release()             { r.b.Release() }
