package schemas

import (
	"fmt"
	"slices"
)

// ListFields returns what to select from sale.payment.list: every field that has
// a column, then those of fields that have none.
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

// HadColumn reports whether a field of sale.payment.list has had a column from the
// first version of the table on. One that got it later can stand in job files as
// a field to be kept in Extra.
func HadColumn(field string) bool {
	return slices.ContainsFunc(PaymentTable.Columns, func(c Column[Payment]) bool {
		return c.Listed() && c.Field == field && c.Since == 1
	})
}

// ReadListed makes p what raw says, which is an element of sale.payment.list or
// of crm.item.payment.list. The given fields that have no column are kept in
// Extra, in the spelling that the portal sent but for white space and escapes;
// other such fields are passed over. One that does have a column is kept there as
// well: it had none when the job file was written. Any other column that raw does
// not have is null, ExtractedAt too.
//
// An error is a *FieldError, and p is as it was. raw is neither kept nor
// changed.
func (p *Payment) ReadListed(raw []byte, fields []string) error {
	var listed Payment
	keep := func(name []byte, known bool) bool {
		for _, f := range fields {
			if f == string(name) {
				return !known || !HadColumn(f)
			}
		}
		return false
	}
	if err := listed.read(raw, keep); err != nil {
		return err
	}
	*p = listed
	return nil
}

// ReadGot lays raw, which is the result of crm.item.payment.get, over p. Columns
// that raw has no field for stay; fields that have no column go to Extra, but
// for those that it has already: the listing's value stays, since the next
// listing is held against it. If p has an ID, raw must have the same.
//
// An error is a *FieldError, and p is as it was. raw is neither kept nor
// changed.
func (p *Payment) ReadGot(raw []byte) error {
	got := *p
	if err := got.read(raw, func(_ []byte, known bool) bool { return !known }); err != nil {
		return err
	}
	if p.ID != 0 && got.ID != p.ID {
		return fieldError("id", fmt.Sprintf("must be %d, the payment that was asked for", p.ID), fmt.Append(nil, got.ID))
	}
	*p = got
	return nil
}

// read lays raw over p. Extra gets the fields that keep reports; known says
// whether a field has a column. On an error p is half read.
func (p *Payment) read(raw []byte, keep func(name []byte, known bool) bool) error {
	r := newReader()
	defer r.release()
	if err := r.begin(raw); err != nil {
		return err
	}
	p.ID = 0 // no id is as bad as a wrong one
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

// ReadOwner reads an element of crm.orderentity.list: an order, and the CRM item
// that it belongs to. Type and id of the item are 0 where the portal has none.
//
// An error is a *FieldError. raw is neither kept nor changed.
func ReadOwner(raw []byte) (orderID, entityTypeID, entityID int64, err error) {
	r := newReader()
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

// ReadFlag reads a yes or no of any element of a list: false where the portal
// has none.
//
// An error is a *FieldError. raw is neither kept nor changed.
func ReadFlag(raw []byte, name string) (bool, error) {
	r := newReader()
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
