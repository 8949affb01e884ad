package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestWindowBlocksByBytes lets chunks enter until their bytes fill the window, and the next
// one when the first has left.
func TestWindowBlocksByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10, 100)
		entered := make(chan int64, 10)
		go func() {
			for _, bytes := range []int64{300, 40, 60, 1} {
				if err := w.enter(t.Context(), bytes); err != nil {
					return
				}
				entered <- bytes
			}
		}()
		for i, want := range []int{1, 3, 4} {
			synctest.Wait()
			if n := len(entered); n != want {
				t.Fatalf("after %d chunks were collected, %d had entered, want %d", i, n, want)
			}
			if i == 0 {
				w.leave(300) // a chunk alone may have any size
			} else {
				w.leave(40)
			}
		}
	})
}

// TestWindowBlocksByChunks counts chunks, too.
func TestWindowBlocksByChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(2, 100)
		ctx, cancel := context.WithCancel(t.Context())
		for range 2 {
			if err := w.enter(ctx, 0); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan error)
		go func() { done <- w.enter(ctx, 0) }()
		synctest.Wait()
		cancel()
		if err := <-done; err == nil {
			t.Error("a third chunk has entered a window of two")
		}
	})
}

// TestGetsWaitForRoom: once it is known how much gets add, a get waits until what it will
// add fits, except that of the chunk that is collected next.
func TestGetsWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWindow(10, 100)
		for range 3 {
			if err := w.enter(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		expected, err := w.fetch(t.Context(), 1, 10)
		if err != nil || expected != 0 {
			t.Fatalf("expected %d, %v; nothing is known before the first get", expected, err)
		}
		w.fetched(10, expected, 90)
		waiting := make(chan int64, 1)
		go func() {
			expected, _ := w.fetch(t.Context(), 2, 10)
			waiting <- expected
		}()
		synctest.Wait()
		if len(waiting) > 0 {
			t.Fatal("a get did not wait for room")
		}
		if expected, err = w.fetch(t.Context(), 0, 10); err != nil || expected != 90 {
			t.Fatalf("the next chunk's get: %d, %v", expected, err)
		}
		w.fetched(10, expected, 5)
		w.leave(6)
		w.leave(91)
		if got := <-waiting; got != 47 {
			t.Errorf("expected %d bytes", got)
		}
	})
}

// TestSegmentsEndByBytes: the open segment ends when its texts have CheckpointBytes, and
// chunks end before their texts have half of the window.
func TestSegmentsEndByBytes(t *testing.T) {
	p, m := newPortal(500), newMemory(t)
	largest := 0 // of the chunks; one worker fetches
	p.getError = func(chunk []Listed[row]) error {
		largest = max(largest, len(chunk))
		return nil
	}
	cfg := config(p, m)
	cfg.Table.Size = func(*row) int { return 100 }
	cfg.Chunk, cfg.Workers, cfg.CheckpointRows = 200, 1, 10_000
	cfg.WindowBytes, cfg.CheckpointBytes = 2_000, 5_000
	s := mustRun(t, cfg)
	if got := s.Ledger.Got; got != 500 {
		t.Fatalf("fetched %d payments, want 500", got)
	}
	if m.largest > 60 || m.largest < 50 {
		t.Errorf("the largest segment has %d rows of 100 bytes, want 50 and at most a chunk of 10 more", m.largest)
	}
	if largest != 10 {
		t.Errorf("a chunk has %d rows of 100 bytes, want 10: half of the window", largest)
	}
}
