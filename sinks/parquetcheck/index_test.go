package parquetcheck

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/parquet-go/parquet-go/format"
)

// made is a file of one column and one row group, made by hand, with everything that the
// file says about its values. Its two pages have the values 1, null, 2 and 4, 5, 6.
type made struct {
	rows, groupRows, values       int64 // of the footer, the row group, the chunk
	low, high, oldLow, oldHigh    []byte
	nulls                         int64
	pageLow, pageHigh             [][]byte
	pageNulls, levels, chunkLevel []int64
	nullPages                     []bool
	order                         int64
	locations                     [][3]int64 // offset, size, first row
	orders                        int
	sorting, encodings            [][]byte
	extra                         []field // of the chunk's metadata
	noColumnIndex, noOffsetIndex  bool
	tail                          string // behind each index's struct
	header                        []field
	loose                         bool // the chunk's bounds say that they are no values
}

func le(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

// right is a file that is right about its values.
func right() *made {
	return &made{
		rows: 6, groupRows: 6, values: 6, low: le(1), high: le(6), nulls: 1,
		pageLow: [][]byte{le(1), le(4)}, pageHigh: [][]byte{le(2), le(6)}, pageNulls: []int64{1, 0},
		levels: []int64{1, 2, 0, 3}, chunkLevel: []int64{1, 5},
		nullPages: []bool{false, false}, order: orderAscending, orders: 1,
		sorting:   [][]byte{encode(num(1, 0), field{2, thriftFalse, nil})},
		encodings: [][]byte{encode(num(1, 0), num(2, 0), num(3, 2))},
	}
}

func numbers(list []int64) (all [][]byte) {
	for _, n := range list {
		all = append(all, zigzag(n))
	}
	return all
}

func texts(list [][]byte) (all [][]byte) {
	for _, b := range list {
		all = append(all, bin(1, b).data)
	}
	return all
}

func list(id int, kind byte, elements [][]byte) field {
	return arr(id, kind, uint64(len(elements)), elements...)
}

// write returns the file and its pages. edit, if set, changes where the indexes are.
func (m *made) write(t *testing.T, edit func(chunk []field)) (data []byte, pages []Page) {
	t.Helper()
	first := page{values: 3, body: "first page", stats: m.header}.bytes()
	second := page{values: 3, body: "second page"}.bytes()
	body := slices.Concat(first, second)
	pages, err := CheckPages(body, &format.ColumnMetaData{}, format.Plain, 6)
	if err != nil {
		t.Fatal(err)
	}
	if m.locations == nil {
		m.locations = [][3]int64{{4, int64(len(first)), 0}, {4 + int64(len(first)), int64(len(second)), 3}}
	}
	var locations, flags [][]byte
	for _, l := range m.locations {
		locations = append(locations, encode(num(1, l[0]), num(2, l[1]), num(3, l[2])))
	}
	for _, is := range m.nullPages {
		flags = append(flags, []byte{map[bool]byte{true: thriftTrue, false: thriftFalse}[is]})
	}
	columnIndex := append(encode(list(1, thriftFalse, flags), list(2, thriftBinary, texts(m.pageLow)), list(3, thriftBinary, texts(m.pageHigh)),
		num(4, m.order), list(5, thriftI64, numbers(m.pageNulls)), list(7, thriftI64, numbers(m.levels))), m.tail...)
	offsetIndex := append(encode(list(1, thriftStruct, locations)), m.tail...)

	stats := []field{num(3, m.nulls), bin(5, m.high), bin(6, m.low)}
	if m.loose {
		stats = append(stats, field{7, thriftFalse, nil}, field{8, thriftFalse, nil})
	}
	if m.oldLow != nil {
		stats = append([]field{bin(1, m.oldHigh), bin(2, m.oldLow)}, stats...)
	}
	meta := append([]field{
		arr(3, thriftBinary, 1, bin(1, []byte("n")).data), num(5, m.values), num(7, int64(len(body))), num(9, 4),
		obj(12, stats...), list(13, thriftStruct, m.encodings),
	}, m.extra...)
	meta = append(meta, obj(16, list(3, thriftI64, numbers(m.chunkLevel))))
	at := int64(4 + len(body))
	chunk := []field{obj(3, meta...), num(4, at+int64(len(columnIndex))), num(5, int64(len(offsetIndex))), num(6, at), num(7, int64(len(columnIndex)))}
	if m.noOffsetIndex {
		chunk[1], chunk[2] = num(4, 0), num(5, 0)
	}
	if m.noColumnIndex {
		chunk[3], chunk[4] = num(6, 0), num(7, 0)
	}
	if edit != nil {
		edit(chunk)
	}
	group := encode(arr(1, thriftStruct, 1, encode(chunk...)), num(3, m.groupRows), list(4, thriftStruct, m.sorting), num(5, 4), num(6, int64(len(body))))
	orders := make([][]byte, m.orders)
	for i := range orders {
		orders[i] = encode()
	}
	footer := encode(num(3, m.rows), arr(4, thriftStruct, 1, group), list(7, thriftStruct, orders))
	return withFooter(slices.Concat(body, columnIndex, offsetIndex), footer), pages
}

// record has the values of made.
func record(t *testing.T) arrow.Record {
	t.Helper()
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues([]int64{1, 0, 2, 4, 5, 6}, []bool{true, false, true, true, true, true})
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil)
	return array.NewRecord(schema, []arrow.Array{b.NewArray()}, 6)
}

