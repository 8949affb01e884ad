package jobs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix/bitrixtest"
)

// TestBudgetIsUsedToTheFull: 24,000 gets of 50 ms are 1,200 s of operating time, of
// which the portal allows 480 s in 10 minutes. Whoever is charged for a batch, the
// export is complete, it takes hardly longer than a schedule that uses the budget at
// once, and no command is refused because of the budget.
func TestBudgetIsUsedToTheFull(t *testing.T) {
	slow(t)
	for _, charge := range []bitrixtest.Charge{bitrixtest.ChargeInner, bitrixtest.ChargeBatch} {
		t.Run(string(charge), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const payments = 24_000
				e := newExport(t, bitrixtest.Options{Payments: payments, Charge: charge, TakeTime: true, Latency: 200 * time.Millisecond}, 0, nil)
				e.run(t)
				e.wantExact(t)
				least := leastUnderBudget(budgetedRequests(payments, charge))
				s := e.portal.Stats()
				var commands int64
				for _, n := range s.Commands {
					commands += n
				}
				t.Logf("%d requests in %v, at least %v: %.4f; %d of %d commands refused; peaks %v", e.road.requests, e.span, least,
					float64(e.span)/float64(least), s.RefusedCommands, commands, s.OperatingPeak)
				if float64(e.span) > 1.15*float64(least) {
					t.Errorf("took %v, want at most 1.15 of %v", e.span, least)
				}
				if s.RefusedCommands*100 >= commands {
					t.Errorf("%d of %d commands were refused, want under 1 %%", s.RefusedCommands, commands)
				}
				if s.Refused != 0 {
					t.Errorf("%d requests were refused", s.Refused)
				}
			})
		})
	}
}

// budgetedRequest is the cost of a request in the budget that limits, and how long its
// answer takes.
type budgetedRequest struct{ cost, answer time.Duration }

// budgetedRequests returns the requests of an export, the listing first. The portal
// needs 50 ms for a get, 90 ms for a page and 40 ms for a page of owners. It charges
// all of that to the batch, or only the gets to their method.
func budgetedRequests(payments int64, charge bitrixtest.Charge) []budgetedRequest {
	const get, page, owners, way = 50 * time.Millisecond, 90 * time.Millisecond, 40 * time.Millisecond, 200 * time.Millisecond
	var requests []budgetedRequest
	for left := pages(payments); left > 0; left -= 50 {
		work := time.Duration(min(left, 50)) * page
		r := budgetedRequest{answer: work + way}
		if charge == bitrixtest.ChargeBatch {
			r.cost = work
		}
		requests = append(requests, r)
	}
	for left := payments; left > 0; left -= 49 {
		r := budgetedRequest{cost: time.Duration(min(left, 49)) * get}
		r.answer = r.cost + owners + way
		if charge == bitrixtest.ChargeBatch {
			r.cost += owners
		}
		requests = append(requests, r)
	}
	return requests
}

// leastUnderBudget returns when the last answer arrives if each request is sent as soon
// as both limits of the standard plan allow it: fewer than 50 on the counter, which
// falls by 2 per second, and room for its cost in 480 s of the ten baskets of a minute
// that count. It checks each hundredth of a second, and knows all the requests from the
// start, which no export can.
func leastUnderBudget(requests []budgetedRequest) time.Duration {
	const step, basket, budget = 10 * time.Millisecond, time.Minute, 480 * time.Second
	var (
		now     time.Duration
		counter float64
		spent   = map[int64]time.Duration{} // by number of basket
		end     time.Duration
	)
	for len(requests) > 0 {
		number := int64(now / basket)
		var used time.Duration
		for n := number - 9; n <= number; n++ {
			used += spent[n]
		}
		for len(requests) > 0 && counter+1 <= 50 && used+requests[0].cost <= budget {
			counter++
			used += requests[0].cost
			spent[number] += requests[0].cost
			end = max(end, now+requests[0].answer)
			requests = requests[1:]
		}
		now += step
		counter = max(0, counter-2*step.Seconds())
	}
	return end
}
