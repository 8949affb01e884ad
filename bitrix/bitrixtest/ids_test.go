package bitrixtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Ids ascend. The rank of an id is its number. The rank of another number is how many
// ids are below it.
func TestIDsAndRanksAreInverse(t *testing.T) {
	for _, gap := range []int64{0, 1, 3, 1000} {
		for seed := range uint64(5) {
			t.Run(fmt.Sprintf("gap=%d seed=%d", gap, seed), func(t *testing.T) {
				m := idMap{newDice(seed, saltPaymentID), 7, gap}
				const n = 3 * blockSize
				last := int64(6)
				for k := range int64(n) {
					id := m.id(k)
					if id <= last {
						t.Fatalf("id(%d) = %d, not above %d", k, id, last)
					}
					if gap == 0 && id != last+1 {
						t.Fatalf("id(%d) = %d after %d, want no gap", k, id, last)
					}
					for missing := max(last+1, id-3); missing < id; missing++ {
						if got, exact := m.rank(missing); got != k || exact {
							t.Fatalf("rank(%d) = %d, %t, want %d, false", missing, got, exact, k)
						}
					}
					if got, exact := m.rank(id); got != k || !exact {
						t.Fatalf("rank(%d) = %d, %t, want %d, true", id, got, exact, k)
					}
					last = id
				}
			})
		}
	}
}

func TestIDsOfLargePortals(t *testing.T) {
	m := idMap{newDice(1, saltPaymentID), 1, 1}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		k := random.Int64N(1e10)
		if got, exact := m.rank(m.id(k)); got != k || !exact {
			t.Fatalf("rank(id(%d)) = %d, %t", k, got, exact)
		}
		if next := m.id(k + 1); next <= m.id(k) {
			t.Fatalf("id(%d) = %d, not above id(%d) = %d", k+1, next, k, m.id(k))
		}
	}
	for _, low := range []int64{0, -5, math.MinInt64} {
		if k, exact := m.rank(low); k != 0 || exact {
			t.Errorf("rank(%d) = %d, %t", low, k, exact)
		}
	}
	if k, _ := m.rank(math.MaxInt64); k < 1e10 {
		t.Errorf("rank of the highest number = %d", k)
	}
}
