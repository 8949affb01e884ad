package source

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"b24export/bitrix"
	"b24export/jobs/source/spill"
)

// namedCommand requests up to a page of ids of one type.
type namedCommand struct {
	typeID int64
	ids    []int64
}

// without returns the command for the ids that an answer lacks.
func (c namedCommand) without(answered []int64) namedCommand {
	left := slices.DeleteFunc(slices.Clone(c.ids), func(id int64) bool { return slices.Contains(answered, id) })
	return namedCommand{c.typeID, left}
}

// addNamed adds an id to the commands of a request. It returns false if there is no room
// for it.
func addNamed(cmds *[]namedCommand, typeID, id int64) bool {
	if n := len(*cmds); n > 0 && (*cmds)[n-1].typeID == typeID && len((*cmds)[n-1].ids) < bitrix.PageSize {
		(*cmds)[n-1].ids = append((*cmds)[n-1].ids, id)
		return true
	}
	if len(*cmds) == bitrix.MaxCommands {
		return false
	}
	*cmds = append(*cmds, namedCommand{typeID, []int64{id}})
	return true
}

// namedReading is a reading of elements by their ids.
type namedReading struct {
	*Related
	// wanted contains the ids by type, list returns how to list a type, and take receives
	// each element.
	wanted *spill.Sorter
	list   func(typeID int64) bitrix.Listing
	take   func(key spill.Key, e element) error
	walked map[int64]bool // types whose lists of ids the portal does not read
	// open is the next request. lacking are ids that an answer lacked once. They are
	// collected for a request of their own, since most of them were deleted.
	open, lacking []namedCommand
}

// named lists elements by their ids. An element does not exist only if two answers lack
// it: a server under load may leave out some.
func (r *Related) named(ctx context.Context, wanted *spill.Sorter, list func(typeID int64) bitrix.Listing,
	take func(key spill.Key, e element) error) error {
	n := &namedReading{Related: r, wanted: wanted, list: list, take: take, walked: make(map[int64]bool)}
	for key, err := range distinct(wanted) {
		if err != nil {
			return err
		}
		if n.walked[key[0]] || addNamed(&n.open, key[0], key[1]) {
			continue
		}
		if err := n.flush(ctx); err != nil {
			return err
		}
		if !n.walked[key[0]] {
			addNamed(&n.open, key[0], key[1])
		}
	}
	if err := n.flush(ctx); err != nil {
		return err
	}
	return n.flushLacking(ctx)
}

// flush sends the open request, and keeps the ids that its answers lack.
func (n *namedReading) flush(ctx context.Context) error {
	lacking, err := n.ask(ctx, n.open)
	n.open = n.open[:0]
	if err != nil {
		return err
	}
	for _, cmd := range lacking {
		for _, id := range cmd.ids {
			if addNamed(&n.lacking, cmd.typeID, id) {
				continue
			}
			if err := n.flushLacking(ctx); err != nil {
				return err
			}
			addNamed(&n.lacking, cmd.typeID, id)
		}
	}
	return nil
}

// flushLacking requests once more what an answer lacked.
func (n *namedReading) flushLacking(ctx context.Context) error {
	cmds := slices.DeleteFunc(n.lacking, func(cmd namedCommand) bool { return n.walked[cmd.typeID] })
	n.lacking = nil
	_, err := n.ask(ctx, cmds)
	return err
}

// ask sends commands, and walks the types whose lists of ids the portal does not read. It
// returns what the answers lack.
func (n *namedReading) ask(ctx context.Context, cmds []namedCommand) (lacking []namedCommand, err error) {
	if len(cmds) == 0 {
		return nil, nil
	}
	refused, lacking, err := n.askNamed(ctx, cmds, n.list, n.take)
	if err != nil {
		return nil, err
	}
	for _, cmd := range refused {
		if n.walked[cmd.typeID] {
			continue
		}
		n.walked[cmd.typeID] = true
		if err := n.walkNamed(ctx, n.list(cmd.typeID), cmd.typeID, cmd.ids[0], n.wanted, n.take); err != nil {
			return nil, err
		}
	}
	return lacking, nil
}