// check returns the problems of a file, as a reader that goes through pages finds them
// or, without pages, one that does not.
func check(data []byte, rec arrow.Record, pages []Page) ([]string, error) {
	x, err := NewIndex(open(data), 0)
	if err != nil {
		return nil, err
	}
	x.CheckFooter(1)
	var seen [][]Page
	if pages != nil {
		seen = [][]Page{pages}
	}
	err = x.CheckGroup(0, rec, []int{0}, seen)
	return x.Problems(), err
}

func TestIndex(t *testing.T) {
	rec := record(t)
	const (
		bounds = "column n: values lie outside of the bounds that its column index has for their page, first in row group 0, page "
		stats  = "column n: its statistics are not those of its values, first in row group 0"
		counts = "column n: its column index counts nulls wrongly, first in row group 0, page 0"
		place  = "column n: its offset index is not that of its pages, first in row group 0"
	)
	for _, tt := range []struct {
		name  string
		edit  func(m *made)
		want  string // "" for a file that is right
		blind bool   // only who goes through the pages finds it
	}{
		{name: "right", edit: func(*made) {}},
		{name: "looser bounds of a page", edit: func(m *made) { m.pageLow[1], m.pageHigh[1] = le(3), le(1e9) }},
		{name: "no counts of nulls", edit: func(m *made) { m.pageNulls = nil }},
		{name: "no column index", edit: func(m *made) { m.noColumnIndex = true }},
		{name: "no index at all", edit: func(m *made) { m.noColumnIndex, m.noOffsetIndex = true, true }},
		{name: "the old bounds too", edit: func(m *made) { m.oldLow, m.oldHigh = le(1), le(6) }},
		{name: "bounds that say that they are loose", edit: func(m *made) { m.low, m.high, m.loose = le(0), le(9), true }},
		{name: "loose bounds that do not hold", edit: func(m *made) { m.low, m.loose = le(2), true }, want: stats},

		{name: "a page's minimum too large", edit: func(m *made) { m.pageLow[0] = le(2) }, want: bounds + "0"},
		{name: "a page's maximum too small", edit: func(m *made) { m.pageHigh[1] = le(5) }, want: bounds + "1"},
		{name: "empty bounds", edit: func(m *made) { m.pageLow[1], m.pageHigh[1], m.order = nil, nil, orderNone }, want: bounds + "1"},
		{name: "a page's nulls", edit: func(m *made) { m.pageNulls[0] = 0 }, want: counts},
		{name: "a page's nulls by level", edit: func(m *made) { m.levels[0], m.levels[1] = 2, 1 }, want: counts},
		{name: "a page of nulls alone that is none", edit: func(m *made) { m.nullPages[1] = true },
			want: "column n: its column index is wrong about pages of nulls alone, first in row group 0, page 1"},
		{name: "a page too few in the column index", edit: func(m *made) { m.pageLow = m.pageLow[:1] },
			want: "column n: its column index has another number of pages, first in row group 0"},
		{name: "the order of pages", edit: func(m *made) { m.order = orderDescending },
			want: "column n: the bounds of its pages are not in the order that its column index names, first in row group 0, page 1"},
		{name: "an order that does not exist", edit: func(m *made) { m.order = -1 },
			want: "column n: its column index names an order that does not exist, first in row group 0"},
		{name: "no offset index", edit: func(m *made) { m.noOffsetIndex = true },
			want: "column n: it has bounds of pages, and not where the pages are, first in row group 0"},
		{name: "a page's place", edit: func(m *made) { m.locations = [][3]int64{{5, 10, 0}, {15, 10, 3}} }, want: place},
		{name: "a page too few", edit: func(m *made) { m.locations = [][3]int64{{4, 10, 0}} }, want: place},
		{name: "a row before the first", edit: func(m *made) { m.locations = [][3]int64{{4, 10, -1}, {14, 10, 3}} }, want: place},
		{name: "a row behind the last", edit: func(m *made) { m.locations = [][3]int64{{4, 10, 0}, {14, 10, 6}} }, want: place},
		{name: "a chunk's minimum", edit: func(m *made) { m.low = le(0) }, want: stats},
		{name: "a chunk's maximum", edit: func(m *made) { m.high = le(5) }, want: stats},
		{name: "a chunk's bound of another width", edit: func(m *made) { m.high = []byte{6} }, want: stats},
		{name: "the old bounds of a chunk", edit: func(m *made) { m.oldLow, m.oldHigh = le(2), le(6) }, want: stats},
		{name: "a chunk's nulls", edit: func(m *made) { m.nulls = 0 }, want: stats},
		{name: "a chunk's nulls by level", edit: func(m *made) { m.chunkLevel[0] = 0 }, want: "column n: its count of nulls by level is wrong, first in row group 0"},
		{name: "a chunk's values", edit: func(m *made) { m.values = 5 }, want: "column n: it has another number of values than rows, first in row group 0"},
		{name: "a Bloom filter", edit: func(m *made) { m.extra = []field{num(14, 4)} }, want: "column n: it has a Bloom filter, which this program never writes, first in row group 0"},
		{name: "rows", edit: func(m *made) { m.rows = 7 }, want: "the row groups have another number of rows than the file"},
		{name: "orders of bounds", edit: func(m *made) { m.orders = 0 }, want: "the footer says for 0 of 1 columns how bounds compare"},
		{name: "the order of rows", edit: func(m *made) { m.sorting = append(m.sorting, encode(num(1, 0))) },
			want: "the row groups name another order than that of ids, first in row group 0"},
		{name: "encodings", edit: func(m *made) { m.encodings = [][]byte{encode(num(1, 0), num(2, 0), num(3, 1))} },
			want: "column n: its count of pages by encoding is wrong, first in row group 0", blind: true},
		{name: "no nulls in a page header", edit: func(m *made) { m.header = []field{num(3, 0)} },
			want: "column n: the statistics of pages are not those of their values, first in row group 0, page 0", blind: true},
		{name: "bounds in a page header", edit: func(m *made) { m.header = []field{num(3, 1), bin(5, le(1)), bin(6, le(1))} },
			want: "column n: the statistics of pages are not those of their values, first in row group 0, page 0", blind: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := right()
			tt.edit(m)
			data, pages := m.write(t, nil)
			for _, seen := range [][]Page{pages, nil} {
				found, err := check(data, rec, seen)
				var want []string
				if tt.want != "" && (seen != nil || !tt.blind) {
					want = []string{tt.want}
				}
				if err != nil || !slices.Equal(found, want) {
					t.Errorf("pages gone through: %v; found %q, %v; want %q", seen != nil, found, err, want)
				}
			}
		})
	}
}

