package parquetcheck

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/parquet-go/parquet-go/format"
)

// Index compares what a file says about its own values with the values that Arrow
// reads. Engines use it to skip row groups and pages, so if it is wrong their queries
// miss rows without an error.
type Index struct {
	file     File
	footer   *footer
	id       int // the column by which rows are sorted
	problems []problem
}

// NewIndex returns an Index of a file whose rows are sorted by the column with the
// number id, or not sorted if id is -1.
func NewIndex(file File, id int) (*Index, error) {
	footer, err := decodeFooter(file)
	if err != nil {
		return nil, err
	}
	return &Index{file: file, footer: footer, id: id}, nil
}

// Problems returns the problems as texts, each kind of problem of a column once.
func (c *Index) Problems() []string {
	texts := make([]string, len(c.problems))
	for i, f := range c.problems {
		texts[i] = f.String()
	}
	return texts
}

// problem is one kind of problem of a column: its first place, and how often it occurs.
type problem struct {
	column, what string
	where        string
	times        int
}

func (f problem) String() string {
	text := f.what
	if f.column != "" {
		text = "column " + f.column + ": " + text
	}
	if f.where != "" {
		text += ", first in " + f.where
	}
	if f.times > 1 {
		text += fmt.Sprintf(", %d times", f.times)
	}
	return text
}

func (c *Index) add(column, where, what string) {
	i := slices.IndexFunc(c.problems, func(f problem) bool { return f.column == column && f.what == what })
	if i < 0 {
		i = len(c.problems)
		c.problems = append(c.problems, problem{column: column, what: what, where: where})
	}
	c.problems[i].times++
}

// CheckFooter checks what does not depend on values. columns is the number of columns
// of the file.
func (c *Index) CheckFooter(columns int) {
	if c.footer.orders != columns {
		c.add("", "", fmt.Sprintf("the footer says for %d of %d columns how bounds compare", c.footer.orders, columns))
	}
	rows := int64(0)
	for i := range c.footer.groups {
		g := &c.footer.groups[i]
		where := fmt.Sprintf("row group %d", i)
		rows += g.rows
		if c.id >= 0 && (len(g.sorting) > 1 || len(g.sorting) == 1 && g.sorting[0] != (sortingColumn{column: int64(c.id)})) {
			c.add("", where, "the row groups name another order than that of ids")
		}
		compressed, offset := int64(0), int64(0)
		for j := range g.chunks {
			chunk := &g.chunks[j]
			compressed += chunk.compressed
			if j == 0 || chunk.start() < offset {
				offset = chunk.start()
			}
			if chunk.bloomAt != 0 {
				c.add(chunk.name, where, "it has a Bloom filter, which this program never writes")
			}
		}
		if len(g.chunks) != columns {
			c.add("", where, "the row group has another number of columns")
		}
		// Engines that split a file assign a row group by its middle.
		if g.compressed != 0 && g.compressed != compressed || g.offset != 0 && g.offset != offset {
			c.add("", where, "the row group's place or size is not that of its columns")
		}
	}
	if rows != c.footer.rows {
		c.add("", "", "the row groups have another number of rows than the file")
	}
}

// Readable returns an error unless the page indexes of a row group can be decoded
// safely. It does not compare them with anything.
func (c *Index) Readable(number int) error {
	if number >= len(c.footer.groups) {
		return fmt.Errorf("%w: the footer has %d row groups", ErrCorrupt, len(c.footer.groups))
	}
	g := &c.footer.groups[number]
	for i := range g.chunks {
		chunk := &g.chunks[i]
		if _, err := readOffsetIndex(c.file, chunk); err != nil {
			return fmt.Errorf("column %s: offset index: %w", chunk.name, err)
		}
		if _, err := readColumnIndex(c.file, chunk); err != nil {
			return fmt.Errorf("column %s: column index: %w", chunk.name, err)
		}
	}
	return nil
}