// distinct yields the keys of a spill, each once.
func distinct(s *spill.Sorter) iter.Seq2[spill.Key, error] {
	return func(yield func(spill.Key, error) bool) {
		var last spill.Key
		for rec, err := range s.Sorted() {
			if err != nil {
				yield(spill.Key{}, err)
				return
			}
			if rec.Key == last {
				continue
			}
			if last = rec.Key; !yield(last, nil) {
				return
			}
		}
	}
}

// askNamed sends one request, and passes the valid answers to take. It returns the
// commands whose answers are wrong because the portal reads a list in a filter as the
// number 1, and what valid answers lack.
func (r *Related) askNamed(ctx context.Context, cmds []namedCommand, list func(typeID int64) bitrix.Listing,
	take func(key spill.Key, e element) error) (refused, lacking []namedCommand, err error) {
	commands := make([]bitrix.Command, len(cmds))
	for i, cmd := range cmds {
		l := list(cmd.typeID)
		params := bitrix.Params{
			"select": l.Select,
			"filter": bitrix.Params{"@" + l.IDField: cmd.ids},
			"order":  bitrix.Params{l.IDField: "ASC"},
			"start":  -1,
		}
		for name, v := range l.Params {
			params[name] = v
		}
		commands[i] = bitrix.Command{Key: fmt.Sprintf("n%d", i), Method: l.Method, Params: params}
	}
	results, err := r.client.Batch(ctx, commands)
	if err != nil {
		return nil, nil, err
	}
	for i, res := range results {
		cmd, l := cmds[i], list(cmds[i].typeID)
		if res.Err != nil {
			if isNoType(res.Err) {
				continue // the smart process is deleted, together with its items
			}
			if !res.Err.BadEncoding() {
				return nil, nil, res.Err
			}
			filter := listFilter{method: l.Method, items: l.Items, field: l.IDField, fields: l.Select, params: l.Params}
			rows, err := filter.askAlone(ctx, r.client, cmd.ids)
			if err != nil {
				return nil, nil, err
			}
			for _, row := range rows {
				row.at = r.how.stamp(row.at)
				if err := take(spill.Key{cmd.typeID, row.number}, row); err != nil {
					return nil, nil, err
				}
			}
			continue
		}
		raws, ids, err := bitrix.ItemsByID(res.Value, l.Items, l.IDField)
		if err != nil {
			return nil, nil, err
		}
		filter := listFilter{method: l.Method, items: l.Items, field: l.IDField, fields: []string{l.IDField}, params: l.Params}
		how, err := r.how.casting.judge(ctx, r.client, &filter, cmd.ids, ids)
		if err != nil {
			return nil, nil, err
		}
		if how == asOne || strays(cmd.ids, ids) {
			refused = append(refused, cmd)
			continue
		}
		at := r.how.stamp(res.At)
		for j, raw := range raws {
			if err := take(spill.Key{cmd.typeID, ids[j]}, element{ids[j], raw, at, nil}); err != nil {
				return nil, nil, err
			}
		}
		if left := cmd.without(ids); len(left.ids) > 0 && how != nothing {
			lacking = append(lacking, left)
		}
	}
	return refused, lacking, nil
}

func isNoType(err error) bool {
	e, ok := errors.AsType[*bitrix.Error](err)
	return ok && e.Code == bitrix.CodeNotFound
}

// walkNamed lists all elements of a type from an id on, and passes the wanted ones to
// take.
func (r *Related) walkNamed(ctx context.Context, l bitrix.Listing, typeID, from int64, wanted *spill.Sorter,
	take func(key spill.Key, e element) error) error {
	l.FullChains, l.Garbled = true, true
	next, stop := iter.Pull2(distinct(wanted))
	defer stop()
	key, err, more := next()
	for page, perr := range r.client.Pages(ctx, l, from-1) {
		if perr != nil {
			return perr
		}
		at := r.how.stamp(page.At)
		for i, id := range page.IDs {
			here := spill.Key{typeID, id}
			for more && err == nil && key.Compare(here) < 0 {
				key, err, more = next()
			}
			if err != nil {
				return err
			}
			if !more || key[0] != typeID {
				return nil // no higher id is wanted
			}
			if key == here {
				if err := take(here, element{id, page.Items[i], at, page.Garbled[id]}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
