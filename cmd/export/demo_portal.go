package main

import (
	"fmt"

	"b24export/bitrix/bitrixtest"
)

// The demo's portal must be the same in each process, and change from one demo to the
// next. So it is a function of its round, which is the number of snapshots.
const (
	demoHost     = "https://demo.bitrix24.example"
	demoPayments = 12_000 // in round 0
	// demoSpeed is the factor by which its clock is faster than a real one.
	demoSpeed = 120
	// demoRounds is the number of rounds with new or newly paid payments. Later rounds
	// have only new prices and deletions.
	demoRounds = 50
	demoNew    = 8 // new payments per round
	demoPaid   = 12
	demoPriced = 9
	demoGone   = 3
)

// demoPortal returns the portal of a round.
//
// The fake portal's own dates are older than any clock. A payment that is paid or added
// now would have the present moment as its date, which differs in each process. So a
// payment that is new in a round is deleted in all earlier rounds, and a payment that
// becomes paid is unpaid in them.
func demoPortal(round int) *bitrixtest.Portal {
	portal := bitrixtest.New(bitrixtest.Options{
		Seed:     24,
		Payments: demoPayments + demoRounds*demoNew,
		Plan:     bitrixtest.PlanStandard,
		Speed:    demoSpeed,
		Odd:      true,
		OddShare: 0.003,
		Refuse:   0.0004,
		Trade:    true,
		Returns:  0.03,
		Rights:   bitrixtest.Rights{Scopes: []string{"crm", "sale", "user", "pay_system"}},
	})
	ids := make([]int64, portal.Count())
	for i := range ids {
		ids[i] = portal.ID(int64(i))
	}
	old, added := ids[:demoPayments], ids[demoPayments:]
	for r := round + 1; r <= demoRounds; r++ {
		for i := range demoNew {
			portal.Delete(added[(r-1)*demoNew+i])
		}
		for i := range demoPaid {
			portal.Unpay(demoPick(old, 7919, (r-1)*demoPaid+i))
		}
	}
	for r := 1; r <= round; r++ {
		for i := range demoPriced {
			portal.Reprice(demoPick(old, 6007, (r-1)*demoPriced+i), int64(990_000+100*(r*demoPriced+i)))
		}
		for i := range demoGone {
			portal.Delete(demoPick(old, 4801, (r-1)*demoGone+i))
		}
	}
	return portal
}

// demoPick returns the n-th payment of a walk through all payments. The steps of the
// walk and the number of payments have no common divisor.
func demoPick(ids []int64, step, n int) int64 { return ids[(n+1)*step%len(ids)] }

// demoJob returns the demo's job file for a portal with this webhook. The job writes to
// folder.
func demoJob(webhook, folder string) string {
	const rate, burst, operating, window = 2, 50, 480, 600 // of the standard plan
	return fmt.Sprintf(`version: 1
name: payments
portals:
  - name: demo
    webhook: %s
    limits:
      rate: %d
      burst: %d
      operating: %dms
      operating_window: %dms
source:
  fields: [comments, datePayBefore]  # into the column extra
  related: [orders, owners, stages, companies, contacts, users, pay_systems]
  related_every: 1m
sink:
  url: %q
  history: 100000  # their number is the demo's round
`, webhook, rate*demoSpeed, burst, operating*1000/demoSpeed, window*1000/demoSpeed, folder)
}

// demoJobFile returns the job file in the demo's folder. It works with commands that do
// not call the portal. It does not work with run, because the portal ends with the
// demo.
func demoJobFile() string {
	return "# The job of b24export demo. status, snapshots, verify, cat, diff, report and sql work with it. run does not:\n" +
		"# the portal is in the demo's process only.\n" + demoJob(demoHost+"/rest/1/unused/", ".")
}
