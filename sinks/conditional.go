package sinks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"sync"
)

// CheckConditional tests whether a store honours conditional writes, which keep two
// runners from overwriting each other. It creates an object below prefix twice; the
// second attempt must fail. It returns ErrNoFencing if the attempt succeeds. It deletes
// the object.
func CheckConditional(ctx context.Context, s Store, prefix string) error {
	err := checkConditional(ctx, s, prefix)
	for try := 1; (errors.Is(err, ErrNoFencing) || isAbsent(err)) && try < 3; try++ {
		// A sweep by a machine whose clock is ahead may have deleted the probe between
		// two steps.
		err = checkConditional(ctx, s, prefix)
	}
	return err
}

// CheckCreators creates an object below prefix from two creators at the same time,
// several times. One of them must succeed. A store can honour a condition about an
// older object, and still accept both of two concurrent writes. CheckCreators returns
// ErrNoFencing if none or both succeed. It deletes the objects.
func CheckCreators(ctx context.Context, s Store, prefix string) error {
	for range creatorRounds {
		if err := checkCreators(ctx, s, prefix); err != nil {
			return err
		}
	}
	return nil
}

// creatorRounds is the number of tries of CheckCreators. A store without a lock fails
// most of them, because both requests are sent at once.
const creatorRounds = 3

func checkCreators(ctx context.Context, s Store, prefix string) (err error) {
	name := rand.Text()
	key := path.Join(prefix, probeName(name))
	defer func() {
		if derr := s.Delete(context.WithoutCancel(ctx), key); derr != nil && err == nil {
			err = fmt.Errorf("probe concurrent writes: %w", derr)
		}
	}()
	var (
		wg   sync.WaitGroup
		errs [2]error
	)
	for i := range errs {
		wg.Go(func() { errs[i] = s.Create(ctx, key, fmt.Appendf(nil, "creator %d %s", i, name)) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrExists):
			return fmt.Errorf("probe concurrent writes: %w", err)
		}
	}
	if won != 1 {
		return fmt.Errorf("%s: %w: %d of 2 creators of one object succeeded at the same time", s, ErrNoFencing, won)
	}
	return nil
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
	// Create has read back that the object has the bytes of the first attempt.
	return nil
}
