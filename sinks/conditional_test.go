package sinks

import (
	"context"
	"testing"
)

// sweptStore deletes a probe right before a step.
type sweptStore struct {
	Store
	left   int // the number of deletions
	create int
}

func (s *sweptStore) sweep(ctx context.Context, key string) {
	if s.left > 0 {
		s.left--
		s.Store.Delete(ctx, key)
	}
}

func (s *sweptStore) Create(ctx context.Context, key string, data []byte) error {
	if s.create++; s.create%2 == 0 {
		s.sweep(ctx, key)
	}
	return s.Store.Create(ctx, key, data)
}

// A sweep by a machine whose clock is ahead deletes live probes. A probe that it
// deletes at any step shows nothing about the store.
func TestProbeThatIsSwept(t *testing.T) {
	for left := range 3 {
		s := &sweptStore{Store: memStore(t), left: left}
		if err := CheckConditional(t.Context(), s, "_state"); err != nil || s.left != 0 {
			t.Errorf("swept %d times: %v", left, err)
		}
	}
}
