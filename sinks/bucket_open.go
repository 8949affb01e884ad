package sinks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"b24export/sinks/parquetcheck"
)

// Open implements Store. It fetches the first block, whose answer has the size of the
// object and its identity: its ETag, or on Google its generation. Reads fetch blocks of
// 2 MiB and keep the newest few. Each read has the condition that the object is the one
// that was opened. If it has been replaced, reads return ErrReplaced.
func (s *Bucket) Open(ctx context.Context, key string) (Object, error) {
	var first []byte
	id, err := retry(ctx, s, "open", key, func(ctx context.Context) (identity, error) {
		r, err := s.b.NewRangeReader(ctx, key, 0, blockSize, nil)
		if httpStatus(err) == http.StatusRequestedRangeNotSatisfiable {
			// The object is empty, so it has no first block.
			attrs, err := s.b.Attributes(ctx, key)
			if err != nil {
				return identity{}, err
			}
			return identity{size: attrs.Size, etag: attrs.ETag, modTime: attrs.ModTime}, nil
		}
		if err != nil {
			return identity{}, err
		}
		defer r.Close()
		id := identityOf(r)
		first = resize(first, int(min(id.size, blockSize)))
		_, err = io.ReadFull(r, first)
		return id, err
	})
	if err != nil {
		return nil, err
	}
	obj := newReadAhead(id.size, func(p []byte, off int64) error {
		_, err := retry(ctx, s, "read", key, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, s.readPart(ctx, key, id, p, off)
		})
		return err
	})
	if len(first) > 0 {
		obj.blocks = []*block{{data: first}}
	}
	return obj, nil
}

// identity distinguishes an object from others with the same key.
type identity struct {
	size       int64
	etag       string // "" if it is not known
	generation int64  // only on Google; 0 elsewhere
	modTime    time.Time
}

// identityOf returns the identity of the object in an answer.
func identityOf(r *blob.Reader) identity {
	id := identity{size: r.Size(), modTime: r.ModTime()}
	var (
		amazon s3.GetObjectOutput
		google *storage.Reader
		azure  azblob.DownloadStreamResponse
	)
	switch {
	case r.As(&amazon):
		id.etag = aws.ToString(amazon.ETag)
	case r.As(&google):
		id.generation = google.Attrs.Generation
	case r.As(&azure):
		if azure.ETag != nil {
			id.etag = string(*azure.ETag)
		}
	}
	return id
}

// readPart reads a part of the object with this identity, and of no other.
func (s *Bucket) readPart(ctx context.Context, key string, id identity, p []byte, off int64) error {
	conditional := false
	r, err := s.b.NewRangeReader(ctx, key, off, int64(len(p)), &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		conditional = onlyIf(as, id)
		return nil
	}})
	if isConflict(err) || httpStatus(err) == http.StatusRequestedRangeNotSatisfiable {
		return ownError{ErrReplaced}
	}
	if err != nil {
		return err
	}
	defer r.Close()
	// A store without conditions, such as the one in memory, shows a replacement only
	// here. Google's emulators ignore conditions of reads.
	now := identityOf(r)
	if now.size != id.size || !conditional && !now.modTime.Equal(id.modTime) || now.generation != id.generation {
		return ownError{ErrReplaced}
	}
	_, err = io.ReadFull(r, p)
	return err
}

// onlyIf makes a read fail if the object has another identity. It reports whether the
// store's client can do this.
func onlyIf(as func(any) bool, id identity) bool {
	var (
		amazon *s3.GetObjectInput
		google **storage.ObjectHandle
		azure  *azblob.DownloadStreamOptions
	)
	switch {
	case id.etag != "" && as(&amazon):
		amazon.IfMatch = &id.etag
	case id.generation != 0 && as(&google):
		*google = (*google).If(storage.Conditions{GenerationMatch: id.generation})
	case id.etag != "" && as(&azure):
		etag := azcore.ETag(id.etag)
		azure.AccessConditions = &azblob.AccessConditions{ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfMatch: &etag}}
	default:
		return false
	}
	return true
}

// Sum implements Store. It sends one request, whatever the object's size.
func (s *Bucket) Sum(ctx context.Context, key string, size int64) (string, error) {
	return retryLong(ctx, s, "read", key, func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		stalled := time.AfterFunc(s.stall(), func() { cancel(errStalled) })
		defer stalled.Stop()
		sum, err := s.sum(ctx, key, size, func() { stalled.Reset(s.stall()) })
		if err != nil && errors.Is(context.Cause(ctx), errStalled) {
			err = errStalled
		}
		return sum, err
	})
}

// sum is a single attempt of Sum. It calls alive for each piece that arrives.
func (s *Bucket) sum(ctx context.Context, key string, size int64, alive func()) (string, error) {
	r, err := s.b.NewReader(ctx, key, nil)
	if err != nil {
		return "", err
	}
	defer r.Close()
	if r.Size() != size {
		return "", nil
	}
	h, n := sha256.New(), int64(0)
	buf := make([]byte, 256<<10)
	for {
		m, err := r.Read(buf)
		alive()
		h.Write(buf[:m])
		n += int64(m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	if n != size {
		return "", io.ErrUnexpectedEOF
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// againIfReplaced calls read, and calls it once more if the object was replaced in the
// meantime.
func againIfReplaced(read func() error) error {
	err := read()
	if errors.Is(err, ErrReplaced) {
		err = read()
	}
	return err
}

// noteReplaced makes sure that the error is ErrReplaced if an object was replaced. A
// Parquet library may have returned another error.
func noteReplaced(obj Object, err error) error {
	if r, ok := obj.(*readAhead); err == nil || !ok || !r.isReplaced() || errors.Is(err, ErrReplaced) && !errors.Is(err, parquetcheck.ErrCorrupt) {
		return err
	}
	text, _, _ := strings.Cut(err.Error(), ": ")
	return fmt.Errorf("%s: %w", text, ErrReplaced)
}
