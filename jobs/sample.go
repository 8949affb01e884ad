package jobs

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

func (s *sampler) pick(chunk []pipeline.Listed[schemas.Payment]) []pipeline.Listed[schemas.Payment] {
	var out []pipeline.Listed[schemas.Payment]
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
	ID      pipeline.PaymentID
	Columns []string
}

func (e *SampleError) Error() string {
	return fmt.Sprintf("payment %d: %s and %s differ in %v", e.ID, methodList, methodGet, e.Columns)
}

// compare holds a sample's gets against the listing. A difference may also be a
// change that came between the two, so the payment is listed once more before
// it counts. A get that is refused proves nothing.
func (s *source) compare(ctx context.Context, sampled []pipeline.Listed[schemas.Payment], results []bitrix.Result) error {
	differs := make(map[pipeline.PaymentID]schemas.Payment)
	for i, item := range sampled {
		if results[i].Err != nil {
			continue
		}
		got := item.Row
		if err := got.ReadGot(results[i].Value); err != nil {
			return fmt.Errorf("payment %d: %w", item.ID, err)
		}
		if !schemas.SameListed(&item.Row, &got, s.fields) {
			differs[item.ID] = got
		}
	}
	ids := make([]int64, 0, len(differs))
	for id := range differs {
		ids = append(ids, int64(id))
	}
	slices.Sort(ids)
	for part := range slices.Chunk(ids, bitrix.PageSize) {
		again, err := s.relist(ctx, part)
		if err != nil {
			return err
		}
		for _, id := range part {
			id := pipeline.PaymentID(id)
			got := differs[id]
			now, there := again[id]
			if there && !schemas.SameListed(&now, &got, s.fields) {
				return &SampleError{ID: id, Columns: schemas.Changed(&now, &got)}
			}
		}
	}
	return nil
}
