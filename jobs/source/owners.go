package source

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"b24export/bitrix"
	"b24export/schemas"
)

// owners knows which CRM item each order of one chunk belongs to. Only those
// orders are asked for, in the chunk's own request: the portal's whole list of
// bindings is as long as its orders, and a run has no place to keep it.
type owners struct {
	orders []int64 // ascending, distinct
	of     map[int64]owner
	told   bool // the listing's owners stand
}

// owner is a CRM item: a deal is of type 2, a smart invoice of 31, smart
// processes have types from 128 up.
type owner struct{ typeID, id int64 }

// less orders an order's owners, should it have several: the table has room for
// one, and it must be the same one in every run.
func (a owner) less(b owner) bool {
	if a.typeID != b.typeID {
		return a.typeID < b.typeID
	}
	return a.id < b.id
}

func newOwners(chunk []listed) *owners {
	o := &owners{of: make(map[int64]owner)}
	for i := range chunk {
		if order := chunk[i].Row.OrderID; order.Valid {
			o.orders = append(o.orders, order.V)
		}
	}
	slices.Sort(o.orders)
	o.orders = slices.Compact(o.orders)
	return o
}

// ownersOf has nothing to ask for where the listing has told the owners.
func (s *Source) ownersOf(chunk []listed) *owners {
	if s.find.owned {
		return &owners{told: true}
	}
	return newOwners(chunk)
}

// commands ask for the owners of all orders.
func (o *owners) commands() []bitrix.Command {
	var commands []bitrix.Command
	for part := range slices.Chunk(o.orders, ordersACommand) {
		commands = append(commands, ownersCommand("o"+strconv.Itoa(len(commands)), part))
	}
	return commands
}

func ownersCommand(key string, orders []int64) bitrix.Command {
	return bitrix.Command{Key: key, Method: MethodOwners, Params: bitrix.Params{
		"select": []string{"orderId", "ownerId", "ownerTypeId"},
		"filter": bitrix.Params{"@orderId": orders},
		"order":  bitrix.Params{"orderId": "asc"},
		// No count of all rows. The method's page says that this returns every
		// row at once; take is right with that and with a page.
		"start": -1,
	}}
}

// take reads the results of commands, in their order. A page that is full may
// have cut a part's last orders off: those are asked for again, with those
// before them left out.
func (o *owners) take(ctx context.Context, client *bitrix.Client, results []bitrix.Result) error {
	i := 0
	for part := range slices.Chunk(o.orders, ordersACommand) {
		res := results[i]
		i++
		for {
			if res.Err != nil {
				return fmt.Errorf("list the owners of orders %d to %d: %w", part[0], part[len(part)-1], res.Err)
			}
			seen, rows, err := o.read(res.Value, part)
			if err != nil {
				return fmt.Errorf("list the owners of orders %d to %d: %w", part[0], part[len(part)-1], err)
			}
			if rows < bitrix.PageSize || seen == part[len(part)-1] {
				break
			}
			// Behind the last order seen, which has all its rows here or on a
			// page that comes back to it.
			at, _ := slices.BinarySearch(part, seen)
			if at == 0 {
				at = 1 // one order with more than a page of owners: the first page has to do
			}
			part = part[at:]
			c := ownersCommand("o", part)
			if res, err = client.Call(ctx, c.Method, c.Params); err != nil {
				return fmt.Errorf("list the owners of orders %d to %d: %w", part[0], part[len(part)-1], err)
			}
		}
	}
	return nil
}

// read takes one answer's rows and gives the highest order among them.
func (o *owners) read(value []byte, part []int64) (seen int64, rows int, err error) {
	items, err := bitrix.Items(value, "orderEntity")
	if err != nil {
		return 0, 0, err
	}
	for _, raw := range items {
		order, typeID, id, err := schemas.ReadOwner(raw)
		if err != nil {
			return 0, 0, err
		}
		if _, asked := slices.BinarySearch(part, order); !asked {
			return 0, 0, fmt.Errorf("got order %d, which was not asked for: %s ignores its filter", order, MethodOwners)
		}
		seen = max(seen, order)
		if typeID == 0 || id == 0 {
			continue // a binding to nothing
		}
		next := owner{typeID, id}
		if had, ok := o.of[order]; !ok || next.less(had) {
			o.of[order] = next
		}
	}
	return seen, len(items), nil
}

// CountOwners asks for the owners of the orders of rows, at most a page of them. It
// returns how many orders there are, and how many of them have an owner. Without
// rows it asks for one order that need not exist.
func CountOwners(ctx context.Context, client *bitrix.Client, rows []schemas.Payment) (orders, owned int, err error) {
	own := newOwners(asChunk(rows))
	commands := own.commands()
	if len(commands) == 0 {
		commands = []bitrix.Command{ownersCommand("o0", []int64{1})}
	}
	results, err := client.Batch(ctx, commands)
	if err != nil {
		return 0, 0, err
	}
	if len(own.orders) == 0 && results[0].Err != nil {
		return 0, 0, results[0].Err
	}
	if err := own.take(ctx, client, results); err != nil {
		return 0, 0, err
	}
	return len(own.orders), len(own.of), nil
}

// fill sets the row's owner. An order without one leaves it null.
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
