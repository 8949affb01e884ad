package bitrix

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// bodyReader reads a body of unknown length. Its memory, some 50 KiB of which
// are the decompressor's, is used again: a client gets the same few sizes all
// the time.
type bodyReader struct {
	limited io.LimitedReader
	zip     gzip.Reader
	buf     bytes.Buffer
}

var bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}

// keptBody is the largest buffer that is used again: a chain of 50 pages has
// some 1 MiB.
const keptBody = 4 << 20

// readAll reads a body, decompressed, up to maxAnswer. What it gives is not
// larger than the body is.
func readAll(resp *http.Response) ([]byte, error) {
	b := bodyReaders.Get().(*bodyReader)
	defer b.release()
	var r io.Reader = resp.Body
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		if err := b.zip.Reset(r); err != nil {
			return nil, fmt.Errorf("decompress the answer: %w", err)
		}
		r = &b.zip
	}
	b.limited = io.LimitedReader{R: r, N: maxAnswer + 1}
	n, err := b.buf.ReadFrom(&b.limited)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if n > maxAnswer {
		return nil, errTooLarge
	}
	return bytes.Clone(b.buf.Bytes()), nil
}

// release gives the reader back.
func (b *bodyReader) release() {
	b.limited = io.LimitedReader{}
	b.buf.Reset()
	if b.buf.Cap() > keptBody {
		b.buf = bytes.Buffer{}
	}
	bodyReaders.Put(b)
}
