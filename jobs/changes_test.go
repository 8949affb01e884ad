package jobs_test

import (
	"maps"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/jobs"
	"b24export/schemas"
)

// These tests show what docs/sources.md describes: when a run sees that an order has
// another owner, that an order was deleted, and that a refused payment can be read
// again.
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
		{"ids", "list", "source: {list: ids, ids: {from: 1, to: 100000}}", false},
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
			// In the first run some payments are refused, which the second may read.
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

// This test shows what docs/sources.md says: when a run sees that payments are new, changed
// or deleted, and that a payment may no longer be read. The run that fetches such a payment
// has it as a reject with its last row, and no other run sees that. If ids cannot be listed,
// a deleted payment is such a reject as well.
func TestChangesOfThePayment(t *testing.T) {
	for _, tt := range []struct {
		name, since, job string
		rights           bitrixtest.Rights
		// blind is a run without a list: it fetches every payment, and cannot know that one
		// was deleted.
		blind bool
	}{
		{name: "list", since: "list"},
		{name: "orders", since: "orders"},
		{name: "events", since: "events"},
		{name: "bindings", job: "source: {list: bindings}"},
		{name: "items", job: "source: {list: items}"},
		{name: "ids", job: "source: {list: ids, ids: {from: 1, to: 100000}}"},
		{name: "ids without a list", job: "source: {list: ids, ids: {from: 1, to: 3000}}\ndeletes: {max: 100%}", rights: bitrixtest.Rights{NotAdmin: true}, blind: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			portal := bitrixtest.New(bitrixtest.Options{Seed: 4, Payments: 300, AllowRegets: true, Strict: t, Rights: tt.rights})
			var e *runJob
			if tt.job == "" {
				e = newSinceJob(t, portal, tt.since, "")
			} else {
				e = newRunJob(t, portal, tt.job)
			}
			e.run(t, jobs.ExitComplete)
			table := func() map[int64]schemas.Payment {
				rows := map[int64]schemas.Payment{}
				for _, row := range e.rows(t) {
					rows[row.ID] = row
				}
				return rows
			}
			before := table()
			var bound []bitrixtest.Payment // of different orders
			for p := range portal.All() {
				if _, there := before[p.ID]; there && p.OwnerTypeID == 2 && (len(bound) == 0 || bound[len(bound)-1].OrderID != p.OrderID) {
					bound = append(bound, p)
				}
			}
			closed, quiet, changed, deleted := bound[3].ID, bound[6].ID, bound[9].ID, bound[12].ID
			faulty(portal, bitrixtest.Fault{
				Kind: bitrixtest.FaultCommand, Method: "crm.item.payment.get", IDs: []int64{closed, quiet}, Every: 1,
				Code: "ACCESS_DENIED", Status: 400, Description: "Access denied",
			})
			if !portal.Reprice(closed, 770_000) || !portal.Reprice(changed, 880_000) || !portal.Delete(deleted) {
				t.Fatal("nothing to change")
			}
			added := portal.Add(bound[15].OrderID)
			l := e.run(t, jobs.ExitRejects).Summary.Ledger
			after, want := table(), int64(1)
			last := jobs.ExitComplete
			if tt.blind {
				want, last = 3, jobs.ExitRejects
			}
			if l.Rejected != want || l.Kept != want {
				t.Errorf("ledger %+v, want %d rejects that keep their rows", l, want)
			}
			if after[closed] != before[closed] || after[quiet] != before[quiet] {
				t.Error("a payment that may not be read lost its last row")
			}
			if got := after[changed].Sum.V.String(); got != "88.0000" {
				t.Errorf("the changed payment has the sum %s", got)
			}
			_, there := after[deleted]
			_, known := after[added]
			if there != tt.blind || !known {
				t.Errorf("the deleted payment is there %v, the new one %v", there, known)
			}
			faulty(portal)
			e.run(t, last)
			if got := table()[closed].Sum.V.String(); got != "77.0000" {
				t.Errorf("the payment that may be read again has the sum %s", got)
			}
		})
	}
}

// A sum of 2^39 or more has the value of the portal's float, and verify counts it.
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
