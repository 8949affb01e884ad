package jobs

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
)

// nightLook is how often a backfill looks whether a night is under way. It is also
// about as long as both may send requests at once.
const nightLook = 5 * time.Second

// yielding is a source that stands still while a night is under way: the portal's
// limits are the night's.
type yielding struct {
	pipeline.Source[schemas.Payment]
	// held returns who holds the nights' lease, nil if nobody does.
	held func(context.Context) (*pipeline.HeldError, error)
	log  *slog.Logger

	mu     sync.Mutex
	looked time.Time
	free   chan struct{} // not nil while a night is under way; closed at its end
}

// yield returns when no night is under way, or with ctx's cause.
func (y *yielding) yield(ctx context.Context) error {
	for {
		y.mu.Lock()
		if y.free != nil {
			free := y.free
			y.mu.Unlock()
			select {
			case <-free:
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if time.Since(y.looked) < nightLook {
			y.mu.Unlock()
			return nil
		}
		free := make(chan struct{})
		y.free = free
		y.mu.Unlock()
		err := y.await(ctx)
		y.mu.Lock()
		y.free, y.looked = nil, time.Now()
		y.mu.Unlock()
		close(free)
		if err != nil {
			return err
		}
	}
}

// await looks until no night is under way.
func (y *yielding) await(ctx context.Context) error {
	for told := false; ; {
		held, err := y.held(ctx)
		if err != nil || held == nil {
			if told {
				y.log.Info("the nightly run has ended: the backfill continues")
			}
			return err
		}
		if !told {
			y.log.Info("a night is under way: the backfill waits", "holder", held.Holder, "since", held.Since)
			told = true
		}
		select {
		case <-time.After(nightLook):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (y *yielding) List(ctx context.Context, after pipeline.PaymentID) iter.Seq2[[]pipeline.Listed[schemas.Payment], error] {
	return func(yield func([]pipeline.Listed[schemas.Payment], error) bool) {
		if err := y.yield(ctx); err != nil {
			yield(nil, err)
			return
		}
		for page, err := range y.Source.List(ctx, after) {
			if !yield(page, err) {
				return
			}
			if err := y.yield(ctx); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

func (y *yielding) Find(ctx context.Context, ids []pipeline.PaymentID) ([]pipeline.Listed[schemas.Payment], error) {
	if err := y.yield(ctx); err != nil {
		return nil, err
	}
	return y.Source.Find(ctx, ids)
}

func (y *yielding) Get(ctx context.Context, chunk []pipeline.Listed[schemas.Payment]) (pipeline.Got[schemas.Payment], error) {
	if err := y.yield(ctx); err != nil {
		return pipeline.Got[schemas.Payment]{}, err
	}
	return y.Source.Get(ctx, chunk)
}
