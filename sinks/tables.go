package sinks

import (
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
	// Payment is the row as it is now; for a delete, as it was last known.
	Payment schemas.Payment
}

// What a Change's Op can be.
const (
	OpInsert = "insert"
	OpUpdate = "update"
	OpDelete = "delete"
)

// segmentRow is a row of a segment: a payment, or the id of one that is gone.
type segmentRow struct {
	schemas.Payment
	Gone bool
}

// table is how rows of type T are stored, as columns of pointers C.
//
// Nullable columns must be pointers: parquet-go writes wrong nulls for optional
// fields that are values. The pointers lead into the row itself.
type table[T, C any] struct {
	// name is what the file says it is.
	name   string
	schema *parquet.Schema
	id     func(*T) int64
	// point sets the pointers of a row.
	point func(*C, *T)
	// text is how many bytes a row's unbounded texts have.
	text func(*T) int
	// columns read the rows back, in the schema's order.
	columns []column[T]
	// skipBounds are columns whose smallest and largest value help nobody to
	// skip anything, and may be large.
	skipBounds []string
}

// paymentColumns are the columns of a payment, in the contract's order.
type paymentColumns struct {
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
	Extra         *string `parquet:"extra,optional"`
	ExtractedAt   *int64  `parquet:"extracted_at,optional,timestamp(microsecond:utc)"`
}

func (c *paymentColumns) point(p *schemas.Payment) {
	c.ID = &p.ID
	c.AccountNumber = ptr(&p.AccountNumber)
	c.Paid = ptr(&p.Paid)
	c.DatePaid = (*int64)(ptr(&p.DatePaid))
	c.EmpPaidID = ptr(&p.EmpPaidID)
	c.PaySystemID = ptr(&p.PaySystemID)
	c.Sum = (*int64)(ptr(&p.Sum))
	c.Currency = ptr(&p.Currency)
	c.PaySystemName = ptr(&p.PaySystemName)
	c.OrderID = ptr(&p.OrderID)
	c.EntityTypeID = ptr(&p.EntityTypeID)
	c.EntityID = ptr(&p.EntityID)
	c.DateBill = (*int64)(ptr(&p.DateBill))
	c.Extra = ptr(&p.Extra)
	c.ExtractedAt = (*int64)(ptr(&p.ExtractedAt))
}

func ptr[T any](n *schemas.Null[T]) *T {
	if n.Valid {
		return &n.V
	}
	return nil
}

// paymentReaders read the columns of a payment inside of a row T.
func paymentReaders[T any](at func(*T) *schemas.Payment) []column[T] {
	return []column[T]{
		idColumn("id", func(t *T) *int64 { return &at(t).ID }),
		textColumn("account_number", func(t *T) *schemas.Null[string] { return &at(t).AccountNumber }),
		flagColumn("paid", func(t *T) *schemas.Null[bool] { return &at(t).Paid }),
		integerColumn("date_paid", func(t *T) *schemas.Null[schemas.Instant] { return &at(t).DatePaid }),
		integerColumn("emp_paid_id", func(t *T) *schemas.Null[int64] { return &at(t).EmpPaidID }),
		integerColumn("pay_system_id", func(t *T) *schemas.Null[int64] { return &at(t).PaySystemID }),
		integerColumn("sum", func(t *T) *schemas.Null[schemas.Decimal] { return &at(t).Sum }),
		wordColumn("currency", func(t *T) *schemas.Null[string] { return &at(t).Currency }),
		wordColumn("pay_system_name", func(t *T) *schemas.Null[string] { return &at(t).PaySystemName }),
		integerColumn("order_id", func(t *T) *schemas.Null[int64] { return &at(t).OrderID }),
		integerColumn("entity_type_id", func(t *T) *schemas.Null[int64] { return &at(t).EntityTypeID }),
		integerColumn("entity_id", func(t *T) *schemas.Null[int64] { return &at(t).EntityID }),
		integerColumn("date_bill", func(t *T) *schemas.Null[schemas.Instant] { return &at(t).DateBill }),
		textColumn("extra", func(t *T) *schemas.Null[string] { return &at(t).Extra }),
		integerColumn("extracted_at", func(t *T) *schemas.Null[schemas.Instant] { return &at(t).ExtractedAt }),
	}
}

