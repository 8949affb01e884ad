package main

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Two signals at once count as one. A later one ends the program.
func TestObeySignals(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after []time.Duration
		kills bool
	}{
		{"one", []time.Duration{0}, false},
		{"two at once", []time.Duration{0, 0}, false},
		{"three within a second", []time.Duration{0, 500 * time.Millisecond, 400 * time.Millisecond}, false},
		{"two, a second apart", []time.Duration{0, time.Second}, true},
		{"two at once, and one later", []time.Duration{0, 0, time.Hour}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal)
				stops, kills := 0, 0
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					obeySignals(signals, func() { stops++ }, func() { kills++ })
				}()
				for _, after := range tt.after {
					<-time.After(after)
					signals <- syscall.SIGTERM
				}
				synctest.Wait()
				if want := map[bool]int{true: 1}[tt.kills]; stops != 1 || kills != want {
					t.Errorf("stopped %d times, killed %d times, want 1 and %d", stops, kills, want)
				}
				close(signals)
				<-ended
			})
		})
	}
}
