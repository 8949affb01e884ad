package bitrix

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// tooLargeError is the error for an answer with more than most bytes.
type tooLargeError struct {
	most int64
	size int64 // of the whole answer, 0 if it is not known
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the answer has more than %d MiB", e.most>>20)
}

// bodyLimit bounds the memory of one answer.
type bodyLimit struct {
	most int64 // bytes after decompression
	// large is called once, before more than largeBody bytes are kept; nil: do nothing.
	large func() error
}

// largeBody is the size above which answers are read one at a time.
const largeBody = 4 << 20

// keep must be called before size bytes are kept.
func (l *bodyLimit) keep(size int64) error {
	if size <= largeBody || l.large == nil {
		return nil
	}
	wait := l.large
	l.large = nil
	return wait()
}

// readAll reads and decompresses a body. The result has the length of the body and
// belongs to the caller. A larger body than the limit is a *tooLargeError.
func readAll(resp *http.Response, limit bodyLimit) ([]byte, error) {
	if !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return readSized(resp.Body, resp.ContentLength, &limit)
	}
	b := bodyReaders.Get().(*bodyReader)
	defer b.release()
	if n := min(resp.ContentLength, largeBody); n > 0 {
		b.sent.Grow(int(n) + bytes.MinRead)
	}
	if _, err := b.sent.ReadFrom(io.LimitReader(resp.Body, largeBody)); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if b.sent.Len() == largeBody {
		if err := limit.keep(largeBody + 1); err != nil {
			return nil, err
		}
		if _, err := b.sent.ReadFrom(io.LimitReader(resp.Body, limit.most+1-largeBody)); err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		if int64(b.sent.Len()) > limit.most {
			return nil, &tooLargeError{most: limit.most}
		}
	}
	size := unpackedSize(b.sent.Bytes())
	if size > limit.most {
		return nil, &tooLargeError{limit.most, size} // without unpacking it
	}
	b.packed.Reset(b.sent.Bytes())
	if err := b.zip.Reset(&b.packed); err != nil {
		return nil, fmt.Errorf("decompress the answer: %w", err)
	}
	return readSized(&b.zip, size, &limit)
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

// readSized reads r to its end. size is the expected length; below 1 it is not known.
// Any other length is accepted too.
func readSized(r io.Reader, size int64, limit *bodyLimit) ([]byte, error) {
	if size > limit.most {
		return nil, &tooLargeError{limit.most, size}
	}
	if err := limit.keep(size); err != nil {
		return nil, err
	}
	// One byte more, so that the end is seen without growing.
	buf := make([]byte, 0, 1+max(bytes.MinRead-1, min(size, keptBody)))
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit.most:
			return nil, &tooLargeError{most: limit.most}
		case errors.Is(err, io.EOF):
			if cap(buf)-len(buf) > max(bytes.MinRead, len(buf)/4) {
				buf = bytes.Clone(buf) // an answer stays in memory as long as its rows
			}
			return buf, nil
		case err != nil:
			return nil, fmt.Errorf("read the answer: %w", err)
		case len(buf) == cap(buf):
			// To the size that is claimed, once so much has really come; else twice as much.
			more := int64(len(buf))
			if size > more {
				more = size + 1 - more
			}
			more = min(more, limit.most+1-int64(len(buf)))
			if err := limit.keep(int64(len(buf)) + more); err != nil {
				return nil, err
			}
			buf = append(make([]byte, 0, int64(len(buf))+more), buf...)
		}
	}
}

// release returns the reader to the pool.
func (b *bodyReader) release() {
	b.sent.Reset()
	if b.sent.Cap() > keptBody/4 { // it is much smaller than what it unpacks to
		b.sent = bytes.Buffer{}
	}
	bodyReaders.Put(b)
}
