package pipeline

import (
	"context"
	"sync"
)

// window bounds the chunks between the lister and the collector, which are listed but not
// yet collected, by number and by the bytes of their rows' texts. It counts
// chunks by their numbers, which begin with 0. It is safe for concurrent use.
//
// No wait is endless: a single chunk may enter whatever its size, and the chunk that the
// collector needs next may always be fetched.
type window struct {
	mostChunks int
	mostBytes  int64

	mu     sync.Mutex
	chunks int
	bytes  int64
	next   int64   // the chunk that the collector takes next
	growth float64 // bytes that a get adds to a listed row, by the gets so far
	// left is closed, and replaced, when a chunk leaves or turns out to be smaller.
	left chan struct{}
}

func newWindow(chunks int, bytes int64) *window {
	return &window{mostChunks: chunks, mostBytes: bytes, left: make(chan struct{})}
}

// enter waits until there is room for one more chunk of so many bytes.
func (w *window) enter(ctx context.Context, bytes int64) error {
	return w.wait(ctx, func() bool {
		if w.chunks > 0 && (w.chunks >= w.mostChunks || w.bytes+bytes > w.mostBytes) {
			return false
		}
		w.chunks++
		w.bytes += bytes
		return true
	})
}

// fetch waits until there is room for what gets are expected to add to a chunk of so many
// rows, and returns these bytes. They count until fetched replaces them.
func (w *window) fetch(ctx context.Context, chunk int64, rows int) (expected int64, err error) {
	err = w.wait(ctx, func() bool {
		expected = int64(w.growth * float64(rows))
		if chunk != w.next && w.bytes+expected > w.mostBytes {
			return false
		}
		w.bytes += expected
		return true
	})
	return expected, err
}

// fetched replaces the expected bytes of a chunk by those that were added.
func (w *window) fetched(rows int, expected, added int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes += added - expected
	each := float64(added) / float64(rows)
	w.growth = max(each, (w.growth+each)/2)
	w.wake()
}

// leave makes room for others: the next chunk, of so many bytes, is collected.
func (w *window) leave(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chunks--
	w.bytes -= bytes
	w.next++
	w.wake()
}

func (w *window) wake() {
	close(w.left)
	w.left = make(chan struct{})
}

// wait calls enter, with w.mu held, until it reports true.
func (w *window) wait(ctx context.Context, enter func() bool) error {
	for {
		w.mu.Lock()
		done, left := enter(), w.left
		w.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-left:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
