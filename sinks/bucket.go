package sinks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"time"

	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/memblob"   // mem://
	_ "gocloud.dev/blob/s3blob"    // s3://

	"b24export/sinks/address"
)

// Bucket is a Store in an object store. The stores at s3://, gs:// and azblob:// show
// and list an object from the moment when it is complete and durable.
//
// Whether Create is exclusive depends on the server; see CheckConditional.
type Bucket struct {
	b        *blob.Bucket
	name     string
	place    place
	direct   *s3Deleter // nil except S3
	patience time.Duration
	log      *slog.Logger
}

var _ Store = (*Bucket)(nil)

// NewBucket returns a Store for an open bucket. The Store then owns the bucket and
// closes it. name is its name in messages.
func NewBucket(b *blob.Bucket, name string, opts *StoreOptions) *Bucket {
	o := opts.withDefaults()
	return &Bucket{b: b, name: name, place: place{Bucket: name}, patience: o.Patience, log: o.Log}
}

// openBucket opens the bucket of a URL. In a URL, gocloud knows only a bucket's name;
// the path becomes a prefix of the keys.
func openBucket(ctx context.Context, at address.Address, opts *StoreOptions) (Store, error) {
	if err := checkGoogleLogin(ctx, at); err != nil {
		return nil, fmt.Errorf("open store %s: %w", at.Bare(), err)
	}
	b, err := blob.OpenBucket(ctx, at.Root())
	if err != nil {
		if strings.Contains(err.Error(), "AccountName is required") { // azureblob has no error for it
			err = errors.New("no storage account: set AZURE_STORAGE_ACCOUNT, or add the parameter storage_account to the URL")
		}
		return nil, fmt.Errorf("open store %s: %w", at.Bare(), scrub(err))
	}
	prefix := at.Prefix()
	if prefix != "" {
		if err := checkKey(strings.TrimSuffix(prefix, "/")); err != nil {
			b.Close()
			return nil, fmt.Errorf("open store %s: %w", at.Bare(), err)
		}
	}
	s := NewBucket(b, at.Bare(), opts)
	logTo(b, s.log)
	s.place = placeOf(b, at)
	s.direct = newS3Deleter(b, at.Bucket(), prefix)
	if prefix != "" {
		s.b = blob.PrefixedBucket(b, prefix)
	}
	return s, nil
}

// String returns the bucket's URL without its parameters.
func (s *Bucket) String() string { return s.name }

// Close frees the bucket's connections.
func (s *Bucket) Close() error { return s.b.Close() }

// Read implements Store.
func (s *Bucket) Read(ctx context.Context, key string) ([]byte, error) {
	return retry(ctx, s, "read", key, func(ctx context.Context) ([]byte, error) {
		r, err := s.b.NewReader(ctx, key, nil)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		if r.Size() > maxRead {
			return nil, ownError{fmt.Errorf("%d bytes are more than this program ever writes there", r.Size())}
		}
		return io.ReadAll(r)
	})
}

// Create implements Store.
func (s *Bucket) Create(ctx context.Context, key string, data []byte) error {
	_, err := retry(ctx, s, "create", key, func(ctx context.Context) (struct{}, error) {
		// Upload is used, never a streamed writer, which panics on Azure if the
		// condition does not hold.
		err := s.b.Upload(ctx, key, bytes.NewReader(data), &blob.WriterOptions{
			ContentType: contentType(key),
			IfNotExist:  true,
		})
		if refusesConditions(err) {
			return struct{}{}, ownError{fmt.Errorf("create %s: %w: %w", key, ErrNoFencing, scrub(err))}
		}
		if !isConflict(err) {
			return struct{}{}, err
		}
		// The client below has its own retries. The first try may have succeeded
		// although its answer was lost.
		there, rerr := s.b.ReadAll(ctx, key)
		if isNotFound(rerr) {
			// Temporary, unlike the original. It is not another run's object: Azure's
			// emulator also answers a conflict where only blocks of an upload are, which
			// was never completed. This program uploads no key in blocks that it creates.
			return struct{}{}, errors.New("the store answers that it exists, and has no object there: it was deleted meanwhile, or an incomplete upload of another program holds the name")
		}
		if rerr != nil {
			return struct{}{}, fmt.Errorf("read back: %w", rerr)
		}
		if !bytes.Equal(there, data) {
			return struct{}{}, ownError{ErrExists}
		}
		return struct{}{}, nil
	})
	return err
}

