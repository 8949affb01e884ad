package bitrixtest

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what clients have used of a portal since it was created.
type Stats struct {
	Requests int64            // HTTP requests, whatever their outcome
	Batches  int64            // accepted batches
	Commands map[string]int64 // calls by method, in batches and alone, without batch itself
	Refused  int64            // requests refused with QUERY_LIMIT_EXCEEDED
	// RefusedCommands counts calls and batches refused with OPERATION_TIME_LIMIT.
	RefusedCommands int64
	// BansRenewed counts calls during a Server.Ban that an answer has already shown.
	BansRenewed int64
	Faults      int64 // faults that occurred
	Refreshes   int64 // token pairs issued

	RatePeak      float64                  // highest value of the request counter
	Operating     map[string]time.Duration // charged so far, by method
	OperatingPeak map[string]time.Duration // highest total of a window, by method
	GetsMax       int                      // most gets of one payment, up to 127
	AtOnce        int64                    // most concurrent requests

	BytesIn, BytesOut int64     // bodies, uncompressed
	First, Last       time.Time // when the first request arrived and the last answer was sent
}

// statistics counts for Stats.
type statistics struct {
	requests, batches, refused, refusedCommands, refreshes atomic.Int64
	commands                                               [methodCount]atomic.Int64
	underWay, atOnce, bytesIn, bytesOut                    atomic.Int64

	mu          sync.Mutex
	first, last time.Time
}

// begin counts a request and returns its number.
func (s *statistics) begin(now time.Time, bytes int) int64 {
	n := s.requests.Add(1)
	s.bytesIn.Add(int64(bytes))
	for atOnce := s.underWay.Add(1); ; {
		most := s.atOnce.Load()
		if atOnce <= most || s.atOnce.CompareAndSwap(most, atOnce) {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first.IsZero() {
		s.first = now
	}
	return n
}

func (s *statistics) end(now time.Time, bytes int) {
	s.underWay.Add(-1)
	s.bytesOut.Add(int64(bytes))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = now
}

func (s *statistics) command(method int) { s.commands[method].Add(1) }

// Stats returns what clients have used so far.
func (p *Portal) Stats() Stats {
	s := &p.stats
	st := Stats{
		Requests:        s.requests.Load(),
		Batches:         s.batches.Load(),
		Commands:        map[string]int64{},
		Refused:         s.refused.Load(),
		RefusedCommands: s.refusedCommands.Load(),
		Refreshes:       s.refreshes.Load(),
		Operating:       map[string]time.Duration{},
		OperatingPeak:   map[string]time.Duration{},
		AtOnce:          s.atOnce.Load(),
		BytesIn:         s.bytesIn.Load(),
		BytesOut:        s.bytesOut.Load(),
	}
	for i := range methods {
		if n := s.commands[i].Load(); n > 0 {
			st.Commands[methods[i].name] = n
		}
	}
	s.mu.Lock()
	st.First, st.Last = s.first, s.last
	s.mu.Unlock()

	p.rate.mu.Lock()
	st.RatePeak = p.rate.peak
	p.rate.mu.Unlock()

	p.operating.mu.Lock()
	st.BansRenewed = p.operating.again
	for i := range methods {
		if spent := p.operating.spent[i]; spent > 0 {
			st.Operating[methods[i].name] = spent
			st.OperatingPeak[methods[i].name] = p.operating.peak[i]
		}
	}
	p.operating.mu.Unlock()

	p.gets.mu.Lock()
	st.GetsMax = p.gets.most
	p.gets.mu.Unlock()

	p.faults.mu.Lock()
	st.Faults = p.faults.total
	p.faults.mu.Unlock()
	return st
}
