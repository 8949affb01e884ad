package source

import (
	"math"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
)

// forecast predicts a run that lists and fetches so many payments.
func (p *planner) forecast(list, get int64, enrich jobfile.Enrich) Forecast {
	var f Forecast
	pages := list/bitrix.PageSize + 1
	f.Requests = listRequests(pages)
	if p.given >= 0 {
		f.Requests = ceilDiv(p.given, idsARequest)
	}
	f.Bytes = pages * p.listBytes
	loads := []load{p.load(bitrix.MethodPaymentList, f.Requests, pages)}

	orders := int64(math.Ceil(p.orders * float64(get)))
	gets, owners := get, int64(0)
	chunk := (&Source{enrich: enrich}).Chunk()
	chunks := ceilDiv(get, int64(chunk))
	if enrich == jobfile.EnrichGet {
		if orders > 0 {
			owners = chunks
		}
	} else {
		gets = min(get, sampleMost, max(sampleLeast, get/sampleEvery))
		owners = ceilDiv(orders, ordersACommand)
	}
	requests := max(chunks, ceilDiv(gets+owners, bitrix.MaxCommands))
	f.Requests += requests
	f.Bytes += gets * p.getBytes
	loads = append(loads,
		p.load(bitrix.MethodItemPaymentGet, requests, gets), p.load(bitrix.MethodOrderEntityList, requests, owners))
	p.spans(&f, loads)
	return f
}

// model predicts how long requests take, from what the portal's answers have shown and
// from what is used of its limits when the requests begin.
type model struct {
	// rate, burst and window come from bitrix.Limits, with Share applied. tokens is how
	// many requests can be sent at once.
	rate, burst, tokens float64
	window              time.Duration
	concurrency         int
	answer              time.Duration // to a chunk's request, without waits
	chain               time.Duration // for a full chain of pages
	budget              time.Duration // of each method that is not in methods
	methods             map[string]bitrix.MethodGauge
	at                  time.Time // when the requests begin, if methods have Falls
	// counted: the portal reports operating time. batchCharged: it charges the time to
	// the method batch.
	counted, batchCharged bool
}

// newModel returns the model of a portal whose limits are unused.
func newModel(limits bitrix.Limits, concurrency int) model {
	m := model{rate: limits.Rate, burst: float64(limits.Burst), window: limits.Window, concurrency: concurrency, budget: limits.Operating}
	if limits.Share > 0 {
		m.rate, m.burst = m.rate*limits.Share, math.Floor(m.burst*limits.Share)
	}
	if m.window <= 0 {
		m.window = 10 * time.Minute
	}
	m.tokens = m.burst
	return m
}

// learn copies the costs of commands from a gauge.
func (m *model) learn(gauge *bitrix.Gauge) {
	m.methods = make(map[string]bitrix.MethodGauge, len(gauge.Methods))
	for _, g := range gauge.Methods {
		m.methods[g.Method] = bitrix.MethodGauge{Cost: g.Cost, Limit: m.budget}
		m.counted = m.counted || g.Counted
		if g.Method == bitrix.MethodBatch {
			// A portal that charges the methods inside a batch reports no time for the
			// batch itself.
			m.batchCharged = g.Reported > 0
		}
	}
}

// load is what a run requires of one method.
type load struct {
	method   string
	requests int64
	cost     time.Duration
}

// load returns the load of so many commands of a method in so many requests.
func (m *model) load(method string, requests, commands int64) load {
	return load{method: method, requests: requests, cost: m.methods[method].Cost * time.Duration(commands)}
}

// spans predicts the time that a forecast's requests take. The first load is that of
// the listing.
func (m *model) spans(f *Forecast, loads []load) {
	// The first answer must arrive before anything can be fetched, and the last one
	// before the run can end.
	ends := 2 * m.answer.Seconds()
	if m.rate > 0 {
		f.RateS = m.rateSpan(f.Requests).Seconds() + ends
	}
	// A chain of pages must end before the next can begin. Several windows run
	// concurrently.
	listing := float64(loads[0].requests) * m.chain.Seconds()
	if loads[0].requests > chainsLeast {
		listing /= max(4, 2*m.chain.Seconds()*m.rate)
	}
	f.LatencyS = math.Ceil(float64(f.Requests)/float64(m.concurrency))*m.answer.Seconds() + ends
	f.LatencyS = max(f.LatencyS, listing+m.answer.Seconds())
	if m.counted && m.budget > 0 {
		f.OperatingS = m.operatingSpan(f.Requests, loads).Seconds() + ends
	}
	f.Seconds, f.LimitedBy = f.LatencyS, bitrix.LimitedByLatency
	if f.RateS >= f.Seconds {
		f.Seconds, f.LimitedBy = f.RateS, bitrix.LimitedByRate
	}
	// If the budget is never used up, the rate alone decides.
	if f.OperatingS > f.Seconds*1.02 {
		f.Seconds, f.LimitedBy = f.OperatingS, bitrix.LimitedByOperating
	}
}