// Put implements Store. It streams the object; memory is limited to the parts in
// flight.
func (s *Bucket) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	_, err := retryLong(ctx, s, "put", key, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.put(ctx, key, write)
	})
	return err
}

var errStalled = errors.New("no progress")

// put is a single attempt of Put.
func (s *Bucket) put(ctx context.Context, key string, write func(io.Writer) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pr, pw := io.Pipe()
	// Without this, a panic of write would leave the upload waiting.
	defer pw.CloseWithError(context.Canceled)
	uploaded := make(chan struct{})
	var uploadErr error
	// The goroutine owns the upload, and uploadErr until it closes uploaded. It ends
	// when write has ended and closed its side, when ctx ends, or when the storage
	// fails. In the last two cases the writes of write fail.
	go func() {
		err := s.b.Upload(ctx, key, pr, &blob.WriterOptions{
			ContentType: contentType(key),
			BufferSize:  8 << 20, // the size of a part; S3 accepts at most 10,000 of them
		})
		if err != nil {
			pr.CloseWithError(err)
		} else {
			pr.Close()
		}
		uploadErr = err
		close(uploaded)
	}()
	out := &pipeWriter{w: pw, limit: s.stall(), stalled: func() { cancel(errStalled) }}
	buf := bufio.NewWriterSize(out, 256<<10)
	err := write(buf)
	if err == nil {
		err = buf.Flush()
	}
	if err != nil && !out.failed {
		// The error is the writer's own: the upload must not be completed.
		cancel(err)
		_ = pw.CloseWithError(err) // it never fails
		<-uploaded
		return ownError{err}
	}
	pw.Close()
	tail := time.AfterFunc(s.stall(), func() { cancel(errStalled) })
	defer tail.Stop()
	<-uploaded
	if uploadErr != nil && errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return uploadErr
}

// pipeWriter passes data to an upload, records whether it failed, and calls stalled if
// it accepts nothing for as long as limit.
type pipeWriter struct {
	w       *io.PipeWriter
	limit   time.Duration
	stalled func()
	failed  bool
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	timer := time.AfterFunc(w.limit, w.stalled)
	defer timer.Stop()
	n, err := w.w.Write(p)
	w.failed = w.failed || err != nil
	return n, err
}

// Copy implements Store.
func (s *Bucket) Copy(ctx context.Context, dst, src string) error {
	_, err := retryLong(ctx, s, "copy", src, func(ctx context.Context) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, copyLimit)
		defer cancel()
		return struct{}{}, s.b.Copy(ctx, dst, src, nil)
	})
	if err == nil || !canStream(ctx, err) {
		return err
	}
	// The server does not copy objects, or not of this size (5 GiB on S3). The bytes
	// are downloaded and uploaded instead.
	s.log.Debug("copy through this machine", "object", src, "why", err)
	obj, err := s.Open(ctx, src)
	if err != nil {
		return err
	}
	defer obj.Close()
	return s.Put(ctx, dst, func(w io.Writer) error {
		_, err := io.Copy(w, io.NewSectionReader(obj, 0, obj.Size()))
		return err
	})
}

// Link implements Store.
func (s *Bucket) Link(ctx context.Context, dst, src string) error { return s.Copy(ctx, dst, src) }

// List implements Store.
func (s *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	type page struct {
		objects []*blob.ListObject
		next    []byte
	}
	return func(yield func(Entry, error) bool) {
		for token := blob.FirstPageToken; len(token) > 0; {
			p, err := retry(ctx, s, "list", prefix, func(ctx context.Context) (page, error) {
				objects, next, err := s.b.ListPage(ctx, token, 1000, &blob.ListOptions{Prefix: prefix})
				return page{objects, next}, err
			})
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, o := range p.objects {
				if !yield(Entry{Key: o.Key, Size: o.Size, ModTime: o.ModTime}, nil) {
					return
				}
			}
			token = p.next
		}
	}
}

// SweepTemp implements Store. It has nothing to delete: the parts that an interrupted
// upload leaves on the server are not an object. The bucket's lifecycle rules remove
// them.
func (s *Bucket) SweepTemp(context.Context, string, time.Duration) error { return nil }
