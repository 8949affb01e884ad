package source

import (
	"context"
	"fmt"
	"strconv"

	"b24export/bitrix"
)

// idRange is the ids from..through.
type idRange struct{ from, through int64 }

// firstRanges are ranges of all ids, each twice as long as the one before. The first range
// has no id.
func firstRanges() []idRange {
	ranges := []idRange{{0, 0}}
	for bit := range bitrix.MaxCommands - 1 {
		ranges = append(ranges, idRange{1 << bit, 1<<(bit+1) - 1})
	}
	return ranges
}

// parts cuts a range into at most n ranges of about the same length.
func (r idRange) parts(n int64) []idRange {
	var all []idRange
	length := max((r.through-r.from+n)/n, 1)
	for from := r.from; from <= r.through; from += length {
		all = append(all, idRange{from, min(from+length-1, r.through)})
	}
	return all
}

// readable lists the payments of an owner whose list the portal cannot encode; see
// bitrix.Error.BadEncoding. crm.item.payment.list has no select, so the ids alone cannot be
// listed. It has a filter: readable asks for ranges of ids, and again for smaller ones where
// an answer cannot be encoded, until one id is left. That payment has an error. honoured is
// false if the portal ignores the filter; then nothing can be found this way.
func (l *listItems) readable(ctx context.Context, item owner) (found []element, honoured bool, err error) {
	for open := firstRanges(); len(open) > 0; {
		n := min(len(open), bitrix.MaxCommands)
		ask, rest := open[:n], open[n:]
		open = nil
		commands := make([]bitrix.Command, n)
		for i, ids := range ask {
			commands[i] = itemPaymentsCommand(item)
			commands[i].Key = "r" + strconv.Itoa(i)
			commands[i].Params["filter"] = bitrix.Params{">=id": ids.from, "<=id": ids.through}
		}
		results, err := l.client.Batch(ctx, commands)
		if err != nil {
			return nil, false, err
		}
		for i, ids := range ask {
			res := &results[i]
			switch {
			case res.Err == nil:
				raws, numbers, err := bitrix.ItemsByID(res.Value, "", "id")
				if err != nil {
					return nil, false, fmt.Errorf("list the payments of owner %v: %w", item, err)
				}
				for k, id := range numbers {
					if id < ids.from || id > ids.through {
						return nil, false, nil
					}
					found = append(found, element{id, raws[k], res.At, nil})
				}
			case !res.Err.BadEncoding() || ids.through == 0:
				return nil, false, nil
			case ids.from == ids.through:
				found = append(found, element{ids.from, nil, res.At, res.Err})
			default:
				open = append(open, ids.parts(bitrix.MaxCommands)...)
			}
		}
		open = append(open, rest...)
	}
	return found, true, nil
}
