// Package parquetcheck checks Parquet files before a Parquet library reads them, and
// checks what the files say about their own values.
//
// It exists because of faults and gaps of the two libraries that this program uses,
// parquet-go and Arrow's v17:
//
//   - Both believe the lengths in a footer, a page header or a compressed frame, and
//     allocate for them before they find out how many bytes there are. A damaged file
//     of a few KiB can make them allocate gigabytes, or panic. CheckFooter, CheckFlat
//     and CheckPages decode Thrift's compact protocol themselves, and believe nothing.
//   - parquet-go, configured to write no statistics of pages, writes that each page has no
//     nulls. HeaderFilter takes that out again.
//   - Neither library helps to check page indexes: parquet-go writes them, and Arrow
//     v17 reads none. Engines skip pages by them, so a wrong bound loses rows without
//     an error. Index compares them with the values.
//
// A caller checks the footer first, then the pages of a row group, and returns the row
// group to a library last. A library that no longer has its fault makes that part of
// this package unnecessary: TestUpstreamCountsNulls fails once parquet-go writes no counts.
package parquetcheck

import (
	"errors"
	"io"
)

// ErrCorrupt says that a file is not as this program writes files.
var ErrCorrupt = errors.New("corrupt Parquet file")

// File is a Parquet file.
type File interface {
	io.ReaderAt
	// Size returns the file's length in bytes.
	Size() int64
}
