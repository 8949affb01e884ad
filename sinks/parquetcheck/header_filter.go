package parquetcheck

import (
	"errors"
	"fmt"
	"io"
)

// HeaderFilter passes on the pages that parquet-go writes, without the statistics in
// their headers.
//
// Configured to write no statistics of pages, parquet-go still writes that the page has
// no nulls, whatever their number. Configured to write them, it puts whole texts into
// each header. The filter changes the number of the field from 5 to one that no reader
// knows, so that no length changes.
type HeaderFilter struct {
	w       io.Writer
	pending []byte // the beginning of a header
	body    int64  // remaining bytes that are not a header
}

// NewHeaderFilter returns a filter that writes to w. Its input must start with the
// first byte of a file.
func NewHeaderFilter(w io.Writer) *HeaderFilter {
	return &HeaderFilter{w: w, body: int64(len("PAR1"))}
}

// InHeader reports whether the filter waits for the rest of a page header.
func (f *HeaderFilter) InHeader() bool { return len(f.pending) > 0 }

const maxPageHeader = 1 << 16

// Write implements io.Writer.
func (f *HeaderFilter) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if f.body > 0 {
			n := min(f.body, int64(len(p)))
			if _, err := f.w.Write(p[:n]); err != nil {
				return 0, err
			}
			f.body -= n
			p = p[n:]
			continue
		}
		before := len(f.pending)
		f.pending = append(f.pending, p[:min(len(p), maxPageHeader)]...)
		h, n, err := pageHeader(f.pending)
		if err != nil {
			if len(f.pending) >= maxPageHeader {
				return 0, fmt.Errorf("a page header that was just written: %w", err)
			}
			return written, nil // the rest comes with the next call
		}
		if h.statsAt > 0 {
			// A field is stored as the distance from the previous field, and its type.
			if f.pending[h.statsAt] != 1<<4|thriftStruct {
				return 0, errors.New("a page header that was just written: statistics after another field than expected")
			}
			f.pending[h.statsAt] = 11<<4 | thriftStruct
		}
		if _, err := f.w.Write(f.pending[:n]); err != nil {
			return 0, err
		}
		f.body = h.compressed
		f.pending = f.pending[:0]
		p = p[n-before:]
	}
	return written, nil
}
