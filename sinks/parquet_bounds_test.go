package sinks

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"b24export/schemas"
)

// The column index of every column has real bounds for each of its pages, also if texts
// are longer than a bound may be, and if a page or a column has only nulls.
func TestPageBounds(t *testing.T) {
	rows := generate(3, 1, 30_000)
	for i := range rows {
		p := &rows[i]
		switch {
		case i < 20_000: // whole pages of nulls
			p.Extra = schemas.Null[string]{}
		case i%3 == 0:
			p.Extra = schemas.Some(`{"comments":"` + strings.Repeat("Позвонить завтра 电话 ", 1+i%9) + `"}`)
		case i%1000 == 1:
			p.Extra = schemas.Some(strings.Repeat("я", 40_000))
		default:
			p.Extra = schemas.Some("")
		}
		p.EmpPaidID = schemas.Null[int64]{}
	}
	opts := testFileOptions()
	opts.rowGroupRows = 8192
	data, _ := writePayments(t, opts, rows)
	if pages := checkBounds(t, data); pages < 40 {
		t.Errorf("%d pages only", pages)
	}

	var rejects bytes.Buffer
	w := newRowWriter(&rejects, rejectTable, testFileOptions())
	for i := range 5000 {
		rec := schemas.Reject{ID: int64(i + 1), Description: schemas.Some("Access denied"), Attempts: schemas.Some[int64](1)}
		if i%2 == 0 {
			rec.Raw = schemas.Some(strings.Repeat("{\"error\":\"Доступ запрещён\"}", 1+i%50))
		}
		if err := w.add(&rec); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.close(); err != nil {
		t.Fatal(err)
	}
	checkBounds(t, rejects.Bytes())
}

// checkBounds compares column indexes and statistics with the data, all with
// parquet-go, and returns the number of pages.
func checkBounds(t *testing.T, data []byte) (pages int) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for g, group := range f.RowGroups() {
		for c, chunk := range group.ColumnChunks() {
			name := f.Schema().Columns()[c][0]
			index, err := chunk.ColumnIndex()
			if err != nil {
				t.Fatal(err)
			}
			stats := f.Metadata().RowGroups[g].Columns[c].MetaData.Statistics
			if len(stats.MinValue) > maxBound || len(stats.MaxValue) > maxBound {
				t.Errorf("row group %d, %s: statistics of %d and %d bytes", g, name, len(stats.MinValue), len(stats.MaxValue))
			}
			reader := chunk.Pages()
			for i := range index.NumPages() {
				page, err := reader.ReadPage()
				if err != nil {
					t.Fatal(err)
				}
				pages++
				low, high, ok := page.Bounds()
				if index.NullPage(i) != !ok || index.NullCount(i) != page.NumNulls() {
					t.Errorf("row group %d, %s, page %d: of nulls %v, %d nulls, want %d", g, name, i, index.NullPage(i), index.NullCount(i), page.NumNulls())
				}
				if !ok {
					continue
				}
				lower, upper := index.MinValue(i), index.MaxValue(i)
				if chunk.Type().Compare(lower, low) > 0 || chunk.Type().Compare(upper, high) < 0 {
					t.Errorf("row group %d, %s, page %d: bounds %q to %q, values %.80q to %.80q", g, name, i, lower, upper, low, high)
				}
				if chunk.Type().Kind() == parquet.ByteArray {
					for _, bound := range [][]byte{lower.ByteArray(), upper.ByteArray()} {
						if len(bound) > maxBound || !utf8.Valid(bound) {
							t.Errorf("row group %d, %s, page %d: bound %q", g, name, i, bound)
						}
					}
				}
				parquet.Release(page)
			}
			reader.Close()
		}
	}
	return pages
}

// A shortened maximum is greater than all texts with the same beginning, and is valid
// UTF-8.
func TestUpperBound(t *testing.T) {
	fill := func(end string) string { return strings.Repeat("a", maxBound-len(end)) + end }
	for _, tt := range []struct{ text, want string }{
		{"short", "short"},
		{strings.Repeat("a", maxBound), strings.Repeat("a", maxBound)},
		{fill("b") + "c", fill("c")},
		{fill("\u007f") + "c", strings.Repeat("a", maxBound-2) + "b"},     // the next character does not fit
		{fill("я") + "c", fill("\u0450")},                                 // two bytes
		{fill("\ud7ff") + "c", fill("\ue000")},                            // no characters in between
		{fill("\U0010ffff") + "c", strings.Repeat("a", maxBound-5) + "b"}, // no text comes after it
		{strings.Repeat("я", 33), strings.Repeat("я", 31) + "\u0450"},
		{"a" + strings.Repeat("я", 33), "a" + strings.Repeat("я", 30) + "\u0450"},
		{strings.Repeat("\U0010ffff", 17), strings.Repeat("\U0010ffff", 17)},
	} {
		got := string(upperBound([]byte(tt.text)))
		if got != tt.want || got < tt.text {
			t.Errorf("upperBound(%q) = %q, want %q", tt.text, got, tt.want)
		}
		if low := string(lowerBound([]byte(tt.text))); low > tt.text || !strings.HasPrefix(tt.text, low) || !utf8.ValidString(low) || len(low) > maxBound {
			t.Errorf("lowerBound(%q) = %q", tt.text, low)
		}
	}
}
