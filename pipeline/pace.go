package pipeline

import (
	"math"
	"slices"
	"time"
)

// maxSamples is the most samples of a pace: as many as a plot can show, and few enough
// to be part of each checkpoint.
const maxSamples = 120

// sampleEvery is the least time between two samples. It doubles whenever there
// would be too many.
const sampleEvery = time.Second

// Limits are a portal's limits at one moment; see Options.Limits.
type Limits struct {
	// Rate is the requests a second that the portal allows, 0 without a limit.
	Rate float64
	// Operating of Budget seconds are spent of the method that is nearest to its
	// operating budget; both 0 without one.
	Operating, Budget float64
}

// Pace records the progress of fetching over time, for a plot: a column for each
// number, all of the same length. A resumed snapshot continues its pace.
type Pace struct {
	// At is the time of the sample in seconds of fetching; the time between runs does
	// not count.
	At []float64 `json:"at_s"`
	// Done is the number of payments accounted for, Requests the number of requests
	// sent to the portal.
	Done     []int64 `json:"done"`
	Requests []int64 `json:"requests"`
	// Rate, Operating and Budget are as in Limits.
	Rate      []float64 `json:"rate"`
	Operating []float64 `json:"operating_s"`
	Budget    []float64 `json:"budget_s"`
}

// Len returns the number of samples.
func (p *Pace) Len() int {
	if p == nil {
		return 0
	}
	// A pace that was read from a file may have any lengths.
	return min(len(p.At), len(p.Done), len(p.Requests), len(p.Rate), len(p.Operating), len(p.Budget))
}

// pacer takes samples. It belongs to one goroutine.
type pacer struct {
	pace  Pace
	every time.Duration
	last  time.Time // of the newest sample, or when the run resumed fetching
	at    float64   // the newest sample's
}

// newPacer continues with the samples of earlier runs, nil if there are none.
func newPacer(before *Pace, now time.Time) *pacer {
	p := &pacer{every: sampleEvery, last: now}
	if n := before.Len(); n > 0 {
		p.pace = before.clone()
		p.at = before.At[n-1]
		p.every = max(p.every, seconds((p.at-before.At[0])/float64(n)))
	}
	return p
}

// sample records the current state, unless it is too early by the clock now. The last
// sample of a run is always recorded.
func (p *pacer) sample(now time.Time, done, requests int64, limits Limits, last bool) {
	passed := now.Sub(p.last)
	if passed < p.every && (!last || passed <= 0 || p.pace.Len() == 0) {
		return
	}
	p.at += passed.Seconds()
	p.last = now
	c := &p.pace
	c.At = append(c.At, rounded(p.at))
	c.Done = append(c.Done, done)
	c.Requests = append(c.Requests, requests)
	c.Rate = append(c.Rate, rounded(limits.Rate))
	c.Operating = append(c.Operating, rounded(limits.Operating))
	c.Budget = append(c.Budget, rounded(limits.Budget))
	if len(c.At) > maxSamples {
		c.thin()
		p.every *= 2
	}
}

// taken returns the samples so far, nil if there are none.
func (p *pacer) taken() *Pace {
	if p.pace.Len() == 0 {
		return nil
	}
	c := p.pace.clone()
	return &c
}

func (p *Pace) clone() Pace {
	n := p.Len()
	return Pace{
		At: slices.Clone(p.At[:n]), Done: slices.Clone(p.Done[:n]), Requests: slices.Clone(p.Requests[:n]),
		Rate: slices.Clone(p.Rate[:n]), Operating: slices.Clone(p.Operating[:n]), Budget: slices.Clone(p.Budget[:n]),
	}
}

// thin drops every other sample, and keeps the newest one.
func (p *Pace) thin() {
	p.At, p.Done, p.Requests = halved(p.At), halved(p.Done), halved(p.Requests)
	p.Rate, p.Operating, p.Budget = halved(p.Rate), halved(p.Operating), halved(p.Budget)
}

func halved[T any](s []T) []T {
	kept := s[:0]
	for i := (len(s) - 1) % 2; i < len(s); i += 2 {
		kept = append(kept, s[i])
	}
	return kept
}

// rounded returns x with as many digits as a plot can show.
func rounded(x float64) float64 { return math.Round(x*100) / 100 }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
