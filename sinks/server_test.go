package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// server is an object store in memory whose answers can be scripted. It is a driver of
// gocloud, like the real ones that use HTTP.
type server struct {
	// before is called before an operation. Its error is the answer.
	before func(op, key string) error
	// after is called when the operation has happened. Its error is the answer.
	after func(op, key string) error
	// hang makes an operation wait for its context.
	hang func(op, key string) bool
	// lax makes the server ignore conditions, as some servers do.
	lax bool

	mu      sync.Mutex
	objects map[string][]byte
	stamps  map[string]int64 // they rise with each write
	calls   []string
}

func newServer() *server {
	return &server{objects: make(map[string][]byte), stamps: make(map[string]int64)}
}

// script sets the function before, while operations may be running.
func (s *server) script(before func(op, key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// store returns a Bucket on the server.
func (s *server) store(opts *StoreOptions) *Bucket {
	return NewBucket(blob.NewBucket(s), "fake://bucket", opts)
}

// count returns the number of operations of a kind.
func (s *server) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if strings.HasPrefix(c, op+" ") {
			n++
		}
	}
	return n
}

// statusError is an error with an HTTP status, like those of the AWS client.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string       { return fmt.Sprintf("status %d %s", e.status, e.text) }
func (e *statusError) HTTPStatusCode() int { return e.status }

var (
	errAbsent     = &statusError{http.StatusNotFound, "NoSuchKey"}
	errCondition  = &statusError{http.StatusPreconditionFailed, "PreconditionFailed"}
	errBusy       = &statusError{http.StatusServiceUnavailable, "SlowDown"}
	errReset      = errors.New("connection reset by peer") // no status: it never arrived
	errForbidden  = &statusError{http.StatusForbidden, "SignatureDoesNotMatch"}
	errBadRequest = &statusError{http.StatusBadRequest, "InvalidRequest"}
)

// do runs an operation between its hooks.
func (s *server) do(ctx context.Context, op, key string, effect func() error) error {
	s.mu.Lock()
	s.calls = append(s.calls, op+" "+key)
	before, after, hang := s.before, s.after, s.hang
	s.mu.Unlock()
	if hang != nil && hang(op, key) {
		<-ctx.Done()
		return ctx.Err()
	}
	if before != nil {
		if err := before(op, key); err != nil {
			return err
		}
	}
	s.mu.Lock()
	err := effect()
	s.mu.Unlock()
	if err == nil && after != nil {
		err = after(op, key)
	}
	return err
}

func (s *server) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, errAbsent):
		return gcerrors.NotFound
	case errors.Is(err, errCondition):
		return gcerrors.FailedPrecondition
	}
	return gcerrors.Unknown
}

func (s *server) As(any) bool             { return false }
func (s *server) ErrorAs(error, any) bool { return false }
func (s *server) Close() error            { return nil }

func (s *server) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", errors.ErrUnsupported
}

func (s *server) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	a := new(driver.Attributes)
	err := s.do(ctx, "head", key, func() error {
		data, ok := s.objects[key]
		if !ok {
			return errAbsent
		}
		a.Size, a.ModTime = int64(len(data)), time.Unix(s.stamps[key], 0)
		return nil
	})
	return a, err
}

func (s *server) ListPaged(ctx context.Context, opts *driver.ListOptions) (*driver.ListPage, error) {
	page := new(driver.ListPage)
	err := s.do(ctx, "list", opts.Prefix, func() error {
		for key, data := range s.objects {
			if strings.HasPrefix(key, opts.Prefix) {
				page.Objects = append(page.Objects, &driver.ListObject{Key: key, Size: int64(len(data))})
			}
		}
		slices.SortFunc(page.Objects, func(a, b *driver.ListObject) int { return strings.Compare(a.Key, b.Key) })
		return nil
	})
	return page, err
}

type serverReader struct {
	*bytes.Reader
	size  int64
	stamp int64
}

func (r serverReader) Close() error { return nil }
func (r serverReader) As(any) bool  { return false }
func (r serverReader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{Size: r.size, ModTime: time.Unix(r.stamp, 0)}
}

func (s *server) NewRangeReader(ctx context.Context, key string, off, n int64, _ *driver.ReaderOptions) (driver.Reader, error) {
	var r serverReader
	err := s.do(ctx, "get", key, func() error {
		data, ok := s.objects[key]
		if !ok {
			return errAbsent
		}
		if off > int64(len(data)) {
			return &statusError{http.StatusRequestedRangeNotSatisfiable, "InvalidRange"}
		}
		part := data[off:]
		if n >= 0 {
			part = part[:min(n, int64(len(part)))]
		}
		r = serverReader{bytes.NewReader(part), int64(len(data)), s.stamps[key]}
		return nil
	})
	return r, err
}

type serverWriter struct {
	s    *server
	ctx  context.Context
	key  string
	opts *driver.WriterOptions
	err  error
}

func (w *serverWriter) Write([]byte) (int, error) { return 0, errors.New("not streamed: Upload it") }
func (w *serverWriter) Close() error              { return w.err }

// Upload keeps its error for Close, as the real drivers do. gocloud then makes its own
// error of it.
func (w *serverWriter) Upload(r io.Reader) error {
	w.err = w.upload(r)
	return nil
}

func (w *serverWriter) upload(r io.Reader) error {
	if err := w.s.do(w.ctx, "begin", w.key, func() error { return nil }); err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return w.s.do(w.ctx, "put", w.key, func() error {
		if _, there := w.s.objects[w.key]; there && w.opts.IfNotExist && !w.s.lax {
			return errCondition
		}
		w.s.objects[w.key] = data
		w.s.stamps[w.key]++
		return nil
	})
}

func (s *server) NewTypedWriter(ctx context.Context, key, _ string, opts *driver.WriterOptions) (driver.Writer, error) {
	return &serverWriter{s: s, ctx: ctx, key: key, opts: opts}, nil
}

func (s *server) Copy(ctx context.Context, dst, src string, _ *driver.CopyOptions) error {
	return s.do(ctx, "copy", src, func() error {
		data, ok := s.objects[src]
		if !ok {
			return errAbsent
		}
		s.objects[dst] = data
		return nil
	})
}

func (s *server) Delete(ctx context.Context, key string, _ *driver.DeleteOptions) error {
	return s.do(ctx, "delete", key, func() error {
		if _, ok := s.objects[key]; !ok {
			return errAbsent
		}
		delete(s.objects, key)
		return nil
	})
}
