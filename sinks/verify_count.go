package sinks

import (
	"maps"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet/file"

	"b24export/pipeline"
	"b24export/schemas"
)

// counter counts the actual content of a file.
type counter struct {
	v          *verifier
	file       string
	k          fileKind
	r          *file.Reader
	rows       int64
	last       int64
	disordered int64
	// group is the current row group, with the number of its remaining rows and the ids
	// that its statistics allow.
	group     int
	left      int64
	low, high int64
	outside   int64
	ops       map[string]int64
	totals    schemas.Totals
	keys      keyChecker
}

func (c *counter) record(rec arrow.Record) {
	if c.k.id < 0 {
		c.rows += rec.NumRows()
		c.disordered += c.keys.check(rec, c.k.keys)
		return
	}
	ids := columnOf[*array.Int64](rec, "id")
	for i := range ids.Len() {
		for c.left == 0 && c.group+1 < c.r.NumRowGroups() {
			c.group++
			c.left = c.r.MetaData().RowGroup(c.group).NumRows()
			c.low, c.high, _ = idRange(c.r, c.group, c.k.id)
		}
		c.left--
		id := ids.Value(i)
		switch {
		case ids.IsNull(i), id <= c.last:
			if c.disordered == 0 {
				c.v.add(c.file, "row %d: payment %d comes after payment %d", c.rows, id, c.last)
			}
			c.disordered++
		case id < c.low || id > c.high:
			if c.outside == 0 {
				c.v.add(c.file, "row %d: payment %d lies outside of its row group's statistics, %d to %d", c.rows, id, c.low, c.high)
			}
			c.outside++
		}
		c.last = id
		c.rows++
	}
	switch c.k.table {
	case paymentTable.name:
		c.add(rec)
	case changeTable.name:
		if c.ops == nil {
			c.ops = make(map[string]int64)
		}
		ops := columnOf[*array.String](rec, "op")
		for i := range ops.Len() {
			c.ops[ops.Value(i)]++
		}
	}
}

// add adds a record of payments to the totals.
func (c *counter) add(rec arrow.Record) {
	paid, sum, currency := columnOf[*array.Boolean](rec, "paid"), columnOf[*array.Decimal128](rec, "sum"), columnOf[*array.String](rec, "currency")
	for i := range int(rec.NumRows()) {
		var p schemas.Payment
		if paid.IsValid(i) {
			p.Paid = schemas.Some(paid.Value(i))
		}
		if sum.IsValid(i) {
			p.Sum = schemas.Some(schemas.Decimal(sum.Value(i).LowBits()))
			if p.Sum.V >= schemas.FloatLimit || p.Sum.V <= -schemas.FloatLimit {
				c.v.large++
			}
		}
		if currency.IsValid(i) {
			p.Currency = schemas.Some(currency.Value(i))
		}
		c.totals.Add(&p)
	}
}

// columnOf returns a record's column. The schema has been checked.
func columnOf[A arrow.Array](rec arrow.Record, name string) A {
	return rec.Column(rec.Schema().FieldIndices(name)[0]).(A)
}

// finish compares the counts with those of the manifest.
func (c *counter) finish(f pipeline.File) {
	if c.rows != f.Rows {
		c.v.add(c.file, "it has %d rows, the manifest says %d", c.rows, f.Rows)
	}
	if c.disordered > 1 || c.disordered > 0 && c.k.id < 0 {
		c.v.add(c.file, "%d rows are out of order or there twice", c.disordered)
	}
	m := c.v.m
	switch c.k.table {
	case paymentTable.name:
		got := c.totals.ByCurrency()
		for _, currency := range slices.Sorted(maps.Keys(union(got, m.Totals))) {
			if g, w := got[currency], m.Totals[currency]; g != w {
				c.v.add(c.file, "%s adds up to %+v, the manifest says %+v", currency, g, w)
			}
		}
	case changeTable.name:
		want := map[string]int64{OpInsert: m.Changes.Insert, OpUpdate: m.Changes.Update, OpDelete: m.Changes.Delete}
		for _, op := range slices.Sorted(maps.Keys(union(c.ops, want))) {
			if c.ops[op] != want[op] {
				c.v.add(c.file, "it has %d rows of op %s, the manifest says %d", c.ops[op], op, want[op])
			}
		}
	}
}

func union[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	if all == nil {
		all = make(map[string]V)
	}
	maps.Copy(all, b)
	return all
}