// CheckGroup checks a row group. rec has the columns with the given numbers. pages has
// the pages of each chunk by their headers, by number of column. It is nil if the pages
// were not checked; the offset index then has their positions.
func (c *Index) CheckGroup(number int, rec arrow.Record, columns []int, pages [][]Page) error {
	if number >= len(c.footer.groups) {
		return fmt.Errorf("%w: the footer has %d row groups", ErrCorrupt, len(c.footer.groups))
	}
	g := &c.footer.groups[number]
	for i, column := range columns {
		if column >= len(g.chunks) {
			return nil // CheckFooter has reported it
		}
		k := chunkChecker{Index: c, chunk: &g.chunks[column], values: rec.Column(i), group: number}
		if pages != nil {
			k.pages = pages[column]
		}
		if err := k.check(); err != nil {
			return err
		}
	}
	return nil
}

// chunkChecker checks a column in a row group.
type chunkChecker struct {
	*Index
	chunk  *chunkIndex
	values arrow.Array
	group  int
	pages  []Page // nil if they were not checked
}

func (k *chunkChecker) add(page int, what string) {
	where := fmt.Sprintf("row group %d", k.group)
	if page >= 0 {
		where += fmt.Sprintf(", page %d", page)
	}
	k.Index.add(k.chunk.name, where, what)
}

func (k *chunkChecker) check() error {
	locations, err := readOffsetIndex(k.file, k.chunk)
	if err != nil {
		return fmt.Errorf("column %s: offset index: %w", k.chunk.name, err)
	}
	index, err := readColumnIndex(k.file, k.chunk)
	if err != nil {
		return fmt.Errorf("column %s: column index: %w", k.chunk.name, err)
	}
	rows := int64(k.values.Len())
	switch {
	case locations == nil && index != nil:
		k.add(-1, "it has bounds of pages, and not where the pages are")
		index = nil
	case locations != nil && !k.located(locations, rows):
		k.add(-1, "its offset index is not that of its pages")
		locations, index = nil, nil // the rows of each page are not known
	}
	var pages []facts
	var all facts
	for i := range locations {
		end := rows
		if i+1 < len(locations) {
			end = locations[i+1].firstRow
		}
		pages = append(pages, factsOf(k.values, int(locations[i].firstRow), int(end)))
		all.add(&pages[i])
	}
	if locations == nil {
		all = factsOf(k.values, 0, int(rows))
	}
	k.statistics(&all)
	if index != nil {
		k.columnIndex(index, pages)
	}
	if pages != nil && k.pages != nil {
		k.headers(pages)
	}
	return nil
}

// statistics checks the chunk's statistics in the footer.
func (k *chunkChecker) statistics(all *facts) {
	if k.chunk.values != all.rows {
		k.add(-1, "it has another number of values than rows")
	}
	if !all.exactly(&k.chunk.stats) {
		k.add(-1, "its statistics are not those of its values")
	}
	if n := k.chunk.stats.distinct; n >= 0 && n != distinct(k.values) {
		k.add(-1, "its count of distinct values is wrong")
	}
	if l := k.chunk.levels; l != nil && !slices.Equal(l, []int64{all.nulls, all.rows - all.nulls}) {
		k.add(-1, "its count of nulls by level is wrong")
	}
}

// located reports whether an offset index matches the chunk's pages.
func (k *chunkChecker) located(locations []pageLocation, rows int64) bool {
	var data []Page
	for _, p := range k.pages {
		if p.Kind == format.DataPage {
			data = append(data, p)
		}
	}
	if k.pages != nil && len(data) != len(locations) {
		return false
	}
	next, row := k.chunk.dataAt, int64(0)
	for i, l := range locations {
		if l.offset != next || l.firstRow != row && k.pages != nil || l.firstRow < row || l.firstRow >= rows || i == 0 && l.firstRow != 0 {
			return false
		}
		next += l.size
		row = l.firstRow + 1 // at least
		if k.pages != nil {
			if data[i].offset+k.chunk.start() != l.offset || data[i].size != l.size {
				return false
			}
			row = l.firstRow + data[i].values
		}
	}
	return next == k.chunk.start()+k.chunk.compressed
}

