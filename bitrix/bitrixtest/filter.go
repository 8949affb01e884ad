package bitrixtest

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// op is the operator of a filter's prefix.
type op uint8

const (
	opEqual    op = iota // =, @ and no prefix: equal to one of the values
	opNotEqual           // !=, ! and !@: equal to none
	opLess
	opAtMost
	opMore
	opAtLeast
	opLike    // %, =% and %=: contains
	opNotLike // !%, !=% and !%=
)

// The prefixes, longer ones first.
var prefixes = []struct {
	text string
	op   op
}{
	{"!=%", opNotLike}, {"!%=", opNotLike},
	{">=", opAtLeast}, {"<=", opAtMost}, {"!=", opNotEqual}, {"!@", opNotEqual}, {"!%", opNotLike},
	{"=%", opLike}, {"%=", opLike},
	{">", opMore}, {"<", opLess}, {"=", opEqual}, {"@", opEqual}, {"%", opLike}, {"!", opNotEqual},
}

// fieldKind is how a field's values are compared.
type fieldKind uint8

const (
	intField fieldKind = iota
	textField
	boolField  // Y or N; compares as 1 or 0
	moneyField // in 1/10000
	timeField  // in Unix seconds
)

// field is a field that can be filtered by.
type field struct {
	name string
	kind fieldKind
}

// cell is a field's value in one row.
type cell struct {
	null bool
	n    int64
	text string
}

// condition is a condition on rows.
type condition struct {
	field   int // its index in the table's fields
	kind    fieldKind
	op      op
	numbers []int64
	texts   []string // in lower case
	null    bool     // null is among the values
	never   bool     // no row meets it
}

// conditions parses a filter. It leaves out fields that the table does not have, as the
// portal does, and ranges without a value and empty lists. It calls ignored for each.
func (c *config) conditions(filter *value, fields []field, ignored func(what string)) []condition {
	var list []condition
	for i := range filter.items {
		key, v := filter.items[i].key, &filter.items[i].value
		name, cond := key, condition{op: opEqual}
		for _, p := range prefixes {
			if rest, ok := strings.CutPrefix(key, p.text); ok {
				name, cond.op = rest, p.op
				break
			}
		}
		cond.field = slices.IndexFunc(fields, func(f field) bool { return strings.EqualFold(f.name, name) })
		if cond.field < 0 {
			ignored("a filter by " + strconv.Quote(key) + ", which the method does not have")
			continue
		}
		cond.kind = fields[cond.field].kind
		texts := v.texts()
		empty := v.kind == kindNone || v.kind == kindText && v.text == ""
		isRange := cond.op >= opLess
		if c.Values.FilterDates == FilterDatesDropped && cond.kind == timeField {
			continue
		}
		if c.Values.CastLists && cond.kind == intField && len(texts) > 0 && v.kind == kindArray {
			texts = []string{"1"} // PHP's (int) converts any list to 1
		}
		switch {
		case v.kind == kindArray && len(texts) == 0:
			if !v.referred {
				ignored("an empty list as the filter " + strconv.Quote(key))
			}
			continue
		case empty && isRange:
			continue
		case empty:
			cond.null = true
			list = append(list, cond)
			continue
		}
		if c.Values.FilterDates == FilterDatesNothing && cond.kind == timeField {
			cond.never = true
			list = append(list, cond)
			continue
		}
		valid := true
		for _, text := range texts {
			valid = cond.add(text, c) && valid
		}
		if !valid {
			ignored("a value that is no date in the filter " + strconv.Quote(key))
			continue
		}
		list = append(list, cond)
	}
	return list
}

// add adds a value. It returns false if the value cannot be compared.
func (c *condition) add(text string, conf *config) bool {
	if c.op == opLike || c.op == opNotLike || c.kind == textField {
		c.texts = append(c.texts, strings.ToLower(strings.Trim(text, "%")))
		return true
	}
	n := int64(0)
	switch c.kind {
	case intField:
		n = phpInt(text)
	case boolField:
		if text == "Y" || text == "1" || text == "true" {
			n = 1
		}
	case moneyField:
		f, _ := strconv.ParseFloat(text, 64)
		n = int64(math.Round(f * 10_000))
	case timeField:
		t, ok := conf.filterDate(text)
		if !ok {
			return false
		}
		n = t
	case textField: // handled above
	}
	c.numbers = append(c.numbers, n)
	return true
}

