package sinks

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"gocloud.dev/blob/memblob"

	"b24export/sinks/address"
)

// Several processes share an object under a lock that one of them holds. The lock ends
// when its holder has ended, and it shows the next process an exchange that began.
func TestTokens(t *testing.T) {
	for _, kind := range []string{"bucket", "folder"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var store Store = NewBucket(memblob.OpenBucket(nil), "mem://", nil)
				if kind == "folder" {
					folder, err := OpenFolder(t.TempDir())
					if err != nil {
						t.Fatal(err)
					}
					store = folder
				}
				defer store.Close()
				ctx := t.Context()
				a, b := newTokens(store, "beta.json"), newTokens(store, "beta.json")
				if _, err := a.Load(ctx); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("nothing there: %v", err)
				}
				lock := func(tokens *Tokens, wantBegun bool) {
					t.Helper()
					if begun, err := tokens.Lock(ctx); err != nil || begun.IsZero() == wantBegun {
						t.Fatalf("lock: begun %v, %v", begun, err)
					}
				}
				do := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				lock(a, false)
				soon, cancel := context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				if _, err := b.Lock(soon); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a second lock: %v", err)
				}
				do(a.Begin(ctx))
				do(a.Unlock(ctx, true))
				lock(b, true) // it began and has no known end
				do(b.Unlock(ctx, true))
				lock(a, true) // it is reported until it has an end
				do(a.Save(ctx, []byte("two")))
				do(a.Unlock(ctx, false))
				lock(b, false)
				if doc, err := b.Load(ctx); err != nil || string(doc) != "two" {
					t.Errorf("%q, %v", doc, err)
				}
				do(b.Begin(ctx))
				b.held.Process = "" // it is on another machine
				do(b.putLock(ctx))

				// Its holder has died on another machine: the lock expires.
				start := time.Now()
				lock(a, true)
				if took := time.Since(start); took < tokenLease-time.Second || took > tokenLease+time.Second {
					t.Errorf("taken over after %v, want %v", took, tokenLease)
				}
				// That process wakes, and does not end another one's lock, also if the end of
				// its own exchange is not known.
				b.held.Begun = start
				held := b.held
				do(b.Unlock(ctx, true))
				if now, err := a.readLock(ctx); err != nil || now.Runner != a.held.Runner {
					t.Errorf("the lock is %+v, %v", now, err)
				}
				b.held = held
				// That process wakes, and does not release another one's lock.
				do(b.Unlock(ctx, false))
				soon, cancel = context.WithTimeout(ctx, 10*time.Second)
				defer cancel()
				if _, err := newTokens(store, "beta.json").Lock(soon); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the lock of a: %v", err)
				}
				do(a.Unlock(ctx, false))
				for e, err := range store.List(ctx, "") {
					if err != nil || e.Key != "beta.json" {
						t.Errorf("left behind: %s (%v)", e.Key, err)
					}
				}
			})
		})
	}
}

func TestOpenTokens(t *testing.T) {
	for url, want := range map[string]string{
		"mem://bucket/secrets/beta.json": "", "mem://bucket": "names no object", "mem://bucket/folder/": "names no object",
		"nosuch://bucket/beta.json": "nosuch",
	} {
		at, err := address.Parse(url)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := OpenTokens(t.Context(), at, nil)
		if (err == nil) != (want == "") {
			t.Errorf("%s: %v", url, err)
		}
		if err == nil {
			tokens.store.Close()
		}
	}
}
