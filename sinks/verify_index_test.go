package sinks

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// parquetTail is the part of a file after its pages.
type parquetTail struct {
	meta    *format.FileMetaData
	columns [][]format.ColumnIndex // by row group and column
	offsets [][]format.OffsetIndex
}

// withTail returns a file with another tail and the same pages.
func withTail(t testing.TB, data []byte, edit func(*parquetTail)) []byte {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	tail := parquetTail{meta: f.Metadata()}
	pages := len(data)
	for i := range tail.meta.RowGroups {
		columns := len(tail.meta.RowGroups[i].Columns)
		tail.columns = append(tail.columns, f.ColumnIndexes()[i*columns:(i+1)*columns])
		tail.offsets = append(tail.offsets, f.OffsetIndexes()[i*columns:(i+1)*columns])
		for j := range columns {
			pages = min(pages, int(tail.meta.RowGroups[i].Columns[j].ColumnIndexOffset))
		}
	}
	edit(&tail)
	out := bytes.NewBuffer(append([]byte(nil), data[:pages]...))
	encode := func(v any) (at, n int64) {
		at = int64(out.Len())
		if err := thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(out)).Encode(v); err != nil {
			t.Fatal(err)
		}
		return at, int64(out.Len()) - at
	}
	for i := range tail.meta.RowGroups {
		for j := range tail.meta.RowGroups[i].Columns {
			c := &tail.meta.RowGroups[i].Columns[j]
			n := int64(0)
			if c.ColumnIndexOffset != 0 {
				c.ColumnIndexOffset, n = encode(&tail.columns[i][j])
				c.ColumnIndexLength = int32(n)
			}
			if c.OffsetIndexOffset != 0 {
				c.OffsetIndexOffset, n = encode(&tail.offsets[i][j])
				c.OffsetIndexLength = int32(n)
			}
		}
	}
	_, n := encode(tail.meta)
	return append(binary.LittleEndian.AppendUint32(out.Bytes(), uint32(n)), "PAR1"...)
}

