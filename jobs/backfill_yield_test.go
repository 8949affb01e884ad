package jobs

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"b24export/pipeline"
	"b24export/schemas"
)

// counted is a source that counts its calls, and lists three pages.
type counted struct {
	pipeline.Source[schemas.Payment]
	asked atomic.Int64
}

func (c *counted) List(context.Context, pipeline.PaymentID) iter.Seq2[[]pipeline.Listed[schemas.Payment], error] {
	return func(yield func([]pipeline.Listed[schemas.Payment], error) bool) {
		for range 3 {
			c.asked.Add(1)
			if !yield(nil, nil) {
				return
			}
		}
	}
}

func (c *counted) Find(context.Context, []pipeline.PaymentID) ([]pipeline.Listed[schemas.Payment], error) {
	c.asked.Add(1)
	return nil, nil
}

func (c *counted) Get(context.Context, []pipeline.Listed[schemas.Payment]) (pipeline.Got[schemas.Payment], error) {
	c.asked.Add(1)
	return pipeline.Got[schemas.Payment]{}, nil
}

// nights is a lease of nights that tests take and release.
type nights struct {
	holder atomic.Pointer[pipeline.HeldError]
	looks  atomic.Int64
	err    error
}

func (n *nights) held(context.Context) (*pipeline.HeldError, error) {
	n.looks.Add(1)
	return n.holder.Load(), n.err
}

func (n *nights) begin() { n.holder.Store(&pipeline.HeldError{Holder: "night", Since: time.Now()}) }
func (n *nights) end()   { n.holder.Store(nil) }

// each contains the three ways to call a source.
var each = []struct {
	name string
	ask  func(context.Context, *yielding) error
}{
	{"list", func(ctx context.Context, y *yielding) error {
		for _, err := range y.List(ctx, 0) {
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{"find", func(ctx context.Context, y *yielding) error { _, err := y.Find(ctx, nil); return err }},
	{"get", func(ctx context.Context, y *yielding) error { _, err := y.Get(ctx, nil); return err }},
}

// While a night is running, a backfill sends the portal no request. It continues within
// nightLook after the night's end. All of its workers check the lease together.
func TestBackfillYieldsToTheNight(t *testing.T) {
	for _, tt := range each {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, n := new(counted), new(nights)
				y := &yielding{Source: src, held: n.held, log: slog.New(slog.DiscardHandler)}
				if err := tt.ask(t.Context(), y); err != nil || src.asked.Load() == 0 {
					t.Fatalf("without a night: asked %d times, %v", src.asked.Load(), err)
				}
				time.Sleep(nightLook)
				n.begin()
				before, looks := src.asked.Load(), n.looks.Load()
				var workers sync.WaitGroup
				for range 8 {
					workers.Go(func() {
						if err := tt.ask(t.Context(), y); err != nil {
							t.Error(err)
						}
					})
				}
				const long = time.Hour
				time.Sleep(long)
				synctest.Wait()
				if got := src.asked.Load() - before; got != 0 {
					t.Errorf("%d requests beside the night", got)
				}
				if got := n.looks.Load() - looks; got > int64(long/nightLook)+1 {
					t.Errorf("%d looks at the lease in %s", got, long)
				}
				n.end()
				time.Sleep(nightLook)
				synctest.Wait()
				if src.asked.Load() == before {
					t.Error("the backfill does not continue after the night")
				}
				workers.Wait()
			})
		})
	}
}

// A night stops a backfill that lists between two pages.
func TestBackfillYieldsBetweenPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, n := new(counted), new(nights)
		y := &yielding{Source: src, held: n.held, log: slog.New(slog.DiscardHandler)}
		var ended atomic.Bool
		go func() {
			for range y.List(t.Context(), 0) {
				if src.asked.Load() == 1 {
					time.Sleep(nightLook) // processing the page takes this long
					n.begin()
				}
			}
			ended.Store(true)
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if src.asked.Load() != 1 || ended.Load() {
			t.Errorf("%d pages beside the night", src.asked.Load())
		}
		n.end()
		time.Sleep(nightLook)
		synctest.Wait()
		if src.asked.Load() != 3 || !ended.Load() {
			t.Errorf("%d pages after the night, want 3", src.asked.Load())
		}
	})
}

// A signal ends the wait for a night, and so does a lease that cannot be read.
func TestYieldingEnds(t *testing.T) {
	stop := errors.New("stop")
	for _, tt := range each {
		synctest.Test(t, func(t *testing.T) {
			src, n := new(counted), new(nights)
			n.begin()
			y := &yielding{Source: src, held: n.held, log: slog.New(slog.DiscardHandler)}
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Minute, func() { cancel(stop) })
			if err := tt.ask(ctx, y); !errors.Is(err, stop) {
				t.Errorf("%s: error %v, want the cause of the context", tt.name, err)
			}
			n.err = errors.New("no storage")
			if err := tt.ask(t.Context(), y); !errors.Is(err, n.err) {
				t.Errorf("%s: error %v, want that of the lease", tt.name, err)
			}
			if src.asked.Load() != 0 {
				t.Errorf("%s: the portal was asked", tt.name)
			}
		})
	}
}
