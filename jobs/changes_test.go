package jobs_test

import (
	"maps"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/schemas"
)

// What docs/sources.md says about when a run sees that an order belongs to another CRM
// item, that an order was deleted, and that a refused payment may be read again.
func TestChangesBesideThePayment(t *testing.T) {
	for _, tt := range []struct {
		name, since, job string
		owners           bool // a night sees new owners
	}{
		{"list", "list", "", false},
		{"orders", "orders", "", false},
		{"events", "events", "", false},
		{"bindings", "list", "source: {list: bindings}", true},
		{"items", "list", "source: {list: items}", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 300, AllowRegets: true, Strict: t, Faults: []bitrixtest.Fault{{
				Kind: bitrixtest.FaultCommand, Method: "crm.item.payment.get", IDs: []int64{200, 201, 202, 203, 204}, Times: 3, Code: "ACCESS_DENIED", Status: 400, Description: "Access denied",
			}}})
			var e *runJob
			if tt.job == "" {
				e = newSinceJob(t, portal, tt.since, "")
			} else {
				e = newRunJob(t, portal, tt.job)
			}
			// The first run is refused some payments, which the second may read.
			e.run(t, jobs.ExitRejects)
			e.run(t, jobs.ExitComplete)
			if tt.owners {
				e.wantOwners(t, byID(t, portal))
			} else {
				e.wantTable(t, portal, none)
			}

			var moved, other, deleted bitrixtest.Payment
			for p := range portal.All() {
				switch {
				case p.OwnerTypeID != 2 || p.ID < 20:
				case moved.ID == 0:
					moved = p
				case other.ID == 0 && p.OwnerID != moved.OwnerID:
					other = p
				case deleted.ID == 0 && p.OrderID != moved.OrderID && p.OrderID != other.OrderID && other.ID != 0:
					deleted = p
				}
			}
			before := byID(t, portal)
			if !portal.Rebind(moved.OrderID, 2, other.OwnerID) || !portal.DeleteOrder(deleted.OrderID) {
				t.Fatal("nothing to change")
			}
			e.run(t, jobs.ExitComplete)
			if tt.owners {
				e.wantOwners(t, byID(t, portal))
				return
			}
			want := byID(t, portal)
			stale := maps.Clone(want)
			for id, row := range want {
				if row.OrderID.V == moved.OrderID {
					stale[id] = before[id]
				}
			}
			e.wantRows(t, stale)
			e.spec.FullEvery = 1 // nanosecond
			e.run(t, jobs.ExitComplete)
			e.wantRows(t, want)
		})
	}
}

// A sum of 2^39 or more is what the portal's float makes of it, and verify counts it.
func TestLargeSums(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 60, Gap: -1, AllowRegets: true, Strict: t})
	for id, sum := range map[int64]int64{7: 5_501_428_560_265_959, 8: 5_497_558_138_879_999} {
		if !portal.Reprice(id, sum) {
			t.Fatal("no such payment")
		}
	}
	e := newRunJob(t, portal, "mode: full")
	id := e.run(t, jobs.ExitComplete).Summary.Manifest.Snapshot
	for _, row := range e.rows(t) {
		want := map[int64]string{7: "550142856026.5960", 8: "549755813887.9999"}[row.ID]
		if got := row.Sum.V.String(); want != "" && got != want {
			t.Errorf("payment %d: sum %s, want %s", row.ID, got, want)
		}
	}
	v, err := e.dataset(t).Inspect(t.Context(), id)
	if err != nil || len(v.Differences) > 0 || v.LargeSums != 1 {
		t.Errorf("verify: %d large sums, differences %v, error %v; want 1 and none", v.LargeSums, v.Differences, err)
	}
}

// wantOwners checks ids and owners of a table that was listed by owners.
func (e *runJob) wantOwners(t *testing.T, want map[int64]schemas.Payment) {
	t.Helper()
	n := 0
	for _, row := range e.rows(t) {
		w, ok := want[row.ID]
		if !ok || w.EntityID != row.EntityID || w.EntityTypeID != row.EntityTypeID {
			t.Errorf("payment %d has the owner %v, %v; want %v, %v", row.ID, row.EntityTypeID, row.EntityID, w.EntityTypeID, w.EntityID)
		}
		n++
	}
	for id, w := range want {
		if !w.EntityID.Valid {
			delete(want, id)
		}
	}
	if n != len(want) {
		t.Errorf("%d payments, want %d", n, len(want))
	}
}
