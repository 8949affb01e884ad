package source

import (
	"math"
	"sync"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// speed measures how fast a run is since its first answers.
type speed struct {
	mu     sync.Mutex
	looked bool
	begun  bool // the first answers have arrived
	at     time.Time
	done   int64
	use    bitrix.Use
}

// rest returns how long the rest of a run takes at its speed so far. Time in which
// requests waited for a limit does not count. It returns 0 while there is no speed.
func (s *speed) rest(now time.Time, done, left int64, use bitrix.Use) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		s.begun = s.looked && done > s.done
		s.looked, s.at, s.done, s.use = true, now, done, use
	}
	if done <= s.done {
		return 0
	}
	waited := use.RateWait + use.OperatingWait - s.use.RateWait - s.use.OperatingWait
	active := max(0, now.Sub(s.at)-waited)
	return time.Duration(float64(active) * float64(left) / float64(done-s.done))
}

// Left predicts how much longer a run fetches, by the model that MakeEstimate uses:
// from the work that is left, from what is used of the portal's limits, and from what
// commands have cost so far. Merging and publishing are not included. ok is false while
// the number of payments is not known. It is safe for concurrent use.
func (s *Source) Left(now time.Time, p *pipeline.Progress) (left time.Duration, ok bool) {
	total := p.Total.Load()
	if total == 0 {
		return 0, false
	}
	listed, toGet := p.Listed.Load(), p.ToGet.Load()
	unlisted, pending := max(0, total-listed), max(0, toGet-p.Answered.Load())
	// New payments have the highest ids. Of the other payments, the share that is
	// fetched stays as it was so far.
	fresh, share := min(unlisted, p.Fresh.Load()), 1.0
	if listed > 0 {
		share = min(1, float64(toGet)/float64(listed))
	}
	gets := pending + fresh + int64(math.Ceil(share*float64(unlisted-fresh)))

	gauge := s.client.Gauge()
	m := modelNow(now, &gauge, s.client.Concurrency())
	requests, loads := s.rest(&m, unlisted, gets, int64(gauge.InFlight))
	left = max(m.rateSpan(requests), m.operatingSpan(requests, loads), m.answer*time.Duration(requests/int64(m.concurrency)), s.speed.rest(now, listed-pending, unlisted+pending, s.client.Use()))
	if requests > 0 {
		return left + m.answer, true
	}
	return max(left, m.answer/2), true // the last requests are in flight
}

// modelNow returns the model of a portal from a gauge.
func modelNow(now time.Time, gauge *bitrix.Gauge, concurrency int) model {
	m := newModel(bitrix.Limits{Rate: gauge.Rate, Burst: int(math.Ceil(gauge.Burst)), Window: gauge.Window}, concurrency)
	m.learn(gauge)
	m.tokens, m.at, m.answer = gauge.Tokens, now, gauge.Answer
	for _, g := range gauge.Methods {
		m.methods[g.Method] = g
	}
	return m
}

// rest returns what the rest of a run requires of the portal, and in how many requests:
// unlisted payments must be listed, and gets of them fetched. flying requests are in
// flight.
func (s *Source) rest(m *model, unlisted, gets, flying int64) (requests int64, loads []load) {
	var pages, lists int64
	if unlisted > 0 && s.find.sale != nil {
		pages = unlisted/bitrix.PageSize + 1
		lists = ceilDiv(pages, int64(s.client.RequestSize(bitrix.MethodPaymentList)))
		flying-- // one of them lists
	}
	chunks := ceilDiv(gets, int64(s.Chunk()))
	owners := chunks
	if s.enrich == jobfile.EnrichList {
		owners = ceilDiv(gets, 2*ordersACommand) // see listedChunk: two payments per order
		gets = min(gets/sampleEvery, sampleMost)
	}
	if s.find.owned {
		owners = 0
	}
	if chunks > 0 {
		all := chunks * ceilDiv(ceilDiv(gets+owners, chunks), int64(s.client.RequestSize(bitrix.MethodItemPaymentGet)))
		requests = max(0, all-max(0, flying))
		gets, owners = gets*requests/all, owners*requests/all
	}
	loads = []load{m.load(bitrix.MethodPaymentList, lists, pages), m.load(bitrix.MethodItemPaymentGet, requests, gets), m.load(bitrix.MethodOrderEntityList, requests, owners)}
	return lists + requests, loads
}
