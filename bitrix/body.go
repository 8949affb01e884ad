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
	sent    bytes.Buffer // as it came
	packed  bytes.Reader // of sent; the decompressor is fastest with bytes in memory
	zip     gzip.Reader
	buf     bytes.Buffer // decompressed
}

var bodyReaders = sync.Pool{New: func() any { return new(bodyReader) }}

// keptBody is the largest buffer that is used again: a batch of 50 payments has
// some 40 KiB, a chain of 50 pages some 700.
const keptBody = 1 << 20

// readAll reads a body, decompressed, up to maxAnswer. What it gives is not
// larger than the body is.
func readAll(resp *http.Response) ([]byte, error) {
	b := bodyReaders.Get().(*bodyReader)
	defer b.release()
	if err := b.read(&b.sent, resp.Body); err != nil {
		return nil, err
	}
	if !strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		return bytes.Clone(b.sent.Bytes()), nil
	}
	b.packed.Reset(b.sent.Bytes())
	if err := b.zip.Reset(&b.packed); err != nil {
		return nil, fmt.Errorf("decompress the answer: %w", err)
	}
	if err := b.read(&b.buf, &b.zip); err != nil {
		return nil, err
	}
	return bytes.Clone(b.buf.Bytes()), nil
}

// read reads all that r has.
func (b *bodyReader) read(to *bytes.Buffer, r io.Reader) error {
	b.limited = io.LimitedReader{R: r, N: maxAnswer + 1}
	n, err := to.ReadFrom(&b.limited)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if n > maxAnswer {
		return errTooLarge
	}
	return nil
}

// release gives the reader back.
func (b *bodyReader) release() {
	b.limited = io.LimitedReader{}
	for _, buf := range []*bytes.Buffer{&b.sent, &b.buf} {
		buf.Reset()
		if buf.Cap() > keptBody {
			*buf = bytes.Buffer{}
		}
	}
	bodyReaders.Put(b)
}
