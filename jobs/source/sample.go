package source

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
)

// sampler picks the payments that are got although the listing's values are
// taken: one in a hundred by id, and the first ones until there are fifty.
type sampler struct {
	picked atomic.Int64
}

const (
	sampleEvery = 100
	sampleLeast = 50
)

func (s *sampler) pick(chunk []listed) []listed {
	var out []listed
	for _, item := range chunk {
		if item.ID%sampleEvery == 0 || s.picked.Load() < sampleLeast {
			s.picked.Add(1)
			out = append(out, item)
		}
	}
	return out
}

// SampleError says that a listing showed another value than a get of the same
// payment: with enrich: list, the table would be wrong.
type SampleError struct {
	ID pipeline.PaymentID
	// Method is the listing's.
	Method  string
	Columns []string
}

func (e *SampleError) Error() string {
	return fmt.Sprintf("payment %d: %s and %s differ in %v", e.ID, e.Method, MethodGet, e.Columns)
}

// compare holds a sample's gets against the listing. A difference may also be a
// change that came between the two, so the payment is listed once more before
// it counts. A get that is refused proves nothing; one that cannot be read is a
// reject, as it would be with enrich: get.
func (s *Source) compare(ctx context.Context, sampled []listed, results []bitrix.Result) (rejects []pipeline.Reject, err error) {
	differs := make(map[pipeline.PaymentID]schemas.Payment)
	for i, item := range sampled {
		if results[i].Err != nil {
			continue
		}
		got := item.Row
		if err := got.ReadGot(results[i].Value); err != nil {
			rejects = append(rejects, *badValue(item.ID, "get", err, results[i].Attempts, s.stamp(results[i].At)))
			continue
		}
		if !schemas.SameListed(&item.Row, &got, s.fields) {
			differs[item.ID] = got
		}
	}
	asked := slices.DeleteFunc(slices.Clone(sampled), func(item listed) bool {
		_, differs := differs[item.ID]
		return !differs
	})
	for part := range slices.Chunk(asked, bitrix.PageSize) {
		again, _, err := s.find.again(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("list %d payments again: %w", len(part), err)
		}
		for _, item := range part {
			got := differs[item.ID]
			now, there := again[item.ID]
			if there && !schemas.SameListed(&now, &got, s.fields) {
				return nil, &SampleError{ID: item.ID, Method: s.find.method, Columns: schemas.Changed(&now, &got)}
			}
		}
	}
	return rejects, nil
}
