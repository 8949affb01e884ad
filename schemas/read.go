package schemas

import (
	"fmt"
	"slices"
)

// ListFields returns the fields to select from sale.payment.list: every field that has
// a column, then those of the given fields that have none.
func ListFields(fields []string) []string {
	var list []string
	for i := range PaymentTable.Columns {
		if c := &PaymentTable.Columns[i]; c.Listed() {
			list = append(list, c.Field)
		}
	}
	for _, f := range fields {
		if !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	return list
}

// HadColumn reports whether a field of sale.payment.list has had a column since the
// first version of the table. Job files may name other fields to keep in Extra, also
// fields that got a column later.
func HadColumn(field string) bool {
	return slices.ContainsFunc(PaymentTable.Columns, func(c Column[Payment]) bool {
		return c.Listed() && c.Field == field && c.Since == 1
	})
}

// ReadListed sets p to the payment in raw, an element of sale.payment.list or of
// crm.item.payment.list. It stores the given fields without a column in Extra, as the
// portal spells them except for white space and escapes, and ignores other fields
// without a column. It also stores a given field with a column in Extra: the field had
// no column when the job file was written. Columns that raw does not have become null,
// including ExtractedAt.
//
// An error is a *FieldError and leaves p unchanged. ReadListed does not keep or change
// raw.
func (p *Payment) ReadListed(raw []byte, fields []string) error {
	before := *p
	*p = Payment{}
	keep := func(name []byte, known bool) bool {
		for _, f := range fields {
			if f == string(name) {
				return !known || !HadColumn(f)
			}
		}
		return false
	}
	if err := p.read(raw, listedPayment, keep); err != nil {
		*p = before
		return err
	}
	return nil
}

// ReadGot overwrites the columns of p with raw, the result of crm.item.payment.get.
// Columns without a field in raw stay. Fields without a column are added to Extra,
// except those that Extra already has: the listed value stays, because the next listing
// is compared with it. If p has an ID, raw must have the same.
//
// An error is a *FieldError and leaves p unchanged. ReadGot does not keep or change
// raw.
func (p *Payment) ReadGot(raw []byte) error {
	before := *p
	err := p.read(raw, gotPayment, func(_ []byte, known bool) bool { return !known })
	if err == nil && before.ID != 0 && before.ID != p.ID {
		err = fieldError("id", fmt.Sprintf("must be %d, the payment that was asked for", before.ID), fmt.Append(nil, p.ID))
	}
	if err != nil {
		*p = before
	}
	return err
}

// read overwrites the columns of p with raw. Extra gets the fields for which keep
// returns true; known says whether a field has a column. k is the kind of raw. On an
// error p is partly overwritten.
func (p *Payment) read(raw []byte, k kind, keep func(name []byte, known bool) bool) error {
	r := newReader(k)
	defer r.release()
	if err := r.begin(raw); err != nil {
		return err
	}
	p.ID = 0 // a missing id is as wrong as another one
	for {
		more, err := r.next()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		known, rule := p.setField(r.name, &r.value, r.strings)
		if rule != "" {
			return fieldError(string(r.name), rule, r.value.raw)
		}
		if keep(r.name, known) {
			r.extra = appendMember(r.extra, r.name, r.value.raw)
		}
	}
	if p.ID == 0 {
		return fieldError("id", ruleThere, nil)
	}
	if len(r.extra) > 0 {
		return p.addExtra(r.extra)
	}
	return nil
}

// ReadOwner reads an element of crm.orderentity.list: an order and its owner.
// The type and id of the owner are 0 if the portal has none.
//
// An error is a *FieldError. ReadOwner does not keep or change raw.
func ReadOwner(raw []byte) (orderID, entityTypeID, entityID int64, err error) {
	r := newReader(ownerOfOrder)
	defer r.release()
	if err := r.begin(raw); err != nil {
		return 0, 0, 0, err
	}
	for {
		more, err := r.next()
		if err != nil {
			return 0, 0, 0, err
		}
		if !more {
			break
		}
		rule := ""
		switch string(r.name) {
		case "orderId":
			orderID, rule = r.value.id()
		case "ownerTypeId":
			entityTypeID, rule = r.value.owner()
		case "ownerId":
			entityID, rule = r.value.owner()
		}
		if rule != "" {
			return 0, 0, 0, fieldError(string(r.name), rule, r.value.raw)
		}
	}
	if orderID == 0 {
		return 0, 0, 0, fieldError("orderId", ruleThere, nil)
	}
	return orderID, entityTypeID, entityID, nil
}

// ReadFlag reads a boolean from any element of a list. It returns false if the portal
// has none.
//
// An error is a *FieldError. ReadFlag does not keep or change raw.
func ReadFlag(raw []byte, name string) (bool, error) {
	r := newReader(otherObject)
	defer r.release()
	if err := r.begin(raw); err != nil {
		return false, err
	}
	set := false
	for {
		more, err := r.next()
		if err != nil || !more {
			return set, err
		}
		if string(r.name) != name {
			continue
		}
		flag, rule := r.value.flag()
		if rule != "" {
			return false, fieldError(name, rule, r.value.raw)
		}
		set = flag.V
	}
}
