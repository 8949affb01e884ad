package jobs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix"
	"b24export/bitrix/bitrixtest"
)

// TestSoupOfFaults lets everything fail that can fail in a request, each kind at three
// of a hundred requests, and together with the others. The table is complete and exact
// nevertheless, and the strict portal sees no second get of a payment that was fetched.
func TestSoupOfFaults(t *testing.T) {
	slow(t)
	const payments, share = 3_000, 0.03
	var faults []bitrixtest.Fault
	for _, kind := range []bitrixtest.FaultKind{
		bitrixtest.FaultLostRequest, bitrixtest.FaultLostAnswer, bitrixtest.FaultTruncated, bitrixtest.FaultReset,
		bitrixtest.FaultHalfJSON, bitrixtest.FaultHTML, bitrixtest.FaultSlow, bitrixtest.FaultEndless, bitrixtest.FaultBomb,
		bitrixtest.FaultError, bitrixtest.FaultCommand, bitrixtest.FaultWrongType,
	} {
		faults = append(faults, bitrixtest.Fault{Kind: kind, Share: share})
	}
	// Refusals of both limits, of requests and of single commands.
	for _, code := range []string{bitrix.CodeQueryLimit, bitrix.CodeOperatingLimit} {
		faults = append(faults, bitrixtest.Fault{Kind: bitrixtest.FaultError, Code: code, Share: share}, bitrixtest.Fault{Kind: bitrixtest.FaultCommand, Code: code, Share: share})
	}
	synctest.Test(t, func(t *testing.T) {
		e := newExport(t, bitrixtest.Options{
			Payments: payments, Plan: bitrixtest.PlanUnlimited, Latency: 200 * time.Millisecond, Faults: faults,
		}, 100*time.Millisecond, map[string]string{"plan": "unlimited", "concurrency": "8", "patience": "6h", "rejects-max": "0", "operating": "8s", "operating-window": "10s"})
		e.run(t)
		e.wantExact(t)
		s, m := e.portal.Stats(), e.outcome.Summary.Manifest
		t.Logf("%v: %d requests, %d faults, commands %v, at most %d gets of one payment; use %+v", e.span, s.Requests, s.Faults, s.Commands, s.GetsMax, m.PortalUse)
		if s.Faults < s.Requests/5 {
			t.Errorf("only %d faults in %d requests", s.Faults, s.Requests)
		}
		if m.Ledger.Got != payments || m.Ledger.Rejected != 0 {
			t.Errorf("ledger %+v, want all %d got", m.Ledger, payments)
		}
	})
}
