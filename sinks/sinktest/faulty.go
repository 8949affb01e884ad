package sinktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"b24export/sinks"
)

// Kind is a kind of side effect.
type Kind string

// The side effects of a store.
const (
	Put    Kind = "put"
	Create Kind = "create"
	Copy   Kind = "copy"
	Link   Kind = "link"
	Delete Kind = "delete"
	Sweep  Kind = "sweep" // of temporary files; Key is the prefix
)

// Effect is a side effect that is about to happen.
type Effect struct {
	Kind Kind
	Key  string
}

// String returns both fields, for logs.
func (e Effect) String() string { return fmt.Sprintf("%s %s", e.Kind, e.Key) }

// Answer decides what happens to an effect.
type Answer int

// The answers of a hook.
const (
	// Do makes it happen.
	Do Answer = iota
	// Refuse returns an error, and nothing happens.
	Refuse
	// DoAndFail makes it happen and returns an error, as if the answer was lost.
	DoAndFail
)

// ErrInjected is the error of effects that a hook fails.
var ErrInjected = errors.New("injected fault")

// Faulty returns store with a hook. The hook sees each side effect at the last moment
// before it happens, and decides what happens to it. For a Put that is when all bytes
// are written and only the name is missing. The hook may be called concurrently if the
// store is used concurrently.
func Faulty(store sinks.Store, hook func(Effect) Answer) sinks.Store {
	return &faulty{Store: store, hook: hook}
}

type faulty struct {
	sinks.Store
	hook func(Effect) Answer
}

func (f *faulty) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	answer := Do
	err := f.Store.Put(ctx, key, func(w io.Writer) error {
		if err := write(w); err != nil {
			return err
		}
		if answer = f.hook(Effect{Put, key}); answer == Refuse {
			return fmt.Errorf("put %s: %w", key, ErrInjected)
		}
		return nil
	})
	if err == nil && answer == DoAndFail {
		err = fmt.Errorf("put %s: %w", key, ErrInjected)
	}
	return err
}

func (f *faulty) Create(ctx context.Context, key string, data []byte) error {
	return f.do(Effect{Create, key}, func() error { return f.Store.Create(ctx, key, data) })
}

func (f *faulty) Copy(ctx context.Context, dst, src string) error {
	return f.do(Effect{Copy, dst}, func() error { return f.Store.Copy(ctx, dst, src) })
}

func (f *faulty) Link(ctx context.Context, dst, src string) error {
	return f.do(Effect{Link, dst}, func() error { return f.Store.Link(ctx, dst, src) })
}

func (f *faulty) Delete(ctx context.Context, key string) error {
	return f.do(Effect{Delete, key}, func() error { return f.Store.Delete(ctx, key) })
}

func (f *faulty) DeleteAll(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if err := f.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (f *faulty) SweepTemp(ctx context.Context, prefix string, age time.Duration) error {
	return f.do(Effect{Sweep, prefix}, func() error { return f.Store.SweepTemp(ctx, prefix, age) })
}

func (f *faulty) do(e Effect, effect func() error) error {
	answer := f.hook(e)
	if answer == Refuse {
		return fmt.Errorf("%s: %w", e, ErrInjected)
	}
	err := effect()
	if err == nil && answer == DoAndFail {
		err = fmt.Errorf("%s: %w", e, ErrInjected)
	}
	return err
}
