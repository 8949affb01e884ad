package sinks

import (
	"slices"
	"strings"
	"time"
	"unsafe"

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

// table describes how rows of type T are stored.
type table[T any] struct {
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
	// values sets the i-th value of each column, in the schema's order, to that of a row.
	// The values share the memory of the row's texts.
	values func(columns [][]parquet.Value, i int, row *T)
	// columns read the rows back, in the schema's order.
	columns []column[T]
	// large has the columns with unbounded texts.
	large []schemas.Column[T]
}

// newTable returns the table that stores columns with the types of C.
func newTable[C, T any](name string, columns []schemas.Column[T], id func(*T) int64, values func([][]parquet.Value, int, *T)) *table[T] {
	addEncodings(columns)
	return &table[T]{
		name:    name,
		version: columns[len(columns)-1].Since,
		schema:  encoded(name, parquet.SchemaOf(*new(C)), encodingOf),
		plain:   encoded(name, parquet.SchemaOf(*new(C)), func(string) encoding.Encoding { return &parquet.Plain }),
		id:      id,
		values:  values,
		columns: columnReaders(columns),
		large:   slices.DeleteFunc(slices.Clone(columns), func(c schemas.Column[T]) bool { return !c.Large }),
	}
}

// text returns the number of bytes of a row's unbounded texts.
func (t *table[T]) text(row *T) int {
	n := 0
	for i := range t.large {
		n += len(t.large[i].At(row).(*schemas.Null[string]).V)
	}
	return n
}

// These functions set a value that a row passes to the Parquet library. The definition
// level is 1 if the value is not null. They set it in place, because the compiler can then
// inline them: a method that returns the value takes several times as long.

func setID(v *parquet.Value, id int64) {
	*v = parquet.Int64Value(id)
	v.SetDefinitionLevel(1)
}

func setNumber[T ~int64](v *parquet.Value, n *schemas.Null[T]) {
	if !n.Valid {
		*v = parquet.Value{}
		return
	}
	*v = parquet.Int64Value(int64(n.V))
	v.SetDefinitionLevel(1)
}

func setTruth(v *parquet.Value, n *schemas.Null[bool]) {
	if !n.Valid {
		*v = parquet.Value{}
		return
	}
	*v = parquet.BooleanValue(n.V)
	v.SetDefinitionLevel(1)
}

// setText does not copy the text. The library only reads it.
func setText(v *parquet.Value, n *schemas.Null[string]) {
	if !n.Valid {
		*v = parquet.Value{}
		return
	}
	*v = parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(n.V), len(n.V)))
	v.SetDefinitionLevel(1)
}

var (
	paymentTable = newTable[paymentColumns]("payments", schemas.PaymentTable.Columns,
		func(p *schemas.Payment) int64 { return p.ID }, paymentValues)
	changeTable = newTable[changeColumns]("changes", schemas.ChangeTable.Columns,
		func(c *schemas.Change) int64 { return c.Payment.ID }, changeValues)
	rejectTable = newTable[rejectColumns]("rejects", schemas.RejectTable.Columns,
		func(r *schemas.Reject) int64 { return r.ID }, rejectValues)
)

// segmentColumns has the columns of a payment last, because those may grow: a newer
// program resumes with the segments of an older one.
type segmentColumns struct {
	Gone *bool `parquet:"gone,optional"`
	paymentColumns
}

var segmentTable = newTable[segmentColumns]("segment", append(
	[]schemas.Column[segmentRow]{{Name: "gone", Since: 1, At: func(s *segmentRow) any { return &s.Gone }}},
	schemas.Within(schemas.PaymentTable.Columns, func(s *segmentRow) *schemas.Payment { return &s.Payment })...),
	func(s *segmentRow) int64 { return s.ID },
	func(columns [][]parquet.Value, i int, s *segmentRow) {
		columns[0][i] = parquet.BooleanValue(s.Gone)
		columns[0][i].SetDefinitionLevel(1)
		paymentValues(columns[1:], i, &s.Payment)
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