// Everything by which engines skip parts of a file is compared with the values, in a
// file that otherwise matches its manifest.
func TestVerifyComparesIndexes(t *testing.T) {
	const id, account, paid, sum, name = 0, 1, 2, 6, 8
	const g = 1 // the edited row group
	column := func(tail *parquetTail, c int) *format.ColumnMetaData {
		return &tail.meta.RowGroups[g].Columns[c].MetaData
	}
	unbound := func(tail *parquetTail, c int) {
		for _, columns := range tail.columns {
			columns[c].MinValues[0], columns[c].MaxValues[0] = []byte{}, []byte{}
		}
	}
	number := func(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
	for _, tt := range []struct {
		name string
		edit func(*parquetTail)
		want string // "" if there is no problem
	}{
		{"nothing", func(*parquetTail) {}, ""},
		{"looser bounds", func(tail *parquetTail) {
			tail.columns[g][account].MinValues[0] = []byte{}
			tail.columns[g][account].MaxValues[0] = []byte("\U0010ffff")
		}, ""},
		{"no page indexes", func(tail *parquetTail) {
			for i := range tail.meta.RowGroups {
				for j := range tail.meta.RowGroups[i].Columns {
					tail.meta.RowGroups[i].Columns[j].ColumnIndexOffset, tail.meta.RowGroups[i].Columns[j].OffsetIndexOffset = 0, 0
				}
			}
		}, ""},
		{"no statistics", func(tail *parquetTail) {
			column(tail, name).Statistics.MinValue, column(tail, name).Statistics.MaxValue = nil, nil
		}, ""},
		{"a minimum that is too large", func(tail *parquetTail) { tail.columns[g][sum].MinValues[0] = number(5000_0000) },
			"column sum: values lie outside of the bounds that its column index has for their page, first in row group 1, page 0"},
		{"a maximum that is too small", func(tail *parquetTail) { tail.columns[g][account].MaxValues[0] = []byte("1") },
			"column account_number: values lie outside of the bounds"},
		{"a text that is cut off without rounding up", func(tail *parquetTail) {
			tail.columns[g][name].MaxValues[0] = tail.columns[g][name].MaxValues[0][:2]
		}, "column pay_system_name: values lie outside of the bounds"},
		{"the empty bounds of a column that was left out", func(tail *parquetTail) {
			unbound(tail, account)
		}, "column account_number: values lie outside of the bounds"},
		{"a bound of another width", func(tail *parquetTail) { tail.columns[g][id].MinValues[0] = []byte{0} },
			"column id: values lie outside of the bounds"},
		{"a flag that is neither", func(tail *parquetTail) { tail.columns[g][paid].MaxValues[0] = []byte{2} },
			"column paid: values lie outside of the bounds"},
		{"a page of nulls that is none", func(tail *parquetTail) { tail.columns[g][sum].NullPages[0] = true },
			"column sum: its column index is wrong about pages of nulls alone"},
		{"nulls", func(tail *parquetTail) { tail.columns[g][sum].NullCounts[0]++ },
			"column sum: its column index counts nulls wrongly"},
		{"levels of pages", func(tail *parquetTail) { tail.columns[g][sum].DefinitionLevelHistogram[1]++ },
			"column sum: its column index counts nulls wrongly"},
		{"a page too many", func(tail *parquetTail) {
			x := &tail.columns[g][sum]
			x.NullPages, x.NullCounts = append(x.NullPages, false), append(x.NullCounts, 0)
			x.MinValues, x.MaxValues = append(x.MinValues, number(0)), append(x.MaxValues, number(1))
		}, "column sum: its column index has another number of pages"},
		{"order that does not exist", func(tail *parquetTail) { tail.columns[g][sum].BoundaryOrder = 7 },
			"column sum: its column index names an order that does not exist"},
		{"a page's offset", func(tail *parquetTail) { tail.offsets[g][sum].PageLocations[0].Offset++ },
			"column sum: its offset index is not that of its pages"},
		{"a page's size", func(tail *parquetTail) { tail.offsets[g][sum].PageLocations[0].CompressedPageSize-- },
			"column sum: its offset index is not that of its pages"},
		{"a page's first row", func(tail *parquetTail) { tail.offsets[g][sum].PageLocations[0].FirstRowIndex = 1 },
			"column sum: its offset index is not that of its pages"},
		{"bounds of pages that cannot be found", func(tail *parquetTail) { tail.meta.RowGroups[g].Columns[sum].OffsetIndexOffset = 0 },
			"column sum: it has bounds of pages, and not where the pages are"},
		{"a row group's minimum", func(tail *parquetTail) { column(tail, sum).Statistics.MinValue = number(5000_0000) },
			"column sum: its statistics are not those of its values, first in row group 1"},
		{"a row group's maximum that is no value", func(tail *parquetTail) { column(tail, name).Statistics.MaxValue = []byte("яяя") },
			"column pay_system_name: its statistics are not those"},
		{"a row group's nulls", func(tail *parquetTail) { column(tail, sum).Statistics.NullCount = 9 },
			"column sum: its statistics are not those"},
		{"a row group's nulls by level", func(tail *parquetTail) { column(tail, sum).SizeStatistics.DefinitionLevelHistogram[0] = 3 },
			"column sum: its count of nulls by level is wrong"},
		{"deprecated bounds", func(tail *parquetTail) { column(tail, sum).Statistics.Max = number(1) },
			"column sum: its statistics are not those"},
		{"distinct values", func(tail *parquetTail) { column(tail, paid).Statistics.DistinctCount = 7 },
			"column paid: its count of distinct values is wrong"},
		{"the right count of distinct values", func(tail *parquetTail) { column(tail, paid).Statistics.DistinctCount = 2 }, ""},
		{"pages by encoding", func(tail *parquetTail) { column(tail, name).EncodingStats[0].Count++ },
			"column pay_system_name: its count of pages by encoding is wrong"},
		{"a Bloom filter", func(tail *parquetTail) { column(tail, sum).BloomFilterOffset = 4 },
			"column sum: it has a Bloom filter"},
		{"another order", func(tail *parquetTail) { tail.meta.RowGroups[g].SortingColumns[0].ColumnIdx = sum },
			"the row groups name another order than that of ids, first in row group 1"},
		{"the order reversed", func(tail *parquetTail) { tail.meta.RowGroups[g].SortingColumns[0].Descending = true },
			"the row groups name another order"},
		{"no order of bounds", func(tail *parquetTail) { tail.meta.ColumnOrders = nil }, "how bounds compare"},
		{"a row group's size", func(tail *parquetTail) { tail.meta.RowGroups[g].TotalCompressedSize++ }, "the row group's place or size"},
		{"a row group's place", func(tail *parquetTail) { tail.meta.RowGroups[g].FileOffset++ }, "the row group's place or size"},
		{"a file of before", func(tail *parquetTail) {
			unbound(tail, account)
			for i, kv := range tail.meta.KeyValueMetadata {
				if kv.Key == metaLayout {
					tail.meta.KeyValueMetadata = append(tail.meta.KeyValueMetadata[:i], tail.meta.KeyValueMetadata[i+1:]...)
					break
				}
			}
		}, "Version 0.1.0 wrote files so"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMerger(t, memStore(t))
			man := m.published()
			data, err := m.s.Read(t.Context(), man.Files[0].Path)
			if err != nil {
				t.Fatal(err)
			}
			m.replace(&man.Files[0], withTail(t, data, tt.edit), true)
			putText(t, m.s, m.d.CurrentPath(), string(withTail(t, data, tt.edit)))
			found, err := m.d.verify(t.Context(), man)
			if err != nil {
				t.Fatal(err)
			}
			// Arrow uses no statistics from a file that does not define their order.
			alone := len(found) == 1 || tt.name == "no order of bounds"
			switch {
			case tt.want == "" && len(found) > 0, tt.want != "" && len(found) == 0:
				t.Errorf("found %v, want %q", found, tt.want)
			case tt.want != "" && (!alone || !slices.ContainsFunc(found, func(d Difference) bool { return strings.Contains(d.String(), tt.want) })):
				t.Errorf("found %v, want %q alone", found, tt.want)
			}
		})
	}
}

