package source

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"b24export/bitrix"
	"b24export/pipeline"
)

// A server under load may answer a list without its elements. For most methods that is no
// list, but crm.item.payment.list returns the list itself, and [] is an empty one. An owner
// that has an order therefore has no payments only if two answers say so. Such owners are
// few, so they are collected for a request of their own.

// doubt adds owners whose list was empty once. It returns a full request of those that were
// added so far, or nil.
func (l *listItems) doubt(empty []owner) []owner {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.empty = append(l.empty, empty...)
	if len(l.empty) < bitrix.MaxCommands {
		return nil
	}
	part := slices.Clone(l.empty[:bitrix.MaxCommands])
	l.empty = slices.Delete(l.empty, 0, bitrix.MaxCommands)
	return part
}

// confirm asks once more for the payments of owners whose list was empty. If an owner has
// some, it is listed again, together with its orders.
func (l *listItems) confirm(ctx context.Context, empty []owner, after pipeline.PaymentID) error {
	if len(empty) == 0 {
		return nil
	}
	commands := make([]bitrix.Command, len(empty))
	for i, item := range empty {
		commands[i] = itemPaymentsCommand(item)
		commands[i].Key = "e" + strconv.Itoa(i) // items of two types may have the same id
	}
	results, err := l.client.Batch(ctx, commands)
	if err != nil {
		return err
	}
	for i, res := range results {
		if res.Err == nil {
			raws, err := bitrix.Items(res.Value, "")
			if err != nil {
				return fmt.Errorf("list the payments of owner %v: %w", empty[i], err)
			}
			if len(raws) == 0 {
				continue
			}
		}
		found, _, _, err := l.payments(ctx, empty[i:i+1])
		if err != nil {
			return err
		}
		if err := l.add(found, after); err != nil {
			return err
		}
	}
	return nil
}
