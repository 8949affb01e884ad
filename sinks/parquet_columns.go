package sinks

import (
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/parquet-go/parquet-go/format"

	"b24export/schemas"
	"b24export/sinks/parquetcheck"
)

// column copies values of a column into rows of type T.
type column[T any] struct {
	name string
	// set copies values[i] into rows[i].
	set func(rows []T, values []parquet.Value) error
}

// columnReaders returns the readers of a table's columns, in their order.
func columnReaders[T any](columns []schemas.Column[T]) []column[T] {
	readers := make([]column[T], len(columns))
	for i, c := range columns {
		readers[i] = column[T]{name: c.Name, set: setterOf(c)}
	}
	return readers
}

func setterOf[T any](c schemas.Column[T]) func([]T, []parquet.Value) error {
	switch at := c.At(new(T)).(type) {
	case *int64:
		return requiredSetter(c, parquet.Value.Int64)
	case *bool:
		return requiredSetter(c, parquet.Value.Boolean)
	case *schemas.Null[bool]:
		return nullableSetter(c, parquet.Value.Boolean)
	case *schemas.Null[int64]:
		return nullableSetter(c, parquet.Value.Int64)
	case *schemas.Null[schemas.Instant]:
		return nullableSetter(c, func(v parquet.Value) schemas.Instant { return schemas.Instant(v.Int64()) })
	case *schemas.Null[schemas.Decimal]:
		return nullableSetter(c, func(v parquet.Value) schemas.Decimal { return schemas.Decimal(v.Int64()) })
	case *schemas.Null[string]:
		if c.Encoding == schemas.Dictionary {
			return wordSetter(c)
		}
		return textSetter(c)
	default:
		panic(fmt.Sprintf("column %s: no way to read a %T", c.Name, at))
	}
}

// requiredSetter is for values that every row has.
func requiredSetter[T, V any](c schemas.Column[T], of func(parquet.Value) V) func([]T, []parquet.Value) error {
	return func(rows []T, values []parquet.Value) error {
		for i := range values {
			if values[i].IsNull() {
				return fmt.Errorf("%w: a row without %s", parquetcheck.ErrCorrupt, c.Name)
			}
			*c.At(&rows[i]).(*V) = of(values[i])
		}
		return nil
	}
}

func nullableSetter[T, V any](c schemas.Column[T], of func(parquet.Value) V) func([]T, []parquet.Value) error {
	return func(rows []T, values []parquet.Value) error {
		for i := range values {
			at := c.At(&rows[i]).(*schemas.Null[V])
			if values[i].IsNull() {
				*at = schemas.Null[V]{}
			} else {
				*at = schemas.Some(of(values[i]))
			}
		}
		return nil
	}
}

// longText is the length from which a text has an allocation of its own, since a row that
// is kept keeps the whole allocation in memory.
const longText = 1 << 10

// textSetter is for texts that differ from row to row. The texts of a batch share one
// allocation, because the memory of the page is used again.
func textSetter[T any](c schemas.Column[T]) func([]T, []parquet.Value) error {
	return func(rows []T, values []parquet.Value) error {
		size := 0
		for i := range values {
			if n := len(values[i].ByteArray()); !values[i].IsNull() && n < longText {
				size += n
			}
		}
		var b strings.Builder
		b.Grow(size)
		for i := range values {
			if v := values[i].ByteArray(); !values[i].IsNull() && len(v) < longText {
				b.Write(v)
			}
		}
		all := b.String()
		for i := range values {
			at := c.At(&rows[i]).(*schemas.Null[string])
			if values[i].IsNull() {
				*at = schemas.Null[string]{}
				continue
			}
			n := len(values[i].ByteArray())
			if n >= longText {
				*at = schemas.Some(string(values[i].ByteArray()))
				continue
			}
			*at = schemas.Some(all[:n])
			all = all[n:]
		}
		return nil
	}
}

// wordSetter is for texts that repeat. Each of them is allocated once per batch.
func wordSetter[T any](c schemas.Column[T]) func([]T, []parquet.Value) error {
	return func(rows []T, values []parquet.Value) error {
		var words [16]string // the last texts, by a cheap hash
		for i := range values {
			at := c.At(&rows[i]).(*schemas.Null[string])
			if values[i].IsNull() {
				*at = schemas.Null[string]{}
				continue
			}
			b := values[i].ByteArray()
			h := len(b)
			if h > 0 {
				h += int(b[0]) + 3*int(b[h-1])
			}
			if h %= len(words); words[h] != string(b) {
				words[h] = string(b)
			}
			*at = schemas.Some(words[h])
		}
		return nil
	}
}

// encodings has the encoding of each column by its name. It is the same in every table
// with the column.
var encodings = make(map[string]encoding.Encoding)

// encodingOf returns the encoding of the column of that name.
func encodingOf(column string) encoding.Encoding {
	if e := encodings[column]; e != nil {
		return e
	}
	return &parquet.Plain
}

// checkPages is parquetcheck.CheckPages for a column of a table of this package.
func checkPages(data []byte, m *format.ColumnMetaData, rows int64) ([]parquetcheck.Page, error) {
	if len(m.PathInSchema) != 1 {
		return nil, fmt.Errorf("%w: a nested column", parquetcheck.ErrCorrupt)
	}
	return parquetcheck.CheckPages(data, m, encodingOf(m.PathInSchema[0]).Encoding(), rows)
}

// addEncodings adds the encodings of a table's columns.
func addEncodings[T any](columns []schemas.Column[T]) {
	for i := range columns {
		var e encoding.Encoding = &parquet.Plain
		switch columns[i].Encoding {
		case schemas.Plain:
		case schemas.Delta:
			e = &parquet.DeltaBinaryPacked
		case schemas.Dictionary:
			e = &parquet.RLEDictionary
		}
		if other := encodings[columns[i].Name]; other != nil && other.Encoding() != e.Encoding() {
			panic("column " + columns[i].Name + " has two encodings")
		}
		encodings[columns[i].Name] = e
	}
}

// encoded returns a struct's schema with the encoding that of returns for each column.
// A struct tag cannot have it, because parquet-go refuses delta on pointers. In all
// other respects the nodes equal the nodes of the struct, in its order.
func encoded(name string, s *parquet.Schema, of func(column string) encoding.Encoding) *parquet.Schema {
	fields := s.Fields()
	for i, f := range fields {
		fields[i] = &encodedField{f, of(f.Name())}
	}
	return parquet.NewSchema(name, &orderedGroup{Group: parquet.Group{}, fields: fields})
}

// encodedField is a column with an encoding.
type encodedField struct {
	parquet.Field
	encoding encoding.Encoding
}

func (f *encodedField) Encoding() encoding.Encoding { return f.encoding }

// Type returns the column's type. Bounds of texts are short if the texts are not in a
// dictionary, which has them in memory anyway.
func (f *encodedField) Type() parquet.Type {
	t := f.Field.Type()
	if t.Kind() == parquet.ByteArray && f.encoding.Encoding() == format.Plain {
		return boundedText{t}
	}
	return t
}

// orderedGroup is a group that keeps the order of its fields. parquet.Group sorts them
// by name.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

func (g *orderedGroup) Fields() []parquet.Field { return g.fields }

func (g *orderedGroup) String() string { return "payments" }