// columnIndex checks the bounds of the pages.
func (k *chunkChecker) columnIndex(x *columnIndex, facts []facts) {
	n := len(facts)
	if len(x.nullPages) != n || len(x.min) != n || len(x.max) != n || x.nulls != nil && len(x.nulls) != n || x.levels != nil && len(x.levels) != 2*n {
		k.add(-1, "its column index has another number of pages")
		return
	}
	var last *int // the previous page that has values
	for i := range facts {
		f := &facts[i]
		switch {
		case x.nullPages[i] != (f.nulls == f.rows):
			k.add(i, "its column index is wrong about pages of nulls alone")
		case x.nulls != nil && x.nulls[i] != f.nulls, x.levels != nil && (x.levels[2*i] != f.nulls || x.levels[2*i+1] != f.rows-f.nulls):
			k.add(i, "its column index counts nulls wrongly")
		case !x.nullPages[i] && !f.within(x.min[i], x.max[i]):
			k.add(i, "values lie outside of the bounds that its column index has for their page")
		}
		if x.nullPages[i] {
			continue
		}
		if last != nil && !f.ordered(x.order, x.min[*last], x.min[i], x.max[*last], x.max[i]) {
			k.add(i, "the bounds of its pages are not in the order that its column index names")
		}
		last = &i
	}
	if x.order < orderNone || x.order > orderDescending {
		k.add(-1, "its column index names an order that does not exist")
	}
}

// headers checks what page headers say about values, and the counts of encodings.
func (k *chunkChecker) headers(facts []facts) {
	var counts []encodingCount
	data := 0
	for _, p := range k.pages {
		i := slices.IndexFunc(counts, func(e encodingCount) bool { return e.page == int64(p.Kind) && e.encoding == int64(p.Encoding) })
		if i < 0 {
			i = len(counts)
			counts = append(counts, encodingCount{page: int64(p.Kind), encoding: int64(p.Encoding)})
		}
		counts[i].count++
		if p.Kind == format.DataPage {
			s := &p.stats
			if s.there && (s.nulls >= 0 && s.nulls != facts[data].nulls || (s.min != nil || s.max != nil) && !facts[data].within(s.min, s.max)) {
				k.add(data, "the statistics of pages are not those of their values")
			}
			data++
		}
	}
	if k.chunk.encodings == nil {
		return
	}
	order := func(a, b encodingCount) int { return int((a.page-b.page)*100 + a.encoding - b.encoding) }
	slices.SortFunc(counts, order)
	said := slices.Clone(k.chunk.encodings)
	slices.SortFunc(said, order)
	if !slices.Equal(counts, said) {
		k.add(-1, "its count of pages by encoding is wrong")
	}
}

// facts are the true properties of some values of a column.
type facts struct {
	rows, nulls int64
	width       int   // bytes of a value; 0 for a text
	seen        bool  // there is a value
	low, high   int64 // of numbers; false is 0, true is 1
	first, last string
}

// factsOf returns the facts of the values from one row to another.
func factsOf(a arrow.Array, from, to int) facts {
	f := facts{rows: int64(to - from), width: 8}
	switch a := a.(type) {
	case *array.Int64:
		eachValue(&f, a, from, to, func(i int) { f.number(a.Value(i)) })
	case *array.Timestamp:
		eachValue(&f, a, from, to, func(i int) { f.number(int64(a.Value(i))) })
	case *array.Decimal128:
		eachValue(&f, a, from, to, func(i int) { f.number(int64(a.Value(i).LowBits())) })
	case *array.Boolean:
		f.width = 1
		eachValue(&f, a, from, to, func(i int) {
			if a.Value(i) {
				f.number(1)
			} else {
				f.number(0)
			}
		})
	case *array.String:
		f.width = 0
		eachValue(&f, a, from, to, func(i int) { f.text(a.Value(i)) })
	}
	return f
}

