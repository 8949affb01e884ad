// Command arrow18 reads files with arrow-go v18. It is a separate module because its
// Parquet package cannot be linked together with that of v17, which the program uses.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"b24export/cmd/export/e2e/goreaders/internal/line"
)

func main() {
	if err := line.Answer(read); err != nil {
		log.Fatal(err)
	}
}

func read(t line.Table, sums map[string]*line.Sum) (int64, error) {
	f, err := file.OpenParquetFile(t.Path, false)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return 0, err
	}
	table, err := r.ReadTable(context.Background())
	if err != nil {
		return 0, err
	}
	defer table.Release()
	for i := range int(table.NumCols()) {
		column := table.Column(i)
		sum := sums[column.Name()]
		for _, chunk := range column.Data().Chunks() {
			for j := range chunk.Len() {
				if chunk.IsNull(j) {
					continue
				}
				switch a := chunk.(type) {
				case *array.Int64:
					sum.Number(a.Value(j))
				case *array.Timestamp:
					sum.Number(int64(a.Value(j)))
				case *array.Decimal128:
					sum.Number(int64(a.Value(j).LowBits()))
				case *array.Boolean:
					sum.Flag(a.Value(j))
				case *array.String:
					sum.Text(a.Value(j))
				default:
					return 0, fmt.Errorf("column %s is of type %s", column.Name(), chunk.DataType())
				}
			}
		}
	}
	return table.NumRows(), nil
}
