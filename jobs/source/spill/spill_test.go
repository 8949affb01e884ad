package spill

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"
)

// Whatever is added, in any order and in any number of runs, is returned sorted, each
// record once, and no file remains.
func TestSorts(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, n := range []int{0, 1, 30, 20_000} {
		s := Sorter{limit: 4000} // some hundred runs, and so intermediate merges
		r := rand.New(rand.NewPCG(1, uint64(n)))
		for _, i := range r.Perm(n) {
			var value [8]byte
			binary.BigEndian.PutUint64(value[:], uint64(i))
			if err := s.Add(Key{int64(i / 6), int64(i / 2 % 3), int64(i % 2)}, value[:]); err != nil {
				t.Fatal(err)
			}
		}
		next := uint64(0)
		for rec, err := range s.Sorted() {
			if err != nil {
				t.Fatal(err)
			}
			if got := binary.BigEndian.Uint64(rec.Value); got != next {
				t.Fatalf("of %d: record %d at place %d", n, got, next)
			}
			next++
		}
		if next != uint64(n) {
			t.Errorf("%d records, want %d", next, n)
		}
		if len(s.runs) > maxRuns {
			t.Errorf("%d runs side by side", len(s.runs))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Sort a file of a million unsorted ids: the memory is that of a run, not of the file.
func BenchmarkMillionIDs(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var s Sorter
		for i := range int64(1_000_000) {
			if err := s.Add(Key{i * 7919 % 1_000_003}, nil); err != nil {
				b.Fatal(err)
			}
		}
		for _, err := range s.Sorted() {
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