// eachValue calls value for the values that are not null, and counts the others.
func eachValue(f *facts, a arrow.Array, from, to int, value func(i int)) {
	for i := from; i < to; i++ {
		if a.IsNull(i) {
			f.nulls++
		} else {
			value(i)
		}
	}
}

func (f *facts) number(v int64) {
	if !f.seen {
		f.low, f.high, f.seen = v, v, true
		return
	}
	f.low, f.high = min(f.low, v), max(f.high, v)
}

func (f *facts) text(v string) {
	switch {
	case !f.seen:
		f.first, f.last, f.seen = v, v, true
	case v < f.first:
		f.first = v
	case v > f.last:
		f.last = v
	}
}

// add adds the facts of more values of the column.
func (f *facts) add(more *facts) {
	f.rows += more.rows
	f.nulls += more.nulls
	f.width = more.width
	switch {
	case !more.seen:
	case f.width == 0:
		f.text(more.first)
		f.text(more.last)
	default:
		f.number(more.low)
		f.number(more.high)
	}
}

// compare compares two bounds of the column. ok is false if one is not a value of it.
func (f *facts) compare(a, b []byte) (_ int, ok bool) {
	if f.width == 0 {
		return bytes.Compare(a, b), true
	}
	x, ok1 := f.decode(a)
	y, ok2 := f.decode(b)
	return cmp.Compare(x, y), ok1 && ok2
}

func (f *facts) decode(bound []byte) (int64, bool) {
	switch {
	case len(bound) != f.width:
		return 0, false
	case f.width == 1:
		return int64(bound[0]), bound[0] <= 1
	}
	return int64(binary.LittleEndian.Uint64(bound)), true
}

// within reports whether all values are from low to high.
func (f *facts) within(low, high []byte) bool {
	if f.nulls == f.rows {
		return true
	}
	if f.width == 0 {
		return string(low) <= f.first && f.last <= string(high)
	}
	l, ok1 := f.decode(low)
	h, ok2 := f.decode(high)
	return ok1 && ok2 && l <= f.low && f.high <= h
}

// exactly reports whether statistics match the values, because engines answer min(),
// max() and count() from them. Bounds that are marked as loose need not be values.
func (f *facts) exactly(s *statistics) bool {
	if s.nulls >= 0 && s.nulls != f.nulls {
		return false
	}
	for _, bounds := range [][2][]byte{{s.min, s.max}, {s.oldMin, s.oldMax}} {
		low, high := bounds[0], bounds[1]
		if low == nil && high == nil {
			continue
		}
		if f.nulls == f.rows || !f.within(low, high) {
			return false
		}
		if f.width == 0 {
			if string(low) != f.first && !s.minLoose || string(high) != f.last && !s.maxLoose {
				return false
			}
			continue
		}
		l, _ := f.decode(low)
		h, _ := f.decode(high)
		if l != f.low && !s.minLoose || h != f.high && !s.maxLoose {
			return false
		}
	}
	return true
}

// ordered reports whether the bounds of two pages are in order.
func (f *facts) ordered(order int64, min1, min2, max1, max2 []byte) bool {
	a, ok1 := f.compare(min1, min2)
	b, ok2 := f.compare(max1, max2)
	switch order {
	case orderAscending:
		return ok1 && ok2 && a <= 0 && b <= 0
	case orderDescending:
		return ok1 && ok2 && a >= 0 && b >= 0
	}
	return true
}

// distinct returns the number of different values of a column.
func distinct(a arrow.Array) int64 {
	seen := make(map[string]bool)
	for i := range a.Len() {
		if a.IsValid(i) {
			seen[a.ValueStr(i)] = true
		}
	}
	return int64(len(seen))
}
