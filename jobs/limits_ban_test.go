package jobs_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
)

// banned returns the options of a portal that refuses, because its operating budget is
// smaller than the job says. 2,000 gets of half a second are 1,000 s of operating time.
func banned(server bitrixtest.Server, charge bitrixtest.Charge) bitrixtest.Options {
	return bitrixtest.Options{
		Payments: 2000, Charge: charge, TakeTime: true, AllowRegets: true, Server: server,
		Costs:  map[string]time.Duration{"crm.item.payment.get": 500 * time.Millisecond},
		Limits: bitrixtest.Limits{Operating: 300 * time.Second},
	}
}

// The newest module bans a method that is over its budget for 300 s. The export waits
// until the ban ends: a call meanwhile would restart it.
func TestBanIsWaitedOut(t *testing.T) {
	slow(t)
	for _, counters := range []string{"counters", "no counters", "zero counters"} {
		for _, charge := range []bitrixtest.Charge{bitrixtest.ChargeInner, bitrixtest.ChargeBatch} {
			t.Run(counters+", "+string(charge), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := banned(bitrixtest.Server{Ban: 300 * time.Second}, charge)
					o.NoCounters, o.ZeroCounters = counters == "no counters", counters == "zero counters"
					e := newExport(t, o, 0, map[string]string{"concurrency": "3"})
					for range 2 { // the second run begins with what the first has left of the budget
						e.run(t)
						e.wantExact(t)
						s := e.portal.Stats()
						t.Logf("%v, %d refused, %d bans begun again", e.span, s.RefusedCommands, s.BansRenewed)
						if e.span > time.Hour {
							t.Errorf("took %v, want less than an hour", e.span)
						}
						if s.BansRenewed > 0 {
							t.Errorf("%d calls came during a ban", s.BansRenewed)
						}
					}
				})
			})
		}
	}
}

// Portals may charge requests with half or double of the time that they take. The
// export is complete, it waits until bans end, and with double charges it takes no
// longer than the budget requires.
func TestOtherWeightsDoNoHarm(t *testing.T) {
	slow(t)
	for weight, longest := range map[float64]time.Duration{0.5: 40 * time.Minute, 2: 90 * time.Minute} {
		for _, charge := range []bitrixtest.Charge{bitrixtest.ChargeInner, bitrixtest.ChargeBatch} {
			t.Run(fmt.Sprint(weight, ", ", charge), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := banned(bitrixtest.Server{Ban: 300 * time.Second, Weight: weight}, charge)
					o.Limits.Operating = 480 * time.Second
					e := newExport(t, o, 0, map[string]string{"concurrency": "3"})
					e.run(t)
					e.wantExact(t)
					s := e.portal.Stats()
					t.Logf("%v, %d refused, %d bans begun again", e.span, s.RefusedCommands, s.BansRenewed)
					if e.span > longest {
						t.Errorf("took %v, want at most %v", e.span, longest)
					}
					if s.BansRenewed > 0 {
						t.Errorf("%d calls came during a ban", s.BansRenewed)
					}
				})
			})
		}
	}
}

// An operating_reset_at that lies beyond the window, as no basket can, is not waited for:
// an export takes at most a window more than with the right one.
func TestResetBeyondTheWindow(t *testing.T) {
	spans := map[time.Duration]time.Duration{}
	for _, late := range []time.Duration{0, 24 * time.Hour} {
		t.Run(late.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := banned(bitrixtest.Server{ResetLate: late}, bitrixtest.ChargeInner)
				o.Limits.Operating = 480 * time.Second
				e := newExport(t, o, 0, map[string]string{"concurrency": "3"})
				e.run(t)
				e.wantExact(t)
				spans[late] = e.span
			})
		})
	}
	if wrong, right := spans[24*time.Hour], spans[0]; wrong > right+10*time.Minute {
		t.Errorf("took %v, want at most a window more than %v", wrong, right)
	}
}
