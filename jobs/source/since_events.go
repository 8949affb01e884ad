package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// The methods of an application's queue of events.
const (
	methodBind         = "event.bind"
	methodBound        = "event.get"
	methodQueue        = "event.offline.list"
	methodQueueReserve = "event.offline.get"
	methodQueueClear   = "event.offline.clear"
)

// paymentEvents are all that can happen to a payment.
var paymentEvents = []string{"ONPAYMENTENTITYSAVED", "ONPAYMENTDELETED"}

const (
	// reservedAtOnce is how many events one call reserves.
	reservedAtOnce = 500
	// queueKept is how old a watermark may be: a portal throws reserved events
	// away after some 34 days (read in source), and a run that died may have
	// reserved some right behind the watermark.
	queueKept = 30 * 24 * time.Hour
)

// sinceEvents finds changed payments in the application's queue of offline
// events. Events are reserved before anything is read, and cleared once the
// snapshot that has their effects is published. Those that a run reserved which
// died are in the queue still, and count for the next one.
//
// What the queue does not tell, nobody does: so it is trusted only while the last
// snapshot was made with it, both its handlers are still bound, and it can be
// read whole. Otherwise everything is listed, once.
type sinceEvents struct {
	client *bitrix.Client
	sale   *listSale
	log    *slog.Logger

	processes []string // those that the events were reserved under
}

var _ changes = (*sinceEvents)(nil)

func (e *sinceEvents) begin(ctx context.Context, scope pipeline.Scope) (*finder, *pipeline.Since, error) {
	now, err := portalTime(ctx, e.client)
	if err != nil {
		return nil, nil, err
	}
	bound, err := e.bind(ctx)
	if refusal, ok := RefusalOf(err); ok {
		// Nothing is queued, so neither this run nor the next can go by it.
		e.log.Warn("the queue of events cannot be used: everything is listed", "error", refusal)
		return nil, settle(scope, jobfile.SinceList, Reason(refusal), ""), nil
	}
	if err != nil {
		return nil, nil, err
	}
	next := mark(markEvents, now)
	if scope.Resumed && !bound {
		next = "" // what happened since the snapshot was begun is lost
	}
	from, watched := markOf(sinceOf(scope.Last), markEvents)
	if !scope.Resumed {
		// A snapshot that is taken up again goes by the events of its beginning:
		// it does not come back to what it has done, and clears what is reserved.
		if err := e.reserve(ctx); err != nil {
			return nil, nil, err
		}
	}
	ids, readErr := e.reserved(ctx)
	if _, ok := errors.AsType[*queueError](readErr); readErr != nil && !ok {
		return nil, nil, readErr
	}
	why := ""
	switch {
	case scope.Mode != pipeline.Incremental:
		return nil, settle(scope, jobfile.SinceList, "everything is got anew", next), nil
	case !bound:
		why = "the events of payments were not bound"
	case !watched:
		why = "the last snapshot was not made with since: events"
	case now.Sub(from) > queueKept:
		why = "the last snapshot is older than a queue of events is kept"
	case readErr != nil:
		why = readErr.Error()
	default:
		list := listEvents{listSale: e.sale, ids: ids}
		return list.finder(), settle(scope, jobfile.SinceEvents, "", next), nil
	}
	e.log.Info("everything is listed", "why", why)
	return nil, settle(scope, jobfile.SinceList, why, next), nil
}

// bind makes sure that the portal queues the events of payments, and reports
// whether it did so before.
func (e *sinceEvents) bind(ctx context.Context) (bound bool, err error) {
	res, err := e.client.Call(ctx, methodBound, nil)
	if err != nil {
		return false, fmt.Errorf("look which events are bound: %w", err)
	}
	raws, err := bitrix.Items(res.Value, "")
	if err != nil {
		return false, fmt.Errorf("%s: %w", methodBound, err)
	}
	missing := slices.Clone(paymentEvents)
	for _, raw := range raws {
		var handler struct {
			Event   string          `json:"event"`
			Offline json.RawMessage `json:"offline"`
		}
		if err := json.Unmarshal(raw, &handler); err != nil {
			return false, fmt.Errorf("%s: %w", methodBound, err)
		}
		if offline := strings.Trim(string(handler.Offline), `"`); offline != "1" && offline != "true" && offline != "Y" {
			continue
		}
		missing = slices.DeleteFunc(missing, func(event string) bool { return strings.EqualFold(event, handler.Event) })
	}
	for _, event := range missing {
		if _, err := e.client.Call(ctx, methodBind, bitrix.Params{"event": event, "event_type": "offline"}); err != nil {
			return false, fmt.Errorf("bind the event %s: %w", event, err)
		}
	}
	return len(missing) == 0, nil
}

