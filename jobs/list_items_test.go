package jobs_test

import (
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
