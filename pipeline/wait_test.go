package pipeline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// leased is a sink whose lease another run holds for some time.
type leased struct {
	*memory
	held HeldError
	free time.Time
}

func (l *leased) Begin(ctx context.Context) (State, error) {
	if time.Now().Before(l.free) {
		held := l.held
		return State{}, &held
	}
	return l.memory.Begin(ctx)
}

// A night waits for the merge of a backfill, which takes minutes, but not for another
// night. A backfill's merge waits for both. Neither waits longer than its patience.
func TestWaitForAnotherRunsLease(t *testing.T) {
	for _, tt := range []struct {
		name     string
		backfill bool
		merging  bool // the holder is a merge of a backfill
		holds    time.Duration
		waits    bool
	}{
		{name: "night, behind a merge", merging: true, holds: 3 * time.Minute, waits: true},
		{name: "night, behind a merge that does not end", merging: true, holds: 24 * time.Hour},
		{name: "night, behind a night", holds: 3 * time.Minute},
		{name: "backfill, behind a night", backfill: true, holds: 3 * time.Minute, waits: true},
		{name: "backfill, behind a merge", backfill: true, merging: true, holds: 3 * time.Minute, waits: true},
		{name: "backfill, behind a night that does not end", backfill: true, holds: 24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPortal(100)
				nights := &leased{memory: newMemory(t), held: HeldError{Holder: "other", Merging: tt.merging}, free: time.Now().Add(tt.holds)}
				cfg := config(p, nights.memory)
				cfg.Sink, cfg.Patience = nights, 10*time.Minute
				if tt.backfill {
					own := newMemory(t)
					own.segments = nights.segments // the merge of the fake reads them there
					cfg.Sink, cfg.Nights = own, nights
					cfg.Mode, cfg.Range = Backfill, "all"
				}
				begun := time.Now()
				_, err := Run(t.Context(), cfg)
				var held *HeldError
				switch waited := time.Since(begun); {
				case tt.waits && (err != nil || waited < tt.holds || waited > tt.holds+2*leaseWait):
					t.Errorf("ended after %s with %v; want it %s later", waited, err, tt.holds)
				case !tt.waits && (!errors.As(err, &held) || held.Holder != "other"):
					t.Errorf("error %v, want a HeldError", err)
				case !tt.waits && !tt.backfill && !tt.merging && waited != 0:
					t.Errorf("a night waited %s for another night", waited)
				case waited > cfg.Patience+leaseWait:
					t.Errorf("waited %s with a patience of %s", waited, cfg.Patience)
				}
			})
		})
	}
}

// A signal ends the wait for another run's lease.
func TestWaitForALeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nights := &leased{memory: newMemory(t), held: HeldError{Merging: true}, free: time.Now().Add(time.Hour)}
		cfg := config(newPortal(10), nights.memory)
		cfg.Sink, cfg.Patience = nights, time.Hour
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(7*time.Second, func() { cancel(stop) })
		if _, err := Run(ctx, cfg); !errors.Is(err, stop) {
			t.Errorf("error %v, want the cause of the context", err)
		}
	})
}
