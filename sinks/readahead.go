package sinks

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	// blockSize is the number of bytes of one request. It is so large that the transfer
	// takes longer than the round trip.
	blockSize = 2 << 20
	// keptBlocks is the number of blocks in memory. Readers here read a row group, or a
	// column of one, at a time and in order. A few blocks are enough for bytes around
	// their borders that are read twice.
	keptBlocks = 4
)

// readAhead implements an Object with a function that fetches ranges. It keeps the
// blocks that were used last.
type readAhead struct {
	size  int64
	fetch func(p []byte, off int64) error

	mu     sync.Mutex
	blocks []*block // in the order of their last use, newest first
	closed bool
	// replaced reports whether a fetch found that the object was replaced, so that no
	// later block matches.
	replaced bool
}

type block struct {
	off  int64
	data []byte
}

func newReadAhead(size int64, fetch func(p []byte, off int64) error) *readAhead {
	return &readAhead{size: size, fetch: fetch}
}

// Size implements Object.
func (r *readAhead) Size() int64 { return r.size }

// Close releases the blocks. Later reads fail.
func (r *readAhead) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks, r.closed = nil, true
	return nil
}

// ReadAt implements io.ReaderAt.
func (r *readAhead) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d: negative offset", off)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at >= r.size {
			return n, io.EOF
		}
		b, err := r.block(at - at%blockSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], b.data[at-b.off:])
	}
	return n, nil
}

// isReplaced reports whether a read has found that the object was replaced.
func (r *readAhead) isReplaced() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.replaced
}

// block returns the block at off, and makes it the newest.
func (r *readAhead) block(off int64) (*block, error) {
	if r.closed {
		return nil, errors.New("read after close")
	}
	at := len(r.blocks)
	for i, b := range r.blocks {
		if b.off == off {
			at = i
			break
		}
	}
	var b *block
	if at < len(r.blocks) {
		b = r.blocks[at]
	} else {
		b = &block{off: off}
		if len(r.blocks) == keptBlocks {
			b.data = r.blocks[at-1].data // the memory of the oldest block
			at--
		} else {
			r.blocks = append(r.blocks, nil)
		}
		b.data = resize(b.data, int(min(blockSize, r.size-off)))
		if err := r.fetch(b.data, off); err != nil {
			r.replaced = r.replaced || errors.Is(err, ErrReplaced)
			r.blocks = append(r.blocks[:at], r.blocks[at+1:]...)
			return nil, err
		}
	}
	copy(r.blocks[1:at+1], r.blocks[:at])
	r.blocks[0] = b
	return b, nil
}

func resize(p []byte, n int) []byte {
	if cap(p) < n {
		return make([]byte, n)
	}
	return p[:n]
}
