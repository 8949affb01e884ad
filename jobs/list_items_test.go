package jobs_test

import (
	"fmt"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
)

// wantBound checks that the table has each payment with an owner, and no other.
func (e *runJob) wantBound(t *testing.T, portal *bitrixtest.Portal) {
	t.Helper()
	ids := map[int64]bool{}
	for _, row := range e.rows(t) {
		ids[row.ID] = true
	}
	n := 0
	for p := range portal.All() {
		if p.OwnerID == 0 {
			continue
		}
		if n++; !ids[p.ID] {
			t.Errorf("payment %d of the owner %d/%d is not in the table", p.ID, p.OwnerTypeID, p.OwnerID)
		}
	}
	if n != len(ids) {
		t.Errorf("%d rows, want %d", len(ids), n)
	}
}

// An owner with an order has no payments only if two answers of the portal say so.
func TestPaymentsOfOwnersThatAreMissingOnce(t *testing.T) {
	for _, job := range []string{"source: {list: bindings}", "source: {list: items}", "source: {list: bindings, batch: never}"} {
		for _, times := range []int{1, 60} {
			bubble(t, fmt.Sprint(job, times), func(t *testing.T) {
				portal := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: 500, AllowRegets: true, Strict: t})
				empty := bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: "crm.item.payment.list", Times: times, Result: `[]`}
				faulty(portal, empty)
				e := newBubbleJob(t, portal, job)
				e.run(t, jobs.ExitComplete)
				e.wantBound(t, portal)
				faulty(portal) // the next one counts from zero
				faulty(portal, empty)
				if c := e.run(t, jobs.ExitComplete).Summary.Manifest.Changes; c.Sum() != 0 {
					t.Errorf("the second run of a portal without changes found %+v", c)
				}
				e.wantBound(t, portal)
				if n := portal.Stats().Faults; n != int64(2*times) {
					t.Errorf("%d lists were empty, want %d", n, 2*times)
				}
			})
		}
	}
}

// A run that tries rejects again lists in several parts. Listings by owners sort each part
// for itself.
func TestPartsOfAListingByOwners(t *testing.T) {
	for _, list := range []string{"bindings", "items"} {
		bubble(t, list, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: 600, Refuse: 0.02, AllowRegets: true, Strict: t})
			e := newBubbleJob(t, portal, "mode: full\nsource: {list: "+list+"}\nrejects: {max: 0}")
			e.run(t, jobs.ExitFailed)
			portal.Adjust(func(o *bitrixtest.Options) { o.Refuse = 0 })
			e.run(t, jobs.ExitComplete)
			e.wantBound(t, portal)
		})
	}
}

// Smart processes are missing only if two answers of the portal lack them.
func TestTypesThatAreMissingOnce(t *testing.T) {
	bubble(t, "items", func(t *testing.T) {
		portal := bitrixtest.New(bitrixtest.Options{Seed: 1, Payments: 500, AllowRegets: true, Strict: t})
		faulty(portal, bitrixtest.Fault{Kind: bitrixtest.FaultResult, Method: "crm.type.list", Times: 1, Result: `{"types":[]}`})
		e := newBubbleJob(t, portal, "source: {list: items}")
		e.run(t, jobs.ExitComplete)
		e.wantBound(t, portal)
	})
}