var paymentTable = &table[schemas.Payment, paymentColumns]{
	name:       "payments",
	schema:     encoded("payments", parquet.SchemaOf(paymentColumns{})),
	id:         func(p *schemas.Payment) int64 { return p.ID },
	point:      (*paymentColumns).point,
	text:       func(p *schemas.Payment) int { return len(p.Extra.V) },
	columns:    paymentReaders(func(p *schemas.Payment) *schemas.Payment { return p }),
	skipBounds: []string{"extra"},
}

// segmentColumns have a payment's last, since those are the ones that may grow: a
// newer program goes on with the segments of an older one.
type segmentColumns struct {
	Gone *bool `parquet:"gone,optional"`
	paymentColumns
}

var segmentTable = &table[segmentRow, segmentColumns]{
	name:   "segment",
	schema: encoded("segment", parquet.SchemaOf(segmentColumns{})),
	id:     func(s *segmentRow) int64 { return s.ID },
	point: func(c *segmentColumns, s *segmentRow) {
		c.paymentColumns.point(&s.Payment)
		c.Gone = &s.Gone
	},
	text: func(s *segmentRow) int { return len(s.Extra.V) },
	columns: append([]column[segmentRow]{requiredFlagColumn("gone", func(s *segmentRow) *bool { return &s.Gone })},
		paymentReaders(func(s *segmentRow) *schemas.Payment { return &s.Payment })...),
	skipBounds: []string{"extra"},
}

// changeRecord is a Change as it is stored.
type changeRecord struct {
	Op      schemas.Null[string]
	Changed schemas.Null[string] // comma-separated; null but for updates
	Payment schemas.Payment
}

func (r *changeRecord) set(op string, changed []string, p *schemas.Payment) {
	r.Op, r.Changed, r.Payment = schemas.Some(op), schemas.Null[string]{}, *p
	if op == OpUpdate {
		r.Changed = schemas.Some(strings.Join(changed, ","))
	}
}

func (r *changeRecord) change(c *Change) {
	c.Op, c.Changed, c.Payment = r.Op.V, nil, r.Payment
	if r.Changed.V != "" {
		c.Changed = strings.Split(r.Changed.V, ",")
	}
}

type changeColumns struct {
	Op      *string `parquet:"op,optional"`
	Changed *string `parquet:"changed,optional"`
	paymentColumns
}

var changeTable = &table[changeRecord, changeColumns]{
	name:   "changes",
	schema: encoded("changes", parquet.SchemaOf(changeColumns{})),
	id:     func(r *changeRecord) int64 { return r.Payment.ID },
	point: func(c *changeColumns, r *changeRecord) {
		c.Op, c.Changed = ptr(&r.Op), ptr(&r.Changed)
		c.paymentColumns.point(&r.Payment)
	},
	text: func(r *changeRecord) int { return len(r.Payment.Extra.V) },
	columns: append([]column[changeRecord]{
		wordColumn("op", func(r *changeRecord) *schemas.Null[string] { return &r.Op }),
		wordColumn("changed", func(r *changeRecord) *schemas.Null[string] { return &r.Changed }),
	}, paymentReaders(func(r *changeRecord) *schemas.Payment { return &r.Payment })...),
	skipBounds: []string{"extra"},
}

// rejectRecord is a pipeline.Reject as it is stored.
type rejectRecord struct {
	ID               int64
	Stage, Code      schemas.Null[string]
	Description, Raw schemas.Null[string] // null where there was none
	Attempts         schemas.Null[int64]
	SeenAt           schemas.Null[schemas.Instant]
}

func (r *rejectRecord) set(rej *pipeline.Reject) {
	text := func(s string) schemas.Null[string] {
		if s == "" {
			return schemas.Null[string]{}
		}
		// A portal's answer may be cut inside of a character or be no text at
		// all, and engines refuse files with such strings.
		return schemas.Some(strings.ToValidUTF8(s, "\uFFFD"))
	}
	*r = rejectRecord{
		ID:          int64(rej.ID),
		Stage:       text(rej.Stage),
		Code:        text(rej.Code),
		Description: text(rej.Description),
		Raw:         text(rej.Raw),
		Attempts:    schemas.Some(rej.Attempts),
	}
	if !rej.SeenAt.IsZero() {
		r.SeenAt = schemas.Some(schemas.InstantOf(rej.SeenAt))
	}
}

