package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"b24export/schemas"
)

// condition is a comparison that a row must meet.
type condition struct {
	column int
	op     string
	null   bool // the condition compares with null
	// The value, by the type of the column. number is an integer, the units of a
	// decimal, or the microseconds of a time.
	number int64
	text   string
	flag   bool
}

// operators has the longer ones first.
var operators = []string{"!=", "<=", ">=", "<", ">", "="}

// parseWhere parses conditions such as sum>=100 and currency=EUR. A row must meet all
// of them; no other word than and joins them.
func parseWhere(schema *arrow.Schema, text string) ([]condition, error) {
	var all []condition
	for rest := strings.TrimSpace(text); ; {
		c, behind, err := parseCondition(schema, rest)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		if behind == "" {
			return all, nil
		}
		word, next, _ := strings.Cut(behind, " ")
		if !strings.EqualFold(word, "and") || strings.TrimSpace(next) == "" {
			return nil, fmt.Errorf("%s: only and can join conditions", shownArg(behind))
		}
		rest = strings.TrimSpace(next)
	}
}

// parseCondition parses the first condition of text, and returns the text after it.
func parseCondition(schema *arrow.Schema, text string) (c condition, rest string, err error) {
	end := strings.IndexFunc(text, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
	if end < 0 {
		end = len(text)
	}
	if end == 0 {
		return c, "", fmt.Errorf("%s: must be COLUMN OPERATOR VALUE, such as sum>=100", shownArg(text))
	}
	name := text[:end]
	at := schema.FieldIndices(name)
	if len(at) == 0 {
		return c, "", fmt.Errorf("no column %s; there are %s", shownArg(name), fieldNames(schema))
	}
	c.column = at[0]
	rest = strings.TrimLeft(text[end:], " ")
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			c.op = op
			break
		}
	}
	if c.op == "" {
		return c, "", fmt.Errorf("%s: after %s there must be one of = != < <= > >=", shownArg(text), name)
	}
	value, rest, quoted, err := cutValue(strings.TrimLeft(rest[len(c.op):], " "))
	if err != nil {
		return c, "", fmt.Errorf("%s: %w", shownArg(text), err)
	}
	if err := c.take(schema.Field(c.column).Type, value, quoted); err != nil {
		return c, "", fmt.Errorf("%s %s %s: %w", name, c.op, shownArg(value), err)
	}
	return c, strings.TrimLeft(rest, " "), nil
}

// cutValue returns the value at the beginning of text, and the text after it. A value
// ends at the next space, or is in quotes, in which two quotes stand for one.
func cutValue(text string) (value, rest string, quoted bool, err error) {
	if !strings.HasPrefix(text, "'") {
		value, rest, _ = strings.Cut(text, " ")
		if value == "" {
			return "", "", false, fmt.Errorf("the value is missing")
		}
		return value, rest, false, nil
	}
	var b strings.Builder
	for rest = text[1:]; ; {
		part, behind, found := strings.Cut(rest, "'")
		if !found {
			return "", "", false, fmt.Errorf("the quote is not closed")
		}
		b.WriteString(part)
		if !strings.HasPrefix(behind, "'") {
			return b.String(), behind, true, nil
		}
		b.WriteByte('\'')
		rest = behind[1:]
	}
}

// take parses the value as the type of the column.
func (c *condition) take(t arrow.DataType, value string, quoted bool) (err error) {
	if !quoted && strings.EqualFold(value, "null") {
		c.null = true
		if c.op != "=" && c.op != "!=" {
			return fmt.Errorf("null can only be compared by = and !=")
		}
		return nil
	}
	switch t.ID() {
	case arrow.INT64:
		if c.number, err = strconv.ParseInt(value, 10, 64); err != nil {
			return fmt.Errorf("must be a whole number")
		}
	case arrow.DECIMAL128:
		d, err := schemas.ParseDecimal(value)
		if err != nil {
			return err
		}
		c.number = int64(d)
		// Values of a portal are rounded. A value of a person is not, because that
		// would change the condition.
		_, behind, _ := strings.Cut(value, ".")
		if len(strings.TrimRight(behind, "0")) > schemas.Scale || strings.ContainsAny(value, "eE") {
			return fmt.Errorf("must be a number of at most %d digits behind the point, without an exponent", schemas.Scale)
		}
	case arrow.BOOL:
		if c.flag, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("must be true or false")
		}
		if c.op != "=" && c.op != "!=" {
			return fmt.Errorf("true and false can only be compared by = and !=")
		}
	case arrow.TIMESTAMP:
		for _, layout := range []string{time.RFC3339Nano, time.DateOnly, time.DateTime} {
			if at, err := time.Parse(layout, value); err == nil {
				if at.Nanosecond()%1000 != 0 {
					return fmt.Errorf("times have at most microseconds")
				}
				c.number = int64(schemas.InstantOf(at))
				return nil
			}
		}
		return fmt.Errorf("must be a day (2026-01-31), a time in UTC ('2026-01-31 18:00:00') or one with its offset (2026-01-31T18:00:00+01:00)")
	default:
		c.text = value
	}
	return nil
}

// meets reports whether a row meets the condition. As in SQL, null does not match a
// comparison with a value.
func (c *condition) meets(rec arrow.Record, row int) bool {
	column := rec.Column(c.column)
	if null := column.IsNull(row); null || c.null {
		return c.null && null == (c.op == "=")
	}
	order := 0
	switch a := column.(type) {
	case *array.Int64:
		order = cmp.Compare(a.Value(row), c.number)
	case *array.Decimal128:
		order = cmp.Compare(int64(a.Value(row).LowBits()), c.number)
	case *array.Timestamp:
		order = cmp.Compare(int64(a.Value(row)), c.number)
	case *array.Boolean:
		if a.Value(row) != c.flag {
			order = 1
		}
	case *array.String:
		order = strings.Compare(a.Value(row), c.text)
	}
	switch c.op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// matching returns the ranges of a record's rows that meet all conditions, as pairs of
// the first row and the one after the last.
func matching(rec arrow.Record, where []condition) (stretches [][2]int) {
	for row := range int(rec.NumRows()) {
		ok := true
		for i := range where {
			ok = ok && where[i].meets(rec, row)
		}
		switch last := len(stretches) - 1; {
		case !ok:
		case last >= 0 && stretches[last][1] == row:
			stretches[last][1]++
		default:
			stretches = append(stretches, [2]int{row, row + 1})
		}
	}
	return stretches
}