// rateSpan returns when the rate limit allows the last of so many requests.
func (m *model) rateSpan(requests int64) time.Duration {
	if m.rate <= 0 {
		return 0
	}
	return seconds(max(0, float64(requests)-m.tokens) / m.rate)
}

// operatingSpan returns when the operating budgets and the rate limit together allow
// the last request; 0 if there are no budgets.
func (m *model) operatingSpan(requests int64, loads []load) (span time.Duration) {
	if !m.counted {
		return 0
	}
	if m.batchCharged {
		all := load{method: bitrix.MethodBatch, requests: requests}
		for _, l := range loads {
			all.cost += l.cost
		}
		loads = []load{all}
	}
	for _, l := range loads {
		span = max(span, m.greedySpan(l))
	}
	return span
}

const (
	// windowBaskets is how many baskets a portal's window has. Each one expires as a
	// whole.
	windowBaskets = 10
	// playedRequests is how many requests of a method are simulated one by one. After
	// that many, each further request takes as long as those before.
	playedRequests = 20_000
)

// greedySpan simulates a method's requests against its budget. Each is sent as soon as
// the rate has a token and the budget has room. Under a sliding window no order is
// faster.
func (m *model) greedySpan(l load) time.Duration {
	gauge := m.methods[l.method]
	budget := gauge.Limit
	if l.requests == 0 || budget <= 0 {
		return 0
	}
	cost := min(l.cost/time.Duration(l.requests), budget) // a request for which the budget never has room is sent nevertheless
	w := window{basket: m.window / windowBaskets, whole: m.window}
	for _, fall := range gauge.Falls {
		w.book(fall.At.Sub(m.at), fall.Used)
	}
	if len(w.falls) > 0 {
		w.phase = w.falls[0].at % w.basket
	}
	var now time.Duration
	tokens := m.tokens
	played := min(l.requests, playedRequests)
	for range played {
		before := now
		if m.rate > 0 && tokens < 1 {
			now += seconds((1 - tokens) / m.rate)
		}
		now = w.room(now, budget-cost)
		if m.rate > 0 {
			tokens = min(max(1, m.burst), tokens+(now-before).Seconds()*m.rate) - 1
		}
		w.spend(now, cost)
	}
	if rest := l.requests - played; rest > 0 {
		each := float64(cost) / (float64(budget) / float64(m.window))
		if m.rate > 0 {
			each = max(each, float64(time.Second)/m.rate)
		}
		now += time.Duration(float64(rest) * each)
	}
	return now
}

// window is the recent operating time of a method, as the portal counts it: in baskets,
// each of which expires as a whole.
type window struct {
	basket, whole time.Duration
	phase         time.Duration // of the baskets' edges
	used          time.Duration
	falls         []fall // ascending
}

// fall is operating time that counts until at.
type fall struct{ at, used time.Duration }

func (w *window) book(until, used time.Duration) {
	w.used += used
	if last := len(w.falls) - 1; last >= 0 && w.falls[last].at >= until {
		w.falls[last].used += used
		return
	}
	w.falls = append(w.falls, fall{until, used})
}

// spend records operating time that is used at now.
func (w *window) spend(now, used time.Duration) {
	start := now - w.phase
	start -= ((start % w.basket) + w.basket) % w.basket
	w.book(start+w.phase+w.whole, used)
}

// room returns the first instant from now on at which at most most is used.
func (w *window) room(now, most time.Duration) time.Duration {
	for len(w.falls) > 0 && (w.used > most || w.falls[0].at <= now) {
		now = max(now, w.falls[0].at)
		w.used -= w.falls[0].used
		w.falls = w.falls[1:]
	}
	return now
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// chainsLeast is the number of requests up to which a listing uses one chain after the
// other.
const chainsLeast = 4

// listRequests returns how many requests a listing of so many pages takes with
// bitrix.Client.Pages. A short listing uses chains, the last of which may include the
// last few pages and so save a request. A long listing uses windows of 48 pages.
func listRequests(pages int64) int64 {
	n, length := int64(0), int64(4)
	if pages > length+2*bitrix.MaxCommands {
		return 1 + ceilDiv(pages-length, bitrix.MaxCommands*96/100)
	}
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
