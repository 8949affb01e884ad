package jobs_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// noLists are answers of portals without the expected list.
var noLists = []string{
	`null`, `false`, `""`, `[]`, `{}`, `0`, `"ok"`,
	`{"payments":null}`, `{"payments":false}`, `{"payments":""}`, `{"payments":{}}`, `{"items":[]}`,
}

// bubble runs f in a synctest bubble: the client pauses between attempts.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// newBubbleJob is like newRunJob for a bubble, which zstd's encoders outlive.
func newBubbleJob(t *testing.T, portal *bitrixtest.Portal, job string) *runJob {
	t.Helper()
	e := newRunJob(t, portal, job)
	e.spec.Sink.Compression = "none"
	return e
}

// faulty adds faults to a portal that had none.
func faulty(portal *bitrixtest.Portal, faults ...bitrixtest.Fault) {
	portal.Adjust(func(o *bitrixtest.Options) { o.Faults = faults })
}

// A list command that answers once without its list is repeated: no payment is deleted,
// and the table is the portal's.
func TestAnswerWithoutItsListIsAskedAgain(t *testing.T) {
	const payments, orders, owners, items = "sale.payment.list", "sale.order.list", "crm.orderentity.list", "crm.item.payment.list"
	for _, tt := range []struct {
		name, job, method string
		places            []int
		results           []string
	}{
		// The first chain has four pages.
		{"second chain", "", payments, []int{5}, noLists},
		{"first page", "", payments, []int{0}, noLists[:5]},
		{"owners", "mode: full", owners, nil, []string{`null`, `[]`, `{"orderEntity":null}`, `{"orderEntity":{}}`}},
		{"orders", "source: {since: orders}", orders, nil, []string{`null`, `{"orders":""}`}},
		{"payments of orders", "source: {since: orders}", payments, nil, []string{`null`, `[]`}},
		{"ids", "source: {list: ids, ids: {from: 1, to: 100000}}", payments, nil, []string{`null`, `[]`, `{"payments":false}`}},
		{"bindings", "source: {list: bindings}", owners, nil, []string{`null`, `[]`}},
		{"payments of items", "source: {list: bindings}", items, nil, []string{`null`, `{}`, `false`}},
	} {
		for _, result := range tt.results {
			bubble(t, tt.name+" "+result, func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: 500, AllowRegets: true, Strict: t})
				e := newBubbleJob(t, portal, tt.job)
				e.run(t, jobs.ExitComplete)
				before := e.rows(t)
				change(portal, 20)
				faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: tt.method, Places: tt.places, Times: 1, Result: result})
				e.run(t, jobs.ExitComplete)
				if portal.Stats().Faults != 1 {
					t.Errorf("%d answers were without their list, want 1", portal.Stats().Faults)
				}
				if strings.Contains(tt.job, "bindings") {
					if rows := e.rows(t); len(rows) < len(before)-20 {
						t.Errorf("%d rows, there were %d", len(rows), len(before))
					}
					return
				}
				e.wantTable(t, portal, none)
			})
		}
	}
}

// A look-up of ids that answers once without its list, or with none of them, is made again: for events, which
// are cleared afterwards, and in a backfill. No payment is lost.
func TestLookUpWithoutItsListIsMadeAgain(t *testing.T) {
	for _, backfill := range []bool{false, true} {
		for _, result := range append([]string{`{"payments":[]}`}, noLists[:8]...) {
			bubble(t, fmt.Sprint(backfill, " ", result), func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: 300, AllowRegets: true, Strict: t})
				e := newAppJob(t, portal, "source: {since: events}")
				e.spec.Sink.Compression = "none"
				e.run(t, jobs.ExitComplete)
				change(portal, 20)
				e.run(t, jobs.ExitComplete) // it shows that the queue can be used
				change(portal, 21)
				if backfill {
					e.spec.Mode, e.spec.Source.List, e.spec.Source.Since = pipeline.Backfill, jobfile.ListIDs, jobfile.SinceList
					e.spec.Source.IDs = jobfile.IDsSpec{From: 1, To: 100_000}
				}
				faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: "sale.payment.list", Places: []int{0}, Times: 1, Result: result})
				time.Sleep(time.Hour) // of two readings at one instant, the row of the table stays
				e.run(t, jobs.ExitComplete)
				if n := portal.Stats().Faults; n != 1 {
					t.Errorf("%d answers were without their list, want 1", n)
				}
				e.wantTable(t, portal, none)
			})
		}
	}
}

// If a portal answers every list command without its list, the table loses nothing, and
// the exit code is neither 0 nor 3.
func TestAnswersWithoutListsChangeNothing(t *testing.T) {
	for _, result := range []string{`null`, `[]`, `{"payments":null}`} {
		bubble(t, result, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Payments: 300, AllowRegets: true})
			e := newBubbleJob(t, portal, "patience: 1m")
			e.run(t, jobs.ExitComplete)
			faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: "sale.payment.list", Result: result})
			e.run(t, jobs.ExitTemporary)
			e.wantTable(t, portal, none)
		})
	}
}

// Empty pages that the portal's own count contradicts end a run, and delete nothing.
func TestEmptyPagesAgainstTheCount(t *testing.T) {
	for _, behind := range []int64{-1, 400} {
		for _, count := range []time.Duration{0, 70 * time.Millisecond} {
			bubble(t, fmt.Sprint(behind, count), func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Payments: 1000, Gap: -1, AllowRegets: true})
				e := newBubbleJob(t, portal, "")
				e.run(t, jobs.ExitComplete)
				portal.Adjust(func(o *bitrixtest.Options) {
					o.Server.EmptyBehind, o.Server.CountCost = behind, count
				})
				out := e.run(t, jobs.ExitFailed)
				e.wantTable(t, portal, none)
				want := "counts"
				if behind < 0 && count > 0 {
					want = "shows none of the 1000 payments" // nothing shows that they exist
				}
				if text := out.Err.Error(); !strings.Contains(text, want) {
					t.Errorf("error %q does not have %q", text, want)
				}
			})
		}
	}
}

// A temporary empty page ends nothing.
func TestEmptyPageThatPasses(t *testing.T) {
	for name, fault := range map[string]bitrixtest.Fault{
		"within a chain":          {Places: []int{5}, Times: 1},
		"a chain's first":         {Places: []int{0}, From: 15, Times: 1},
		"the listing's first":     {Places: []int{0}, Times: 1},
		"the first three answers": {Times: 3},
	} {
		bubble(t, name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Payments: 500, AllowRegets: true, Strict: t})
			e := newBubbleJob(t, portal, "")
			e.run(t, jobs.ExitComplete)
			fault.Kind, fault.Method, fault.Result = bitrixtest.FaultResult, "sale.payment.list", `{"payments":[]}`
			faulty(portal, fault)
			e.run(t, jobs.ExitComplete)
			e.wantTable(t, portal, none)
			if portal.Stats().Faults == 0 {
				t.Error("no page was empty")
			}
		})
	}
}
