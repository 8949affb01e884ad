package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"b24export/sinks/parquetcheck"
)

// Open implements Store. Reads fetch blocks of 2 MiB and keep the newest few. Each
// carries the condition that the object is the one that was opened: its ETag, or on
// Google its generation. Once it has been replaced, reads return ErrReplaced.
func (s *Bucket) Open(ctx context.Context, key string) (Object, error) {
	attrs, err := retry(ctx, s, "open", key, func(ctx context.Context) (*blob.Attributes, error) {
		return s.b.Attributes(ctx, key)
	})
	if err != nil {
		return nil, err
	}
	return newReadAhead(attrs.Size, func(p []byte, off int64) error {
		_, err := retry(ctx, s, "read", key, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, s.readPart(ctx, key, attrs, p, off)
		})
		return err
	}), nil
}

// readPart reads a part of the object that attrs are of, and of no other one.
func (s *Bucket) readPart(ctx context.Context, key string, attrs *blob.Attributes, p []byte, off int64) error {
	conditional := false
	r, err := s.b.NewRangeReader(ctx, key, off, int64(len(p)), &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		conditional = onlyIf(as, attrs)
		return nil
	}})
	if isConflict(err) || httpStatus(err) == http.StatusRequestedRangeNotSatisfiable {
		return ownError{ErrReplaced}
	}
	if err != nil {
		return err
	}
	defer r.Close()
	// A store without conditions, such as the one in memory, shows it like this.
	if r.Size() != attrs.Size || !conditional && !r.ModTime().Equal(attrs.ModTime) || otherGeneration(r, attrs) {
		return ownError{ErrReplaced}
	}
	_, err = io.ReadFull(r, p)
	return err
}

// onlyIf makes a read fail if the object is not the one that attrs are of. It
// reports whether the store's client can do that.
func onlyIf(as func(any) bool, attrs *blob.Attributes) bool {
	var (
		aws    *s3.GetObjectInput
		google **storage.ObjectHandle
		azure  *azblob.DownloadStreamOptions
	)
	switch {
	case as(&aws):
		if attrs.ETag != "" {
			aws.IfMatch = &attrs.ETag
		}
		return attrs.ETag != ""
	case as(&google):
		var found storage.ObjectAttrs
		if attrs.As(&found) && found.Generation != 0 {
			*google = (*google).If(storage.Conditions{GenerationMatch: found.Generation})
			return true
		}
	case as(&azure):
		if etag := azcore.ETag(attrs.ETag); etag != "" {
			azure.AccessConditions = &azblob.AccessConditions{ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfMatch: &etag}}
			return true
		}
	}
	return false
}

// otherGeneration reports whether Google's storage says that what it sends is not
// of the object that attrs are of. Its emulators ignore conditions of reads.
func otherGeneration(r *blob.Reader, attrs *blob.Attributes) bool {
	var (
		google *storage.Reader
		found  storage.ObjectAttrs
	)
	return r.As(&google) && attrs.As(&found) && google.Attrs.Generation != found.Generation
}

// againIfReplaced calls read, and once more if what it read was replaced
// meanwhile.
func againIfReplaced(read func() error) error {
	err := read()
	if errors.Is(err, ErrReplaced) {
		err = read()
	}
	return err
}

// noteReplaced makes sure that an error says so if an object was replaced: a
// Parquet library may have made something else of it.
func noteReplaced(obj Object, err error) error {
	if r, ok := obj.(*readAhead); err == nil || !ok || !r.isReplaced() || errors.Is(err, ErrReplaced) && !errors.Is(err, parquetcheck.ErrCorrupt) {
		return err
	}
	text, _, _ := strings.Cut(err.Error(), ": ")
	return fmt.Errorf("%s: %w", text, ErrReplaced)
}
