package schemas

import (
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// Names in a schema's metadata: the table, its description and, as a number, the
// version of its columns.
const (
	MetaTable       = "table"
	MetaDescription = "description"
	MetaVersion     = "version"
)

// Names in a column's metadata, besides MetaDescription: its source, its unit (if it
// has one), the meaning of null, an example, and what on the portal changes a row's
// value from one snapshot to the next.
const (
	MetaSource  = "source"
	MetaUnit    = "unit"
	MetaNull    = "null"
	MetaExample = "example"
	MetaChanges = "changes"
)

// Table describes one of the dataset's tables, whose rows are of type R. It is a
// constant: all callers share it.
type Table[R any] struct {
	Name, Description string
	Columns           []Column[R]
	// Keys are the columns that rows are sorted by. Each combination occurs once.
	Keys   []string
	schema *arrow.Schema
}

// newTable returns a table of columns. It keeps the slice.
func newTable[R any](name, description string, columns []Column[R]) *Table[R] {
	t := &Table[R]{Name: name, Description: description, Columns: columns, Keys: []string{"id"}}
	fields := make([]arrow.Field, len(columns))
	for i := range columns {
		c := &columns[i]
		keys := []string{MetaDescription, MetaSource, MetaNull, MetaExample, MetaChanges}
		values := []string{c.Description, c.source(), c.Null, c.Example, c.Changes}
		if c.Unit != "" {
			keys, values = append(keys, MetaUnit), append(values, c.Unit)
		}
		// All columns are nullable, because engines infer that across files.
		fields[i] = arrow.Field{Name: c.Name, Type: c.kind(), Nullable: true, Metadata: arrow.NewMetadata(keys, values)}
	}
	meta := arrow.NewMetadata(
		[]string{MetaTable, MetaDescription, MetaVersion},
		[]string{name, description, strconv.Itoa(t.Version())},
	)
	t.schema = arrow.NewSchema(fields, &meta)
	return t
}

func (t *Table[R]) sortedBy(keys ...string) *Table[R] {
	t.Keys = keys
	return t
}

// Version returns the version of the table's columns. It rises when columns are
// added.
func (t *Table[R]) Version() int { return t.Columns[len(t.Columns)-1].Since }

// Schema returns the table as an Arrow schema. All callers share it.
func (t *Table[R]) Schema() *arrow.Schema { return t.schema }

// Append adds row to b, which must have been created for the table's schema.
func (t *Table[R]) Append(b *array.RecordBuilder, row *R) {
	fields := b.Fields()
	for i := range t.Columns {
		t.Columns[i].append(fields[i], row)
	}
}

// Fields returns the portal's fields that the table's columns are read from.
func (t *Table[R]) Fields() []string {
	var fields []string
	for i := range t.Columns {
		if f := t.Columns[i].Field; f != "" {
			fields = append(fields, f)
		}
	}
	return fields
}

// Read sets row to raw, an element of the portal's list. It ignores fields without a
// column. Columns without a field become null.
//
// An error is a *FieldError and leaves row partly set. Read does not keep or change
// raw.
func (t *Table[R]) Read(raw []byte, row *R) error {
	r := newReader(otherObject)
	defer r.release()
	*row = *new(R)
	if err := r.begin(raw); err != nil {
		return err
	}
	for {
		more, err := r.next()
		if err != nil || !more {
			return err
		}
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Field == "" || c.Field != string(r.name) {
				continue
			}
			if rule := c.set(row, &r.value, r.strings); rule != "" {
				return fieldError(c.Field, rule, r.value.raw)
			}
			break
		}
	}
}

// Within returns the columns for rows of type O that contain an R.
func Within[O, R any](columns []Column[R], at func(*O) *R) []Column[O] {
	outer := make([]Column[O], len(columns))
	for i, c := range columns {
		inner := c.At
		outer[i] = Column[O]{
			Name: c.Name, Since: c.Since, From: c.From, Field: c.Field, Words: c.Words, Zero: c.Zero, Encoding: c.Encoding,
			Large: c.Large, Untracked: c.Untracked, Source: c.Source, Unit: c.Unit, Null: c.Null,
			Example: c.Example, Changes: c.Changes, Description: c.Description,
			At: func(row *O) any { return inner(at(row)) },
		}
	}
	return outer
}

// Payments returns the schema of the table of payments.
func Payments() *arrow.Schema { return PaymentTable.Schema() }

// Changes returns the schema of the change feed.
func Changes() *arrow.Schema { return ChangeTable.Schema() }

// Rejects returns the schema of the payments that could not be read.
func Rejects() *arrow.Schema { return RejectTable.Schema() }

// Version is the version of the table of payments. Manifests state it.
var Version = PaymentTable.Version()

const (
	microseconds = "microseconds, UTC"
	never        = "never"
)
