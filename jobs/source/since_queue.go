package source

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"b24export/bitrix"
)

const (
	// reservedAtOnce is how many events one call reserves.
	reservedAtOnce = 500
	// reservedShort: a smaller answer is the last one, also from a portal that does not
	// obey a limit. The default limit is 50.
	reservedShort = 50
)

// queue is the application's queue of offline events, as one run sees it.
//
// Portals differ in how they list the queue (docs/portals.md): reserved events with the
// process that reserved them, without it, or not at all. Only the answer of
// event.offline.get is a reliable list of what it reserved. If a run dies, that answer
// is lost. The next run must then find those events in the list of the queue, and a
// queue that does not list them cannot be trusted.
type queue struct {
	client *bitrix.Client
	// handed are the events that this run reserved: their ids, with the payments that
	// they are about.
	handed map[int64]int64
	// found are the payments of the events that the queue lists as reserved.
	found []int64
	// processes are the processes that events are reserved under.
	processes []string
	// shown reports whether the queue has listed a reserved event as reserved.
	shown bool
	// odd is why the queue cannot be trusted; "" if there is no reason.
	odd string
}

// doubt records why the queue cannot be trusted. It keeps the first reason.
func (q *queue) doubt(format string, args ...any) {
	if q.odd == "" {
		q.odd = fmt.Sprintf(format, args...)
	}
}

// reserve reserves all queued events about payments. It leaves other events, which the
// application may have queued for itself.
//
// If the program dies here, the events stay reserved under a process that is recorded
// nowhere. Either the list of the queue shows it, or the queue is not trusted.
func (q *queue) reserve(ctx context.Context) error {
	q.handed = map[int64]int64{}
	for _, name := range paymentEvents {
		for more := true; more; {
			var err error
			if more, err = q.reserveSome(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// reserveSome reserves the next events of a name, and reports whether there may be
// more.
func (q *queue) reserveSome(ctx context.Context, name string) (more bool, err error) {
	res, err := q.client.Call(ctx, bitrix.MethodOfflineGet, bitrix.Params{
		"filter": bitrix.Params{"=EVENT_NAME": name}, "limit": reservedAtOnce, "clear": 0,
	})
	if err != nil {
		return false, fmt.Errorf("reserve events: %w", err)
	}
	raws, ids, err := bitrix.ItemsByID(res.Value, "events", "ID")
	if err != nil {
		return false, fmt.Errorf("%s: %w", bitrix.MethodOfflineGet, err)
	}
	if len(raws) == 0 {
		return false, nil
	}
	var answer struct {
		Process json.RawMessage `json:"process_id"`
	}
	if err := json.Unmarshal(res.Value, &answer); err != nil {
		return false, fmt.Errorf("%s: %w", bitrix.MethodOfflineGet, err)
	}
	if process := textOf(answer.Process); process != "" {
		q.add(process)
	} else {
		q.doubt("%s clears what it hands over", bitrix.MethodOfflineGet)
	}
	for i, raw := range raws {
		if _, again := q.handed[ids[i]]; again {
			q.doubt("%s hands over the same events again", bitrix.MethodOfflineGet)
			return false, nil
		}
		payment, _, ok := readEvent(raw)
		if !ok {
			q.doubt("event %d of the queue does not name its payment", ids[i])
		}
		q.handed[ids[i]] = payment
	}
	return len(raws) >= reservedShort, nil
}

// read lists the whole queue: what this run has reserved, and what runs have reserved
// that died.
func (q *queue) read(ctx context.Context) error {
	seen := map[int64]bool{} // the events that are listed as reserved
	list := bitrix.Listing{Method: bitrix.MethodOfflineList, IDField: "ID"}
	for page, err := range q.client.Pages(ctx, list, 0) {
		if err != nil {
			return fmt.Errorf("read the queue of events: %w", err)
		}
		for i, raw := range page.Items {
			payment, process, ok := readEvent(raw)
			if !ok {
				q.doubt("event %d of the queue does not name its payment", page.IDs[i])
			}
			if process == "" {
				continue
			}
			q.shown = true
			seen[page.IDs[i]] = true
			q.add(process)
			if payment != 0 {
				q.found = append(q.found, payment)
			}
		}
	}
	for id, payment := range q.handed {
		if payment != 0 && !seen[id] {
			q.doubt("%s does not show what is reserved", bitrix.MethodOfflineList)
		}
	}
	return nil
}

// payments returns the payments that reserved events are about, in ascending order.
func (q *queue) payments() []int64 {
	ids := slices.Clone(q.found)
	for _, payment := range q.handed {
		if payment != 0 {
			ids = append(ids, payment)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (q *queue) add(process string) {
	if !slices.Contains(q.processes, process) {
		q.processes = append(q.processes, process)
	}
}

// clear clears what was reserved. If the program dies before it, the next run reads the
// same events again, and finds that nothing has changed.
func (q *queue) clear(ctx context.Context) error {
	for part := range slices.Chunk(q.processes, bitrix.MaxCommands) {
		commands := make([]bitrix.Command, len(part))
		for i, process := range part {
			commands[i] = bitrix.Command{Key: "c" + strconv.Itoa(i), Method: bitrix.MethodOfflineClear, Params: bitrix.Params{"process_id": process}}
		}
		results, err := q.client.Batch(ctx, commands)
		if err != nil {
			return fmt.Errorf("clear the queue of events: %w", err)
		}
		for _, res := range results {
			if res.Err != nil {
				return fmt.Errorf("clear the queue of events: %w", res.Err)
			}
		}
	}
	return nil
}

// readEvent returns the payment that an event is about, and the process that reserved
// it, "" if none. For an event about something else, both are zero. ok is false if the
// event does not name its payment.
func readEvent(raw []byte) (payment int64, process string, ok bool) {
	var event struct {
		Name    string          `json:"EVENT_NAME"`
		Data    json.RawMessage `json:"EVENT_DATA"`
		Process json.RawMessage `json:"PROCESS_ID"`
	}
	if err := json.Unmarshal(raw, &event); err != nil {
		return 0, "", false
	}
	if !slices.ContainsFunc(paymentEvents, func(name string) bool { return strings.EqualFold(name, event.Name) }) {
		return 0, "", true
	}
	process = textOf(event.Process)
	var data struct {
		Fields struct {
			ID json.RawMessage `json:"ID"`
		} `json:"FIELDS"`
	}
	if err := json.Unmarshal(event.Data, &data); err != nil {
		return 0, process, false
	}
	payment, err := strconv.ParseInt(strings.Trim(string(data.Fields.ID), `"`), 10, 64)
	if err != nil || payment <= 0 {
		return 0, process, false
	}
	return payment, process, true
}

// textOf returns a JSON string. It returns "" for null, false and [].
func textOf(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}
