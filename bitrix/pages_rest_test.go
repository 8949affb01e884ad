package bitrix

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// idsOfDensity returns n ids. density is the share of the ids around one that exist.
func idsOfDensity(n int, density func(id int64, r *rand.Rand) float64) []int64 {
	r := rand.New(rand.NewPCG(1, 7))
	ids := make([]int64, 0, n)
	for id := int64(1); len(ids) < n; id++ {
		if r.Float64() < density(id, r) {
			ids = append(ids, id)
		}
	}
	return ids
}

// jumps returns a density of 0.15 to 0.95 that changes at random after each step.
func jumps(step int64) func(id int64, r *rand.Rand) float64 {
	d := 0.0
	return func(id int64, r *rand.Rand) float64 {
		if id%step == 1 {
			d = 0.15 + 0.8*r.Float64()
		}
		return d
	}
}

// waves returns a density of 0.15 to 0.95 that swings with a period.
func waves(period float64) func(id int64, r *rand.Rand) float64 {
	return func(id int64, _ *rand.Rand) float64 {
		return 0.55 + 0.4*math.Sin(2*math.Pi*float64(id)/period)
	}
}

// TestRestsShareRequests lists a million ids by windows. If their density varies, many
// windows have a rest. The rests take few requests of their own.
func TestRestsShareRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("lists five million ids")
	}
	for _, tt := range []struct {
		name     string
		density  func(id int64, r *rand.Rand) float64
		requests int // at most; 400 are full chains
	}{
		{"even", func(int64, *rand.Rand) float64 { return 0.5 }, 425},
		{"jumps every 50,000 ids", jumps(50_000), 485},
		{"changes slowly", waves(200_000), 505},
		{"changes within some windows", waves(20_000), 480},
		{"jumps within windows", jumps(5000), 485},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ids := idsOfDensity(1_000_000, tt.density)
			synctest.Test(t, func(t *testing.T) {
				p := &listPortal{t: t, ids: ids}
				c := windowedList(t, p, 1200*time.Millisecond)
				start, n := time.Now(), 0
				for page, err := range c.Pages(t.Context(), windowed, 0) {
					if err != nil {
						t.Fatal(err)
					}
					n += len(page.IDs)
				}
				if n != len(ids) {
					t.Errorf("%d ids, want %d", n, len(ids))
				}
				span, requests := time.Since(start), len(p.requests)
				least := time.Duration(requests-50)*time.Second/2 + 1200*time.Millisecond
				ratio := float64(span) / float64(least)
				t.Logf("%d requests in %v, at least %v: %.4f", requests, span, least, ratio)
				if requests > tt.requests || ratio > 1.02 {
					t.Errorf("%d requests in %.4f of the least possible time, want at most %d in 1.02", requests, ratio, tt.requests)
				}
			})
		})
	}
}

// TestRestsThatFail makes one request after another fail. All ids are listed, each once
// and in order, whether a window, a rest or both were in that request.
func TestRestsThatFail(t *testing.T) {
	ids := idsOfDensity(30_000, jumps(3000))
	requests := 1
	for n := range 40 {
		if n >= requests {
			return
		}
		for _, p := range []*listPortal{
			{errs: map[int]string{n: "502 <html>"}},
			{errs: map[int]string{n: "504 <html>"}},
			{errs: map[int]string{n: `{"result":{"result":[]}}`}},
			{errs: map[int]string{n: `400 {"error":"ERROR_BATCH_LENGTH_EXCEEDED"}`}},
			{empty: map[int]int{n: 0}},
			{empty: map[int]int{n: 3}},
		} {
			p.ids = ids
			name := fmt.Sprintf("request %d, errors %v, empty %v", n, p.errs, p.empty)
			synctest.Test(t, func(t *testing.T) {
				p.t = t
				c := windowedList(t, p, time.Second)
				var got []int64
				for page, err := range c.Pages(t.Context(), windowed, 0) {
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					got = append(got, page.IDs...)
				}
				if !slices.Equal(got, ids) {
					t.Errorf("%s: %d ids, want %d", name, len(got), len(ids))
				}
			})
			requests = len(p.requests)
		}
	}
	t.Error("the listing takes more than 40 requests")
}
