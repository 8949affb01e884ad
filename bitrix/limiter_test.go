package bitrix

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRestoredRateWaitsForOneToken: whatever an earlier process has used, the next one
// waits for one token at most. The portal's own counter does not refuse it.
func TestRestoredRateWaitsForOneToken(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits Limits
		used   float64
		want   time.Duration
	}{
		{"all of it", Limits{Rate: 2, Burst: 50}, 50, 500 * time.Millisecond},
		{"all of it, of which this job uses a tenth", Limits{Rate: 2, Burst: 50, Share: 0.1}, 50, 5 * time.Second},
		{"without a limit then", Limits{Rate: 2, Burst: 50}, 5000, 500 * time.Millisecond},
		{"a part of it", Limits{Rate: 2, Burst: 50}, 20, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(tt.limits, &LimitState{At: time.Now(), Requests: tt.used}, nil)
				defer l.Close()
				portal := &counter{rate: 2, burst: 50, level: min(tt.used, 50), at: time.Now()}
				start := time.Now()
				for i := range 100 {
					if err := l.governor.rate.wait(t.Context()); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(start); i == 0 && took != tt.want {
						t.Errorf("the first request after %v, want %v", took, tt.want)
					}
					if !portal.take() {
						t.Errorf("request %d is refused", i)
					}
				}
			})
		})
	}
}

// TestRestoredResetIsOnOurClock: a stored reset is by our clock. Once the first answer
// shows the portal's clock, the reset means the same moment as before.
func TestRestoredResetIsOnOurClock(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, 0, time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				reset := start.Add(time.Minute)
				l := NewLimiter(Limits{Operating: 480 * time.Second}, &LimitState{At: start, Methods: map[string]MethodState{
					"list": {Counted: true, Reported: 480, Cost: 0.1, ResetAt: &reset},
				}}, nil)
				defer l.Close()
				b := l.governor.budgets
				theirs := func() time.Time { return time.Now().Add(ahead) }
				s, err := b.take(t.Context(), []need{{"scope", 1}})
				if err != nil {
					t.Fatal(err)
				}
				b.end(&ticket{stakes: s, sent: time.Now(), start: theirs(), finish: theirs()}, map[string]spent{"scope": {done: 1, known: 1, cost: 0.1}})
				s, err = b.take(t.Context(), []need{{"list", 1}})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took < time.Minute || took > time.Minute+time.Second {
					t.Errorf("the method may be called after %v, want a minute", took)
				}
				b.end(&ticket{stakes: s}, nil)
			})
		})
	}
}
