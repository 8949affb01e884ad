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

// bodyReader reads a gzipped body. Its memory, some 50 KiB of which are the
// decompressor's, is used again: a client gets the same few sizes all the time.
type bodyReader struct {
	sent   bytes.Buffer // as it came
	packed bytes.Reader // of sent; the decompressor is fastest with bytes in memory
	zip    gzip.Reader
}

var bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}

// keptBody is the largest buffer that is used again, and the largest that is made for
// a length that an answer only claims to have. A batch of 50 payments has some 40 KiB, a
// list of 2,500 whole rows has 1 to 5 MiB.
const keptBody = 8 << 20

// readAll reads a body, decompressed, up to maxAnswer. The result has the body's length
// and is the caller's.
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

// unpackedSize returns the size that a gzip stream ends with (RFC 1952, ISIZE), or the
// most that deflate makes of so few bytes if that is less.
func unpackedSize(packed []byte) int64 {
	const most = 1032 // deflate's best ratio
	tail := packed[len(packed)-min(4, len(packed)):]
	if len(tail) < 4 {
		return 0
	}
	return min(int64(binary.LittleEndian.Uint32(tail)), most*int64(len(packed)))
}

// readSized reads all that r has, which should be size bytes. Any other length is read
// as well; a size below 1 is not known.
func readSized(r io.Reader, size int64) ([]byte, error) {
	// One byte more, so that the end is seen without growing.
	buf := make([]byte, 0, 1+max(bytes.MinRead-1, min(size, keptBody)))
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case len(buf) > maxAnswer:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			if cap(buf)-len(buf) > max(bytes.MinRead, len(buf)/4) {
				buf = bytes.Clone(buf) // an answer is kept as long as its rows are
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
