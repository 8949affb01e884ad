package main

import (
	"slices"
	"testing"
	"time"
)

// These cases can be computed by hand.
func TestLeastSpan(t *testing.T) {
	start := time.Unix(0, 0)
	gets := func(requests int) []visit {
		visits := make([]visit, requests)
		for i := range visits {
			visits[i] = visit{at: start.Add(time.Duration(i) * time.Second), took: time.Second, gets: 49}
		}
		return visits
	}
	standard := settings{rate: 2, burst: 50, speed: 1, window: 10 * time.Minute, get: 50 * time.Millisecond, charge: "inner"}
	for _, tt := range []struct {
		name   string
		change func(*settings)
		visits []visit
		phase  time.Duration
		want   time.Duration
	}{
		{"nothing", func(*settings) {}, nil, 0, 0},
		{"a burst", func(*settings) {}, gets(50), 0, time.Second},
		{"and one more each half second", func(*settings) {}, gets(127), 0, 39500 * time.Millisecond},
		{"refused ones need not be", func(*settings) {}, append(gets(50), visit{refused: true, at: start}), 0, time.Second},
		{"no limit", func(s *settings) { s.rate, s.burst = 0, 0 }, gets(1000), 0, time.Second},
		{"in fast motion, answers as the real clock saw them", func(s *settings) { s.speed = 60 }, gets(50), 0, time.Minute},
		// 195 requests of 2.45 s are 477.75 s. The next one is sent when the first
		// basket leaves the window. It has all requests of the first minute.
		{"a budget", func(s *settings) { s.operating, s.rate, s.burst = 480*time.Second, 1000, 1000 }, gets(196), 0, 601 * time.Second},
		{"of baskets that began earlier", func(s *settings) { s.operating, s.rate, s.burst = 480*time.Second, 1000, 1000 }, gets(196), 50 * time.Second, 551 * time.Second},
		{"a budget of the batch", func(s *settings) { s.operating, s.rate, s.burst, s.charge = 480*time.Second, 1000, 1000, "batch" }, gets(196), 0, 601 * time.Second},
		{"calls under the floor", func(s *settings) { s.operating, s.get = time.Second, 2*time.Millisecond }, gets(50), 0, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := standard
			tt.change(&s)
			got := s.leastSpan(slices.Clone(tt.visits), tt.phase)
			if diff := (got - tt.want).Abs(); diff > 20*time.Millisecond {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
