// Package parquetcheck checks Parquet files before a Parquet library reads them, and
// checks what the files say about their own values.
//
// It exists because of faults and gaps of the two libraries that this program uses,
// parquet-go and Arrow's v17:
//
//   - Both rely on the lengths in a footer, a page header or a compressed frame, and
//     allocate memory for them before they know how many bytes there are. A damaged file
//     of a few KiB can make them allocate gigabytes, or panic. CheckFooter, CheckFlat
//     and CheckPages decode Thrift's compact protocol themselves, and rely on no length.
//   - parquet-go, configured to write no statistics of pages, writes that each page has no
//     nulls. HeaderFilter removes that.
//   - Neither library helps to check page indexes: parquet-go writes them, and Arrow
//     v17 reads none. Engines skip pages by them, so a wrong bound loses rows without
//     an error. Index compares them with the values.
//
// A caller checks the footer first, then the pages of a row group, and only then passes
// the row group to a library. If a library no longer has its fault, that part of this
// package is unnecessary: TestUpstreamCountsNulls fails once parquet-go writes no counts.
package parquetcheck

import (
	"errors"
	"io"
)

// ErrCorrupt means that a file does not have the form in which this program writes
// files.
var ErrCorrupt = errors.New("corrupt Parquet file")

// File is a Parquet file.
type File interface {
	io.ReaderAt
	// Size returns the file's length in bytes.
	Size() int64
}
