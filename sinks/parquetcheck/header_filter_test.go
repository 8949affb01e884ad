package parquetcheck

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// headersOf returns the pages of the first column chunk of a file.
func headersOf(t *testing.T, data []byte) (pages []Page, m *format.ColumnMetaData) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	m = &f.Metadata().RowGroups[0].Columns[0].MetaData
	start, end, err := ChunkRange(m, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	pages, err = CheckPages(data[start:end], m, format.Plain, f.NumRows())
	if err != nil {
		t.Fatal(err)
	}
	return pages, m
}

// TestUpstreamCountsNulls: parquet-go writes into page headers that there are no nulls,
// although it is configured to write no statistics. If this fails, the fault is fixed,
// and HeaderFilter may go.
func TestUpstreamCountsNulls(t *testing.T) {
	type row struct {
		N *int64 `parquet:"n,optional,plain"`
	}
	var raw bytes.Buffer
	w := parquet.NewGenericWriter[row](&raw, parquet.DataPageVersion(1), parquet.DataPageStatistics(false))
	if _, err := w.Write(make([]row, 10)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	pages, m := headersOf(t, raw.Bytes())
	if p := pages[0]; !p.stats.there || p.stats.nulls != 0 {
		t.Errorf("parquet-go writes the statistics %+v for a page of 10 nulls", p.stats)
	}

	// The filter sees the pages alone, as the program's writer has it.
	end := int(m.DataPageOffset + m.TotalCompressedSize)
	for _, step := range []int{1, 7, end} { // bytes in a call
		var filtered bytes.Buffer
		f := NewHeaderFilter(&filtered)
		for at := 0; at < end; at += step {
			p := raw.Bytes()[at:min(at+step, end)]
			if n, err := f.Write(p); n != len(p) || err != nil {
				t.Fatalf("%d bytes a call: %d, %v", step, n, err)
			}
		}
		if f.InHeader() || filtered.Len() != end {
			t.Fatalf("%d bytes a call: %d bytes of %d, in a header %v", step, filtered.Len(), end, f.InHeader())
		}
		filtered.Write(raw.Bytes()[end:])
		if pages, _ := headersOf(t, filtered.Bytes()); pages[0].stats.there {
			t.Errorf("%d bytes a call: the statistics %+v are left", step, pages[0].stats)
		}
	}
}

// brokenWriter fails at the write with the number n.
type brokenWriter struct{ n int }

var errFull = errors.New("disk full")

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.n--; w.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestHeaderFilterFails(t *testing.T) {
	data := append([]byte("PAR1"), page{values: 2, body: "ab"}.bytes()...)
	for n := range 3 { // the magic, a header, a body
		if _, err := NewHeaderFilter(&brokenWriter{n}).Write(data); !errors.Is(err, errFull) {
			t.Errorf("write %d: error %v", n, err)
		}
	}
	for name, bad := range map[string][]byte{
		"no header":                      []byte(strings.Repeat("\x1c", 1<<17)),
		"a header without end":           bytes.Repeat([]byte{0x16, 0x02}, 1<<16),
		"statistics in an unusual place": encode(num(1, 0), num(2, 0), num(3, 0), obj(5, num(1, 1), obj(5, num(3, 0)))),
	} {
		if _, err := NewHeaderFilter(new(bytes.Buffer)).Write(append([]byte("PAR1"), bad...)); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}
