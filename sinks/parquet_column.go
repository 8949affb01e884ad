package sinks

import (
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go"

	"b24export/schemas"
)

// column moves values of one column into rows of type T.
type column[T any] struct {
	name string
	// set puts values[i] into rows[i].
	set func(rows []T, values []parquet.Value) error
}

func idColumn[T any](name string, at func(*T) *int64) column[T] {
	return column[T]{name, func(rows []T, values []parquet.Value) error {
		for i := range values {
			if values[i].IsNull() {
				return fmt.Errorf("%w: a row without %s", errCorrupt, name)
			}
			*at(&rows[i]) = values[i].Int64()
		}
		return nil
	}}
}

func integerColumn[T any, V ~int64](name string, at func(*T) *schemas.Null[V]) column[T] {
	return column[T]{name, func(rows []T, values []parquet.Value) error {
		for i := range values {
			if values[i].IsNull() {
				*at(&rows[i]) = schemas.Null[V]{}
			} else {
				*at(&rows[i]) = schemas.Some(V(values[i].Int64()))
			}
		}
		return nil
	}}
}

func flagColumn[T any](name string, at func(*T) *schemas.Null[bool]) column[T] {
	return column[T]{name, func(rows []T, values []parquet.Value) error {
		for i := range values {
			if values[i].IsNull() {
				*at(&rows[i]) = schemas.Null[bool]{}
			} else {
				*at(&rows[i]) = schemas.Some(values[i].Boolean())
			}
		}
		return nil
	}}
}

func requiredFlagColumn[T any](name string, at func(*T) *bool) column[T] {
	return column[T]{name, func(rows []T, values []parquet.Value) error {
		for i := range values {
			if values[i].IsNull() {
				return fmt.Errorf("%w: a row without %s", errCorrupt, name)
			}
			*at(&rows[i]) = values[i].Boolean()
		}
		return nil
	}}
}

// textColumn is for texts that differ from row to row. Those of a batch share
// one allocation; the page that they stand in is used again.
func textColumn[T any](name string, at func(*T) *schemas.Null[string]) column[T] {
	return column[T]{name, func(rows []T, values []parquet.Value) error {
		size := 0
		for i := range values {
			if !values[i].IsNull() {
				size += len(values[i].ByteArray())
			}
		}
		var b strings.Builder
		b.Grow(size)
		for i := range values {
			if !values[i].IsNull() {
				b.Write(values[i].ByteArray())
			}
		}
		all := b.String()
		for i := range values {
			if values[i].IsNull() {
				*at(&rows[i]) = schemas.Null[string]{}
				continue
			}
			n := len(values[i].ByteArray())
			*at(&rows[i]) = schemas.Some(all[:n])
			all = all[n:]
		}
		return nil
	}}
}

// wordColumn is for texts that come again and again: each is allocated once a
// batch.
func wordColumn[T any](name string, at func(*T) *schemas.Null[string]) column[T] {
	return column[T]{name, func(rows []T, values []parquet.Value) error {
		var words [16]string // the last ones seen, by a cheap hash
		for i := range values {
			if values[i].IsNull() {
				*at(&rows[i]) = schemas.Null[string]{}
				continue
			}
			b := values[i].ByteArray()
			h := len(b)
			if h > 0 {
				h += int(b[0]) + 3*int(b[h-1])
			}
			word := &words[h%len(words)]
			if *word != string(b) {
				*word = string(b)
			}
			*at(&rows[i]) = schemas.Some(*word)
		}
		return nil
	}}
}
