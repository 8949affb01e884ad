package jobs_test

import (
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// If counting a list takes too long, the orders of owners are listed without a count.
func TestOrdersOfItemsAreListedWithoutACount(t *testing.T) {
	for _, job := range []string{"source: {list: bindings}", "source: {list: items}", "source: {list: bindings, batch: never}"} {
		for _, unresolved := range []bitrixtest.Unresolved{bitrixtest.UnresolvedPart, bitrixtest.UnresolvedText, bitrixtest.UnresolvedEmpty} {
			bubble(t, job+" "+string(unresolved), func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Payments: 500, AllowRegets: true, Strict: t, Unresolved: unresolved,
					Server: bitrixtest.Server{CountCost: 2 * time.Second}})
				e := newBubbleJob(t, portal, job)
				e.run(t, jobs.ExitComplete)
				items, lacks := 0, 0
				for _, row := range e.rows(t) {
					if row.OrderID.Valid {
						items++
					} else {
						lacks++
					}
				}
				if items == 0 {
					t.Errorf("%d rows have an order and %d have none", items, lacks)
				}
			})
		}
	}
}
