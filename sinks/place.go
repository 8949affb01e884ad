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

// place is a bucket and the server that has it.
type place struct {
	Endpoint, Bucket string
}

// placeOf returns where the bucket of a URL is. Of an endpoint it has no more than
// scheme, host and path.
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
			p.Endpoint = bare(aws.ToString(o.BaseEndpoint))
		}
	case b.As(&azure):
		p.Endpoint = bare(azure.URL())
	case at.Scheme() == "gs" && emulator() != "":
		p.Endpoint = emulator()
	}
	return p
}

// bare returns the URL of a server without what may hold secrets.
func bare(raw string) string {
	at, _ := address.Parse(raw) // "" if it is broken
	return at.Bare()
}

// Place implements Store.
func (s *Bucket) Place() string { return s.place.Endpoint + " " + s.place.Bucket }

// proofKey is the object which says that the store of a place honours conditional
// writes. It is one for all datasets and portals. Endpoint and bucket are part of it
// and of its name, since _state gets copied along with a dataset.
func proofKey(place string) string {
	sum := sha256.Sum256([]byte(place))
	return "_state/conditional-" + hex.EncodeToString(sum[:8]) + ".json"
}

type proof struct {
	Version int    `json:"version"`
	Place   string `json:"place"`
	Program string `json:"program"`
}

// prove makes sure that the store honours conditional writes: once for a place, and
// each time where the store has none. Died before the note is there: the next run
// tries again.
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
