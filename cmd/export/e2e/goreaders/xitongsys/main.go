// Command xitongsys reads files with github.com/xitongsys/parquet-go.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/xitongsys/parquet-go/common"
	"github.com/xitongsys/parquet-go/reader"
	"github.com/xitongsys/parquet-go/source"

	"b24export/cmd/export/e2e/goreaders/internal/line"
)

func main() {
	if err := line.Answer(read); err != nil {
		log.Fatal(err)
	}
}

// localFile implements the library's interface of a file. The library's own
// implementation links the SDKs of three clouds.
type localFile struct {
	*os.File
}

func openFile(path string) (source.ParquetFile, error) {
	f, err := os.Open(path)
	return localFile{f}, err
}

func (f localFile) Open(name string) (source.ParquetFile, error) {
	if name == "" {
		name = f.Name()
	}
	return openFile(name)
}

func (f localFile) Create(string) (source.ParquetFile, error) { return nil, os.ErrPermission }

func read(t line.Table, sums map[string]*line.Sum) (int64, error) {
	f, err := openFile(t.Path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := reader.NewParquetColumnReader(f, 1)
	if err != nil {
		return 0, err
	}
	defer r.ReadStop()
	rows := r.GetNumRows()
	for i, c := range t.Columns {
		values, _, _, err := r.ReadColumnByPath(common.ReformPathStr(fmt.Sprintf("%s.%s", r.SchemaHandler.GetRootExName(), c.Name)), rows)
		if err != nil {
			return 0, fmt.Errorf("column %d: %w", i, err)
		}
		for _, value := range values {
			switch v := value.(type) {
			case nil:
			case int64:
				sums[c.Name].Number(v)
			case bool:
				sums[c.Name].Flag(v)
			case string:
				sums[c.Name].Text(v)
			default:
				return 0, fmt.Errorf("column %s is a %T", c.Name, v)
			}
		}
	}
	return rows, nil
}
