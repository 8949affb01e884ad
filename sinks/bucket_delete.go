package sinks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
)

// Delete implements Store.
func (s *Bucket) Delete(ctx context.Context, key string) error {
	_, err := retry(ctx, s, "delete", key, func(ctx context.Context) (struct{}, error) {
		if s.direct != nil {
			return struct{}{}, s.direct.one(ctx, key)
		}
		err := s.b.Delete(ctx, key)
		if isNotFound(err) {
			err = nil
		}
		return struct{}{}, err
	})
	return err
}

// DeleteAll implements Store. On S3 it sends a request for each thousand keys, which
// are deleted in no particular order. If a server does not know that request, DeleteAll
// sends a request for each key.
func (s *Bucket) DeleteAll(ctx context.Context, keys []string) error {
	for len(keys) > 1 && s.direct != nil && !s.direct.single.Load() {
		n := min(len(keys), 1000)
		_, err := retry(ctx, s, "delete", keys[0], func(ctx context.Context) (struct{}, error) {
			return struct{}{}, s.direct.many(ctx, keys[:n])
		})
		if ctx.Err() != nil || errors.Is(err, ErrUnavailable) {
			return err
		}
		if err != nil {
			// The single requests show which key has which problem.
			s.log.Debug("objects are deleted one by one", "why", err)
			s.direct.single.Store(true)
			break
		}
		keys = keys[n:]
	}
	for _, key := range keys {
		if err := s.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// s3Deleter deletes objects of S3. gocloud checks whether an object exists before it
// deletes it, and has no request for more than one object.
type s3Deleter struct {
	client         *s3.Client
	bucket, prefix string
	single         atomic.Bool // the server does not know requests for many
}

// newS3Deleter returns nil for other stores, and if gocloud writes the prefix in
// another way than it is given.
func newS3Deleter(b *blob.Bucket, bucket, prefix string) *s3Deleter {
	var client *s3.Client
	if !b.As(&client) || strings.Contains(prefix, "../") || strings.ContainsFunc(prefix, func(r rune) bool { return r < 32 }) {
		return nil
	}
	return &s3Deleter{client: client, bucket: bucket, prefix: prefix}
}

func (d *s3Deleter) one(ctx context.Context, key string) error {
	_, err := d.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &d.bucket, Key: aws.String(d.prefix + key)})
	return err
}

// many deletes at most 1,000 objects. If it fails, some of them may be deleted.
func (d *s3Deleter) many(ctx context.Context, keys []string) error {
	objects := make([]types.ObjectIdentifier, len(keys))
	for i, key := range keys {
		if err := checkKey(key); err != nil {
			return ownError{err}
		}
		objects[i].Key = aws.String(d.prefix + key)
	}
	out, err := d.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &d.bucket,
		Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	})
	if err == nil && len(out.Errors) > 0 {
		e := out.Errors[0]
		err = ownError{fmt.Errorf("delete %s: %s: %s", aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))}
	}
	return err
}
