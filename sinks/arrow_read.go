package sinks

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"

	"b24export/sinks/parquetcheck"
)

// Arrow's own bridge from Parquet to records, package pqarrow, links gRPC and the
// compute kernels: 23 MB of program. The tables here have four types of columns, so the
// few lines below do the same with Arrow's column readers.

// arrowSchema returns the schema of a file's columns. It returns an error for a
// column that no table of this program can have.
func arrowSchema(s *schema.Schema) (*arrow.Schema, error) {
	fields := make([]arrow.Field, s.NumColumns())
	for i := range fields {
		c := s.Column(i)
		t, err := arrowType(c)
		if err != nil {
			return nil, err
		}
		if c.MaxDefinitionLevel() > 1 || c.MaxRepetitionLevel() > 0 {
			return nil, fmt.Errorf("column %s is nested", c.Path())
		}
		fields[i] = arrow.Field{Name: c.Name(), Type: t, Nullable: c.MaxDefinitionLevel() == 1}
	}
	return arrow.NewSchema(fields, nil), nil
}

func arrowType(c *schema.Column) (arrow.DataType, error) {
	logical := c.LogicalType()
	switch c.PhysicalType() {
	case parquet.Types.Boolean:
		return arrow.FixedWidthTypes.Boolean, nil
	case parquet.Types.Int64:
		switch t := logical.(type) {
		case *schema.TimestampLogicalType:
			if t.TimeUnit() == schema.TimeUnitMicros && t.IsAdjustedToUTC() {
				return arrow.FixedWidthTypes.Timestamp_us, nil
			}
		case *schema.DecimalLogicalType:
			return &arrow.Decimal128Type{Precision: t.Precision(), Scale: t.Scale()}, nil
		case *schema.IntLogicalType:
			if t.BitWidth() == 64 && t.IsSigned() {
				return arrow.PrimitiveTypes.Int64, nil
			}
		case schema.NoLogicalType:
			return arrow.PrimitiveTypes.Int64, nil
		}
	case parquet.Types.ByteArray:
		if _, ok := logical.(schema.StringLogicalType); ok {
			return arrow.BinaryTypes.String, nil
		}
	}
	return nil, fmt.Errorf("column %s has the type %s %s", c.Path(), c.PhysicalType(), logical)
}

// arrowRecord decodes the given columns of a row group; nil means all columns. The
// caller releases the record.
//
// It decodes a whole row group. The column readers of this version of Arrow panic if a
// read ends inside a delta-encoded page of a nullable column. The next version is
// fixed.
func arrowRecord(r *file.Reader, s *arrow.Schema, group int, columns []int) (arrow.Record, error) {
	if columns == nil {
		for i := range s.NumFields() {
			columns = append(columns, i)
		}
	}
	rows := r.MetaData().RowGroup(group).NumRows()
	fields, arrays := make([]arrow.Field, len(columns)), make([]arrow.Array, 0, len(columns))
	defer func() {
		for _, a := range arrays {
			a.Release() // the record has its own reference
		}
	}()
	for i, column := range columns {
		fields[i] = s.Field(column)
		chunk, err := r.RowGroup(group).Column(column)
		if err != nil {
			return nil, err
		}
		m, err := r.MetaData().RowGroup(group).ColumnChunk(column)
		if err != nil {
			return nil, err
		}
		a, err := arrowColumn(chunk, fields[i].Type, rows, m.TotalUncompressedSize())
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", fields[i].Name, err)
		}
		arrays = append(arrays, a)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), arrays, rows), nil
}

func arrowColumn(chunk file.ColumnChunkReader, t arrow.DataType, rows, size int64) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, t)
	defer b.Release()
	b.Reserve(int(rows))
	if b, ok := b.(*array.StringBuilder); ok {
		// Without it, a builder of long texts has up to twice their size. A footer may claim
		// any size.
		b.ReserveData(int(max(0, min(size, groupText+groupText/groupPart))))
	}
	var err error
	switch chunk := chunk.(type) {
	case *file.BooleanColumnChunkReader:
		err = readColumn(chunk, rows, b, b.(*array.BooleanBuilder).Append)
	case *file.Int64ColumnChunkReader:
		switch b := b.(type) {
		case *array.Int64Builder:
			err = readColumn(chunk, rows, b, b.Append)
		case *array.TimestampBuilder:
			err = readColumn(chunk, rows, b, func(v int64) { b.Append(arrow.Timestamp(v)) })
		case *array.Decimal128Builder:
			err = readColumn(chunk, rows, b, func(v int64) { b.Append(decimal128.FromI64(v)) })
		default:
			return nil, fmt.Errorf("integers of the type %s", t)
		}
	case *file.ByteArrayColumnChunkReader:
		err = readColumn(chunk, rows, b, func(v parquet.ByteArray) { b.(*array.StringBuilder).BinaryBuilder.Append(v) })
	default:
		return nil, fmt.Errorf("values of the type %s", chunk.Type())
	}
	if err != nil {
		return nil, err
	}
	return b.NewArray(), nil
}

// columnReader is one of Arrow's column readers. ReadBatch reads at most one page.
type columnReader[T any] interface {
	HasNext() bool
	Err() error
	Descriptor() *schema.Column
	ReadBatch(batchSize int64, values []T, defLvls, repLvls []int16) (total int64, valuesRead int, err error)
}

// readColumn appends all values of a column chunk to b. Byte arrays are in the memory
// of the page, which the next page reuses, so each page is appended before the next one
// is read.
func readColumn[T any](r columnReader[T], rows int64, b array.Builder, add func(T)) error {
	values, levels := make([]T, rows), make([]int16, rows)
	nullable := r.Descriptor().MaxDefinitionLevel() > 0
	for done := int64(0); done < rows; {
		if !r.HasNext() {
			if err := r.Err(); err != nil {
				return err
			}
			return fmt.Errorf("%w: %d values for %d rows", parquetcheck.ErrCorrupt, done, rows)
		}
		n, read, err := r.ReadBatch(rows-done, values, levels, nil)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%w: a page without values", parquetcheck.ErrCorrupt)
		}
		at := 0
		for i := range n {
			if nullable && levels[i] == 0 {
				b.AppendNull()
				continue
			}
			if at >= read {
				return fmt.Errorf("%w: %d values for %d rows", parquetcheck.ErrCorrupt, read, n)
			}
			add(values[at])
			at++
		}
		done += n
	}
	return nil
}