func (r *rejectRecord) reject(rej *pipeline.Reject) {
	*rej = pipeline.Reject{
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
}

type rejectColumns struct {
	ID          *int64  `parquet:"id,optional"`
	Stage       *string `parquet:"stage,optional"`
	Code        *string `parquet:"code,optional"`
	Description *string `parquet:"description,optional"`
	Attempts    *int64  `parquet:"attempts,optional"`
	Raw         *string `parquet:"raw,optional"`
	SeenAt      *int64  `parquet:"seen_at,optional,timestamp(microsecond:utc)"`
}

var rejectTable = &table[rejectRecord, rejectColumns]{
	name:   "rejects",
	schema: encoded("rejects", parquet.SchemaOf(rejectColumns{})),
	id:     func(r *rejectRecord) int64 { return r.ID },
	point: func(c *rejectColumns, r *rejectRecord) {
		*c = rejectColumns{
			ID: &r.ID, Stage: ptr(&r.Stage), Code: ptr(&r.Code), Description: ptr(&r.Description),
			Attempts: ptr(&r.Attempts), Raw: ptr(&r.Raw), SeenAt: (*int64)(ptr(&r.SeenAt)),
		}
	},
	text: func(r *rejectRecord) int { return len(r.Raw.V) + len(r.Description.V) },
	columns: []column[rejectRecord]{
		idColumn("id", func(r *rejectRecord) *int64 { return &r.ID }),
		wordColumn("stage", func(r *rejectRecord) *schemas.Null[string] { return &r.Stage }),
		wordColumn("code", func(r *rejectRecord) *schemas.Null[string] { return &r.Code }),
		textColumn("description", func(r *rejectRecord) *schemas.Null[string] { return &r.Description }),
		integerColumn("attempts", func(r *rejectRecord) *schemas.Null[int64] { return &r.Attempts }),
		textColumn("raw", func(r *rejectRecord) *schemas.Null[string] { return &r.Raw }),
		integerColumn("seen_at", func(r *rejectRecord) *schemas.Null[schemas.Instant] { return &r.SeenAt }),
	},
	skipBounds: []string{"description", "raw"},
}

// encodings are those of columns whose values follow one another, or come
// again and again; the others are plain. Only what old readers know too is
// used: delta encodings of text would spare 5 % of a file, and shut out some.
// Amounts are plain: prices have their common ends, which the compression finds
// in whole bytes, but not in the packed bits of differences.
var encodings = map[string]encoding.Encoding{
	"id":              &parquet.DeltaBinaryPacked,
	"date_paid":       &parquet.DeltaBinaryPacked,
	"emp_paid_id":     &parquet.RLEDictionary,
	"pay_system_id":   &parquet.RLEDictionary,
	"currency":        &parquet.RLEDictionary,
	"pay_system_name": &parquet.RLEDictionary,
	"order_id":        &parquet.DeltaBinaryPacked,
	"entity_type_id":  &parquet.RLEDictionary,
	"entity_id":       &parquet.DeltaBinaryPacked,
	"date_bill":       &parquet.DeltaBinaryPacked,
	"extracted_at":    &parquet.DeltaBinaryPacked,
	"op":              &parquet.RLEDictionary,
	"changed":         &parquet.RLEDictionary,
	"stage":           &parquet.RLEDictionary,
	"code":            &parquet.RLEDictionary,
	"attempts":        &parquet.DeltaBinaryPacked,
	"seen_at":         &parquet.DeltaBinaryPacked,
}

func encodingOf(column string) encoding.Encoding {
	if e := encodings[column]; e != nil {
		return e
	}
	return &parquet.Plain
}

// encoded is a struct's schema with the encodings above. A struct tag cannot
// carry them: parquet-go refuses delta on pointers. The nodes are otherwise
// those of the struct, in its order, so that the writer keeps to its fast way.
func encoded(name string, s *parquet.Schema) *parquet.Schema {
	fields := s.Fields()
	for i, f := range fields {
		fields[i] = &encodedField{f, encodingOf(f.Name())}
	}
	return parquet.NewSchema(name, &orderedGroup{Group: parquet.Group{}, fields: fields})
}

// encodedField is a column with an encoding.
type encodedField struct {
	parquet.Field
	encoding encoding.Encoding
}

func (f *encodedField) Encoding() encoding.Encoding { return f.encoding }

// orderedGroup is a group whose fields stay in order; parquet.Group sorts them
// by name.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

func (g *orderedGroup) Fields() []parquet.Field { return g.fields }

func (g *orderedGroup) String() string { return "payments" }

// codecs are the compressions that a job may name.
var codecs = map[string]compress.Codec{
	"zstd":   newZstdCodec(),
	"snappy": &parquet.Snappy,
	"none":   &parquet.Uncompressed,
}
