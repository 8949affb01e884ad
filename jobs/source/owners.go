package source

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"b24export/bitrix"
	"b24export/schemas"
)

// owners knows the owner of each order of one chunk. It requests only those orders, in
// the chunk's own request: the portal's whole list of owners is as long as that of its
// orders, and a run has no place to store it.
type owners struct {
	orders []int64 // ascending, distinct
	of     map[int64]owner
	told   bool // the listing has returned the owners
	// alone reports whether each order is requested by itself, because the portal casts
	// lists.
	alone   bool
	again   bool // they were requested before, and had no owner
	none    bool // the portal has no bindings
	casting *castFilters
	share   *ownerless // nil: orders without an owner are not requested again
}

// owner is what an order belongs to. Deals have type 2, smart invoices 31, smart processes have types
// from 128 up.
type owner struct{ typeID, id int64 }

// less orders the owners of an order, if it has several: the table has room for one,
// and every run must choose the same one.
func (a owner) less(b owner) bool {
	if a.typeID != b.typeID {
		return a.typeID < b.typeID
	}
	return a.id < b.id
}

func newOwners(chunk []listed, casting *castFilters) *owners {
	o := &owners{orders: make([]int64, 0, len(chunk)), casting: casting, alone: casting.has(&ownersByOrder)}
	for i := range chunk {
		if order := &chunk[i].Row.OrderID; order.Valid {
			o.orders = append(o.orders, order.V)
		}
	}
	slices.Sort(o.orders)
	o.orders = slices.Compact(o.orders)
	o.of = make(map[int64]owner, len(o.orders))
	return o
}

// ownersOf requests nothing if the listing has returned the owners.
func (s *Source) ownersOf(chunk []listed) *owners {
	if s.find.owned {
		return &owners{told: true}
	}
	own := newOwners(chunk, s.casting)
	own.share = &s.ownerless
	return own
}

// ownersByOrder filters owners by their orders. It requests no row count. By its
// documentation the method then returns every row at once; take accepts that, and pages
// as well.
var ownersByOrder = listFilter{
	method: bitrix.MethodOrderEntityList, items: "orderEntity", field: "orderId", fields: []string{"orderId", "ownerId", "ownerTypeId"},
}

// commands returns the commands that list the owners of all orders.
func (o *owners) commands() []bitrix.Command {
	var commands []bitrix.Command
	for part := range o.parts() {
		key := "o" + strconv.Itoa(len(commands))
		if o.alone {
			commands = append(commands, ownersByOrder.alone(key, part[0]))
		} else {
			commands = append(commands, ownersByOrder.command(key, part))
		}
	}
	return commands
}

// parts yields the orders of each command.
func (o *owners) parts() iter.Seq[[]int64] {
	if o.alone {
		return slices.Chunk(o.orders, 1)
	}
	return slices.Chunk(o.orders, ordersACommand)
}

// take reads the results of commands, in the order of the commands. A full page may
// lack a command's last orders: take requests those again, without the orders before
// them. An answer as from a portal that casts lists is accepted only if the portal is
// known not to cast. Then an empty answer must be received twice, and what an answer lacks
// is requested again if that is more than usual.
func (o *owners) take(ctx context.Context, client *bitrix.Client, results []bitrix.Result) error {
	i := 0
	var doubtful []int64
	for part := range o.parts() {
		err := o.takePart(ctx, client, part, &results[i])
		if err != nil {
			return fmt.Errorf("list the owners of orders %d to %d: %w", part[0], part[len(part)-1], err)
		}
		i++
		if missing := o.missing(part); o.alone || o.share.unusual(len(part), len(missing)) {
			doubtful = append(doubtful, missing...)
		}
	}
	switch {
	case o.again || o.none || len(doubtful) == 0:
		return nil
	case o.alone:
		return o.askAlone(ctx, client, doubtful)
	}
	once := &owners{orders: doubtful, of: o.of, again: true, casting: o.casting}
	before := len(o.of)
	for part := range once.parts() {
		res, err := o.askAgain(ctx, client, part)
		if err == nil {
			err = once.takePart(ctx, client, part, res)
		}
		if err != nil {
			return fmt.Errorf("list the owners of orders %d to %d: %w", part[0], part[len(part)-1], err)
		}
	}
	o.share.found(len(o.of) - before)
	return nil
}

