package source

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// changes finds the payments that may have changed, for an incremental run. It replaces
// the whole listing. There is one type for each value of source.since except list.
type changes interface {
	// begin implements Begin of pipeline.Source. find is how the run lists payments;
	// nil means that it lists all of them, as without changes.
	begin(ctx context.Context, scope pipeline.Scope) (find *finder, since *pipeline.Since, err error)
	// done is called when the snapshot that begin was called for is published. If it
	// fails, the next run has some work to repeat, and nothing is lost.
	done(ctx context.Context) error
}

// changes returns the type for source.since. It returns nil for list, and for a run
// that fetches every payment.
func (j *job) changes(sale *listSale) (changes, error) {
	if j.spec.Mode != pipeline.Incremental {
		return nil, nil
	}
	switch j.spec.Source.Since {
	case jobfile.SinceList:
		return nil, nil
	case jobfile.SinceOrders:
		return &sinceOrders{client: j.client, sale: sale, log: j.log}, nil
	case jobfile.SinceEvents:
		return &sinceEvents{client: j.client, sale: sale, log: j.log}, nil
	}
	return nil, fmt.Errorf("source.since: %s: unknown way to find changes", j.spec.Source.Since)
}

// SinceProbe returns a call that shows whether a portal allows the job's source.since.
// method is "" if the job needs only the listing.
func SinceProbe(spec *jobfile.Spec) (method string, params bitrix.Params) {
	if spec.Mode != pipeline.Incremental {
		return "", nil
	}
	switch spec.Source.Since {
	case jobfile.SinceList:
	case jobfile.SinceOrders:
		return bitrix.MethodOrderList, bitrix.Params{
			"select": []string{"id"}, "order": bitrix.Params{"id": "asc"}, "filter": bitrix.Params{"=id": 1}, "start": -1,
		}
	case jobfile.SinceEvents:
		return bitrix.MethodEventGet, nil
	}
	return "", nil
}

// Watermarks are stored in manifests, as KIND:TIME. A watermark of events ends in
// markShown if the queue has shown reserved events.
const (
	markOrders = "orders"
	markEvents = "events"
	markShown  = " shown"
)

// mark returns a watermark with the portal's time.
func mark(kind string, at time.Time) string { return kind + ":" + at.Format(time.RFC3339) }

// markOf parses a watermark. ok is false for one of another kind, and if there is none.
func markOf(since *pipeline.Since, kind string) (at time.Time, ok bool) {
	if since == nil {
		return time.Time{}, false
	}
	text, ok := strings.CutPrefix(since.Watermark, kind+":")
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSuffix(text, markShown))
	return at, err == nil
}

// settle returns what the manifest records of a run's changes. A resumed snapshot keeps
// the watermark of its beginning. It has none if it was begun in another way.
func settle(scope pipeline.Scope, by jobfile.Since, why, watermark string) *pipeline.Since {
	since := &pipeline.Since{By: string(by), Why: why, Watermark: watermark}
	if scope.Resumed {
		since.Watermark = ""
		kind, _, _ := strings.Cut(watermark, ":")
		if _, ok := markOf(scope.Begun, kind); ok {
			since.Watermark = scope.Begun.Watermark
		}
	}
	return since
}

// keepMark returns what the manifest records of a run that does not look for changes. A
// backfill keeps the watermark: the next night must still find the changes after it.
func keepMark(scope pipeline.Scope) *pipeline.Since {
	last := sinceOf(scope.Last)
	if scope.Mode != pipeline.Backfill || last == nil || last.Watermark == "" {
		return nil
	}
	return &pipeline.Since{By: string(jobfile.SinceList), Why: "a backfill keeps the watermark of the snapshot before", Watermark: last.Watermark}
}

// portalTime requests the portal's clock, with the offset of its time zone. The portal
// uses this clock for the times of what it saves.
func portalTime(ctx context.Context, client *bitrix.Client) (time.Time, error) {
	res, err := client.Call(ctx, bitrix.MethodServerTime, nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the portal's time: %w", err)
	}
	return ReadTime(res.Value)
}

// ReadTime parses an answer of bitrix.MethodServerTime.
func ReadTime(value []byte) (time.Time, error) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", bitrix.MethodServerTime, err)
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %q: must be a time with its offset", bitrix.MethodServerTime, text)
	}
	return at, nil
}

// sinceOf returns what a manifest records of its changes. m may be nil.
func sinceOf(m *pipeline.Manifest) *pipeline.Since {
	if m == nil {
		return nil
	}
	return m.Since
}