// TestIndexOfTexts: bounds of texts may be cut if they say so, and must be rounded.
func TestIndexOfTexts(t *testing.T) {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues([]string{"cash", "", "card", "bank", "яблоко", "z"}, []bool{true, false, true, true, true, true})
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	rec := array.NewRecord(schema, []arrow.Array{b.NewArray()}, 6)
	for _, tt := range []struct {
		name, low, high, pageHigh, want string
	}{
		{"right", "bank", "яблоко", "яблоко", ""},
		{"a page's bound that is rounded up", "bank", "яблоко", "ѐ", ""},
		{"a page's bound that is cut off", "bank", "яблоко", "ябл", "values lie outside"},
		{"a chunk's bound that is cut off", "bank", "ябл", "яблоко", "its statistics"},
		{"a chunk's bound that is loose and does not say so", "ban", "яблоко", "яблоко", "its statistics"},
	} {
		m := right()
		m.low, m.high, m.order = []byte(tt.low), []byte(tt.high), orderNone
		m.pageLow, m.pageHigh = [][]byte{[]byte("card"), []byte("bank")}, [][]byte{[]byte("cash"), []byte(tt.pageHigh)}
		data, pages := m.write(t, nil)
		found, err := check(data, rec, pages)
		if text := strings.Join(found, "; "); err != nil || (tt.want == "") != (text == "") || !strings.Contains(text, tt.want) {
			t.Errorf("%s: found %q, %v; want %q", tt.name, found, err, tt.want)
		}
	}
}

