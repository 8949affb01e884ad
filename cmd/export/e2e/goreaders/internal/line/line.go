// Package line has the question of the matrix of readers to readers in Go, and the form
// of their answer, which readers.mjs describes.
package line

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"unicode/utf8"
)

// Table is a file and its columns.
type Table struct {
	Path    string   `json:"path"`
	Columns []Column `json:"columns"`
}

// Column has a name and a kind: number, decimal, instant, flag or text.
type Column struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
}

// Sum adds up the values of one column.
type Sum struct {
	count int
	sum   big.Int
}

// Number adds a whole number, or the stored form of a decimal or an instant.
func (s *Sum) Number(n int64) {
	s.count++
	s.sum.Add(&s.sum, big.NewInt(n))
}

// Flag adds a boolean.
func (s *Sum) Flag(b bool) {
	if b {
		s.Number(1)
	} else {
		s.Number(0)
	}
}

// Text adds a text.
func (s *Sum) Text(text string) { s.Number(int64(utf8.RuneCountInString(text))) }

// Answer reads the question from standard input, calls read to add up each table's
// columns, and prints the answer. read returns the number of rows.
func Answer(read func(t Table, sums map[string]*Sum) (rows int64, err error)) error {
	var question struct {
		Tables []Table `json:"tables"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&question); err != nil {
		return err
	}
	var lines [][]string
	for _, t := range question.Tables {
		sums := make(map[string]*Sum)
		for _, c := range t.Columns {
			sums[c.Name] = new(Sum)
		}
		rows, err := read(t, sums)
		if err != nil {
			return fmt.Errorf("read %s: %w", t.Path, err)
		}
		line := []string{strconv.FormatInt(rows, 10)}
		for _, c := range t.Columns {
			line = append(line, strconv.Itoa(sums[c.Name].count), sums[c.Name].sum.String())
		}
		lines = append(lines, line)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"lines": lines, "counts": []int{}})
}