// Among many pages in several row groups, the wrong one is found, and a wrong order of
// pages.
func TestVerifyComparesManyPages(t *testing.T) {
	m := newMerger(t, memStore(t))
	m.d.opts.RowGroupRows = 100_000
	man := m.published()
	rows := generate(8, 1, 150_000)
	opts := m.d.fileOptions(snapshot2)
	opts.rowGroupRows = 100_000
	data, f := writePayments(t, opts, rows)
	man.Files[0].Rows, man.Files[0].MinID, man.Files[0].MaxID = f.Rows, f.MinID, f.MaxID
	check := func(edit func(*parquetTail)) []string {
		t.Helper()
		m.replace(&man.Files[0], withTail(t, data, edit), true)
		found, err := m.d.verify(t.Context(), man)
		if err != nil {
			t.Fatal(err)
		}
		var faults []string
		for _, d := range found {
			if d.File == man.Files[0].Path && strings.Contains(d.What, "column") {
				faults = append(faults, d.What)
			}
		}
		return faults
	}
	if found := check(func(*parquetTail) {}); len(found) > 0 {
		t.Errorf("nothing is wrong, and it found %v", found)
	}
	pages := 0
	found := check(func(tail *parquetTail) {
		pages = len(tail.offsets[0][0].PageLocations)
		tail.columns[0][0].BoundaryOrder = format.Descending
	})
	if len(found) != 1 || !strings.Contains(found[0], "column id: the bounds of its pages are not in the order") || pages < 3 {
		t.Errorf("%d pages: found %v", pages, found)
	}
	found = check(func(tail *parquetTail) { tail.offsets[0][0].PageLocations[2].FirstRowIndex-- })
	if len(found) != 1 || !strings.Contains(found[0], "column id: its offset index") {
		t.Errorf("found %v", found)
	}
	found = check(func(tail *parquetTail) {
		tail.columns[1][0].MaxValues[1], tail.columns[1][0].MaxValues[0] = tail.columns[1][0].MaxValues[0], tail.columns[1][0].MaxValues[1]
	})
	if len(found) == 0 || !strings.Contains(found[0], "column id: values lie outside of the bounds that its column index has for their page, first in row group 1, page 1") {
		t.Errorf("found %v", found)
	}
}
