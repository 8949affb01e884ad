package sinks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"

	"b24export/sinks/address"
)

// place is a bucket and its server.
type place struct {
	Endpoint, Bucket string
}

// placeOf returns the place of a URL's bucket. Of an endpoint it has only scheme, host
// and path.
func placeOf(b *blob.Bucket, at address.Address) place {
	p := place{Endpoint: at.Scheme(), Bucket: at.Bucket()}
	var (
		amazon *s3.Client
		azure  *container.Client
	)
	switch {
	case b.As(&amazon):
		o := amazon.Options()
		p.Endpoint = "s3 " + o.Region
		if o.BaseEndpoint != nil {
			p.Endpoint = address.Bare(aws.ToString(o.BaseEndpoint))
		}
	case b.As(&azure):
		p.Endpoint = address.Bare(azure.URL())
	case at.Scheme() == "gs" && emulator() != "":
		p.Endpoint = emulator()
	}
	return p
}

// Place implements Store.
func (s *Bucket) Place() string { return s.place.Endpoint + " " + s.place.Bucket }

// proofKey returns the key of the object which records that the store of a place
// honours conditional writes. The object is the same for all datasets and portals.
// Endpoint and bucket are a part of its content and of its name, because people copy
// _state together with a dataset.
func proofKey(place string) string {
	sum := sha256.Sum256([]byte(place))
	return "_state/conditional-" + hex.EncodeToString(sum[:8]) + ".json"
}

type proof struct {
	Version int    `json:"version"`
	Place   string `json:"place"`
	Program string `json:"program"`
}

// prove checks that the store honours conditional writes: once for a place, and each
// time if the store has no place. If the program dies before the record exists, the
// next run tests again.
func (d *Dataset) prove(ctx context.Context) error {
	place := d.store.Place()
	if place != "" {
		data, err := d.store.Read(ctx, proofKey(place))
		var known proof
		if err == nil && json.Unmarshal(data, &known) == nil && known.Place == place {
			return nil
		}
		if err != nil && !isAbsent(err) {
			return err
		}
	}
	if err := CheckConditional(ctx, d.store, d.state()); err != nil || place == "" {
		return err
	}
	data, err := encodeJSON(proof{1, place, d.opts.Program})
	if err != nil {
		return err
	}
	return d.store.Put(ctx, proofKey(place), whole(data))
}
