package sinks

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	// blockSize is what one request reads: large enough that its bytes take
	// longer than its round trip.
	blockSize = 2 << 20
	// keptBlocks is how many blocks stay in memory. Readers here take a row
	// group, or a column of one, at a time and in order; a few blocks serve
	// what is read twice around their borders.
	keptBlocks = 4
)

// readAhead makes an Object of a function that fetches ranges. It keeps the
// blocks that were used last.
type readAhead struct {
	size  int64
	fetch func(p []byte, off int64) error

	mu     sync.Mutex
	blocks []*block // newest use first
	closed bool
	// replaced: a fetch said so, so none of what is to come fits.
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

// Close drops the blocks. Later reads fail.
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

// block returns the block at off, which becomes the newest.
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
			b.data = r.blocks[at-1].data // the oldest one's memory
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
