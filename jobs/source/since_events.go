package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// queueFeature is the feature of a portal's plan that allows events to be reserved.
const queueFeature = "rest_offline_extended"

// paymentEvents are all events of payments.
var paymentEvents = []string{"ONPAYMENTENTITYSAVED", "ONPAYMENTDELETED"}

// queueKept is the greatest age of a watermark. A portal deletes reserved events after
// some 34 days (read in its source), and an interrupted run may have reserved some
// directly after the watermark.
const queueKept = 30 * 24 * time.Hour

// sinceEvents finds changed payments in the application's queue of offline events. A
// run reserves the events before it reads anything. It clears them once the snapshot
// with their effects is published. If a run dies, the events that it reserved stay in
// the queue, and the next run uses them.
//
// A change that the queue does not show is lost. The run therefore trusts the queue only
// if the last snapshot was made with it, both its handlers are still bound, and it has
// shown that reserved events can be seen. Otherwise the run lists everything.
type sinceEvents struct {
	client *bitrix.Client
	sale   *listSale
	log    *slog.Logger
	queue  queue
}

var _ changes = (*sinceEvents)(nil)

func (e *sinceEvents) begin(ctx context.Context, scope pipeline.Scope) (*finder, *pipeline.Since, error) {
	now, err := portalTime(ctx, e.client)
	if err != nil {
		return nil, nil, err
	}
	find, since, err := e.look(ctx, scope, now)
	if refusal, ok := RefusalOf(err); ok {
		// Nothing is queued, or the queue cannot be read. The next run cannot use the
		// queue either.
		e.log.Warn("the queue of events cannot be used: everything is listed", "error", refusal)
		return nil, settle(scope, jobfile.SinceList, Reason(refusal), ""), nil
	}
	return find, since, err
}

// look reads the queue and decides whether the run may use it.
func (e *sinceEvents) look(ctx context.Context, scope pipeline.Scope, now time.Time) (*finder, *pipeline.Since, error) {
	last := sinceOf(scope.Last)
	from, watched := markOf(last, markEvents)
	shown := watched && strings.HasSuffix(last.Watermark, markShown)
	if !shown {
		// A portal without the feature refuses only the reservation.
		lacking, err := LacksQueue(ctx, e.client)
		if err != nil {
			return nil, nil, err
		}
		if lacking != "" {
			e.log.Warn("the queue of events cannot be used: everything is listed", "why", lacking)
			return nil, settle(scope, jobfile.SinceList, lacking, ""), nil
		}
	}
	bound, err := bindEvents(ctx, e.client)
	if err != nil {
		return nil, nil, err
	}
	e.queue.client = e.client
	if !scope.Resumed {
		// A resumed snapshot uses the events of its beginning. It does not repeat what
		// it has done, and clears what is reserved.
		if err := e.queue.reserve(ctx); err != nil {
			return nil, nil, err
		}
	}
	if err := e.queue.read(ctx); err != nil {
		return nil, nil, err
	}
	next := mark(markEvents, now)
	if e.queue.odd == "" && (shown || e.queue.shown) {
		next += markShown
	}
	if scope.Resumed && !bound {
		next = "" // the events since the beginning of the snapshot are lost
	}
	why := ""
	switch {
	case scope.Mode != pipeline.Incremental:
		return nil, settle(scope, jobfile.SinceList, "everything is fetched again", next), nil
	case scope.Gap:
		why = "the manifest of a later snapshot is lost, and the events that it was made with are cleared"
	case scope.Resumed && scope.Begun != nil && scope.Begun.By == string(jobfile.SinceList):
		why = scope.Begun.Why
	case !bound:
		why = "the events of payments were not bound"
	case !watched:
		why = "the last snapshot was not made with since: events"
	case now.Sub(from) > queueKept:
		why = "the last snapshot is older than a queue of events is kept"
	case e.queue.odd != "":
		why = e.queue.odd
	case !shown && !e.queue.shown:
		why = "no event has shown yet whether event.offline.list shows what is reserved"
	default:
		list := listEvents{listSale: e.sale, ids: e.queue.payments()}
		return list.finder(), settle(scope, jobfile.SinceEvents, "", next), nil
	}
	e.log.Info("everything is listed", "why", why)
	return nil, settle(scope, jobfile.SinceList, why, next), nil
}

func (e *sinceEvents) done(ctx context.Context) error { return e.queue.clear(ctx) }

// LacksQueue asks whether the portal's plan has the queue. It returns why not, or "" if
// the plan has it or the portal does not answer that.
func LacksQueue(ctx context.Context, client *bitrix.Client) (why string, err error) {
	res, err := client.Call(ctx, bitrix.MethodFeatureGet, bitrix.Params{"CODE": queueFeature})
	if e, ok := errors.AsType[*bitrix.Error](err); ok && !errors.Is(err, bitrix.ErrPatience) {
		if _, refused := RefusalOf(err); refused || e.Class() == bitrix.Reject {
			return "", nil // an old portal, which has no such method
		}
	}
	if err != nil {
		return "", fmt.Errorf("ask whether the plan has a queue of events: %w", err)
	}
	var feature struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(res.Value, &feature) == nil && feature.Value == "N" {
		return "the portal's plan lacks the feature " + queueFeature + " (" + bitrix.MethodFeatureGet + ")", nil
	}
	return "", nil
}

// bindEvents makes the portal queue the events of payments. It reports whether the
// portal already did.
func bindEvents(ctx context.Context, client *bitrix.Client) (bound bool, err error) {
	res, err := client.Call(ctx, bitrix.MethodEventGet, nil)
	if err != nil {
		return false, fmt.Errorf("ask which events are bound: %w", err)
	}
	raws, err := bitrix.Items(res.Value, "")
	if err != nil {
		return false, fmt.Errorf("%s: %w", bitrix.MethodEventGet, err)
	}
	missing := slices.Clone(paymentEvents)
	for _, raw := range raws {
		var handler struct {
			Event   string          `json:"event"`
			Offline json.RawMessage `json:"offline"`
		}
		if err := json.Unmarshal(raw, &handler); err != nil {
			return false, fmt.Errorf("%s: %w", bitrix.MethodEventGet, err)
		}
		if offline := strings.Trim(string(handler.Offline), `"`); offline != "1" && offline != "true" && offline != "Y" {
			continue
		}
		missing = slices.DeleteFunc(missing, func(event string) bool { return strings.EqualFold(event, handler.Event) })
	}
	for _, event := range missing {
		if _, err := client.Call(ctx, bitrix.MethodEventBind, bitrix.Params{"event": event, "event_type": "offline"}); err != nil {
			return false, fmt.Errorf("bind the event %s: %w", event, err)
		}
	}
	return len(missing) == 0, nil
}

// listEvents lists given payments, in their current state or as missing. All other
// payments are as in the last snapshot.
type listEvents struct {
	*listSale
	ids []int64 // in ascending order
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
