package sinks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
)

// CheckConditional proves that a store honours conditional writes, which are
// what keeps two runners apart: it creates an object below prefix twice, and
// the second time must fail. ErrNoFencing if it does not. The object is deleted
// again.
func CheckConditional(ctx context.Context, s Store, prefix string) error {
	err := checkConditional(ctx, s, prefix)
	for try := 1; (errors.Is(err, ErrNoFencing) || isAbsent(err)) && try < 3; try++ {
		// A sweep by a machine whose clock is ahead may have deleted the probe
		// between two of the steps.
		err = checkConditional(ctx, s, prefix)
	}
	return err
}

func checkConditional(ctx context.Context, s Store, prefix string) (err error) {
	name := rand.Text()
	key := path.Join(prefix, probeName(name))
	if err := s.Create(ctx, key, []byte("first "+name)); err != nil {
		return fmt.Errorf("probe conditional writes: %w", err)
	}
	defer func() {
		if derr := s.Delete(context.WithoutCancel(ctx), key); derr != nil && err == nil {
			err = fmt.Errorf("probe conditional writes: %w", derr)
		}
	}()
	switch err := s.Create(ctx, key, []byte("second "+name)); {
	case errors.Is(err, ErrExists):
	case err != nil:
		return fmt.Errorf("probe conditional writes: %w", err)
	default:
		return fmt.Errorf("%s: %w: two runs could publish over each other", s, ErrNoFencing)
	}
	// Create has read back that the bytes are the first ones.
	return nil
}