// parseTime parses a date as clients write it. A date without a zone is in the given
// zone.
func parseTime(text string, zone *time.Location) (int64, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, "2006-01-02", "02.01.2006 15:04:05", "02.01.2006"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}

// allMeet reports whether the id of a row meets all conditions.
func allMeet(list []condition, id int64) bool {
	for i := range list {
		if !list[i].meets(cell{n: id}) {
			return false
		}
	}
	return true
}

// meets reports whether a value meets the condition. Null meets only a condition with
// null, or one that excludes values other than null.
func (c *condition) meets(v cell) bool {
	if c.never {
		return false
	}
	if v.null {
		return c.op == opEqual && c.null || c.op == opNotEqual && !c.null || c.op == opNotLike
	}
	switch c.op {
	case opEqual:
		return c.has(v)
	case opNotEqual:
		return !c.has(v)
	case opLike, opNotLike:
		text := v.text
		if c.kind != textField {
			text = strconv.FormatInt(v.n, 10)
		}
		text = strings.ToLower(text)
		return slices.ContainsFunc(c.texts, func(part string) bool { return strings.Contains(text, part) }) == (c.op == opLike)
	case opLess, opAtMost, opMore, opAtLeast:
	}
	var order int
	if c.kind == textField {
		order = strings.Compare(strings.ToLower(v.text), c.texts[0])
	} else {
		order = cmp.Compare(v.n, c.numbers[0])
	}
	switch c.op {
	case opLess:
		return order < 0
	case opAtMost:
		return order <= 0
	case opMore:
		return order > 0
	case opAtLeast:
		return order >= 0
	case opEqual, opNotEqual, opLike, opNotLike: // handled above
	}
	return false
}

func (c *condition) has(v cell) bool {
	if c.kind == textField {
		return slices.Contains(c.texts, strings.ToLower(v.text))
	}
	return slices.Contains(c.numbers, v.n)
}

// bounds removes the ranges of one field from a list of conditions. It returns the
// rest, and the closed interval of the ranges.
func bounds(list []condition, field int) (rest []condition, from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	for _, c := range list {
		if c.field != field || c.op < opLess || c.op > opAtLeast || len(c.numbers) == 0 {
			rest = append(rest, c)
			continue
		}
		n := c.numbers[0]
		switch c.op {
		case opLess:
			if n == math.MinInt64 {
				return rest, 1, 0
			}
			to = min(to, n-1)
		case opAtMost:
			to = min(to, n)
		case opMore:
			if n == math.MaxInt64 {
				return rest, 1, 0
			}
			from = max(from, n+1)
		case opAtLeast:
			from = max(from, n)
		case opEqual, opNotEqual, opLike, opNotLike: // no ranges
		}
	}
	return rest, from, to
}

// oneOf removes the first condition that a field is one of several values, and returns
// those, in ascending order and each once.
func oneOf(list []condition, field int) (rest []condition, values []int64, found bool) {
	for i, c := range list {
		if c.field == field && c.op == opEqual && !c.null && c.kind != textField {
			values = slices.Clone(c.numbers)
			slices.Sort(values)
			return slices.Delete(slices.Clone(list), i, i+1), slices.Compact(values), true
		}
	}
	return list, nil, false
}

// pageSize is how many rows a page of a list has.
const pageSize = 50

// page selects rows of those found.
type page struct {
	start int64 // the first row to return
	count bool  // whether to count all
	limit int64
	down  bool // descending by id
}

// page parses start and order. A start of -1 is the first page, without a count.
func (c *call) page(fields []field) page {
	pg := page{count: true, limit: pageSize}
	if start := c.args.param("start"); start.kind == kindText {
		pg.start = start.int()
		if pg.start < 0 {
			pg.start, pg.count = 0, false
		}
	}
	order := c.args.param("order")
	for i := range order.items {
		name, way := order.items[i].key, order.items[i].value.text
		if !strings.EqualFold(name, fields[0].name) {
			c.x.p.rules.broken(c.x, "%s: an order by %q: the fake portal knows only that by %s", methods[c.method].name, name, fields[0].name)
			continue
		}
		pg.down = strings.EqualFold(way, "desc")
	}
	return pg
}

// turned sets where the next page starts, and the total if it was requested.
func (c *call) turned(pg page, total int64) {
	if !pg.count {
		return
	}
	c.x.spending(c.method).spent += time.Duration(total) * c.x.c.counting
	c.total = total
	if next := pg.start + pageSize; next < total {
		c.next = next
	}
}
