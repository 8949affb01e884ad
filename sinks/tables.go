package sinks

import (
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/encoding"

	"b24export/pipeline"
	"b24export/schemas"
)

// Change is a row of a change feed.
type Change struct {
	// Op is insert, update or delete.
	Op string
	// Changed names the columns that an update changed, in their order.
	Changed []string
	// Payment is the present row; for a delete it is the last known row.
	Payment schemas.Payment
}

// The values of Change.Op.
const (
	OpInsert = "insert"
	OpUpdate = "update"
	OpDelete = "delete"
)

// segmentRow is a row of a segment: a payment, or the id of a payment that is gone.
type segmentRow struct {
	schemas.Payment
	Gone bool
}

// table describes how rows of type T are stored, as columns of pointers C.
//
// Nullable columns must be pointers, because parquet-go writes wrong nulls for optional
// fields that are values. The pointers point into the row itself.
type table[T, C any] struct {
	// name is the table's name in the file.
	name    string
	version int // of the columns
	schema  *parquet.Schema
	plain   *parquet.Schema // for the profile compatible
	id      func(*T) int64
	// keys are the columns by which rows are sorted; before compares two rows by them.
	// Both are nil if the key is the id.
	keys   []string
	before func(a, b *T) bool
	// point sets the pointers of a row.
	point func(*C, *T)
	// columns read the rows back, in the schema's order.
	columns []column[T]
	// large has the columns with unbounded texts.
	large []schemas.Column[T]
}

// newTable returns the table that stores columns in the form of C.
func newTable[T, C any](name string, columns []schemas.Column[T], id func(*T) int64, point func(*C, *T)) *table[T, C] {
	addEncodings(columns)
	return &table[T, C]{
		name:    name,
		version: columns[len(columns)-1].Since,
		schema:  encoded(name, parquet.SchemaOf(*new(C)), encodingOf),
		plain:   encoded(name, parquet.SchemaOf(*new(C)), func(string) encoding.Encoding { return &parquet.Plain }),
		id:      id,
		point:   point,
		columns: columnReaders(columns),
		large:   slices.DeleteFunc(slices.Clone(columns), func(c schemas.Column[T]) bool { return !c.Large }),
	}
}

// text returns the number of bytes of a row's unbounded texts.
func (t *table[T, C]) text(row *T) int {
	n := 0
	for i := range t.large {
		n += len(t.large[i].At(row).(*schemas.Null[string]).V)
	}
	return n
}

func ptr[T any](n *schemas.Null[T]) *T {
	if n.Valid {
		return &n.V
	}
	return nil
}

var (
	paymentTable = newTable("payments", schemas.PaymentTable.Columns,
		func(p *schemas.Payment) int64 { return p.ID }, (*paymentColumns).point)
	changeTable = newTable("changes", schemas.ChangeTable.Columns,
		func(c *schemas.Change) int64 { return c.Payment.ID }, (*changeColumns).point)
	rejectTable = newTable("rejects", schemas.RejectTable.Columns,
		func(r *schemas.Reject) int64 { return r.ID }, (*rejectColumns).point)
)

// segmentColumns has the columns of a payment last, because those may grow: a newer
// program resumes with the segments of an older one.
type segmentColumns struct {
	Gone *bool `parquet:"gone,optional"`
	paymentColumns
}

var segmentTable = newTable("segment", append(
	[]schemas.Column[segmentRow]{{Name: "gone", Since: 1, At: func(s *segmentRow) any { return &s.Gone }}},
	schemas.Within(schemas.PaymentTable.Columns, func(s *segmentRow) *schemas.Payment { return &s.Payment })...),
	func(s *segmentRow) int64 { return s.ID },
	func(c *segmentColumns, s *segmentRow) {
		c.paymentColumns.point(&s.Payment)
		c.Gone = &s.Gone
	})

// Row returns the change as a row of schemas.ChangeTable.
func (c *Change) Row() schemas.Change { return changeRow(c.Op, c.Changed, &c.Payment) }

func changeRow(op string, changed []string, p *schemas.Payment) schemas.Change {
	row := schemas.Change{Op: schemas.Some(op), Payment: *p}
	if len(changed) > 0 {
		row.Changed = schemas.Some(strings.Join(changed, ","))
	}
	return row
}

func (c *Change) set(row *schemas.Change) {
	c.Op, c.Changed, c.Payment = row.Op.V, nil, row.Payment
	if row.Changed.V != "" {
		c.Changed = strings.Split(row.Changed.V, ",")
	}
}

// RejectRow returns a reject as a row of schemas.RejectTable. Missing values are null.
// The code is always set, and is empty if the portal returned none.
func RejectRow(rej *pipeline.Reject) schemas.Reject {
	text := func(s string) schemas.Null[string] {
		// A portal's answer may be cut inside of a character or may not be UTF-8, and
		// engines refuse files with such strings.
		return schemas.Null[string]{V: strings.ToValidUTF8(s, "\uFFFD"), Valid: s != ""}
	}
	code := text(rej.Code)
	code.Valid = true
	row := schemas.Reject{
		ID:          int64(rej.ID),
		Stage:       text(rej.Stage),
		Code:        code,
		Description: text(rej.Description),
		Raw:         text(rej.Raw),
		Attempts:    schemas.Some(rej.Attempts),
	}
	if !rej.SeenAt.IsZero() {
		row.SeenAt = schemas.Some(schemas.InstantOf(rej.SeenAt))
	}
	return row
}

func rejectOf(r *schemas.Reject) pipeline.Reject {
	rej := pipeline.Reject{
		ID:          pipeline.PaymentID(r.ID),
		Stage:       r.Stage.V,
		Code:        r.Code.V,
		Description: r.Description.V,
		Attempts:    r.Attempts.V,
		Raw:         r.Raw.V,
	}
	if r.SeenAt.Valid {
		rej.SeenAt = time.UnixMicro(int64(r.SeenAt.V)).UTC()
	}
	return rej
}

// codecs has the compressions that a job may name.
var codecs = map[string]compress.Codec{
	"zstd":   newZstdCodec(),
	"snappy": &parquet.Snappy,
	"none":   &parquet.Uncompressed,
}
