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
