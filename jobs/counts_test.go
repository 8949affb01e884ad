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
				// Every payment of an owner is there, with its order where the owner has one
				// only, and without one where it has several.
				orders, want := map[[2]int64]map[int64]bool{}, map[int64]bitrixtest.Payment{}
				for p := range portal.All() {
					if own := [2]int64{p.OwnerTypeID, p.OwnerID}; p.OwnerID != 0 {
						want[p.ID] = p
						if orders[own] == nil {
							orders[own] = map[int64]bool{}
						}
						orders[own][p.OrderID] = true
					}
				}
				several := 0
				for _, row := range e.rows(t) {
					p, ok := want[row.ID]
					delete(want, row.ID)
					own := orders[[2]int64{p.OwnerTypeID, p.OwnerID}]
					switch {
					case !ok || row.EntityTypeID.V != p.OwnerTypeID || row.EntityID.V != p.OwnerID:
						t.Errorf("payment %d has the owner %v/%v, want %d/%d", row.ID, row.EntityTypeID, row.EntityID, p.OwnerTypeID, p.OwnerID)
					case len(own) > 1:
						if several++; row.OrderID.Valid {
							t.Errorf("payment %d has the order %d, its owner has %d", row.ID, row.OrderID.V, len(own))
						}
					case row.OrderID.V != p.OrderID:
						t.Errorf("payment %d has the order %v, want %d", row.ID, row.OrderID, p.OrderID)
					}
				}
				if len(want) > 0 || several == 0 {
					t.Errorf("%d payments are missing; %d are of owners with several orders", len(want), several)
				}
			})
		}
	}
}
