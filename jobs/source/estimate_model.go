package source

import (
	"math"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
)

// forecast predicts a run that lists and gets so many payments.
func (p *planner) forecast(list, get int64, enrich jobfile.Enrich) Forecast {
	var f Forecast
	pages := list/bitrix.PageSize + 1
	f.Requests = chainRequests(pages)
	if p.given >= 0 {
		f.Requests = ceilDiv(p.given, idsARequest)
	}
	f.Bytes = pages * p.listBytes
	loads := []load{{method: MethodList, requests: f.Requests, cost: p.listCost * time.Duration(pages)}}

	orders := int64(math.Ceil(p.orders * float64(get)))
	gets, owners := get, int64(0)
	chunk := (&Source{enrich: enrich}).Chunk()
	chunks := ceilDiv(get, int64(chunk))
	if enrich == jobfile.EnrichGet {
		if orders > 0 {
			owners = chunks
		}
	} else {
		gets = get/sampleEvery + min(get, sampleLeast)
		owners = ceilDiv(orders, ordersACommand)
	}
	requests := chunks
	if chunks > 0 {
		// A chunk's commands fill its requests, and the last one not whole.
		requests = chunks * ceilDiv(ceilDiv(gets+owners, chunks), bitrix.MaxCommands)
	}
	f.Requests += requests
	f.Bytes += gets * p.getBytes
	loads = append(loads,
		load{method: MethodGet, requests: requests, cost: p.getCost * time.Duration(gets)},
		load{method: MethodOwners, requests: requests, cost: p.ownersCost * time.Duration(owners)})
	p.spans(&f, loads)
	return f
}

// load is what a run asks of one method.
type load struct {
	method   string
	requests int64
	cost     time.Duration
}

// spans predicts the time that a forecast's requests take.
func (p *planner) spans(f *Forecast, loads []load) {
	l := p.limits
	if l.Share > 0 {
		l.Rate, l.Burst = l.Rate*l.Share, int(float64(l.Burst)*l.Share)
	}
	// The first answer has to come before there is anything to get, and the
	// last one before the run can end.
	ends := 2 * p.answer.Seconds()
	if l.Rate > 0 {
		f.RateS = max(0, float64(f.Requests)-float64(l.Burst))/l.Rate + ends
	}
	concurrency := p.client.Concurrency()
	// One chain of pages has to end before the next can begin.
	listing := float64(loads[0].requests) * p.chain.Seconds()
	f.LatencyS = math.Ceil(float64(f.Requests)/float64(concurrency))*p.answer.Seconds() + ends
	f.LatencyS = max(f.LatencyS, listing+p.answer.Seconds())
	if l.Operating > 0 && p.counted {
		if p.batchCharged {
			all := load{requests: f.Requests}
			for _, m := range loads {
				all.cost += m.cost
			}
			loads = []load{all}
		}
		for _, m := range loads {
			f.OperatingS = max(f.OperatingS, greedySpan(m, l).Seconds()+ends)
		}
	}
	f.Seconds, f.Binding = f.LatencyS, bitrix.BindingLatency
	if f.RateS >= f.Seconds {
		f.Seconds, f.Binding = f.RateS, bitrix.BindingRate
	}
	// A budget that is never used up takes as long as the rate does.
	if f.OperatingS > f.Seconds*1.02 {
		f.Seconds, f.Binding = f.OperatingS, bitrix.BindingOperating
	}
}

// windowBaskets is how many parts a portal's window has; each falls out whole.
const windowBaskets = 10

// greedySpan plays a method's requests against its budget: each is sent as soon
// as the rate has a token and the budget has room. Under a sliding window
// nothing is faster.
func greedySpan(m load, l bitrix.Limits) time.Duration {
	if m.requests == 0 {
		return 0
	}
	window := l.Window
	if window <= 0 {
		window = 10 * time.Minute
	}
	basket := window / windowBaskets
	cost := m.cost / time.Duration(m.requests)
	if cost > l.Operating {
		cost = l.Operating // a request that the budget never has room for is sent all the same
	}
	var now, used time.Duration
	tokens := float64(l.Burst)
	booked := make(map[int64]time.Duration) // by number of basket
	oldest := int64(0)
	for range m.requests {
		if l.Rate > 0 {
			if tokens < 1 {
				now += time.Duration((1 - tokens) / l.Rate * float64(time.Second))
				tokens = 1
			}
			tokens--
		}
		before := now
		for used+cost > l.Operating {
			for booked[oldest] == 0 {
				delete(booked, oldest)
				oldest++
			}
			now = max(now, time.Duration(oldest)*basket+window)
			used -= booked[oldest]
			booked[oldest] = 0
		}
		tokens = min(float64(l.Burst), tokens+(now-before).Seconds()*l.Rate)
		booked[int64(now/basket)] += cost
		used += cost
	}
	return now
}

// chainRequests is how many requests a listing of so many pages takes: short
// chains at first, as bitrix.Client.Pages has them, which at the end may take the
// last few pages along and so need one less.
func chainRequests(pages int64) int64 {
	n, length := int64(0), int64(4)
	for pages > 0 {
		pages -= length
		length = min(length*4, bitrix.MaxCommands)
		n++
	}
	return n
}

func ceilDiv(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	return (a + b - 1) / b
}
