package source

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"b24export/bitrix"
	"b24export/pipeline"
	"b24export/schemas"
)

// sampler selects payments that are fetched although the listing's values are used: one
// in a hundred, at least sampleLeast if there are so many, and at most sampleMost,
// spread over the listing. It is safe for concurrent use.
type sampler struct {
	mu     sync.Mutex
	picked int64
	due    int64 // to be selected, once they fill a request
}

const (
	sampleEvery = 100
	sampleLeast = 50
	sampleMost  = 500
)

// pick returns payments of a chunk, evenly spread. total is how many the whole listing
// has, 0 if that is not known. asked is how many commands the chunk's request already
// has. The sample fills the rest of that request, and further requests only if it fills
// them.
func (s *sampler) pick(chunk []listed, total int64, asked int) []listed {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(len(chunk))
	want := (n + sampleEvery - 1) / sampleEvery
	if total > sampleMost*sampleEvery {
		// Slightly less than the chunk's share, so that some are left for the end.
		want = max(1, n*(sampleMost-sampleLeast)/total)
	}
	s.due += min(want, sampleMost-s.picked-s.due)
	switch room := int64((bitrix.MaxCommands - asked%bitrix.MaxCommands) % bitrix.MaxCommands); {
	case s.picked < sampleLeast:
		want = max(s.due, sampleLeast-s.picked)
	case s.due <= room:
		want = s.due
	default:
		want = room + (s.due-room)/bitrix.MaxCommands*bitrix.MaxCommands
	}
	want = min(n, want)
	s.picked += want
	s.due = max(0, s.due-want)
	var out []listed
	for i := range want {
		out = append(out, chunk[(2*i+1)*n/(2*want)])
	}
	return out
}

// SampleError is returned if a listing shows another value than a get of the same
// payment: with enrich: list, the table would be wrong.
type SampleError struct {
	ID pipeline.PaymentID
	// Method is the method of the listing.
	Method  string
	Columns []string
}

func (e *SampleError) Error() string {
	return fmt.Sprintf("payment %d: %s and %s differ in %v", e.ID, e.Method, bitrix.MethodItemPaymentGet, e.Columns)
}

// compare compares a sample's gets with the listing. A difference can also be a change
// between the two, so the payment is listed once more before the difference counts. A
// get that is refused proves nothing. A get that cannot be read is a reject, as with
// enrich: get.
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
