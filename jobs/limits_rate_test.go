package jobs_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
)

// quickGets is the cost of a get in tests in which the rate must be the limit: 10,000
// of them at the 50 ms of the vendor's example would exceed the 480 s that the portal
// allows.
var quickGets = map[string]time.Duration{"crm.item.payment.get": 20 * time.Millisecond}

// TestRateIsUsedToTheFull: under the standard plan, with answers of 1.1 to 1.34 s, an
// export takes hardly more requests than its commands fill, and hardly more time than
// the limit requires for so many requests. It loses half a token, which is a quarter of
// a second, and what falls off the portal's counter until the first answer. No request
// is refused.
func TestRateIsUsedToTheFull(t *testing.T) {
	slow(t)
	for _, tt := range []struct {
		name        string
		payments    int64
		flags       map[string]string
		rate        float64 // what the limits allow
		burst       int
		requestsMax float64 // of the least
		spanMax     float64 // of the least
	}{
		{name: "6,000", payments: 6000, rate: 2, burst: 50, requestsMax: 1.02, spanMax: 1.03},
		{name: "10,000", payments: 10_000, rate: 2, burst: 50, requestsMax: 1.02, spanMax: 1.03},
		{name: "half of it is left to others", payments: 6000, flags: map[string]string{"share": "0.5"}, rate: 1, burst: 25, requestsMax: 1.02, spanMax: 1.03},
		{name: "enterprise", payments: 24_000, flags: map[string]string{"plan": "enterprise", "operating": "0s"}, rate: 5, burst: 250, requestsMax: 1.02, spanMax: 1.04},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := bitrixtest.Options{Payments: int(tt.payments), Costs: quickGets, Latency: 1100 * time.Millisecond}
				if tt.flags["plan"] == "enterprise" {
					o.Plan, o.Limits = bitrixtest.PlanEnterprise, bitrixtest.Limits{Operating: -1}
				}
				e := newExport(t, o, 240*time.Millisecond, tt.flags)
				e.run(t)
				e.wantExact(t)
				e.wantNoRefusals(t)
				chunks := (tt.payments + 48) / 49 // each with a command for the owners of its orders
				// And one that measures the list's dates.
				requests := leastRequests(tt.payments+pages(tt.payments)+chunks) + 1
				least := e.leastSpan(tt.rate, tt.burst)
				t.Logf("%d requests, at least %d: %.4f; %v, at least %v: %.4f", e.road.requests, requests,
					float64(e.road.requests)/float64(requests), e.span, least, float64(e.span)/float64(least))
				if float64(e.road.requests) > float64(requests)*tt.requestsMax {
					t.Errorf("%d requests, want at most %v of %d", e.road.requests, tt.requestsMax, requests)
				}
				if float64(e.span) > float64(least)*tt.spanMax {
					t.Errorf("took %v, want at most %v of %v", e.span, tt.spanMax, least)
				}
			})
		})
	}
}

// TestListedValuesAreCheap: with enrich: list, 100,000 payments take a request for each
// 2,400 of the listing, and one for each 4,700 for the owners of their orders and for
// the sample, which is fetched nevertheless. So many requests are in flight that the
// rate limit decides how long that takes, not the time of an answer.
func TestListedValuesAreCheap(t *testing.T) {
	slow(t)
	synctest.Test(t, func(t *testing.T) {
		const payments = 100_000
		e := newExport(t, bitrixtest.Options{Payments: payments, Latency: 1200 * time.Millisecond}, 0, map[string]string{"enrich": "list"})
		e.run(t)
		e.wantExact(t)
		e.wantNoRefusals(t)
		s := e.portal.Stats()
		owners, gets := s.Commands["crm.orderentity.list"], s.Commands["crm.item.payment.get"]
		t.Logf("%d requests, %d of them for the listing; commands %v; %v", e.road.requests, e.road.listing, s.Commands, e.span)
		least := e.leastSpan(2, 50)
		t.Logf("at least %v: %.4f", least, float64(e.span)/float64(least))
		if float64(e.span) > 1.05*float64(least) {
			t.Errorf("took %v, want at most 1.05 of %v", e.span, least)
		}
		if most := leastRequests(pages(payments))*25/24 + 3; e.road.listing > most {
			t.Errorf("%d requests for the listing, want at most %d", e.road.listing, most)
		}
		if rest, most := e.road.requests-e.road.listing, leastRequests(owners+gets)+2; rest > most {
			t.Errorf("%d requests for %d owners and %d gets, want at most %d", rest, owners, gets, most)
		}
		if gets < 400 || gets > 500+measuring {
			t.Errorf("%d gets, want a sample of at most 500", gets)
		}
	})
}

// TestListingOfUnevenIDs exports a portal in which most payments of some ranges were
// deleted. Windows of its listing then have a rest, which shares the request of the next
// one. The table is complete.
func TestListingOfUnevenIDs(t *testing.T) {
	slow(t)
	synctest.Test(t, func(t *testing.T) {
		e := newExport(t, bitrixtest.Options{Payments: 80_000, Latency: 1200 * time.Millisecond, Limits: bitrixtest.Limits{Operating: -1}},
			0, map[string]string{"enrich": "list", "operating": "0s"})
		for p := range e.portal.All() {
			if p.ID/10_000%2 == 1 && p.ID%5 != 0 {
				e.portal.Delete(p.ID)
			}
		}
		e.run(t)
		e.wantExact(t)
		e.wantNoRefusals(t)
		t.Logf("%d payments, %d requests, %d of them for the listing; %v", e.portal.Count(), e.road.requests, e.road.listing, e.span)
		if most := leastRequests(pages(e.portal.Count()))*13/10 + 4; e.road.listing > most {
			t.Errorf("%d requests for the listing, want at most %d", e.road.listing, most)
		}
	})
}

