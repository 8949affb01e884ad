package jobs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
)

// TestWithoutBatches: if the job disables batches, or the portal does not accept a
// method in one, each of its commands is a request, and the table is the same.
func TestWithoutBatches(t *testing.T) {
	slow(t)
	const payments, chunks = 980, 20
	for _, tt := range []struct {
		name             string
		flags            map[string]string
		single           []string // methods that the portal does not batch
		whole            bool     // it refuses the batch, not the command
		requests, beyond int64    // at least so many, and at most so many more
		batches          bool
	}{
		{name: "batch: never", flags: map[string]string{"batch": "never"}, requests: payments + chunks + 20, beyond: 2},
		{name: "gets", single: []string{"crm.item.payment.get"}, requests: payments, beyond: 64, batches: true},
		{name: "gets, the batch as a whole", single: []string{"crm.item.payment.get"}, whole: true, requests: payments, beyond: 64, batches: true},
		{name: "the listing", single: []string{"sale.payment.list"}, requests: chunks + 20, beyond: 6, batches: true},
		{name: "owners", single: []string{"crm.orderentity.list"}, requests: 2 * chunks, beyond: 4, batches: true},
		{name: "all of them", single: []string{"sale.payment.list", "crm.item.payment.get", "crm.orderentity.list"}, requests: payments + chunks + 20, beyond: 64, batches: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExport(t, bitrixtest.Options{
					Payments: payments, NotInBatch: tt.single, RefuseWholeBatch: tt.whole, Latency: 300 * time.Millisecond,
				}, 0, tt.flags)
				e.run(t)
				e.wantExact(t)
				e.wantNoRefusals(t)
				s := e.portal.Stats()
				least := e.leastSpan(2, 50)
				t.Logf("%d requests, %d batches, commands %v; %v, at least %v", s.Requests, s.Batches, s.Commands, e.span, least)
				if s.Requests < tt.requests || s.Requests > tt.requests+tt.beyond {
					t.Errorf("%d requests, want %d, and at most %d more", s.Requests, tt.requests, tt.beyond)
				}
				if (s.Batches > 0) != tt.batches {
					t.Errorf("%d batches, want some: %v", s.Batches, tt.batches)
				}
			})
		})
	}
}
