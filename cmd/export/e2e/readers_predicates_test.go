package e2e

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
)

// predicate is a condition on a column. Its values have the column's kind.
type predicate struct {
	Table  string   `json:"table"`
	Path   string   `json:"path"`
	Column string   `json:"column"`
	Kind   string   `json:"kind"`
	Op     string   `json:"op"`     // = < between in like, is null
	Values []string `json:"values"` // of the whole numbers in which values are stored, or texts
	// SQL is the condition in the words of the engine.
	SQL string `json:"sql"`

	cells []cell
	want  int
}

// The operators, as docs/readers.md names them.
var predicateOps = []string{"=", "<", "between", "in", "like", "is null"}

// randomPredicates returns n conditions over every column of the tables, with the rows
// that meet each, found by brute force. Values are mostly those of the table, and their
// neighbours.
func randomPredicates(seed uint64, tables []matrixTable, n int, like bool) []predicate {
	rnd := rand.New(rand.NewPCG(seed, 5))
	var all []predicate
	for i := 0; len(all) < n; i++ {
		t := &tables[0]
		if i%5 == 4 {
			t = &tables[1]
		}
		c := i % len(t.Columns)
		p := predicate{Values: []string{}, Table: t.Name, Path: t.Path, Column: t.Columns[c].Name, Kind: t.Columns[c].Kind, Op: predicateOps[rnd.IntN(len(predicateOps))]}
		if p.Op == "like" && (p.Kind != kindText || !like) {
			p.Op = "="
		}
		pick := func() cell {
			for range 100 {
				v := t.rows[c][rnd.IntN(len(t.rows[c]))]
				if v.null {
					continue
				}
				switch {
				case p.Kind == kindText && rnd.IntN(6) == 0:
					v.text += "x"
				case p.Kind == kindFlag, p.Kind == kindText, rnd.IntN(3) > 0:
				default:
					v.n += int64(rnd.IntN(3)) - 1
				}
				return v
			}
			return cell{n: 1}
		}
		count := map[string]int{"=": 1, "<": 1, "between": 2, "in": 1 + rnd.IntN(5), "like": 1}[p.Op]
		for range count {
			v := pick()
			if p.Kind == kindDecimal && (v.n > 999_999_999_999_999_999 || v.n < -999_999_999_999_999_999) {
				v.n = 0 // a neighbour that is not a DECIMAL(18,4)
			}
			p.cells = append(p.cells, v)
		}
		if p.Op == "between" && p.less(p.cells[1], p.cells[0]) {
			p.cells[0], p.cells[1] = p.cells[1], p.cells[0]
		}
		if p.Op == "like" {
			p.cells[0].text = pattern(rnd, p.cells[0].text)
		}
		for _, v := range p.cells {
			if p.Kind == kindText {
				p.Values = append(p.Values, v.text)
			} else {
				p.Values = append(p.Values, fmt.Sprint(v.n))
			}
		}
		for _, v := range t.rows[c] {
			if p.holds(v) {
				p.want++
			}
		}
		all = append(all, p)
	}
	return all
}

// pattern returns a pattern of a text: its beginning, a part of it, or the text with a
// replaced character.
func pattern(rnd *rand.Rand, text string) string {
	runes := []rune(strings.NewReplacer("%", "", "_", "", `\`, "").Replace(text))
	if len(runes) == 0 {
		return "%"
	}
	from := rnd.IntN(len(runes))
	to := from + rnd.IntN(len(runes)-from) + 1
	switch rnd.IntN(3) {
	case 0:
		return string(runes[:to]) + "%"
	case 1:
		return "%" + string(runes[from:to]) + "%"
	}
	runes[from] = '_'
	return string(runes[:to]) + "%"
}

func (p *predicate) less(a, b cell) bool {
	if p.Kind == kindText {
		return a.text < b.text
	}
	return a.n < b.n
}

func (p *predicate) holds(v cell) bool {
	if p.Op == "is null" {
		return v.null
	}
	if v.null {
		return false
	}
	same := func(a, b cell) bool { return a.n == b.n && a.text == b.text }
	switch p.Op {
	case "<":
		return p.less(v, p.cells[0])
	case "between":
		return !p.less(v, p.cells[0]) && !p.less(p.cells[1], v)
	case "like":
		return likePattern(p.cells[0].text).MatchString(v.text)
	}
	for _, c := range p.cells {
		if same(v, c) {
			return true
		}
	}
	return false
}

func likePattern(pattern string) *regexp.Regexp {
	return regexp.MustCompile("^(?s)" + strings.NewReplacer("%", ".*", "_", ".").Replace(regexp.QuoteMeta(pattern)) + "$")
}

// withSQL adds the SQL of an engine to the conditions. literal returns a value as a
// literal.
func withSQL(all []predicate, literal func(kind string, c cell) string) []predicate {
	for i := range all {
		p := &all[i]
		var values []string
		for _, c := range p.cells {
			values = append(values, literal(p.Kind, c))
		}
		column := `"` + p.Column + `"`
		switch p.Op {
		case "is null":
			p.SQL = column + " IS NULL"
		case "between":
			p.SQL = column + " BETWEEN " + values[0] + " AND " + values[1]
		case "in":
			p.SQL = column + " IN (" + strings.Join(values, ", ") + ")"
		case "like":
			p.SQL = column + " LIKE " + values[0]
		default:
			p.SQL = column + " " + p.Op + " " + values[0]
		}
	}
	return all
}

func duckDBLiteral(kind string, c cell) string {
	text := "'" + strings.ReplaceAll(spelled(kind, c), "'", "''") + "'"
	switch kind {
	case kindDecimal:
		return text + "::DECIMAL(18,4)"
	case kindInstant:
		return "TIMESTAMPTZ '" + spelled(kind, c) + "+00'"
	case kindText:
		return text
	}
	return spelled(kind, c)
}

func clickHouseLiteral(kind string, c cell) string {
	switch kind {
	case kindDecimal:
		return "toDecimal64('" + spelled(kind, c) + "', 4)"
	case kindInstant:
		return "toDateTime64('" + spelled(kind, c) + "', 6, 'UTC')"
	case kindText:
		return clickHouseText(c.text)
	}
	return spelled(kind, c)
}
