package sinktest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
)

// portal is a pipeline.Source of payments in memory. It never fails.
type portal struct {
	rows    []schemas.Payment // sorted by id
	refused map[int64]bool    // listed, but the get is refused

	mu   sync.Mutex
	gets map[int64]bool // the ids of all gets, if it is not nil
}

// newPortal returns a portal with n payments, with gaps between their ids.
func newPortal(n int) *portal {
	p := &portal{refused: make(map[int64]bool)}
	for i := range n {
		p.rows = append(p.rows, payment(int64(3*i+1)))
	}
	return p
}

func payment(id int64) schemas.Payment {
	p := schemas.Payment{
		ID:            id,
		AccountNumber: schemas.Some(fmt.Sprintf("%d/1", id)),
		Paid:          schemas.Some(id%2 == 0),
		Sum:           schemas.Some(schemas.Decimal(id * 12_500)),
		Currency:      schemas.Some([]string{"RUB", "USD"}[id%2]),
		PaySystemName: schemas.Some("Cash"),
		OrderID:       schemas.Some(id / 2),
		ExtractedAt:   schemas.Some(schemas.InstantOf(start)),
	}
	if id%3 == 1 {
		p.EntityTypeID, p.EntityID = schemas.Some(int64(2)), schemas.Some(id)
	}
	return p
}

// listedOtherwise reports whether the list shows another value of a payment than a get,
// so that its row has a mark.
func listedOtherwise(id int64) bool { return id%5 == 1 }

// change returns the portal as it is a day later: some payments are deleted, some
// changed, some new, and one cannot be read.
func (p *portal) change() *portal {
	next := &portal{refused: maps.Clone(p.refused)}
	for i, row := range p.rows {
		switch {
		case i%17 == 3:
			continue
		case i%11 == 5:
			row.Sum = schemas.Some(row.Sum.V + 1)
			row.Paid = schemas.Some(!row.Paid.V)
		case i == 21:
			row.Currency = schemas.Some("EUR") // listed as changed, and refused
			next.refused[row.ID] = true
		}
		row.ExtractedAt = schemas.Some(schemas.InstantOf(start.Add(24 * time.Hour)))
		next.rows = append(next.rows, row)
		if i%19 == 7 {
			next.rows = append(next.rows, payment(row.ID+1))
		}
	}
	return next
}

// grow returns the portal with a few payments more, after all others.
func (p *portal) grow() *portal {
	next := &portal{refused: maps.Clone(p.refused), rows: slices.Clone(p.rows)}
	for range 5 {
		next.rows = append(next.rows, payment(next.rows[len(next.rows)-1].ID+1))
	}
	return next
}

func (p *portal) List(_ context.Context, after pipeline.PaymentID) iter.Seq2[[]pipeline.Listed[schemas.Payment], error] {
	return func(yield func([]pipeline.Listed[schemas.Payment], error) bool) {
		var page []pipeline.Listed[schemas.Payment]
		for _, row := range p.rows {
			if row.ID <= int64(after) {
				continue
			}
			row.EntityTypeID, row.EntityID = schemas.Null[int64]{}, schemas.Null[int64]{}
			if listedOtherwise(row.ID) {
				row.PaySystemName = schemas.Some("Cash desk")
			}
			page = append(page, pipeline.Listed[schemas.Payment]{ID: pipeline.PaymentID(row.ID), Row: row})
			if len(page) == 25 {
				if !yield(page, nil) {
					return
				}
				page = nil
			}
		}
		yield(page, nil)
	}
}

func (p *portal) Get(_ context.Context, chunk []pipeline.Listed[schemas.Payment]) (pipeline.Got[schemas.Payment], error) {
	var got pipeline.Got[schemas.Payment]
	for _, item := range chunk {
		if p.gets != nil {
			p.mu.Lock()
			p.gets[int64(item.ID)] = true
			p.mu.Unlock()
		}
		i, ok := slices.BinarySearchFunc(p.rows, int64(item.ID), func(r schemas.Payment, id int64) int { return cmp.Compare(r.ID, id) })
		switch {
		case !ok:
			got.Vanished = append(got.Vanished, item.ID)
		case p.refused[int64(item.ID)]:
			got.Rejects = append(got.Rejects, pipeline.Reject{
				ID: item.ID, Stage: "get", Code: "0", Description: "Access denied", Attempts: 1, Raw: `{"error":0}`, SeenAt: start,
			})
		default:
			got.Rows = append(got.Rows, p.rows[i])
		}
	}
	return got, nil
}

// Begin implements pipeline.Source.
func (p *portal) Begin(context.Context, pipeline.Scope) (*pipeline.Since, error) { return nil, nil }

// Absent implements pipeline.Source.
func (p *portal) Absent(pipeline.PaymentID, *schemas.Payment) pipeline.Absence { return pipeline.Gone }

// Find implements pipeline.Source. No id is ever in doubt.
func (p *portal) Find(context.Context, []pipeline.PaymentID) ([]pipeline.Listed[schemas.Payment], error) {
	return nil, errors.New("nothing is in doubt")
}

func (p *portal) Use() pipeline.PortalUse { return pipeline.PortalUse{} }

func (p *portal) Total() int64 { return 0 }

// Dates implements pipeline.Source.
func (p *portal) Dates() *pipeline.Dates { return nil }

// TimeZone implements pipeline.Source.
func (p *portal) TimeZone() string { return "" }

// table returns the table that a snapshot of p must have if the previous one had old. A
// payment that is listed unchanged keeps its old row, and so does one that cannot be
// read.
func (p *portal) table(old []schemas.Payment) []schemas.Payment {
	byID := make(map[int64]schemas.Payment)
	for _, row := range old {
		byID[row.ID] = row
	}
	var rows []schemas.Payment
	for _, row := range p.rows {
		was, known := byID[row.ID]
		switch {
		case p.refused[row.ID] && !known:
			continue
		case p.refused[row.ID], known && len(schemas.Changed(&was, &row)) == 0:
			row = was
		}
		rows = append(rows, row)
	}
	return rows
}

// change is a row of a change feed, comparable.
type change struct {
	op      string
	changed string
	row     schemas.Payment
}

// changes returns the feed between two tables.
func changes(old, now []schemas.Payment) []change {
	var feed []change
	for len(old)+len(now) > 0 {
		switch {
		case len(now) == 0 || len(old) > 0 && old[0].ID < now[0].ID:
			feed = append(feed, change{"delete", "[]", old[0]})
			old = old[1:]
		case len(old) == 0 || now[0].ID < old[0].ID:
			feed = append(feed, change{"insert", "[]", now[0]})
			now = now[1:]
		default:
			if names := schemas.Changed(&old[0], &now[0]); len(names) > 0 {
				feed = append(feed, change{"update", fmt.Sprint(names), now[0]})
			}
			old, now = old[1:], now[1:]
		}
	}
	return feed
}
