package sinks

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"b24export/pipeline"
	"b24export/schemas"
)

// olderColumns are those of a program that did not know the last two columns yet.
type olderColumns struct {
	ID            *int64  `parquet:"id,optional"`
	AccountNumber *string `parquet:"account_number,optional"`
	Paid          *bool   `parquet:"paid,optional"`
	DatePaid      *int64  `parquet:"date_paid,optional,timestamp(microsecond:utc)"`
	EmpPaidID     *int64  `parquet:"emp_paid_id,optional"`
	PaySystemID   *int64  `parquet:"pay_system_id,optional"`
	Sum           *int64  `parquet:"sum,optional,decimal(4:18)"`
	Currency      *string `parquet:"currency,optional"`
	PaySystemName *string `parquet:"pay_system_name,optional"`
	OrderID       *int64  `parquet:"order_id,optional"`
	EntityTypeID  *int64  `parquet:"entity_type_id,optional"`
	EntityID      *int64  `parquet:"entity_id,optional"`
	DateBill      *int64  `parquet:"date_bill,optional,timestamp(microsecond:utc)"`
}

func (c *olderColumns) point(p *schemas.Payment) {
	var all paymentColumns
	all.point(p)
	*c = olderColumns{
		all.ID, all.AccountNumber, all.Paid, all.DatePaid, all.EmpPaidID, all.PaySystemID, all.Sum, all.Currency,
		all.PaySystemName, all.OrderID, all.EntityTypeID, all.EntityID, all.DateBill,
	}
}

var olderTable = &table[schemas.Payment, olderColumns]{
	name:   paymentTable.name,
	schema: encoded("payments", parquet.SchemaOf(olderColumns{})),
	id:     paymentTable.id,
	point:  (*olderColumns).point,
	text:   func(*schemas.Payment) int { return 0 },
}

type olderSegmentColumns struct {
	Gone *bool `parquet:"gone,optional"`
	olderColumns
}

var olderSegmentTable = &table[segmentRow, olderSegmentColumns]{
	name:   segmentTable.name,
	schema: encoded("segment", parquet.SchemaOf(olderSegmentColumns{})),
	id:     segmentTable.id,
	point: func(c *olderSegmentColumns, s *segmentRow) {
		c.olderColumns.point(&s.Payment)
		c.Gone = &s.Gone
	},
	text: func(*segmentRow) int { return 0 },
}

// asOlder takes from rows what an older program did not know.
func asOlder(rows []schemas.Payment) []schemas.Payment {
	older := slices.Clone(rows)
	for i := range older {
		older[i].Extra, older[i].ExtractedAt = schemas.Null[string]{}, schemas.Null[schemas.Instant]{}
	}
	return older
}

// What a program with fewer columns has published, and what it has left
// unfinished, is read by everything: the columns that came later are null.
func TestFilesWithFewerColumns(t *testing.T) {
	m := newMerger(t, memStore(t))
	rows := generate(1, 1, 50)
	for i := range rows {
		rows[i].ExtractedAt = schemas.Some(schemas.Instant(1))
	}
	older := asOlder(rows)

	// Its snapshot.
	cp := m.cp
	m.cp.Snapshot = snapshot1
	file, err := putFile(t.Context(), m.d, m.d.history(snapshot1), olderTable, snapshot1, func(add func(*schemas.Payment) error) error {
		for i := range rows {
			if err := add(&rows[i]); err != nil {
				return err
			}
		}
		return nil
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	m.cp = cp
	var totals schemas.Totals
	for i := range rows {
		totals.Add(&rows[i])
	}
	last := &pipeline.Manifest{
		Version: 1, Dataset: "payments", Portal: "acme", Snapshot: snapshot1, SchemaVersion: schemas.Version - 1,
		Ledger: pipeline.Ledger{Listed: 50, Got: 50}, Totals: totalsOf(&totals), Files: []pipeline.File{file},
	}
	if err := m.d.Publish(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if _, found, err := m.d.Verify(t.Context(), last.Snapshot); err != nil || len(found) > 0 {
		t.Errorf("verify: found %v, error %v", found, err)
	}
	var read []schemas.Payment
	for p, err := range m.d.ReadPayments(t.Context(), last, 0) {
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, *p)
	}
	if diff := cmp.Diff(older, read); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}

	// Its segment of the snapshot in the making: one payment changed, one new.
	changed, added := rows[4], rows[49]
	changed.Currency = schemas.Some("XTS")
	added.ID += 1000
	seg, err := putFile(t.Context(), m.d, m.d.segment(7), olderSegmentTable, "", func(add func(*segmentRow) error) error {
		return errors.Join(add(&segmentRow{Payment: changed}), add(&segmentRow{Payment: added}))
	}, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	m.cp.Segments = append(m.cp.Segments, pipeline.Segment{Number: 7, Rows: 2, Bytes: seg.Bytes, MinID: seg.MinID, MaxID: seg.MaxID})
	res, merged, feed := m.merge(last)
	want := slices.Clone(older)
	want[4] = asOlder([]schemas.Payment{changed})[0]
	want = append(want, asOlder([]schemas.Payment{added})...)
	if diff := cmp.Diff(want, merged); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	if len(feed) != 2 || !slices.Equal(feed[0].Changed, []string{"currency"}) || feed[1].Op != OpInsert || res.Carried != 49 {
		t.Errorf("feed %+v, %d carried", feed, res.Carried)
	}
}
