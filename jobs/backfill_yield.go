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

// nightLook is how often a backfill checks whether a night is running. It is also about
// the longest time for which both can send requests at once.
const nightLook = 5 * time.Second

// yielding is a source that pauses while a night is running, because the night may use
// the portal's limits alone.
type yielding struct {
	pipeline.Source[schemas.Payment]
	// held returns the run that holds the nights' lease, or nil if no run holds it.
	held func(context.Context) (*pipeline.HeldError, error)
	log  *slog.Logger

	mu     sync.Mutex
	looked time.Time
	free   chan struct{} // not nil while a night is running; closed when the night ends
}

// yield waits until no night is running. If ctx ends first, it returns ctx's cause.
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
		y.free = nil
		if err == nil {
			y.looked = time.Now()
		}
		y.mu.Unlock()
		close(free)
		if err != nil {
			return err
		}
	}
}

// await polls until no night is running.
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
			y.log.Info("a night is running: the backfill waits", "holder", held.Holder, "since", held.Since)
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
