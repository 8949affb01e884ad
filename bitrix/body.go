package bitrix

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// bodyReader reads a gzipped body. It reuses its memory, of which the decompressor
// needs some 50 KiB: a client reads the same few sizes all the time.
type bodyReader struct {
	sent   bytes.Buffer // as received
	packed bytes.Reader // over sent; the decompressor is fastest with bytes in memory
	zip    gzip.Reader
}

var bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}

// keptBody is the largest buffer that is reused, and the largest that is allocated for
// a length that an answer only claims. A batch of 50 payments has some 40 KiB, a list
// of 2,500 whole rows has 1 to 5 MiB.
const keptBody = 8 << 20

// readAll reads and decompresses a body, up to maxAnswer. The result is exactly as long
// as the body, and belongs to the caller.
func readAll(resp *http.Response) ([]byte, error) {
	if !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return readSized(resp.Body, resp.ContentLength)
	}
	b := bodyReaders.Get().(*bodyReader)
	defer b.release()
	if n := min(resp.ContentLength, keptBody); n > 0 {
		b.sent.Grow(int(n) + bytes.MinRead)
	}
	n, err := b.sent.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if n > maxAnswer {
		return nil, errTooLarge
	}
	b.packed.Reset(b.sent.Bytes())
	if err := b.zip.Reset(&b.packed); err != nil {
		return nil, fmt.Errorf("decompress the answer: %w", err)
	}
	return readSized(&b.zip, unpackedSize(b.sent.Bytes()))
}

// unpackedSize returns the size at the end of a gzip stream (RFC 1952, ISIZE), or the
// largest size that deflate can produce from so few bytes, if that is less.
func unpackedSize(packed []byte) int64 {
	const most = 1032 // deflate's best ratio
	tail := packed[len(packed)-min(4, len(packed)):]
	if len(tail) < 4 {
		return 0
	}
	return min(int64(binary.LittleEndian.Uint32(tail)), most*int64(len(packed)))
}

// readSized reads all of r, which should be size bytes. It reads any other length too.
// A size below 1 means not known.
func readSized(r io.Reader, size int64) ([]byte, error) {
	// One more byte detects the end without growing the buffer.
	buf := make([]byte, 0, 1+max(bytes.MinRead-1, min(size, keptBody)))
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > maxAnswer:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			if cap(buf)-len(buf) > max(bytes.MinRead, len(buf)/4) {
				buf = bytes.Clone(buf) // an answer stays in memory as long as its rows
			}
			return buf, nil
		case err != nil:
			return nil, fmt.Errorf("read the answer: %w", err)
		case len(buf) == cap(buf):
			buf = slices.Grow(buf, len(buf))
		}
	}
}

// release returns the reader to the pool.
func (b *bodyReader) release() {
	b.sent.Reset()
	if b.sent.Cap() > keptBody {
		b.sent = bytes.Buffer{}
	}
	bodyReaders.Put(b)
}