// queueError says that the queue cannot be trusted.
type queueError struct{ text string }

func (e *queueError) Error() string { return e.text }

// reserve reserves all that is queued. Events of other things, which the
// application may have queued for itself, are let be.
//
// Died in here: the events stay reserved, under a name that nobody has written
// down. So they are read from the list of all, which has that name.
func (e *sinceEvents) reserve(ctx context.Context) error {
	for _, event := range paymentEvents {
		for {
			res, err := e.client.Call(ctx, methodQueueReserve, bitrix.Params{
				"filter": bitrix.Params{"=EVENT_NAME": event}, "limit": reservedAtOnce, "clear": 0,
			})
			if err != nil {
				return fmt.Errorf("reserve events: %w", err)
			}
			reserved, err := bitrix.Items(res.Value, "events")
			if err != nil {
				return fmt.Errorf("%s: %w", methodQueueReserve, err)
			}
			if len(reserved) == 0 {
				break
			}
		}
	}
	return nil
}

// reserved reads the events that are reserved, by whichever run, and gives the
// ids of the payments that they are about, ascending.
func (e *sinceEvents) reserved(ctx context.Context) ([]int64, error) {
	var ids []int64
	var odd error
	queue := bitrix.Listing{Method: methodQueue, IDField: "ID"}
	for page, err := range e.client.Pages(ctx, queue, 0) {
		if err != nil {
			return nil, fmt.Errorf("read the queue of events: %w", err)
		}
		for i, raw := range page.Items {
			id, process, ok := readEvent(raw)
			switch {
			case !ok:
				odd = &queueError{fmt.Sprintf("event %d of the queue does not tell its payment", page.IDs[i])}
			case process != "" && id != 0:
				ids = append(ids, id)
			}
			if process != "" && !slices.Contains(e.processes, process) {
				e.processes = append(e.processes, process)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), odd
}

// readEvent gives the payment that an event is about, and the process that it is
// reserved under, "" if under none. Of an event about something else, both are
// zero. ok is false if it is about a payment that cannot be told.
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
	if json.Unmarshal(event.Process, &process) != nil {
		process = "" // null, false, []
	}
	var data struct {
		Fields struct {
			ID json.RawMessage `json:"ID"`
		} `json:"FIELDS"`
	}
	if err := json.Unmarshal(event.Data, &data); err != nil {
		return 0, process, false
	}
	payment, err := strconv.ParseInt(strings.Trim(string(data.Fields.ID), `"`), 10, 64)
	return payment, process, err == nil && payment > 0
}

// done clears what was reserved. Died before: the next run reads the same events
// once more, and finds that nothing has changed.
func (e *sinceEvents) done(ctx context.Context) error {
	for part := range slices.Chunk(e.processes, bitrix.MaxCommands) {
		commands := make([]bitrix.Command, len(part))
		for i, process := range part {
			commands[i] = bitrix.Command{Key: "c" + strconv.Itoa(i), Method: methodQueueClear, Params: bitrix.Params{"process_id": process}}
		}
		results, err := e.client.Batch(ctx, commands)
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

// listEvents lists given payments, as they are now or as missing. All others are
// as the last snapshot has them.
type listEvents struct {
	*listSale
	ids []int64 // ascending
}

func (l *listEvents) finder() *finder {
	f := l.listSale.finder()
	f.list, f.absent = l.list, always(pipeline.Outside)
	f.total = func() int64 { return int64(len(l.ids)) }
	return &f
}

func (l *listEvents) list(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]listed, error] {
	return func(yield func([]listed, error) bool) {
		n, found := slices.BinarySearch(l.ids, int64(after))
		if found {
			n++
		}
		for part := range slices.Chunk(l.ids[n:], idsARequest) {
			if !l.eachByID(ctx, part, yield) {
				return
			}
		}
	}
}