// TestTheBucketBindsNotTheWorkers: however long answers take, so many requests are in
// flight that the rate limit decides when the next one is sent. More concurrency
// changes nothing.
func TestTheBucketBindsNotTheWorkers(t *testing.T) {
	slow(t)
	for _, tt := range []struct {
		name string
		long time.Duration // time of a full batch of gets
		cost time.Duration // of a get, if the portal itself takes so long
		// ramp is for how many answers the listing has not yet shown enough payments to
		// use the rate.
		ramp float64
	}{
		{"answers of 2 s", 2 * time.Second, 0, 1},
		{"answers of 20 s", 20 * time.Second, 0, 1.1},
		{"answers of 20 s that the portal works on", 20 * time.Second, 400 * time.Millisecond, 0.2}, // the gets that measure the list's dates take 4 s
	} {
		t.Run(tt.name, func(t *testing.T) {
			spans := map[string]time.Duration{}
			for _, concurrency := range []string{"", "256"} {
				synctest.Test(t, func(t *testing.T) {
					flags := map[string]string{"operating": "0s"}
					if concurrency != "" {
						flags["concurrency"] = concurrency
					}
					o := bitrixtest.Options{Payments: 10_000, Limits: bitrixtest.Limits{Operating: -1}, Latency: tt.long}
					if tt.cost > 0 {
						o.Latency, o.TakeTime, o.Costs = 0, true, map[string]time.Duration{"crm.item.payment.get": tt.cost}
					}
					e := newExport(t, o, 0, flags)
					e.run(t)
					e.wantNoRefusals(t)
					s := e.portal.Stats()
					least := e.leastSpan(2, 50) - e.road.last + tt.long
					t.Logf("concurrency %q: %d requests, %d at once, in %v, at least %v: %.4f", concurrency, e.road.requests, s.AtOnce, e.span, least,
						float64(e.span)/float64(least))
					if most := least + time.Duration(tt.ramp*float64(tt.long)); e.span > most {
						t.Errorf("took %v, want at most %v", e.span, most)
					}
					spans[concurrency] = e.span
				})
			}
			if float64(spans[""]) > 1.01*float64(spans["256"]) {
				t.Errorf("took %v, and %v with more workers", spans[""], spans["256"])
			}
		})
	}
}

// TestConcurrencyBindsWhereItIsLow: with 8 concurrent requests and answers of 20 s, 44
// requests take seven rounds: three in which the listing grows, and four of 8 gets
// each, less the gets for which the listing's rounds had room.
func TestConcurrencyBindsWhereItIsLow(t *testing.T) {
	slow(t)
	synctest.Test(t, func(t *testing.T) {
		e := newExport(t, bitrixtest.Options{Payments: 2000, Latency: 20 * time.Second}, 0, map[string]string{"concurrency": "8"})
		e.run(t)
		e.wantExact(t)
		e.wantNoRefusals(t)
		if n := e.portal.Stats().AtOnce; n != 8 || e.span != 140*time.Second {
			t.Errorf("took %v with %d requests at once, want 2m20s with 8", e.span, n)
		}
	})
}

// TestFullRunOverASnapshot: a run that fetches every payment again loses no more than
// the half token that is never used. It knows how many payments there were, and lists
// more of them at once. The first run also loses what falls off the portal's counter
// until the first answer.
func TestFullRunOverASnapshot(t *testing.T) {
	slow(t)
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		for run := range 2 {
			// A portal of its own each time, since a strict one lets no payment be fetched
			// twice, and an hour later, when all counters are at zero.
			<-time.After(time.Hour)
			e := newExport(t, bitrixtest.Options{
				Payments: 10_000, Latency: 1200 * time.Millisecond, Limits: bitrixtest.Limits{Operating: -1},
			}, 0, map[string]string{"to": folder, "operating": "0s"})
			e.run(t)
			e.wantExact(t)
			e.wantNoRefusals(t)
			least := e.leastSpan(2, 50)
			ratio := float64(e.span) / float64(least)
			t.Logf("run %d: %d requests in %v, at least %v: %.4f", run, e.road.requests, e.span, least, ratio)
			if most := []float64{1.0056, 1.0031}[run]; ratio > most {
				t.Errorf("run %d took %.4f of the least possible time, want at most %v", run, ratio, most)
			}
		}
	})
}

// TestListingsByOwnersUseTheRate: a listing by owners takes a request for each 46 owners,
// and hardly any to find them. It lists the payments of the first owners while the chain
// of pages finds the next ones, so the rate limit decides how long it takes. What it
// loses are the answers before the first owners, and the last one, the sample.
func TestListingsByOwnersUseTheRate(t *testing.T) {
	slow(t)
	for _, tt := range []struct {
		list     string
		payments int
		most     float64 // of the least
	}{
		{"bindings", 10_000, 1.1},
		{"bindings", 40_000, 1.02},
		{"items", 10_000, 1.09},
		{"items", 40_000, 1.02},
	} {
		t.Run(fmt.Sprint(tt.list, " ", tt.payments), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExport(t, bitrixtest.Options{
					Payments: tt.payments, Latency: 1200 * time.Millisecond, Limits: bitrixtest.Limits{Operating: -1},
				}, 0, map[string]string{"list": tt.list, "enrich": "list", "operating": "0s"})
				e.run(t)
				e.wantNoRefusals(t)
				least := e.leastSpan(2, 50)
				ratio := float64(e.span) / float64(least)
				t.Logf("%d requests in %v, at least %v: %.4f; commands %v", e.road.requests, e.span, least, ratio, e.portal.Stats().Commands)
				if ratio > tt.most {
					t.Errorf("took %.4f of the least possible time, want at most %v", ratio, tt.most)
				}
			})
		})
	}
}