// missing returns the orders of a part that have no owner so far.
func (o *owners) missing(part []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(part), func(order int64) bool { _, ok := o.of[order]; return ok })
}

func (o *owners) takePart(ctx context.Context, client *bitrix.Client, part []int64, res *bitrix.Result) error {
	first := true
	for {
		found, answered, err := ownersByOrder.read(res)
		if err != nil {
			return err
		}
		if first && !o.alone {
			how, err := o.casting.judge(ctx, client, &ownersByOrder, part, answered)
			if err != nil {
				return err
			}
			if how == asOne {
				return o.askAlone(ctx, client, part)
			}
			o.none = o.none || how == nothing
			if len(answered) == 0 && how != nothing && !o.again {
				if res, err = o.askAgain(ctx, client, part); err != nil {
					return err
				}
				if found, answered, err = ownersByOrder.read(res); err != nil {
					return err
				}
			}
		}
		first = false
		seen, rows, err := o.read(found, answered, part)
		if err != nil {
			return err
		}
		if rows < bitrix.PageSize || seen == part[len(part)-1] {
			return nil
		}
		// The next page begins after the last order seen. All rows of that order are
		// here, or on a page that is requested again.
		at, _ := slices.BinarySearch(part, seen)
		if at == 0 {
			at = 1 // one order with more than a page of owners: the first page must be enough
		}
		part = part[at:]
		if res, err = o.askAgain(ctx, client, part); err != nil {
			return err
		}
	}
}

func (o *owners) askAgain(ctx context.Context, client *bitrix.Client, part []int64) (*bitrix.Result, error) {
	c := ownersByOrder.command("o", part)
	res, err := client.Call(ctx, c.Method, c.Params)
	return &res, err
}

// askAlone requests the owners of each order by itself.
func (o *owners) askAlone(ctx context.Context, client *bitrix.Client, part []int64) error {
	if len(part) == 0 {
		return nil
	}
	single := &owners{orders: part, of: o.of, alone: true, again: o.alone, casting: o.casting}
	results, err := client.Batch(ctx, single.commands())
	if err != nil {
		return err
	}
	return single.take(ctx, client, results)
}

// read reads the rows of one answer and returns the highest order among them.
func (o *owners) read(found []element, answered, part []int64) (seen int64, rows int, err error) {
	if err := ownersByOrder.only(part, answered); err != nil {
		return 0, 0, err
	}
	for i := range found {
		order, typeID, id, err := schemas.ReadOwner(found[i].raw)
		if err != nil {
			return 0, 0, err
		}
		seen = max(seen, order)
		if typeID == 0 || id == 0 {
			continue // an order without an owner
		}
		next := owner{typeID, id}
		if had, ok := o.of[order]; !ok || next.less(had) {
			o.of[order] = next
		}
	}
	return seen, len(found), nil
}

// CountOwners requests the owners of the orders of rows, at most a page of them. It
// returns how many orders there are, how many of them have an owner, and whether the
// portal reads a list of orders as the number 1. Without rows it requests one order
// that need not exist.
func CountOwners(ctx context.Context, client *bitrix.Client, rows []schemas.Payment) (orders, owned int, casts bool, err error) {
	own := newOwners(asChunk(rows), new(castFilters))
	commands := own.commands()
	if len(commands) == 0 {
		commands = []bitrix.Command{ownersByOrder.command("o0", []int64{1})}
	}
	results, err := client.Batch(ctx, commands)
	if err != nil {
		return 0, 0, false, err
	}
	if len(own.orders) == 0 && results[0].Err != nil {
		return 0, 0, false, results[0].Err
	}
	if err := own.take(ctx, client, results); err != nil {
		return 0, 0, false, err
	}
	return len(own.orders), len(own.of), own.casting.has(&ownersByOrder), nil
}

// fill sets the row's owner. It leaves the owner null if the order has none.
func (o *owners) fill(row *schemas.Payment) {
	if o.told {
		return
	}
	row.EntityTypeID, row.EntityID = schemas.Null[int64]{}, schemas.Null[int64]{}
	if !row.OrderID.Valid {
		return
	}
	if own, ok := o.of[row.OrderID.V]; ok {
		row.EntityTypeID, row.EntityID = schemas.Some(own.typeID), schemas.Some(own.id)
	}
}
