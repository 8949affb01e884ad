package e2e

import (
	"fmt"
	"math/big"
	"strconv"
	"testing"
	"time"

	"b24export/cmd/export/e2e/internal/odd"
	"b24export/pipeline"
	"b24export/schemas"
)

// The kinds of columns of the matrix's tables.
const (
	kindNumber  = "number"
	kindDecimal = "decimal" // four digits
	kindInstant = "instant" // microseconds since 1970, in UTC
	kindFlag    = "flag"
	kindText    = "text"
)

// cell is a value of a table: null, a text, or a number that stands for all other
// values.
type cell struct {
	null bool
	n    int64
	text string
}

// matrixTable is a table of the newest snapshot of the portal acme, as it was written.
type matrixTable struct {
	Name string `json:"name"`
	Path string `json:"path"`
	// Columns has names and kinds.
	Columns []matrixColumn `json:"columns"`

	rows [][]cell // by column
}

type matrixColumn struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// matrixTables returns the tables of a dataset of package odd.
func matrixTables(t testing.TB, p place, truth odd.Truth) []matrixTable {
	t.Helper()
	last := truth.Snapshots[len(truth.Snapshots)-1]
	folder := "/portal=acme/snapshot=" + last + "/"
	payments := tableOfRows(t, "payments", p.current(), schemas.PaymentTable.Columns, truth.Payments["acme"])
	rejects := tableOfRows(t, "rejects", p.path("payments_rejects"+folder+"rejects.parquet"), schemas.RejectTable.Columns, rejectRows(truth.Rejects))
	// DuckDB reads the feed for its true content. The true content of tables and
	// rejects comes from what was written.
	return []matrixTable{payments, rejects}
}

func rejectRows(rejects []pipeline.Reject) []schemas.Reject {
	rows := make([]schemas.Reject, len(rejects))
	for i := range rejects {
		r := &rejects[i]
		text := func(s string) schemas.Null[string] {
			if s == "" {
				return schemas.Null[string]{}
			}
			return schemas.Some(s)
		}
		rows[i] = schemas.Reject{
			ID: int64(r.ID), Stage: text(r.Stage), Code: schemas.Some(r.Code), Description: text(r.Description),
			Attempts: schemas.Some(r.Attempts), Raw: text(r.Raw), SeenAt: schemas.Some(schemas.InstantOf(r.SeenAt)),
		}
	}
	return rows
}

func tableOfRows[R any](t testing.TB, name, path string, columns []schemas.Column[R], rows []R) matrixTable {
	t.Helper()
	table := matrixTable{Name: name, Path: path}
	for i := range columns {
		c := &columns[i]
		var kind string
		cells := make([]cell, len(rows))
		for j := range rows {
			switch at := c.At(&rows[j]).(type) {
			case *int64:
				kind, cells[j] = kindNumber, cell{n: *at}
			case *schemas.Null[int64]:
				kind, cells[j] = kindNumber, cell{null: !at.Valid, n: at.V}
			case *schemas.Null[schemas.Decimal]:
				kind, cells[j] = kindDecimal, cell{null: !at.Valid, n: int64(at.V)}
			case *schemas.Null[schemas.Instant]:
				kind, cells[j] = kindInstant, cell{null: !at.Valid, n: int64(at.V)}
			case *schemas.Null[string]:
				kind, cells[j] = kindText, cell{null: !at.Valid, text: at.V}
			case *schemas.Null[bool]:
				kind, cells[j] = kindFlag, cell{null: !at.Valid}
				if at.V {
					cells[j].n = 1
				}
			default:
				t.Fatalf("column %s is a %T", c.Name, at)
			}
		}
		table.Columns = append(table.Columns, matrixColumn{c.Name, kind})
		table.rows = append(table.rows, cells)
	}
	return table
}

// line returns what all readers must print for a table: its rows; then for each column
// the number of values that are not null, and their sum. For texts it is the sum of
// their lengths in characters, for flags the number of true ones, for others the sum of
// the whole numbers in which they are stored.
func (m *matrixTable) line() []string {
	line := []string{strconv.Itoa(len(m.rows[0]))}
	for i, column := range m.Columns {
		count, sum := 0, new(big.Int)
		for _, c := range m.rows[i] {
			if c.null {
				continue
			}
			count++
			n := c.n
			if column.Kind == kindText {
				n = int64(len([]rune(c.text)))
			}
			sum.Add(sum, big.NewInt(n))
		}
		line = append(line, strconv.Itoa(count), sum.String())
	}
	return line
}

// spelled returns a value as SQL's literals have it, without quotes.
func spelled(kind string, c cell) string {
	switch kind {
	case kindDecimal:
		return schemas.Decimal(c.n).String()
	case kindInstant:
		return time.UnixMicro(c.n).UTC().Format("2006-01-02 15:04:05.000000")
	case kindFlag:
		return strconv.FormatBool(c.n == 1)
	case kindText:
		return c.text
	}
	return fmt.Sprint(c.n)
}
