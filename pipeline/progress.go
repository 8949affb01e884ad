package pipeline

import "sync/atomic"

// RunPhase is the current activity of a run, for people.
type RunPhase int32

// The phases that a run shows.
const (
	PhaseStarting RunPhase = iota
	PhaseFetching
	PhaseMerging
	PhasePublishing
	PhaseDone
)

// String returns the phase as a progress line shows it.
func (p RunPhase) String() string {
	return [...]string{"starting", "fetching", "merging", "publishing", "done"}[p]
}

// Progress is the state of a run. Others may read it at any time and from any
// goroutine. Counts cover the whole snapshot, including resumed work.
type Progress struct {
	phase    atomic.Int32
	Total    atomic.Int64 // payments that the listing will show; 0 while that is unknown
	Fresh    atomic.Int64 // by how many Total exceeds the last snapshot
	Listed   atomic.Int64 // payments that the listing has shown
	ToGet    atomic.Int64 // payments of Listed that must be fetched
	Answered atomic.Int64 // payments of ToGet that were read, though perhaps not an earlier one
	Got      atomic.Int64
	Carried  atomic.Int64
	Rejected atomic.Int64
	Vanished atomic.Int64
	Saved    atomic.Int64 // payments that the newest checkpoint accounts for
}

// Phase returns the current activity.
func (p *Progress) Phase() RunPhase { return RunPhase(p.phase.Load()) }

func (p *Progress) setPhase(ph RunPhase) { p.phase.Store(int32(ph)) }

// take sets the counts to those of a ledger.
func (p *Progress) take(l Ledger) {
	p.Listed.Store(l.Listed)
	p.ToGet.Store(l.Listed - l.Carried)
	p.Answered.Store(l.Listed - l.Carried)
	p.Got.Store(l.Got)
	p.Carried.Store(l.Carried)
	p.Rejected.Store(l.Rejected)
	p.Vanished.Store(l.Vanished)
	p.Saved.Store(l.Listed)
}