// TestHostileIndex: an index that lies outside of the file, or is no struct, is an error.
func TestHostileIndex(t *testing.T) {
	rec := record(t)
	for _, tt := range []struct {
		name string
		edit func(chunk []field)
		tail string
		want string
	}{
		{"behind the file", func(c []field) { c[3] = num(6, 1<<40) }, "", "column index: corrupt Parquet file: an index of"},
		{"before the file", func(c []field) { c[1] = num(4, -4) }, "", "offset index: corrupt Parquet file: an index of"},
		{"without a length", func(c []field) { c[4] = num(7, 0) }, "", "an index of 0 bytes"},
		{"longer than the file", func(c []field) { c[2] = num(5, 1<<62) }, "", "an index of 4611686018427387904 bytes"},
		{"cut off", func(c []field) { c[4] = num(7, 5) }, "", "broken Thrift struct"},
		{"with bytes behind it", nil, "!", "1 bytes too many"},
	} {
		m := right()
		m.tail = tt.tail
		data, pages := m.write(t, tt.edit)
		if _, err := check(data, rec, pages); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	data, _ := right().write(t, nil)
	x, err := NewIndex(open(data), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.CheckGroup(1, rec, []int{0}, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a row group that the footer lacks: error %v", err)
	}
}

// TestDamagedIndex: a file that is damaged in any way is an error, has problems, or is
// right by chance; nothing panics.
func TestDamagedIndex(t *testing.T) {
	rec := record(t)
	data, pages := right().write(t, nil)
	found := 0
	mutate(data, func(bad []byte) {
		for _, seen := range [][]Page{pages, nil} {
			if problems, err := check(bad, rec, seen); err != nil || len(problems) > 0 {
				found++
			}
		}
	})
	if found < 10_000 {
		t.Errorf("only %d damaged files are found", found)
	}
}
