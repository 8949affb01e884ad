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

// sampler picks the payments that are fetched although the listing's values are
// taken: one in a hundred, at least sampleLeast if there are so many, and at most
// sampleMost, all over the listing. It is safe for concurrent use.
type sampler struct {
	mu     sync.Mutex
	picked int64
	due    int64 // to be picked, once that fills a request
}

const (
	sampleEvery = 100
	sampleLeast = 50
	sampleMost  = 500
)

// pick returns payments of a chunk, evenly spread. total is how many the whole listing
// has, 0 if that is not known. asked is how many commands the chunk's request has
// already: the sample takes the room that is left, and full requests beyond.
func (s *sampler) pick(chunk []listed, total int64, asked int) []listed {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(len(chunk))
	want := (n + sampleEvery - 1) / sampleEvery
	if total > sampleMost*sampleEvery {
		// A little less than its part of all, which leaves some for the end.
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

// SampleError says that a listing showed another value than a get of the same
// payment: with enrich: list, the table would be wrong.
type SampleError struct {
	ID pipeline.PaymentID
	// Method is the listing's.
	Method  string
	Columns []string
}

func (e *SampleError) Error() string {
	return fmt.Sprintf("payment %d: %s and %s differ in %v", e.ID, e.Method, bitrix.MethodItemPaymentGet, e.Columns)
}

// compare compares a sample's gets with the listing. A difference may also be a change
// that came between the two, so the payment is listed once more before it counts. A get
// that is refused proves nothing; one that cannot be read is a reject, as it would be
// with enrich: get.
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
