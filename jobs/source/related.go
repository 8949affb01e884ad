package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"b24export/bitrix"
	"b24export/jobs/source/spill"
	"b24export/schemas"
)

// Related reads the related tables: the rows that the payments of one snapshot refer
// to, and the rows that those refer to. It requests only rows that are referred to,
// 2,500 per request. If a portal does not read lists of ids in filters, Related lists
// everything from the lowest wanted id to the highest. It is not safe for concurrent
// use. The caller must call Close.
type Related struct {
	client *bitrix.Client
	how    rowMaker
	// orders and owners are what payments refer to, companies and contacts are what
	// owners refer to, each by type and id.
	orders, owners, companies, contacts spill.Sorter
	lastOrder                           int64
	lastOwner                           owner
	types                               map[int64]bool // of owners
}

// NewRelated returns a reader of related tables. now, if not nil, is the clock of the
// rows' timestamps.
func NewRelated(client *bitrix.Client, now func() time.Time) *Related {
	return &Related{client: client, how: rowMaker{now: now, casting: new(castFilters)}, types: make(map[int64]bool)}
}

// Refer records what a payment refers to.
func (r *Related) Refer(p *schemas.Payment) error {
	// Payments of the same order mostly follow each other.
	if id := p.OrderID.V; id > 0 && id != r.lastOrder {
		r.lastOrder = id
		if err := r.orders.Add(spill.Key{0, id}, nil); err != nil {
			return err
		}
	}
	own := owner{p.EntityTypeID.V, p.EntityID.V}
	if own.typeID <= 0 || own.id <= 0 || own == r.lastOwner {
		return nil
	}
	r.lastOwner = own
	r.types[own.typeID] = true
	return r.owners.Add(spill.Key{own.typeID, own.id}, nil)
}

// Close removes the temporary files.
func (r *Related) Close() error {
	return errors.Join(r.orders.Close(), r.owners.Close(), r.companies.Close(), r.contacts.Close())
}

// Rows are the rows of a related table that were read.
type Rows[R any] struct {
	table *schemas.Table[R]
	fill  func(key spill.Key, at schemas.Instant, row *R)
	raw   spill.Sorter
	// Unreadable counts rows that were left out. First describes the problem of one of
	// them.
	Unreadable int64
	First      error
}

// add stores a row as the portal sent it. A row that cannot be read, or that the portal
// cannot encode, is counted.
func (s *Rows[R]) add(key spill.Key, e element) error {
	var row R
	err := s.table.Read(e.raw, &row)
	if e.err != nil {
		err = e.err
	}
	if err != nil {
		if s.Unreadable++; s.First == nil {
			s.First = fmt.Errorf("row %d: %w", key[1], err)
		}
		return nil
	}
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(e.raw)), uint64(schemas.InstantOf(e.at)))
	return s.raw.Add(key, append(value, e.raw...))
}

// Each calls add with each row, in the order of the table's keys. It may be called more
// than once.
func (s *Rows[R]) Each(add func(*R) error) error {
	var last spill.Key
	first := true
	for rec, err := range s.raw.Sorted() {
		if err != nil {
			return err
		}
		if !first && rec.Key == last {
			continue // listed twice, because the list changed while it was read
		}
		first, last = false, rec.Key
		var row R
		if err := s.table.Read(rec.Value[8:], &row); err != nil {
			return err // unreachable: add has read it
		}
		s.fill(rec.Key, schemas.Instant(binary.BigEndian.Uint64(rec.Value)), &row)
		if err := add(&row); err != nil {
			return err
		}
	}
	return nil
}

// Close removes the temporary files.
func (s *Rows[R]) Close() error { return s.raw.Close() }

// Orders reads the orders that payments refer to.
func (r *Related) Orders(ctx context.Context) (*Rows[schemas.Order], error) {
	rows := &Rows[schemas.Order]{table: schemas.OrderTable, fill: func(_ spill.Key, at schemas.Instant, row *schemas.Order) {
		row.ExtractedAt = schemas.Some(at)
	}}
	list := bitrix.Listing{Method: bitrix.MethodOrderList, Items: "orders", IDField: "id", Select: schemas.OrderTable.Fields()}
	return rows, r.named(ctx, &r.orders, func(int64) bitrix.Listing { return list }, rows.add)
}

// Owners reads the owners that payments refer to, and records what they refer to.
func (r *Related) Owners(ctx context.Context) (*Rows[schemas.Owner], error) {
	rows := &Rows[schemas.Owner]{table: schemas.OwnerTable, fill: func(key spill.Key, at schemas.Instant, row *schemas.Owner) {
		row.EntityTypeID, row.ExtractedAt = key[0], schemas.Some(at)
	}}
	err := r.named(ctx, &r.owners, func(typeID int64) bitrix.Listing {
		return itemListing(typeID, schemas.OwnerTable.Fields())
	}, func(key spill.Key, e element) error {
		var row schemas.Owner
		if e.err == nil && schemas.OwnerTable.Read(e.raw, &row) == nil {
			for _, ref := range []struct {
				to *spill.Sorter
				id int64
			}{{&r.companies, row.CompanyID.V}, {&r.contacts, row.ContactID.V}} {
				if ref.id > 0 {
					if err := ref.to.Add(spill.Key{0, ref.id}, nil); err != nil {
						return err
					}
				}
			}
		}
		return rows.add(key, e)
	})
	return rows, err
}

// CRM types of companies and contacts.
const (
	contactType = 3
	companyType = 4
)

func itemListing(typeID int64, fields []string) bitrix.Listing {
	return bitrix.Listing{Method: bitrix.MethodItemList, Items: "items", IDField: "id", Select: fields, Params: bitrix.Params{"entityTypeId": typeID}}
}

// Companies reads the companies that owners refer to. Owners must be called first.
func (r *Related) Companies(ctx context.Context) (*Rows[schemas.Company], error) {
	rows := &Rows[schemas.Company]{table: schemas.CompanyTable, fill: func(_ spill.Key, at schemas.Instant, row *schemas.Company) {
		row.ExtractedAt = schemas.Some(at)
	}}
	list := itemListing(companyType, schemas.CompanyTable.Fields())
	return rows, r.named(ctx, &r.companies, func(int64) bitrix.Listing { return list }, rows.add)
}

// Contacts reads the contacts that owners refer to. Owners must be called first.
func (r *Related) Contacts(ctx context.Context) (*Rows[schemas.Contact], error) {
	rows := &Rows[schemas.Contact]{table: schemas.ContactTable, fill: func(_ spill.Key, at schemas.Instant, row *schemas.Contact) {
		row.ExtractedAt = schemas.Some(at)
	}}
	list := itemListing(contactType, schemas.ContactTable.Fields())
	return rows, r.named(ctx, &r.contacts, func(int64) bitrix.Listing { return list }, rows.add)
}
